"""Signing in and out."""

from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from ocpp_app.console import state as system
from ocpp_app.console.visitor import ConsoleRequest, show, signed_in


class Login(views.LoginView):
    """The door; whoever is signed in already is led on."""

    template_name = "ocpp_console/login.html"
    redirect_authenticated_user = True
    next_page = reverse_lazy("console:overview")  # type: ignore[assignment]


class Logout(views.LogoutView):
    next_page = reverse_lazy("console:login")  # type: ignore[assignment]


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """The language of this browser from now on, in spite of what it asks for."""
    return set_language(request)


@signed_in
def state(request: ConsoleRequest) -> HttpResponse:
    """The banner that says when a part of the system is dead."""
    return show(request, "state.html", {"system": system.look()})
