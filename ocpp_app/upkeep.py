"""What is done without a frame that asks for it: what time does to reservations, transactions and tasks, and what
charge points are to have; housekeeping calls it, one worker at a time."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Sum
from django.utils import timezone

from ocpp_app import (
    authorization_caches,
    charging_profile_rules,
    conf,
    local_list_rules,
    reservation_rules,
    signals,
    task_rules,
)
from ocpp_app.batch import Batch
from ocpp_app.dispatch import commit, commit_each_if_need_be
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    ChargePoint,
    DiagnosticsTask,
    FirmwareTask,
    PowerSample,
    Transaction,
)
from ocpp_app.set_aside import aside
from ocppj.v16 import ChargePointStatus

AT_ONCE = 200
STOP_OVERDUE = timedelta(hours=1)
"""A connector that has been Available for so long, its charge point connected, belongs to no transaction any more."""


def expire_reservations() -> None:
    """End the reservations whose time is over, and those that were never sent."""
    _once_each("expire_reservations", partial(reservation_rules.overdue, timezone.now()), reservation_rules.expire)


def end_tasks() -> None:
    """End the firmware updates and uploads of which nothing more will come, and those that came to their end unsaid."""
    now = timezone.now()
    models: tuple[Any, ...] = (FirmwareTask, DiagnosticsTask)
    for model in models:
        _once_each(f"end_tasks {model.__name__}", partial(task_rules.overdue, now, model), task_rules.end_overdue)


def note_never_stopped() -> None:
    """Flag the transactions that are open while their connector is free: their stop was lost, people close them."""
    _once_each("note_never_stopped", partial(_never_stopped, timezone.now()), _flag)


def _once_each(task: str, overdue: Callable[..., list[Any]], end: Callable[[Batch, list[Any]], None]) -> None:
    """Let ``end`` have all that ``overdue`` finds, some at a time, each once: one that cannot be ended keeps no other
    from its turn, and is left alone for a while."""
    last = 0
    while rows := overdue(after=last, but=aside.of(task)):
        _results, failed = commit_each_if_need_be(end, rows)
        aside.add(task, [row.pk for row in failed])
        last = rows[-1].pk


def note_power() -> None:
    """Note what each organisation's charge points draw now, and forget what is too old to be looked at."""
    now = timezone.now()
    charging = Transaction.objects.filter(is_active=True, charge_point__session__isnull=False).order_by()
    sums = charging.values_list("organisation").annotate(Sum("last_power_w"), Count("pk"))
    found = {organisation: (power_w or 0.0, count) for organisation, power_w, count in sums}
    PowerSample.objects.bulk_create(
        PowerSample(organisation_id=organisation, at=now, power_w=power_w, charging=count)
        for organisation in ChargePoint.objects.order_by().values_list("organisation", flat=True).distinct()
        for power_w, count in (found.get(organisation, (0.0, 0)),)
    )
    PowerSample.objects.filter(at__lt=now - PowerSample.KEPT).delete()


def _never_stopped(now: datetime, *, after: int, but: Iterable[Any]) -> list[Transaction]:
    flagged = Anomaly.objects.filter(transaction=OuterRef("pk"), kind=AnomalyKind.NEVER_STOPPED)
    found = Transaction.objects.filter(
        ~Exists(flagged),
        pk__gt=after,
        is_active=True,
        charge_point__session__isnull=False,
        connector__status=ChargePointStatus.Available,
        connector__status_at__lte=now - STOP_OVERDUE,
        connector__status_at__gt=F("start_received_at"),
    )
    found = found.exclude(pk__in=list(but))
    return list(found.select_related("charge_point", "connector").order_by("pk")[:AT_ONCE])


def _flag(batch: Batch, rows: list[Transaction]) -> None:
    batch.lock_charge_points({row.charge_point.identity for row in rows})
    for row in Transaction.objects.filter(pk__in=[row.pk for row in rows], is_active=True).select_related("connector"):
        detail = (
            f"connector {row.connector.number} has been Available since {row.connector.status_at:%Y-%m-%d %H:%M} UTC"
        )
        anomaly = Anomaly(transaction=row, kind=AnomalyKind.NEVER_STOPPED, detail=detail, found_at=batch.now)
        batch.add_with_key(anomaly)
        batch.change(row, has_anomaly=True)
        batch.send(signals.anomaly_found, Anomaly, charge_point=row.charge_point, transaction=row, anomaly=anomaly)


def note_stricter_tags() -> bool:
    """See which authorization caches may hold more than the idTags allow; returns whether to go on at once. To be done
    ahead of ``keep_lists``: the lists of charge points say which caches need it."""
    return conf.clear_cache() and authorization_caches.note_stricter_tags(timezone.now())


def clear_caches() -> None:
    """Let authorization caches follow the idTags, at every charge point that can be asked; the others when they
    connect. So many at once; the rest the next time."""
    if conf.clear_cache() and (caches := authorization_caches.to_be_cleared(timezone.now(), AT_ONCE)):
        _commit(partial(authorization_caches.clear, rows=caches))


def keep_lists() -> None:
    """Let local authorization lists follow the idTags; so many at once."""
    rows, goals = local_list_rules.differing(timezone.now())
    if rows:
        commit_each_if_need_be(partial(local_list_rules.ask, goals=goals), rows[:AT_ONCE])


def keep_charging_profiles() -> None:
    """Let the charge points have the charging profiles that they are assigned, and no others of ours."""
    now = timezone.now()
    charging_profile_rules.link_remote_starts(now)
    left_alone = set(aside.of("keep_charging_profiles"))
    charge_points = [row for row in charging_profile_rules.differing(now) if row.pk not in left_alone]
    for start in range(0, len(charge_points), AT_ONCE):
        some = charge_points[start : start + AT_ONCE]
        _results, failed = commit_each_if_need_be(charging_profile_rules.put, some)
        aside.add("keep_charging_profiles", [row.pk for row in failed])


def _commit(work: Callable[[Batch], None]) -> None:
    _nothing, after = commit(work)
    after.run()
