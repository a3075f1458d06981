"""The list of charge points, and new ones."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.access import visible
from ocpp_app.console.forms import manageable
from ocpp_app.console.lists import page_of
from ocpp_app.console.registration import NewChargePointForm
from ocpp_app.console.visitor import ConsoleRequest, show, signed_in
from ocpp_app.models import ChargePoint, Connector, RegistrationStatus, Scope, Site, Transaction
from ocppj.v16 import ChargePointStatus

CHARGING = Transaction.objects.filter(is_active=True).values("charge_point")
FAULTED = Connector.objects.filter(status=ChargePointStatus.Faulted).values("charge_point")
STATES: dict[str, tuple[Any, Q]] = {
    "": (gettext_lazy("All"), Q()),
    "online": (gettext_lazy("Online"), Q(session__isnull=False)),
    "offline": (gettext_lazy("Offline"), Q(session__isnull=True)),
    "charging": (gettext_lazy("Charging"), Q(pk__in=CHARGING)),
    "faulted": (gettext_lazy("Faulted"), Q(pk__in=FAULTED)),
    "pending": (gettext_lazy("Waiting for approval"), Q(registration_status=RegistrationStatus.PENDING)),
}
SEARCHED = ("identity", "name", "serial_number", "charge_box_serial_number", "vendor", "model", "site__name")


@signed_in
def charge_points(request: ConsoleRequest) -> HttpResponse:
    """Search, filter, and what each does right now."""
    rows, state = _found(request), request.GET.get("state", "")
    counts = rows.aggregate(
        **{name or "all": Count("pk", filter=condition) for name, (_title, condition) in STATES.items()}
    )
    return show(
        request,
        "charge_points.html",
        {
            "page": page_of(with_connectors(chosen(request).select_related("site")).order_by("identity"), request),
            "states": [(name, title, counts[name or "all"]) for name, (title, _condition) in STATES.items()],
            "state": state,
            "text": _text(request),
            "site": request.GET.get("site", ""),
            "sites": visible(Site.objects.order_by("name"), request.access)[:200],
            "may_send": request.access.may_somewhere(Scope.OPERATE, "ocpp_app.add_command"),
            "may_add": manageable(request.access, "ocpp_app.add_chargepoint").exists(),
        },
    )


def chosen(request: Any) -> QuerySet[ChargePoint]:
    """Those that the filter in the address names."""
    return _found(request).filter(STATES.get(request.GET.get("state", ""), STATES[""])[1])


def _text(request: Any) -> str:
    return str(request.GET.get("q", "")).strip()[:200].replace("\0", "")


def _found(request: Any) -> QuerySet[ChargePoint]:
    """In whatever state they are."""
    rows = _searched(visible(ChargePoint.objects.all(), request.access), _text(request))
    site = request.GET.get("site", "")
    return rows.filter(site=int(site)) if site.isdecimal() and len(site) < 19 else rows


def _searched(rows: QuerySet[ChargePoint], text: str) -> QuerySet[ChargePoint]:
    for word in text.split():
        found = Q()
        for column in SEARCHED:
            found |= Q(**{f"{column}__icontains": word})
        rows = rows.filter(found)
    return rows


def with_connectors(rows: QuerySet[ChargePoint]) -> QuerySet[ChargePoint]:
    """With their connectors, and these with their open transactions (``charging``)."""
    open_ones = Prefetch("transactions", Transaction.objects.filter(is_active=True).order_by("-pk"), "charging")
    return rows.prefetch_related(
        Prefetch("connectors", Connector.objects.order_by("number").prefetch_related(open_ones))
    )


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    """Register a charge point before it connects."""
    if not request.access.may_somewhere(Scope.ADMIN, "ocpp_app.add_chargepoint"):
        raise PermissionDenied(_("To register charge points one needs the role “admin” in an organisation."))
    form = NewChargePointForm(request.POST or None, access=request.access)
    if request.method == "POST" and form.is_valid():
        row = form.save()
        return redirect("console:charge-point-access", row.pk)
    return show(
        request,
        "form.html",
        {
            "form": form,
            "heading": _("Register a charge point"),
            "submit": _("Register"),
            "section": "charge-points",
            "back": "console:charge-points",
        },
    )
