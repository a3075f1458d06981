"""Who looks at a page, what they may see and do, and in which time zone they live."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from ocpp_app.access import Access, access_of_user, organisation_id_of, visible
from ocpp_app.console import pages, state
from ocpp_app.models import ChargePoint, RegistrationStatus, Scope
from ocpp_app.trespass import note_if_foreign

ZONE_COOKIE = "console_zone"
"""Where console.js leaves the name of the browser's time zone."""
MANY = 99
"""More than so many of something is "99+"."""

Row = TypeVar("Row", bound=models.Model)
View = Callable[..., HttpResponseBase]


class ConsoleRequest(HttpRequest):
    """A request as ``signed_in`` hands it on."""

    user: Any
    access: Access

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, for a part of a page."""
        return is_fragment(self)


def is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def signed_in(view: View) -> View:
    """A view for whoever has signed in: ``request.access`` says what they may, times are in their zone."""

    @never_cache
    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_login(request)
        request.access = access_of_user(request.user)
        with timezone.override(zone_of(request)):
            try:
                return view(request, *args, **kwargs)
            except PermissionDenied as error:
                return show(request, "refused.html", {"reason": str(error)}, status=403)
            except Http404:
                return show(request, "missing.html", {}, status=404)

    return guarded


def _to_login(request: HttpRequest) -> HttpResponseBase:
    login = reverse("console:login")
    if is_fragment(request):
        return HttpResponse(headers={"HX-Redirect": resolve_url(login)})
    return redirect_to_login(request.get_full_path(), login)


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone that the browser has told, or that of the settings."""
    try:
        return ZoneInfo(request.COOKIES.get(ZONE_COOKIE, ""))
    except (ValueError, OSError, KeyError):  # no name, a directory, no such zone
        return ZoneInfo(timezone.get_default_timezone_name())


# -- rows ----------------------------------------------------------------------------------------------------


def find(request: Any, rows: QuerySet[Row], scope: Scope = Scope.READ, **key: Any) -> Row:
    """The row, if the visitor may see it (404) and do with it what asks for ``scope`` (403)."""
    row = visible(rows, request.access).filter(**key).order_by("pk").first()
    if row is None:
        note_if_foreign(request, rows.filter(**key))
        raise Http404
    if scope is not Scope.READ:
        require(request, scope, row)
    return row


def may(request: Any, scope: Scope, row: models.Model, permission: str = "") -> bool:
    """Whether the visitor may do, in the row's organisation, what asks for ``scope`` or for the Django permission
    (default: to change such a row)."""
    name = permission or f"ocpp_app.change_{row._meta.model_name}"
    return bool(request.access.may(scope, name, organisation_id_of(row)))


def require(request: Any, scope: Scope, row: models.Model, permission: str = "") -> None:
    """Refuse what the visitor may not do with the row, with words of its own."""
    if not may(request, scope, row, permission):
        raise PermissionDenied(_("This needs the role “%(role)s” in the organisation.") % {"role": ROLES[scope]})


ROLES = {Scope.READ: "viewer", Scope.OPERATE: "operator", Scope.ADMIN: "admin"}
"""Which role has a scope."""


# -- answers -------------------------------------------------------------------------------------------------


def show(request: Any, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The page; with what the frame around every page needs, unless htmx asks for a part of it."""
    frame = {"layout": "ocpp_console/bare.html"} if is_fragment(request) else _frame(request)
    zone = timezone.get_current_timezone_name()
    shown = {**frame, "access": request.access, "zone": zone, "now": timezone.now(), **context}
    return render(request, f"ocpp_console/{template}", shown, status=status)


def _frame(request: Any) -> dict[str, Any]:
    pending = ChargePoint.objects.filter(registration_status=RegistrationStatus.PENDING)
    return {
        "layout": "ocpp_console/frame.html",
        "system": state.look(),
        "waiting": few(visible(pending, request.access)),
        "more_pages": pages.of(request),
        "admin_url": pages.admin_url(),
    }


def few(rows: QuerySet) -> str:
    """How many rows there are, counted no further than ``MANY``; empty: none."""
    count = rows.order_by()[: MANY + 1].count()
    return "" if not count else str(count) if count <= MANY else f"{MANY}+"
