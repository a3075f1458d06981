"""Every event that other systems can subscribe to: its name, its version, and the shape of its data.

The shapes are a promise: a field may be added, and whoever reads one ignores what it does not know. A field that
changes its meaning, or goes, makes a new version.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.dispatch import Signal

from ocpp_app import signals
from ocpp_app.models import Connector, FirmwareTask, RegistrationStatus, Transaction
from ocppj.secrets import without_addresses

ConnectorOf = Callable[[Transaction], Connector]


class Data(msgspec.Struct, kw_only=True):
    """What an event tells beside who and when. Energies are in Wh, powers in W, times in UTC."""


class Connection(Data):
    """A websocket connection of the charge point has begun, or ended."""

    session: uuid.UUID


class Boot(Data):
    """The charge point has booted and said what it is (BootNotification.req)."""

    registration_status: str
    vendor: str
    model: str
    serial_number: str
    firmware_version: str


class Registration(Data):
    """Somebody has accepted or rejected the charge point."""

    registration_status: str


class ConnectorStatus(Data):
    """A connector has a new status (StatusNotification.req); connector 0 is the charge point as a whole."""

    connector: int
    status: str
    error_code: str
    info: str
    vendor_id: str
    vendor_error_code: str
    timestamp: datetime | None
    """By the charge point's own clock."""


class TransactionStart(Data):
    """A transaction has begun; ``transaction`` is the transactionId on the wire."""

    transaction: int
    connector: int
    id_tag: str
    id_tag_status: str
    """Other than Accepted: the charge point may have started offline."""
    reservation: int | None
    started_at: datetime
    meter_start_wh: int


class TransactionUpdate(Data):
    """How an open transaction stands by its meter values."""

    transaction: int
    connector: int
    id_tag: str
    energy_wh: int | None
    power_w: float | None
    soc_percent: float | None
    register_wh: int | None
    measured_at: datetime | None


class TransactionStop(Data):
    """A transaction has ended. It may come again for the same transaction: when the charge point's own stop replaces
    an estimate (``closed_by`` tells whose word it is)."""

    transaction: int
    connector: int
    id_tag: str
    started_at: datetime
    stopped_at: datetime | None
    duration_s: int | None
    meter_start_wh: int
    meter_stop_wh: int | None
    energy_wh: int | None
    """What is billed; null: in doubt."""
    doubtful_wh: int | None
    stop_reason: str
    closed_by: str
    cost: Decimal | None
    currency: str


class TransactionAnomaly(Data):
    """Something is odd about a transaction and waits for somebody's decision."""

    transaction: int
    kind: str
    detail: str
    found_at: datetime


class ReservationChange(Data):
    """A reservation was accepted, used, cancelled, has expired …"""

    reservation: int
    connector: int
    id_tag: str
    status: str
    detail: str
    expires_at: datetime
    transaction: int | None


class CommandEnd(Data):
    """A command has ended: answered, refused, or never delivered."""

    command: uuid.UUID
    action: str
    state: str
    status: str
    """The charge point's own word, such as Accepted."""
    error_code: str
    error_description: str
    reason: str
    is_late: bool
    source: str


class Status(Data):
    """How a firmware update, or an upload of diagnostics, comes along."""

    status: str


class TaskChange(Data):
    """A firmware update, or a request for diagnostics or a log, has a new state; ``status`` is the charge point's own
    word."""

    task: int
    state: str
    status: str
    detail: str


class CertificateRequested(Data):
    """The charge point has asked for a certificate to be signed (SignCertificate.req)."""

    subject: str
    state: str
    detail: str


class SecurityIncident(Data):
    """Somebody, or something, was kept out at the door."""

    kind: str
    remote_address: str
    detail: str
    count: int


class SecurityNotification(Data):
    """The charge point itself reports a security event (SecurityEventNotification.req)."""

    type: str
    timestamp: datetime | None
    tech_info: str


class MessageFailure(Data):
    """A transaction message could not be processed; it is kept for a replay."""

    action: str
    received_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event."""

    name: str
    data: type[Data]
    render: Callable[[dict[str, Any], ConnectorOf], Data]
    """From the arguments of its signal."""
    version: int = 1
    is_coalesced: bool = False
    """Of several about the same transaction in one batch only the last is told."""

    @property
    def doc(self) -> str:
        return " ".join((self.data.__doc__ or "").split())


# -- from signals ----------------------------------------------------------------------------------------------


def _connection(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    return Connection(session=said["session_id"])


def _boot(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    message = said["message"]
    return Boot(
        registration_status=said["charge_point"].registration_status,
        vendor=message.charge_point_vendor or "",
        model=message.charge_point_model or "",
        serial_number=message.charge_point_serial_number or "",
        firmware_version=message.firmware_version or "",
    )


def _registration(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    return Registration(registration_status=said["charge_point"].registration_status)


def _connector_status(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    message = said["message"]  # the connector may have got a newer status in the same batch
    return ConnectorStatus(
        connector=said["connector"].number,
        status=str(message.status),
        error_code=str(message.error_code),
        info=message.info or "",
        vendor_id=message.vendor_id or "",
        vendor_error_code=message.vendor_error_code or "",
        timestamp=message.timestamp,
    )


def _transaction_start(said: dict[str, Any], connector_of: ConnectorOf) -> Data:
    row = said["transaction"]
    return TransactionStart(
        transaction=row.pk,
        connector=connector_of(row).number,
        id_tag=row.id_tag,
        id_tag_status=str(row.id_tag_status),
        reservation=row.reservation_id,
        started_at=row.started_at,
        meter_start_wh=row.meter_start_wh,
    )


def _transaction_update(said: dict[str, Any], connector_of: ConnectorOf) -> Data:
    row = said["transaction"]
    return TransactionUpdate(
        transaction=row.pk,
        connector=connector_of(row).number,
        id_tag=row.id_tag,
        energy_wh=row.energy_wh,
        power_w=row.last_power_w,
        soc_percent=row.last_soc_percent,
        register_wh=row.last_register_wh,
        measured_at=row.last_meter_at,
    )


def _transaction_stop(said: dict[str, Any], connector_of: ConnectorOf) -> Data:
    row = said["transaction"]
    return TransactionStop(
        transaction=row.pk,
        connector=connector_of(row).number,
        id_tag=row.id_tag,
        started_at=row.started_at,
        stopped_at=row.stopped_at,
        duration_s=row.duration_s,
        meter_start_wh=row.meter_start_wh,
        meter_stop_wh=row.meter_stop_wh,
        energy_wh=row.energy_wh,
        doubtful_wh=row.doubtful_wh,
        stop_reason=row.stop_reason,
        closed_by=str(row.closed_by),
        cost=row.cost,
        currency=row.currency,
    )


def _transaction_anomaly(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["anomaly"]
    return TransactionAnomaly(
        transaction=said["transaction"].pk, kind=str(row.kind), detail=row.detail, found_at=row.found_at
    )


def _reservation_change(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["reservation"]
    return ReservationChange(
        reservation=row.pk,
        connector=row.connector.number,
        id_tag=row.id_tag,
        status=str(row.status),
        detail=row.detail,
        expires_at=row.expires_at,
        transaction=row.transaction_id,
    )


def _command_end(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["command"]
    return CommandEnd(
        command=row.pk,
        action=row.action,
        state=str(row.state),
        status=row.status,
        error_code=row.error_code,
        error_description=row.error_description,
        reason=row.reason,
        is_late=row.is_late,
        source=row.source,
    )


def _status(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    return Status(status=str(said["status"]))


def _task_change(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["task"]
    return TaskChange(task=row.pk, state=str(row.state), status=row.status, detail=row.detail)


def _task_name(said: dict[str, Any]) -> str:
    return "firmware.task" if isinstance(said["task"], FirmwareTask) else "diagnostics.task"


def _certificate_requested(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["certificate_request"]
    return CertificateRequested(subject=row.subject, state=str(row.state), detail=row.detail)


def _security_incident(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    seen = said["seen"]
    return SecurityIncident(
        kind=str(seen.kind), remote_address=seen.remote_address, detail=seen.detail, count=seen.count
    )


def _security_notification(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    message = said["message"]
    return SecurityNotification(
        type=str(message.type),
        timestamp=message.timestamp,
        tech_info=without_addresses(getattr(message, "tech_info", None) or ""),
    )


def _message_failure(said: dict[str, Any], _connector_of: ConnectorOf) -> Data:
    row = said["failed_message"]
    lines = row.error.strip().splitlines()
    return MessageFailure(action=row.action, received_at=row.received_at, error=lines[-1] if lines else "")


def _registration_name(said: dict[str, Any]) -> str:
    accepted = said["charge_point"].registration_status == RegistrationStatus.ACCEPTED
    return "charge_point.approved" if accepted else "charge_point.rejected"


_TYPES = (
    EventType("charge_point.connected", Connection, _connection),
    EventType("charge_point.disconnected", Connection, _connection),
    EventType("charge_point.booted", Boot, _boot),
    EventType("charge_point.approved", Registration, _registration),
    EventType("charge_point.rejected", Registration, _registration),
    EventType("connector.status", ConnectorStatus, _connector_status),
    EventType("transaction.started", TransactionStart, _transaction_start),
    EventType("transaction.updated", TransactionUpdate, _transaction_update, is_coalesced=True),
    EventType("transaction.stopped", TransactionStop, _transaction_stop),
    EventType("transaction.anomaly", TransactionAnomaly, _transaction_anomaly),
    EventType("reservation.changed", ReservationChange, _reservation_change),
    EventType("command.finished", CommandEnd, _command_end),
    EventType("firmware.status", Status, _status),
    EventType("firmware.task", TaskChange, _task_change),
    EventType("diagnostics.status", Status, _status),
    EventType("diagnostics.task", TaskChange, _task_change),
    EventType("certificate.requested", CertificateRequested, _certificate_requested),
    EventType("security.incident", SecurityIncident, _security_incident),
    EventType("security.notification", SecurityNotification, _security_notification),
    EventType("message.failed", MessageFailure, _message_failure),
)
TYPES: dict[str, EventType] = {one.name: one for one in _TYPES}

NAMES: dict[Signal, str | Callable[[dict[str, Any]], str]] = {
    signals.charge_point_connected: "charge_point.connected",
    signals.charge_point_disconnected: "charge_point.disconnected",
    signals.charge_point_booted: "charge_point.booted",
    signals.registration_changed: _registration_name,
    signals.status_changed: "connector.status",
    signals.transaction_started: "transaction.started",
    signals.transaction_updated: "transaction.updated",
    signals.transaction_stopped: "transaction.stopped",
    signals.anomaly_found: "transaction.anomaly",
    signals.reservation_changed: "reservation.changed",
    signals.command_finished: "command.finished",
    signals.firmware_status_changed: "firmware.status",
    signals.diagnostics_status_changed: "diagnostics.status",
    signals.task_changed: _task_name,
    signals.certificate_requested: "certificate.requested",
    signals.security_event_seen: "security.incident",
    signals.security_event_notified: "security.notification",
    signals.message_failed: "message.failed",
}
"""Which event a signal is; a signal that is not named is none."""


def type_of(signal: Signal, said: dict[str, Any]) -> EventType | None:
    """The kind of event that a signal with these arguments is."""
    name = NAMES.get(signal)
    if name is None:
        return None
    return TYPES[name if isinstance(name, str) else name(said)]


# -- filters ---------------------------------------------------------------------------------------------------


def expand(patterns: Iterable[str]) -> frozenset[str]:
    """The names that ``*``, ``transaction.*`` and plain names stand for."""
    return frozenset(name for pattern in patterns for name in TYPES if _matches(pattern, name))


def check(patterns: Any) -> list[str]:
    """What is wrong with a filter, in words; empty when nothing is."""
    if not isinstance(patterns, list) or not patterns:
        return ["Name at least one event; ['*'] for all."]
    unknown = [pattern for pattern in patterns if not isinstance(pattern, str) or not expand([pattern])]
    return [f"There is no event {pattern!r}. There are: {', '.join(TYPES)}." for pattern in unknown]


def _matches(pattern: str, name: str) -> bool:
    return pattern in ("*", name) or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
