"""The page, and what its scripts fetch."""

from collections.abc import Callable
from functools import wraps

from django.conf import global_settings, settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

from simulator.web import conf, protocol

View = Callable[[HttpRequest], HttpResponseBase]

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        # A charge point connects to any gateway, fetches firmware from anywhere, and takes its diagnostics there.
        "connect-src 'self' ws: wss: http: https:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def guarded(view: View) -> View:
    """The view for those whom OCPP_SIMULATOR lets see it: 404 while it is off, the login for those it does not know."""

    @wraps(view)
    def examine(request: HttpRequest) -> HttpResponseBase:
        access = conf.access()
        if access == "off":
            raise Http404(_("The simulator is switched off; see OCPP_SIMULATOR."))
        if access == "open" or (request.user.is_active and request.user.is_staff):
            return view(request)
        if request.user.is_authenticated:
            raise PermissionDenied(_("The simulator is for staff; see OCPP_SIMULATOR."))
        return redirect_to_login(request.get_full_path(), _login_url())

    return examine


@guarded
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The simulator. All else happens in the browser."""
    response = render(request, "simulator/page.html", {"endpoint": conf.endpoint(request)})
    response.headers["Content-Security-Policy"] = POLICY
    return response


@guarded
@require_safe
@cache_control(private=True, max_age=3600)
def requests(request: HttpRequest) -> HttpResponse:
    """The shapes of all requests, for the scripts."""
    return JsonResponse(protocol.requests())


@guarded
@require_safe
def words(request: HttpRequest) -> HttpResponseBase:
    """The scripts' words in the viewer's language (``gettext``)."""
    return JavaScriptCatalog.as_view(packages=["simulator.web"])(request)


def _login_url() -> str | None:
    """The project's LOGIN_URL; where it has set none the admin's, if it has one."""
    if settings.LOGIN_URL != global_settings.LOGIN_URL:
        return None
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return None
