"""The configuration keys of a charge point as a table that can be edited."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ocpp_app.configuration import read_again, reapply, want
from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, signed_in
from ocpp_app.models import ChargePoint, ConfigurationKey, Scope, WantedState

MOST = 500
TONES = {
    WantedState.TO_SEND: "busy",
    WantedState.SENT: "busy",
    WantedState.IN_FORCE: "good",
    WantedState.REBOOT_REQUIRED: "warning",
}


@signed_in
def configuration(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What it has, what is wanted of it, and how far that has come."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    rows = ConfigurationKey.objects.filter(charge_point=charge_point).select_related("template").order_by("name")
    text = request.GET.get("q", "").strip()[:50].replace("\0", "")
    if text:
        rows = rows.filter(key__icontains=text)
    found: list[Any] = list(rows[:MOST])
    for row in found:
        row.tone = TONES.get(row.state, "bad")
    context = {
        "rows": found,
        "text": text,
        "may_change": may(request, Scope.OPERATE, charge_point, "ocpp_app.change_configurationkey"),
        "needs_restart": any(row.next_value is not None for row in found),
    }
    return tabbed(request, charge_point, "configuration", "configuration.html", context)


@require_POST
@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Want a value of a key; read everything again; send again what did not come to be."""
    charge_point = find(request, ChargePoint.objects.all(), pk=pk)
    require(request, Scope.OPERATE, charge_point, "ocpp_app.change_configurationkey")
    key = request.POST.get("key", "")
    match request.POST.get("do"):
        case "read":
            read_again([charge_point])
            messages.success(request, _("It is asked for its configuration, now or when it connects."))
        case "reapply":
            count = reapply([charge_point], requested_by=request.user)
            messages.success(request, _("%d wanted values are sent again, now or when it connects.") % count)
        case "forget":
            _want(request, charge_point, key, None)
        case _:
            _want(request, charge_point, key, request.POST.get("value", ""))
    return redirect("console:configuration", pk)


def _want(request: Any, charge_point: ChargePoint, key: str, value: str | None) -> None:
    try:
        want(charge_point, {key: value}, requested_by=request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        said = _("%s is as the templates say again.") if value is None else _("%s is sent, now or when it connects.")
        messages.success(request, said % key)
