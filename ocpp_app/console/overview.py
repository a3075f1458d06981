"""The first page: what happens now, and what wants a hand."""

from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from ocpp_app.access import Access, visible
from ocpp_app.console import charts
from ocpp_app.console.visitor import ConsoleRequest, few, show, signed_in
from ocpp_app.models import (
    Anomaly,
    ChargePoint,
    Connector,
    FailedMessage,
    PowerSample,
    RegistrationStatus,
    Transaction,
)
from ocppj.v16 import ChargePointErrorCode, ChargePointStatus

SHOWN = 12
"""How many rows a list on this page has."""
CACHE_S = 60
"""How old the sums of the month may be: they read every transaction of it."""
SAMPLES = timedelta(hours=24)


@signed_in
def overview(request: ConsoleRequest) -> HttpResponse:
    """What happens now."""
    access = request.access
    if not access.everywhere and not access.scopes:
        return show(request, "nowhere.html", {})
    found = visible(ChargePoint.objects.all(), access).aggregate(all=Count("pk"), connected=Count("session"))
    charging = _charging(access)
    return show(
        request,
        "overview.html",
        {
            "charge_points": found,
            "now_charging": charging.aggregate(
                count=Count("pk"), telling=Count("last_power_w"), watts=Sum("last_power_w")
            ),
            "charging": charging.select_related("charge_point", "connector").order_by("pk")[:SHOWN],
            "wanted": _wanted(access),
            "shown": SHOWN,
        },
    )


@signed_in
def energy(request: ConsoleRequest) -> HttpResponse:
    """The sums of today and this month: a part of the overview that comes after it."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    organisations = request.access.organisations()
    key = f"ocpp-console-energy:{organisations}:{today.isoformat()}"
    sums = cache.get(key)
    if sums is None:
        sums = _energy(request.access, today)
        cache.set(key, sums, CACHE_S)
    return show(request, "energy.html", {"sums": sums})


@signed_in
def power(request: ConsoleRequest) -> HttpResponse:
    """The power of the last 24 hours, as housekeeping has noted it minute by minute."""
    since = timezone.now() - SAMPLES
    samples = visible(PowerSample.objects.filter(at__gt=since), request.access).order_by("at")
    rows = [(at, round(watts / 1000, 3)) for at, watts in samples.values_list("at").annotate(Sum("power_w"))]
    drawing = charts.together([(charts.line(_("Power"), "kW", fill=True, least=1), rows)], PowerSample.GAP)
    return show(request, "power.html", {"drawing": drawing, "is_empty": not rows})


def _charging(access: Access) -> QuerySet[Transaction]:
    """The open transactions of connected charge points: of the others nobody knows what they do."""
    return visible(Transaction.objects.filter(is_active=True, charge_point__session__isnull=False), access)


def _wanted(access: Access) -> dict[str, Any]:
    """What wants a hand: some of each, and how many there are, counted no further than a hundred."""
    faulty = visible(
        Connector.objects.filter(
            Q(status=ChargePointStatus.Faulted) | ~Q(error_code__in=("", ChargePointErrorCode.NoError))
        ),
        access,
    )
    anomalies = visible(Anomaly.objects.filter(resolved_at=None), access)
    failed = visible(FailedMessage.objects.filter(replayed_at=None), access)
    pending = visible(ChargePoint.objects.filter(registration_status=RegistrationStatus.PENDING), access)
    return {
        "faults": list(faulty.select_related("charge_point").order_by("-status_at")[:SHOWN]),
        "anomalies": list(anomalies.select_related("transaction__charge_point").order_by("-found_at")[:SHOWN]),
        "anomaly_count": few(anomalies),
        "failed_count": few(failed),
        "pending_count": few(pending),
    }


def _energy(access: Access, today: datetime) -> dict[str, Any]:
    month = today.replace(day=1)
    ended = visible(Transaction.objects.filter(stopped_at__gte=month), access).order_by()
    sums = ended.aggregate(month=Sum("energy_wh"), today=Sum("energy_wh", filter=Q(stopped_at__gte=today)))
    so_far = _charging(access).aggregate(wh=Sum("energy_wh"))["wh"] or 0
    return {name: (value or 0) + so_far for name, value in sums.items()}
