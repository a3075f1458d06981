"""Every command that a charge point can be sent, as a form; and what it was sent."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ocpp_app.api.schema import sendable
from ocpp_app.command_access import OPERATE, Right, right_of_action, right_to_send
from ocpp_app.commands import issue_command
from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.command import nonce_of
from ocpp_app.console.lists import page_of
from ocpp_app.console.typed_form import TypedForm
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, signed_in
from ocpp_app.console.words import explain
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import (
    OPEN_RESERVATION_STATES,
    ChargePoint,
    Command,
    Connector,
    IdTag,
    Reservation,
    Scope,
    Transaction,
)
from ocppj.documentation import text_of
from ocppj.errors import PayloadError

OFFERED = 100
KEPT = (
    ("", _("Send it now, or not at all")),
    ("3600", _("Keep it for an hour, until the charge point is connected")),
    ("86400", _("Keep it for a day, until the charge point is connected")),
    ("604800", _("Keep it for a week, until the charge point is connected")),
)


@signed_in
def commands(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What can be sent, and what was sent."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    history = (
        Command.objects.filter(charge_point=charge_point).select_related("requested_by").order_by("-created_at", "pk")
    )
    context = {
        "profiles": profiles(lambda right: may(request, right.scope, charge_point, right.permission)),
        "page": page_of(history, request, 20),
        "may_send": _may_send(request, charge_point),
    }
    return tabbed(request, charge_point, "commands", "commands.html", context)


def profiles(is_allowed: Callable[[Right], bool]) -> dict[str, list[dict[str, Any]]]:
    """What can be sent by whom this allows, by feature profile."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for spec in sendable():
        if not is_allowed(right_of_action(str(spec.action))):
            continue
        found[str(spec.profile)].append({"action": str(spec.action), "section": spec.section})
    return dict(found)


@signed_in
def send(request: ConsoleRequest, pk: int, action: str) -> HttpResponseBase:
    """The form of one command; sent, its progress."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    require(request, *_to(charge_point, right_of_action(action)))
    spec = next((spec for spec in sendable() if spec.action == action), None)
    if spec is None:
        raise Http404
    given = (request.POST if request.method == "POST" else request.GET).dict()
    form = TypedForm(spec.request, {str(name): str(value) for name, value in given.items()}, offers_of(charge_point))
    if request.method == "POST":
        sent = _send(request, charge_point, form)
        if sent is not None:
            return redirect("console:command", sent.pk)
    context = {
        "form": form,
        "spec": spec,
        "text": text_of(spec.request),
        "kept": KEPT,
        "keep": given.get("keep", "" if charge_point.is_connected else "86400"),
        "nonce": given.get("nonce") or uuid.uuid4(),
    }
    return tabbed(request, charge_point, "commands", "command_form.html", context)


def _send(request: Any, charge_point: ChargePoint, form: TypedForm) -> Command | None:
    message = form.message()
    if message is None:
        return None
    require(request, *_to(charge_point, right_to_send(message)))
    keep = request.POST.get("keep", "")
    expires_at = timezone.now() + timedelta(seconds=int(keep)) if keep in dict(KEPT) and keep else None
    try:
        return issue_command(
            charge_point,
            message,
            expires_at=expires_at,
            idempotency_key=nonce_of(request),
            requested_by=request.user,
            source="console",
        )
    except PayloadError as error:
        form.refuse(error.field, error.description)
    except OCPPAppError as error:
        form.error = explain(error, charge_point)
    return None


def _to(charge_point: ChargePoint, right: Right) -> tuple[Scope, ChargePoint, str]:
    return right.scope, charge_point, right.permission


def _may_send(request: Any, charge_point: ChargePoint) -> bool:
    return may(request, *_to(charge_point, OPERATE))


def offers_of(charge_point: ChargePoint) -> dict[str, list[Any]]:
    """What is at hand for fields of these names."""
    numbers = list(
        Connector.objects.filter(charge_point=charge_point)
        .order_by("number")
        .values_list("number", flat=True)[:OFFERED]
    )
    active = Transaction.objects.filter(charge_point=charge_point, is_active=True).order_by("-pk")
    tags = IdTag.objects.filter(organisation=charge_point.organisation_id).order_by("id_tag")
    reservations = Reservation.objects.filter(charge_point=charge_point, status__in=OPEN_RESERVATION_STATES)
    return {
        "connectorId": numbers,
        "transactionId": list(active.values_list("pk", flat=True)[:OFFERED]),
        "idTag": list(tags.values_list("id_tag", flat=True)[:OFFERED]),
        "reservationId": list(reservations.values_list("pk", flat=True)[:OFFERED]),
    }
