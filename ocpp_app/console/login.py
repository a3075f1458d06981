"""Signing in and out."""

from django.contrib.auth import views
from django.http import HttpResponse
from django.urls import reverse_lazy

from ocpp_app.console import state as system
from ocpp_app.console.visitor import ConsoleRequest, show, signed_in


class Login(views.LoginView):
    """The door; whoever is signed in already is led on."""

    template_name = "ocpp_console/login.html"
    redirect_authenticated_user = True
    next_page = reverse_lazy("console:overview")  # type: ignore[assignment]


class Logout(views.LogoutView):
    next_page = reverse_lazy("console:login")  # type: ignore[assignment]


@signed_in
def state(request: ConsoleRequest) -> HttpResponse:
    """The banner that says when a part of the system is dead."""
    return show(request, "state.html", {"system": system.look()})
