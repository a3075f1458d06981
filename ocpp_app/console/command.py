"""One command: how far it has come, and what the charge point said."""

import uuid
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from ocpp_app import secrecy
from ocpp_app.commands import cancel_command
from ocpp_app.console import charts
from ocpp_app.console.visitor import ConsoleRequest, find, may, require, show, signed_in
from ocpp_app.models import Command, CommandState, Scope


@signed_in
def command(request: ConsoleRequest, pk: Any) -> HttpResponse:
    """Its progress, which shows itself anew until it has ended, and its answer."""
    return progress_of(request, find(request, _rows(), pk=pk))


@require_POST
@signed_in
def cancel(request: ConsoleRequest, pk: Any) -> HttpResponseBase:
    """Take it back while it has not been written to the charge point's socket."""
    row = find(request, _rows(), pk=pk)
    require(request, Scope.OPERATE, row)
    cancel_command(row, reason=f"cancelled by {request.user.get_username()}")
    return redirect("console:command", pk)


def nonce_of(request: Any) -> str:
    """A form that is sent twice, by a double click, is one command: its idempotency key."""
    try:
        return f"console:{uuid.UUID(request.POST.get('nonce', ''))}"
    except ValueError:
        return ""


def progress_of(request: Any, row: Command, title: str = "") -> HttpResponse:
    """The page, or the part of it, that shows how far a command has come."""
    row = _rows().get(pk=row.pk)
    payload = secrecy.without_secrets(row.action, row.payload)
    may_cancel = row.state in (CommandState.QUEUED, CommandState.DISPATCHED) and may(request, Scope.OPERATE, row)
    context = {
        "command": row,
        "heading": title or row.action,
        "payload": payload,
        "steps": steps_of(row),
        "may_cancel": may_cancel and row.cancel_requested_at is None,
        "schedule": schedule_of(row.response),
        "section": "charge-points",
    }
    return show(request, "command.html", context)


def _rows() -> Any:
    return Command.objects.select_related("charge_point", "requested_by", "transaction")


def steps_of(row: Command) -> list[dict[str, Any]]:
    """Asked for, handed to the gateway, written to the socket, answered: each with its time, as far as it is known."""
    is_over = row.is_finished
    steps: list[dict[str, Any]] = [
        {"title": _("Queued"), "at": row.created_at, "tone": "done"},
        {"title": _("Sent"), "at": row.sent_at, "tone": "done" if row.sent_at else "failed" if is_over else ""},
        {"title": _("Answered"), "at": row.finished_at, "tone": "done"},
    ]
    if row.state not in (CommandState.ANSWERED,):
        steps[2] = {
            "title": ENDS.get(row.state, _("Answered")),
            "at": row.finished_at,
            "tone": "failed" if is_over else "",
        }
    elif not row.sent_at:  # the report got lost, the answer did not
        steps[1]["tone"] = "done"
    if not is_over:
        steps[2 if row.sent_at else 1]["tone"] = "now"
    return steps


ENDS: dict[str, Any] = {
    CommandState.ERROR: gettext_lazy("Answered with an error"),
    CommandState.TIMED_OUT: gettext_lazy("No answer in time"),
    CommandState.LOST: gettext_lazy("Connection lost"),
    CommandState.EXPIRED: gettext_lazy("Expired"),
    CommandState.CANCELLED: gettext_lazy("Cancelled"),
}


def schedule_of(response: Any) -> dict[str, Any] | None:
    """The step chart of a GetCompositeSchedule's answer."""
    schedule = response.get("chargingSchedule") if isinstance(response, dict) else None
    return drawing_of(schedule) if isinstance(schedule, dict) else None


def drawing_of(schedule: dict[str, Any]) -> dict[str, Any] | None:
    """A ChargingSchedule (OCPP 1.6 §7.13) as steps over the seconds since its start."""
    periods = [one for one in schedule.get("chargingSchedulePeriod", []) if isinstance(one, dict)]
    if not periods:
        return None
    unit = str(schedule.get("chargingRateUnit", "A"))
    starts = [int(one.get("startPeriod", 0)) for one in periods]
    limits: list[float | None] = [float(one.get("limit", 0)) for one in periods]
    end = schedule.get("duration") or starts[-1] + max(3600, starts[-1] // 4)
    series = charts.line(_("Limit"), unit, steps=True, fill=True, least=1)
    return {
        "time": False,
        "x": _("after its start"),
        "data": [[*starts, end], [*limits, limits[-1]]],
        "series": [series],
    }
