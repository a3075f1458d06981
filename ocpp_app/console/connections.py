"""When a charge point was connected: a bar, and its sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone

from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, signed_in
from ocpp_app.models import ChargePoint, Session

DAYS = (1, 7, 30)
MOST_SESSIONS = 1000
WIDTH = 1000.0
"""Of the drawing, in its own units."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A time span as parts that were connected: where each begins and how wide it is, in parts of ``WIDTH``."""

    parts: list[tuple[float, float]]
    unknown: float
    share: float


@signed_in
def connections(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The bar of the last days, and the sessions."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    chosen = request.GET.get("days", "")
    days = int(chosen) if chosen in map(str, DAYS) else 7
    now = timezone.now()
    since = now - timedelta(days=days)
    sessions = Session.objects.filter(charge_point=charge_point).order_by("-connected_at", "pk")
    recent = sessions.filter(Q(ended_at=None) | Q(ended_at__gt=since)).values_list("connected_at", "ended_at")
    bar = bar_of(list(recent[:MOST_SESSIONS]), max(since, charge_point.created_at), since, now)
    context: dict[str, Any] = {
        "bar": bar,
        "days": days,
        "spans": DAYS,
        "since": since,
        "page": page_of(sessions.select_related("gateway"), request, 30),
    }
    return tabbed(request, charge_point, "connections", "connections.html", context)


def bar_of(sessions: list[tuple[datetime, datetime | None]], known: datetime, since: datetime, now: datetime) -> Bar:
    """``known``: since when there was a charge point at all."""
    whole = (now - since).total_seconds()
    parts: list[tuple[float, float]] = []
    connected = 0.0
    end_of_last = since
    for began, ended in sorted(sessions, key=lambda session: session[0]):
        start, end = max(began, end_of_last), min(ended or now, now)
        if end <= start:
            continue
        end_of_last = end
        seconds = (end - start).total_seconds()
        connected += seconds
        parts.append(((start - since).total_seconds() / whole * WIDTH, max(seconds / whole * WIDTH, 0.5)))
    lived = max((now - known).total_seconds(), 1.0)
    return Bar(parts, max(0.0, (known - since).total_seconds() / whole * WIDTH), min(100.0, 100 * connected / lived))
