"""What limits a charge point, drawn as steps, and whom it lets charge without asking: its local list."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ocpp_app import local_lists
from ocpp_app.console import charts
from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.command import drawing_of
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, signed_in
from ocpp_app.models import ChargePoint, CompositeSchedule, LocalList, LocalListEntry, ProfileInstallation, Scope

PROFILES, SCHEDULES, ENTRIES = 20, 6, 100


@signed_in
def schedules(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Its charging profiles, its composite schedules, its local authorization list."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    installed = ProfileInstallation.objects.filter(charge_point=charge_point).select_related("charging_profile")
    composite = CompositeSchedule.objects.filter(charge_point=charge_point).order_by("-received_at", "-pk")
    local_list = LocalList.objects.filter(charge_point=charge_point).first()
    entries: Any = LocalListEntry.objects.filter(local_list=local_list).order_by("key") if local_list else []
    context = {
        "profiles": [(row, _profile(row)) for row in installed.order_by("connector_number", "-stack_level")[:PROFILES]],
        "composites": [(row, _composite(row)) for row in composite[:SCHEDULES]],
        "local_list": local_list,
        "entries": entries[:ENTRIES],
        "may_send": may(request, Scope.OPERATE, charge_point, "ocpp_app.add_command"),
    }
    return tabbed(request, charge_point, "schedules", "schedules.html", context)


@require_POST
@signed_in
def send_again(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """The local list anew, as a whole."""
    charge_point = find(request, ChargePoint.objects.all(), pk=pk)
    require(request, Scope.OPERATE, charge_point, "ocpp_app.add_command")
    row = find(request, LocalList.objects.all(), charge_point=charge_point)
    local_lists.send_again(row)
    messages.success(request, _("The local list is sent again, now or when it connects."))
    return redirect("console:schedules", pk)


def _profile(row: ProfileInstallation) -> dict[str, Any] | None:
    schedule = (row.payload or {}).get("chargingSchedule")
    return drawing_of(schedule) if isinstance(schedule, dict) else None


def _composite(row: CompositeSchedule) -> dict[str, Any] | None:
    steps = row.steps()
    if not steps or row.starts_at is None:
        return None
    end = (row.ends_at - row.starts_at).total_seconds() if row.ends_at else steps[-1][0] + 3600
    times, limits = [at for at, _limit in steps], [limit for _at, limit in steps]
    series = charts.line(_("Limit"), row.charging_rate_unit or "A", steps=True, fill=True, least=1)
    data = [[*times, end], [*limits, limits[-1]]]
    return {"time": False, "x": _("after its start"), "data": data, "series": [series]}
