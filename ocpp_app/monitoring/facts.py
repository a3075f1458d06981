"""What stands in the database, the broker and on the disk, as numbers: a few quick queries, kept for some seconds."""

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Case, Count, F, Max, Min, Q, Sum, Value, When
from django.utils import timezone

from ocpp_app import conf
from ocpp_app.errors import RelayUnavailable
from ocpp_app.models import (
    ALIVE_STATES,
    Anomaly,
    AnomalyKind,
    CertificateRequest,
    ChargePoint,
    Command,
    CommandState,
    Connector,
    DiagnosticsTask,
    Event,
    FailedMessage,
    FirmwareTask,
    Gateway,
    InstalledCertificate,
    Lease,
    Transaction,
    WebhookStream,
    WebhookSubscription,
)
from ocpp_app.models.certificate import RequestState
from ocpp_app.models.task import OPEN_TASK_STATES
from ocpp_app.monitoring import broker
from ocpp_app.rpc.housekeeping import LEASE
from ocppj.v16 import ChargePointStatus, RegistrationStatus

KEPT_S = 10.0
"""Several who ask at the same time cost no more than one."""
DEAD_AFTER = timedelta(days=1)
LOST_WITHIN = timedelta(minutes=15)
ALIVE_WITHIN = timedelta(seconds=60)
GOOD_BYE = timedelta(seconds=15)
"""A gateway that says good-bye is gone at its last announcement."""
EXPIRING = timedelta(days=30)

Labels = str | tuple[str, ...]
Values = dict[str, float | Mapping[Any, float]]


class Facts:
    """Reads them at most every ``KEPT_S``; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._values: Values = {}

    def values(self) -> Values:
        """By the name of the metric; what cannot be read now is not there."""
        with self._lock:
            if self._clock() - self._read_at >= KEPT_S:
                self._values = read()
                self._read_at = self._clock()
            return self._values


def read() -> Values:
    """All of them, now."""
    now = timezone.now()
    found: Values = {}
    try:
        for some in (_pending, _charge_points, _gateways, _commands, _transactions, _events, _rest, _each):
            found |= some(now)
        found["ocpp_database_up"] = 1
    except DatabaseError:
        if not connection.in_atomic_block:
            connection.close()
        found = {"ocpp_database_up": 0}
    return found | _broker() | disk()


def pending_migrations() -> list[str]:
    """Those that this code has and this database has not."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]


def _pending(_now: datetime) -> Values:
    return {"ocpp_migrations_pending": len(pending_migrations())}


def _charge_points(now: datetime) -> Values:
    unseen = Q(last_seen_at__lt=now - DEAD_AFTER) | Q(last_seen_at=None, created_at__lt=now - DEAD_AFTER)
    state = Case(
        When(session__isnull=False, then=Value("connected")),
        When(unseen, then=Value("dead")),
        default=Value("offline"),
    )
    rows = ChargePoint.objects.order_by().annotate(state=state).values_list("registration_status", "state")
    statuses = (
        Connector.objects.order_by()
        .filter(number__gt=0, charge_point__session__isnull=False)
        .values_list("status")
        .annotate(Count("pk"))
    )
    connectors: Counter[str] = Counter(dict.fromkeys((status.value for status in ChargePointStatus), 0))
    for status, count in statuses:
        connectors[status if status in connectors else "other"] += count
    charge_points = dict.fromkeys(product(RegistrationStatus, ("connected", "offline", "dead")), 0)
    charge_points |= {(status, state): count for status, state, count in rows.annotate(Count("pk"))}
    return {
        "ocpp_charge_points": charge_points,
        "ocpp_connectors": dict(connectors),
    }


def _gateways(now: datetime) -> Values:
    alive = Gateway.objects.filter(gone_at=None, last_announced_at__gte=now - ALIVE_WITHIN)
    announced = list(alive.values_list("last_announced_at", flat=True))
    recent = Gateway.objects.filter(last_announced_at__gte=now - LOST_WITHIN)
    lost = recent.filter(gone_at__gt=F("last_announced_at") + GOOD_BYE)
    return {
        "ocpp_gateways": len(announced),
        "ocpp_gateway_silence_seconds": max((_age(at, now) for at in announced), default=0.0),
        "ocpp_gateways_lost": lost.count(),
        "ocpp_housekeeping_overdue_seconds": housekeeping_overdue_s(now),
    }


def housekeeping_overdue_s(now: datetime) -> float:
    """Since when the lease is nobody's; without any yet, since ever is not said."""
    lease = Lease.objects.filter(name=LEASE).first()
    return 0.0 if lease is None or lease.expires_at is None else _age(lease.expires_at, now)


def _commands(now: datetime) -> Values:
    counts = dict.fromkeys((state.value for state in CommandState), 0)
    ages = {state.value: 0.0 for state in ALIVE_STATES}
    commands = Command.objects.order_by()
    alive = commands.filter(state__in=ALIVE_STATES).values_list("state").annotate(Count("pk"), Min("created_at"))
    for state, count, since in alive:
        counts[state], ages[state] = count, _age(since, now)
    ended = [state for state in CommandState if state not in ALIVE_STATES]
    recent = commands.filter(state__in=ended, created_at__gte=now - timedelta(hours=1))
    counts.update(recent.values_list("state").annotate(Count("pk")))
    return {"ocpp_commands": counts, "ocpp_oldest_command_seconds": ages}


def _transactions(now: datetime) -> Values:
    active = Transaction.objects.filter(is_active=True)
    connected = active.filter(charge_point__session__isnull=False)
    day = Transaction.objects.filter(stopped_at__gte=now - timedelta(days=1), stopped_at__lte=now)
    stopped = day.aggregate(count=Count("pk"), energy_wh=Sum("energy_wh"))
    anomalies = Anomaly.objects.filter(resolved_at=None).order_by().values_list("kind").annotate(Count("pk"))
    return {
        "ocpp_transactions_active": active.count(),
        "ocpp_power_watts": connected.aggregate(total=Sum("last_power_w"))["total"] or 0.0,
        "ocpp_transactions_stopped_last_day": stopped["count"],
        "ocpp_energy_last_day_watt_hours": stopped["energy_wh"] or 0,
        "ocpp_anomalies_open": {**dict.fromkeys(AnomalyKind.values, 0), **dict(anomalies)},
        "ocpp_failed_messages": FailedMessage.objects.filter(replayed_at=None).count(),
    }


def _events(now: datetime) -> Values:
    counts, ages = {}, {}
    wanted = {"webhooks": Q(webhooks_due=True), "exchange": Q(exchange_due=True)}
    for to, is_due in wanted.items():
        found = Event.objects.filter(is_due).aggregate(count=Count("pk"), since=Min("at"))
        counts[to], ages[to] = found["count"], _age(found["since"], now)
    subscriptions = WebhookSubscription.objects.filter(is_active=True)
    return {
        "ocpp_events_due": counts,
        "ocpp_oldest_event_seconds": ages,
        "ocpp_webhook_streams_due": WebhookStream.objects.filter(position__lt=F("head")).count(),
        "ocpp_webhooks_failing": subscriptions.exclude(last_error="").count(),
    }


def _rest(now: datetime) -> Values:
    # Of those that a charge point was given one after the other the last one counts.
    signed = CertificateRequest.objects.filter(state=RequestState.INSTALLED).order_by().values("charge_point")
    asked = signed.annotate(until=Max("not_after")).filter(until__lt=now + EXPIRING).count()
    installed = InstalledCertificate.objects.filter(not_after__lt=now + EXPIRING, removed_at=None).count()
    models: dict[str, Any] = {"firmware": FirmwareTask, "diagnostics": DiagnosticsTask}
    return {
        "ocpp_tasks_open": {
            name: model.objects.filter(state__in=OPEN_TASK_STATES).count() for name, model in models.items()
        },
        "ocpp_certificates_expiring": asked + installed,
    }


def _each(_now: datetime) -> Values:
    """Of every charge point; only where that is wanted."""
    if not conf.metrics_per_charge_point():
        return {}
    rows = list(ChargePoint.objects.order_by().values_list("identity", "session", "last_seen_at"))
    powers = Transaction.objects.filter(is_active=True, charge_point__session__isnull=False).order_by()
    return {
        "ocpp_charge_point_connected": {identity: int(session is not None) for identity, session, _ in rows},
        "ocpp_charge_point_seen_timestamp_seconds": {
            identity: seen.timestamp() for identity, _, seen in rows if seen is not None
        },
        "ocpp_charge_point_power_watts": {
            identity: power or 0.0
            for identity, power in powers.values_list("charge_point__identity").annotate(Sum("last_power_w"))
        },
    }


def _broker() -> Values:
    if conf.relay() != "amqp":
        return {}
    try:
        queue = broker.look()
    except RelayUnavailable:
        return {"ocpp_broker_up": 0}
    name, (messages, consumers) = conf.rpc_queue(), queue or (0, 0)
    return {
        "ocpp_broker_up": 1,
        "ocpp_queue_messages": {name: messages},
        "ocpp_queue_consumers": {name: consumers},
    }


def disk() -> Values:
    """The room on each file system that we write to."""
    used = {path: shutil.disk_usage(existing(path)) for path in folders()}
    return {
        "ocpp_disk_free_bytes": {path: usage.free for path, usage in used.items()},
        "ocpp_disk_size_bytes": {path: usage.total for path, usage in used.items()},
    }


def existing(path: str) -> str:
    """The folder itself, or the one that it will be made in with the first file."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def folders() -> Iterator[str]:
    """Where we write: the SQLite file, and firmware and diagnostics where these are files."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and os.path.isabs(name):
        yield os.path.dirname(name)
    location = getattr(storages[conf.storage()], "location", None) if conf.storage() in storages.backends else None
    if location is not None:
        yield str(location)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
