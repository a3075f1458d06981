"""What is old goes, table by table: so a site that runs for years does not fill its disk.

The work is cut into steps, each a few hundred rows in a database transaction of its own: whoever stops, or is killed,
between two of them leaves nothing half done, and the next run goes on. Transactions, their anomalies and the audit log
are never pruned; meter values become means (``roll_up.py``); what is still needed stays whatever its age: open
sessions, commands that are alive, failed messages that wait to be replayed, everything that a foreign key protects.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, models, transaction
from django.db.models import Min, Q
from django.utils import timezone

from ocpp_app import conf, leases, roll_up
from ocpp_app.errors import PruningElsewhere
from ocpp_app.models import (
    ALIVE_STATES,
    ChargePointSecurityEvent,
    Command,
    CommandBatch,
    CommandState,
    DiagnosticsTask,
    FailedMessage,
    Gateway,
    Message,
    MeterValue,
    Pruning,
    SecurityEvent,
    Session,
    StatusHistory,
    TaskStatus,
    private_files,
)

logger = logging.getLogger(__name__)

LEASE = "prune"
LEASE_FOR = timedelta(minutes=1)
AT_ONCE = 500
EVERY = timedelta(days=1)
REST = 3
"""In the background it rests three times as long as it works: frames come first."""
LEAST_PAUSE_S = 0.02
FINISHED_STATES = [state for state in CommandState if state not in ALIVE_STATES]

Ages = Mapping[str, timedelta | None]


@dataclass(frozen=True)
class Part:
    """Rows of one model that go together with others under one name.

    ``old`` gives those that may go, whatever else there is; ``time`` is the column that tells their age. ``in_order``:
    they were written in the order of their keys, so there is nothing to look for behind the first that is young.
    """

    model: type[models.Model]
    time: str
    old: Callable[[datetime], Any]
    in_order: bool = True
    remove: Callable[[Any], int] | None = None


def _old(model: type[models.Model], name: str, **also: Any) -> Callable[[datetime], Any]:
    return lambda before: model._default_manager.filter(**{f"{name}__lt": before}, **also)


def _old_sessions(before: datetime) -> Any:
    return Session.objects.filter(connected_at__lt=before, ended_at__lt=before)


def _old_gateways(before: datetime) -> Any:
    return Gateway.objects.filter(gone_at__lt=before, sessions=None)


def _old_batches(before: datetime) -> Any:
    return CommandBatch.objects.filter(created_at__lt=before, commands=None)


def _old_uploads(before: datetime) -> Any:
    return DiagnosticsTask.objects.filter(uploaded_at__lt=before).exclude(file="")


def _remove_files(rows: Any) -> int:
    """The files of these tasks, as many as can be removed; that there was one, and how large, stays known."""
    count = 0
    for row in rows:
        try:
            private_files.delete(row.file.name)
        except OSError as error:
            logger.warning("The upload %s cannot be removed: %s", row.file.name, error)
            continue
        count += DiagnosticsTask.objects.filter(pk=row.pk).update(file="")
    return count


PARTS: dict[str, tuple[Part, ...]] = {
    "messages": (Part(Message, "at", _old(Message, "at")),),
    "sessions": (
        Part(Session, "connected_at", _old_sessions, in_order=False),
        Part(Gateway, "gone_at", _old_gateways, in_order=False),
    ),
    "commands": (
        Part(Command, "created_at", _old(Command, "created_at", state__in=FINISHED_STATES), in_order=False),
        Part(CommandBatch, "created_at", _old_batches, in_order=False),
    ),
    "statuses": (
        Part(StatusHistory, "received_at", _old(StatusHistory, "received_at")),
        Part(
            TaskStatus,
            "received_at",
            _old(TaskStatus, "received_at", firmware_task=None, diagnostics_task=None),
        ),
    ),
    "security_events": (
        Part(SecurityEvent, "last_at", _old(SecurityEvent, "last_at")),
        Part(ChargePointSecurityEvent, "received_at", _old(ChargePointSecurityEvent, "received_at")),
    ),
    "failed_messages": (
        Part(FailedMessage, "received_at", _old(FailedMessage, "received_at", replayed_at__isnull=False)),
    ),
    "uploads": (Part(DiagnosticsTask, "uploaded_at", _old_uploads, in_order=False, remove=_remove_files),),
}
"""Meter values are not among them: they do not go, they become means."""
TABLES = tuple(conf.RETENTION_DAYS)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would do to one table."""

    table: str
    rows: int
    oldest: datetime | None
    age: timedelta | None
    would_go: int


def outlook(ages: Ages, now: datetime) -> list[Outlook]:
    """How much there is of each table, and how much of it would go."""
    return [_outlook(table, ages.get(table), now) for table in TABLES]


def steps(ages: Ages, now: datetime) -> Iterator[tuple[str, int]]:
    """Prune these tables step by step: the table, and how many rows the step has removed."""
    for table, age in ages.items():
        if age is None:
            continue
        removed = 0
        for count in _steps_of(table, now - age):
            removed += count
            yield table, count
        done = {"finished_at": timezone.now(), "removed": removed}
        Pruning.objects.update_or_create(table=table, defaults=done)


def run(ages: Ages, *, holder: str, pause: Callable[[float], float] = lambda _took: 0.0) -> dict[str, int]:
    """Prune these tables; how many rows of each went.

    One at a time: raises ``PruningElsewhere`` where somebody else is at it. ``pause`` says how long to rest after a
    step, by how long it took, in seconds.
    """
    removed = {table: 0 for table, age in ages.items() if age is not None}
    if not leases.hold(LEASE, holder, LEASE_FOR):
        raise PruningElsewhere("Somebody else is pruning this database. Wait until that has ended.")
    try:
        started = time.monotonic()
        for table, count in steps(ages, timezone.now()):
            removed[table] += count
            if not leases.hold(LEASE, holder, LEASE_FOR):
                raise PruningElsewhere("Somebody else has taken over the pruning: this process was away for too long.")
            time.sleep(pause(time.monotonic() - started))
            started = time.monotonic()
    finally:
        leases.release(LEASE, holder)
    return removed


# -- in the background ---------------------------------------------------------------------------------------

_busy = threading.Lock()


def due(now: datetime) -> dict[str, timedelta]:
    """The tables that have not been pruned for a day, with their ages."""
    finished = dict(Pruning.objects.filter(finished_at__gt=now - EVERY).values_list("table", "finished_at"))
    return {table: age for table, age in conf.retention().items() if age is not None and table not in finished}


def prune_in_background(holder: str) -> threading.Thread | None:
    """Prune what is due, in a thread, unless one of this process is at it; never waits and never raises."""
    if not conf.prune() or not due(timezone.now()) or not _busy.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_prune_and_disconnect, args=(holder,), name="prune", daemon=True)
    thread.start()
    return thread


def _prune_and_disconnect(holder: str) -> None:
    try:
        removed = run(due(timezone.now()), holder=holder, pause=lambda took: max(LEAST_PAUSE_S, REST * took))
        logger.info("Pruned: %s.", ", ".join(f"{count} {table}" for table, count in removed.items() if count) or "0")
    except PruningElsewhere as error:
        logger.debug("%s", error)
    except DatabaseError as error:
        logger.error("Nothing can be pruned without the database: %s", error)
    except Exception:  # the edge of the thread: what is left is tried again
        logger.exception("The pruning failed.")
    finally:
        connection.close()
        _busy.release()


# -- a table -------------------------------------------------------------------------------------------------


def _steps_of(table: str, before: datetime) -> Iterator[int]:
    if table == roll_up.TABLE:
        yield from roll_up.steps(before)
        return
    for part in PARTS[table]:
        yield from _in_order(part, before) if part.in_order else _anywhere(part, before)


def _in_order(part: Part, before: datetime) -> Iterator[int]:
    """From the first key on, until nothing is old any more."""
    last = 0
    while True:
        after = part.model._default_manager.filter(pk__gt=last).order_by("pk")
        found = list(after.values_list("pk", part.time)[:AT_ONCE])
        old = [pk for pk, at in found if at < before]
        if not old:
            return
        last = found[-1][0]
        yield _remove(part, old, before)


def _anywhere(part: Part, before: datetime) -> Iterator[int]:
    kept: list[Any] = []
    while old := list(part.old(before).exclude(pk__in=kept).values_list("pk", flat=True)[:AT_ONCE]):
        count = _remove(part, old, before)
        if count < len(old):
            kept += part.model._default_manager.filter(pk__in=old).values_list("pk", flat=True)
        yield count


def _remove(part: Part, keys: list[Any], before: datetime) -> int:
    rows = part.old(before).filter(pk__in=keys)
    if part.remove is not None:
        return part.remove(rows)
    try:
        return _delete(part, rows)
    except (models.ProtectedError, models.RestrictedError):  # a project's own model refers to one of them
        return sum(_delete_if_free(part, key) for key in keys)


def _delete_if_free(part: Part, key: Any) -> int:
    try:
        return _delete(part, part.model._default_manager.filter(pk=key))
    except (models.ProtectedError, models.RestrictedError):
        return 0


def _delete(part: Part, rows: Any) -> int:
    with transaction.atomic():
        _all, by_model = rows.delete()
    return int(by_model.get(part.model._meta.label, 0))


def _outlook(table: str, age: timedelta | None, now: datetime) -> Outlook:
    before = None if age is None else now - age
    if table == roll_up.TABLE:
        came = MeterValue.objects.filter(mean=None)
        old = 0 if before is None else came.filter(_to_roll_up(before)).count()
        return Outlook(table, came.count(), came.aggregate(at=Min("timestamp"))["at"], age, old)
    parts = PARTS[table]
    managers = [(part, part.model._default_manager) for part in parts]
    oldest = [at for part, manager in managers if (at := manager.aggregate(at=Min(part.time))["at"]) is not None]
    would_go = 0 if before is None else sum(part.old(before).count() for part in parts)
    return Outlook(table, sum(manager.count() for _part, manager in managers), min(oldest, default=None), age, would_go)


def _to_roll_up(before: datetime) -> Q:
    outside = Q(transaction=None, timestamp__lt=roll_up.quarter(before))
    return outside | Q(transaction__in=roll_up.due(before).order_by().values("pk"))
