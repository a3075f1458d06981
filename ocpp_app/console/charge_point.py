"""A charge point: what it does now, how it is reached and treated. Its other tabs have modules of their own."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from ocpp_app import admission, conf, security
from ocpp_app.console import charts
from ocpp_app.console.charge_points import with_connectors
from ocpp_app.console.registration import SettingsForm
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, show, signed_in
from ocpp_app.console.words import explain
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import (
    UPGRADING,
    Anomaly,
    ChargePoint,
    Connector,
    MeterValue,
    QuirkNote,
    RegistrationStatus,
    Reservation,
    Scope,
    SecurityUpgrade,
)
from ocpp_app.reservations import cancel_reservation

CURVE = timedelta(hours=24)
CURVE_ROWS = 3000
"""So many meter values at most are drawn of one connector."""
COLOURS = ("accent", "busy", "warning", "good")
SILENCE = timedelta(minutes=20)
"""Without a meter value for so long, the line is broken."""


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    title: Any


TABS = [
    Tab("charge-point", gettext_lazy("Now")),
    Tab("commands", gettext_lazy("Commands")),
    Tab("configuration", gettext_lazy("Configuration")),
    Tab("schedules", gettext_lazy("Schedules")),
    Tab("files", gettext_lazy("Files")),
    Tab("messages", gettext_lazy("Messages")),
    Tab("connections", gettext_lazy("Connections")),
    Tab("charge-point-access", gettext_lazy("Access and settings")),
]


def tabbed(request: Any, charge_point: ChargePoint, tab: str, template: str, context: dict[str, Any]) -> HttpResponse:
    """A page under one of the tabs of a charge point."""
    frame = {"charge_point": charge_point, "tabs": TABS, "tab": tab, "section": "charge-points"}
    return show(request, template, {**frame, **context})


@signed_in
def charge_point(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Its connectors with their transactions, what is odd about it, what it is."""
    rows = with_connectors(ChargePoint.objects.select_related("session", "site", "organisation"))
    found = find(request, rows, pk=pk)
    anomalies = Anomaly.objects.filter(transaction__charge_point=found, resolved_at=None).order_by("-found_at")
    reservations = Reservation.objects.filter(charge_point=found).select_related("connector").order_by("-pk")
    context = {
        "connectors": found.connectors.all(),
        "whole": next((one for one in found.connectors.all() if one.number == 0), None),
        "may_send": may(request, Scope.OPERATE, found, "ocpp_app.add_command"),
        "may_operate": may(request, Scope.OPERATE, found),
        "transactions": found.transactions.select_related("connector").order_by("-started_at")[:5],
        "anomalies": anomalies.select_related("transaction")[:10],
        "quirk_notes": QuirkNote.objects.filter(charge_point=found).order_by("-last_at")[:20],
        "reservations": reservations[:5],
        "upgrade": SecurityUpgrade.objects.filter(charge_point=found, state__in=UPGRADING).first(),
    }
    return tabbed(request, found, "charge-point", "charge_point.html", context)


@signed_in
def curve(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The power of its connectors over the last day: a part of the page that comes after it."""
    found = find(request, ChargePoint.objects.all(), pk=pk)
    since = timezone.now() - CURVE
    rows = MeterValue.objects.filter(timestamp__gte=since, power_w__isnull=False).order_by("-timestamp")
    connectors = Connector.objects.filter(charge_point=found, number__gt=0).order_by("number")[: len(COLOURS)]
    drawn = []
    for connector, colour in zip(connectors, COLOURS, strict=False):
        found_here = rows.filter(connector=connector).values_list("timestamp", "power_w")[:CURVE_ROWS]
        if values := [(at, round(power_w / 1000, 3)) for at, power_w in found_here if power_w is not None]:
            label = charts.line(_("Connector %d") % connector.number, "kW", colour=colour, least=1)
            drawn.append((label, values))
    return show(request, "curve.html", {"drawing": charts.together(drawn, SILENCE), "is_empty": not drawn})


@require_POST
@signed_in
def cancel(request: ConsoleRequest, pk: int, reservation: int) -> HttpResponseBase:
    """Give up a reservation."""
    row = find(request, Reservation.objects.select_related("charge_point"), pk=reservation, charge_point=pk)
    require(request, Scope.OPERATE, row)
    try:
        cancel_reservation(row, queue=True, requested_by=request.user, source="console")
    except OCPPAppError as error:
        messages.error(request, explain(error, row.charge_point))
    else:
        messages.success(request, _("The charge point is asked to cancel reservation %d.") % row.pk)
    return redirect("console:charge-point", pk)


# -- access and settings -------------------------------------------------------------------------------------


@signed_in
def access(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Its address, its password, what it may do; and, for who administers, the form of its settings."""
    found = find(request, ChargePoint.objects.select_related("session", "organisation"), pk=pk)
    may_change = may(request, Scope.ADMIN, found)
    form = SettingsForm(request.POST if request.method == "POST" else None, instance=found, access=request.access)
    if request.method == "POST":
        require(request, Scope.ADMIN, found)
        if form.is_valid():
            _save(request, form, found)
            return redirect("console:charge-point-access", pk)
    return tabbed(
        request,
        found,
        "charge-point-access",
        "access.html",
        {**facts_of(request, found), "form": form, "may_change": may_change},
    )


def _save(request: Any, form: SettingsForm, found: ChargePoint) -> None:
    """Only what was changed: workers write live state into the same row."""
    columns = {field.name for field in found._meta.concrete_fields}
    form.save(commit=False)
    found.save(update_fields=[name for name in form.changed_data if name in columns])
    form.save_m2m()
    messages.success(request, _("Saved."))


def facts_of(request: Any, found: ChargePoint) -> dict[str, Any]:
    """How it connects."""
    return {
        "websocket_url": websocket_url(request, found),
        "required_profile": admission.required_profile(found),
        "may_operate": may(request, Scope.OPERATE, found),
        "needs_key": security.needs_key(found),
    }


def websocket_url(request: Any, found: ChargePoint) -> str:
    """What is typed into the charge point (OCPP-J 1.6 §3.1.1: the identity is percent-encoded)."""
    host = re.sub(r":\d+$", "", request.get_host())
    return f"{conf.websocket_url(host)}/{quote(found.identity, safe='')}"


@require_POST
@signed_in
def password(request: ConsoleRequest, pk: int) -> HttpResponse:
    """A new random password, shown this once."""
    found = find(request, ChargePoint.objects.all(), Scope.ADMIN, pk=pk)
    key = security.make_key(found, requested_by=request.user)
    context = {
        "charge_point": found,
        "key": key,
        "websocket_url": websocket_url(request, found),
        "section": "charge-points",
    }
    return show(request, "password.html", context)


@require_POST
@signed_in
def rotate(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """A new password that the charge point is sent and nobody sees."""
    found = find(request, ChargePoint.objects.all(), Scope.ADMIN, pk=pk)
    try:
        security.rotate_authorization_key(found, requested_by=request.user)
    except OCPPAppError as error:
        messages.error(request, explain(error, found))
    else:
        messages.success(
            request, _("%s is sent a new password. Until it has come back with it, both are valid.") % found
        )
    return redirect("console:charge-point-access", pk)


@require_POST
@signed_in
def approve(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Let it charge; one that needs a password and has none is given one first."""
    found = find(request, ChargePoint.objects.all(), Scope.OPERATE, pk=pk)
    try:
        without = request.POST.get("without_password") == "yes"
        if without:  # that is security profile 0, for good: a setting of the charge point
            require(request, Scope.ADMIN, found)
        upgrade = security.approve(found, without_password=without, requested_by=request.user)
    except OCPPAppError as error:
        advice = _("Or give it a password yourself, type it into the charge point, and approve it then.")
        messages.error(request, f"{explain(error, found)} {advice}")
    else:
        said = _("%s is approved; it hears so with its next BootNotification.")
        if upgrade is not None:
            said = _("%s is being given a password. It is approved as soon as it has come back with it.")
        messages.success(request, said % found)
    return _back(request, pk)


@require_POST
@signed_in
def reject(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Let it do nothing."""
    found = find(request, ChargePoint.objects.all(), Scope.OPERATE, pk=pk)
    security.set_registration(found, RegistrationStatus.REJECTED, requested_by=request.user)
    messages.success(request, _("%s is rejected: it may not charge. It can be approved later on its page.") % found)
    return _back(request, pk)


def _back(request: Any, pk: int) -> HttpResponseBase:
    is_inbox = request.POST.get("from") == "approval"
    return redirect("console:approval") if is_inbox else redirect("console:charge-point-access", pk)
