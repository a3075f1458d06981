"""A charge point: what it sends when something happens to it, what it is made of, and how time passes for it.

Pure: ``now`` is any clock that never runs backwards, in seconds. After each method that takes ``now``, write what
``data_to_send`` gives, and ask ``next_timeout`` when to call ``tick``. What it makes of answers is in
``simulator.answers``, what it does when it is called in ``simulator.commands``, the websocket in ``simulator.client``.
"""

import random
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ocppj.messages import Request
from ocppj.v16 import (
    AuthorizeRequest,
    BootNotificationRequest,
    ChargePointErrorCode,
    ChargePointStatus,
    HeartbeatRequest,
    Reason,
    SecurityEventNotificationRequest,
    StartTransactionRequest,
    StatusNotificationRequest,
)
from simulator import answers, commands
from simulator.certificates import Certificates
from simulator.charging import Charging, StatusChange
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.connector import Connector
from simulator.ledger import Ledger
from simulator.link import Answered, Called, Failed, Happening, Link
from simulator.maintenance import Maintenance
from simulator.meter import Car, Meter
from simulator.outbox import Kept, Outbox
from simulator.reader import Presentation, Reader
from simulator.registration import Registration
from simulator.smart_charging import ChargingProfiles

DAY_S = 86_400.0
SOFT_RESET_PATIENCE_S = 20.0
"""How long a soft reset waits for what is left to be delivered, before it restarts with it in the outbox."""
BOOT_TIME_S = 3.0
"""Simulated seconds from a reset to the next connection."""


@dataclass(frozen=True, slots=True)
class Specification:
    """What a charge point is built as."""

    identity: str
    vendor: str = "Simulated"
    model: str = "Sim AC"
    firmware_version: str = "1.0.0"
    connectors: int = 1
    phases: int = 1
    max_power_w: float = 7360.0
    sample_interval_s: int = 15
    speed: float = 1.0
    seed: int | None = None


class ChargePoint:
    """One simulated charge point, from its first BootNotification to the end."""

    def __init__(self, specification: Specification, now: float, utc: datetime, ledger: Ledger | None = None) -> None:
        """``utc`` is the time its clock shows until the central system tells it."""
        self.specification = specification
        self.ledger = ledger if ledger is not None else Ledger(specification.identity)
        self.clock = Clock(now, utc, specification.speed)
        self.configuration = Configuration(
            connectors=specification.connectors,
            phases=specification.phases,
            sample_interval_s=specification.sample_interval_s,
        )
        self.profiles = ChargingProfiles(
            max_stack_level=self.configuration.integer("ChargeProfileMaxStackLevel"),
            max_periods=self.configuration.integer("ChargingScheduleMaxPeriods"),
            max_installed=self.configuration.integer("MaxChargingProfilesInstalled"),
        )
        self.outbox = Outbox()
        self.charging = Charging(
            _build_connectors(specification),
            self.clock,
            self.configuration,
            self.profiles,
            self.outbox,
            self.ledger,
        )
        self.reader = Reader(self.charging, self.clock, self.configuration)
        self.certificates = Certificates()
        self.maintenance = Maintenance(self.clock, specification.identity, specification.firmware_version)
        self.registration = Registration(boot_due=now)
        self.is_operative = True
        self.must_reconnect = False
        """Close the connection and connect again: the credentials have changed."""
        self._reset_at: float | None = None
        self._is_powerless = False
        """A hard reset is under way: what it still has to say it says after the boot (errata 3.36)."""
        self._link = Link(self.clock, self.ledger, lambda: str(uuid.uuid4()))
        self._reported_status: ChargePointStatus | None = None
        self._clock_set_at = now
        self._happenings: deque[Happening] = deque()

    # -- the connection --------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether there is a websocket."""
        return self._link.is_open

    @property
    def is_online(self) -> bool:
        """Whether the central system can be asked: connected and accepted."""
        return self._link.is_open and self.registration.is_accepted

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send or to be answered."""
        return self._link.is_idle and not len(self.outbox) and not self.maintenance.reports

    @property
    def connectors(self) -> tuple[Connector, ...]:
        """Connectors 1..n."""
        return self.charging.connectors

    @property
    def status(self) -> ChargePointStatus:
        """The status of connector 0: Available or Unavailable."""
        return ChargePointStatus.Available if self.is_operative else ChargePointStatus.Unavailable

    def connected(self, now: float, detail: str = "") -> None:
        """The websocket stands: boot, or after a lost connection go on where it was lost (OCPP-J 1.6 §5.4)."""
        self._link.open(now, detail)
        if self.registration.is_accepted:
            for connector in self.connectors:  # OCPP 1.6 §4.9: what has changed meanwhile
                if connector.reported != connector.status:
                    self.report_status(connector, now)
        self.tick(now)

    def disconnected(self, now: float, detail: str = "") -> None:
        """The websocket is gone: what was not answered is sent again later, decided here, or dropped."""
        for unanswered in self._link.close(now, detail):
            answers.unanswered(self, unanswered, now)
        self._flush(now)

    def receive(self, raw: bytes | str, now: float) -> None:
        """Take one websocket message."""
        self._work(self._link.receive(raw, now), now)

    def tick(self, now: float) -> None:
        """Let time pass."""
        self._work(self._link.tick(now), now)

    def data_to_send(self) -> list[bytes]:
        """The websocket messages to write now, in order."""
        return self._link.data_to_send()

    def next_timeout(self, now: float) -> float | None:
        """When ``tick`` is due."""
        dues = [self.charging.next_timeout(now), self.maintenance.next_timeout()]
        if self._reset_at is not None and self._reset_at > now:
            dues.append(self._reset_at)
        if self._link.is_open:
            dues += [self._link.next_timeout(), self.registration.boot_due, self._heartbeat_due()]
            if self.registration.is_accepted:
                dues.append(self.outbox.next_timeout())
        return min((due for due in dues if due is not None), default=None)

    # -- resets ----------------------------------------------------------------------------------------

    @property
    def is_resetting(self) -> bool:
        """Whether a reset has been asked for and ``restart`` has not been called yet."""
        return self._reset_at is not None

    def begin_reset(self, reason: Reason, now: float, *, is_hard: bool) -> None:
        """Stop all transactions, then restart (OCPP 1.6 §5.14); ``is_reset_due`` says when to close the connection."""
        for connector in self.connectors:
            self.charging.stop(connector, reason, now)
        self._reset_at = now if is_hard else now + SOFT_RESET_PATIENCE_S
        self._is_powerless = is_hard

    def is_reset_due(self, now: float) -> bool:
        """Whether to close the connection now; then call ``restart`` after ``BOOT_TIME_S`` and connect again."""
        return self._reset_at is not None and (now >= self._reset_at or self.is_idle or not self._link.is_open)

    def restart(self, now: float) -> None:
        """Come up again: what is persistent is kept, what waited for a reboot is in force."""
        self._reset_at, self._is_powerless = None, False
        self.configuration.reboot()
        self.registration.restart(now)
        self._reported_status = None
        for connector in self.connectors:
            connector.restart()
        self.maintenance.restarted()
        self.charging.settle(now)

    # -- what drivers do -------------------------------------------------------------------------------

    def plug_in(self, connector_id: int, car: Car, now: float) -> None:
        """A driver connects a car."""
        connector = self._existing(connector_id)
        if connector.is_plugged and not connector.is_ev_disconnected:
            raise ValueError(f"Connector {connector_id} has a car already: unplug it first.")
        self.charging.plug(connector, car, now)
        self._flush(now)

    def unplug(self, connector_id: int, now: float) -> None:
        """A driver takes the cable out, at the car's side first."""
        self.charging.unplug(self._existing(connector_id), now)
        self._flush(now)

    def present_tag(self, id_tag: str, connector_id: int | None, now: float) -> Presentation:
        """A driver holds a tag against the reader, to start or to stop (OCPP 1.6 §4.1)."""
        connector = None if connector_id is None else self._existing(connector_id)
        presentation = self.reader.present(id_tag, connector, now, is_online=self.is_online)
        self._flush(now)
        return presentation

    def stop(self, connector_id: int, now: float, reason: Reason = Reason.Local) -> None:
        """Stop the transaction with a button at the charge point."""
        self.charging.stop(self._existing(connector_id), reason, now)
        self._flush(now)

    def pause(self, connector_id: int, is_paused: bool, now: float) -> None:
        """The car stops or resumes asking for energy (SuspendedEV)."""
        car = self._existing(connector_id).meter.car
        if car is None:
            raise ValueError(f"Connector {connector_id} has no car: plug one in first.")
        self.tick(now)  # what flowed until now has flowed
        car.is_paused = is_paused
        self.charging.settle(now)
        self._flush(now)

    def fault(self, connector_id: int, error_code: ChargePointErrorCode, now: float, info: str | None = None) -> None:
        """A fault is detected, or with ``NoError`` resolved; a transaction cannot go on in the Faulted state."""
        connector = self._existing(connector_id)
        connector.error_code, connector.info = error_code, info
        if connector.target() == ChargePointStatus.Faulted:
            self.charging.stop(connector, Reason.Other, now)
        self.charging.settle(now)
        self._flush(now)

    # -- for commands and answers ----------------------------------------------------------------------

    def request(self, request: Request, now: float, context: object = None, *, is_triggered: bool = False) -> bool:
        """Send a request that is not kept; False where it may not be sent (OCPP 1.6 §4.2)."""
        if not self._link.is_open or not (self.registration.is_accepted or is_triggered):
            return False
        self._link.send(request, now, timeout_s=self.configuration.integer("MessageTimeout"), context=context)
        return True

    def boot(self, now: float) -> None:
        """Send BootNotification."""
        self.registration.boot_due = None
        specification = self.specification
        request = BootNotificationRequest(
            charge_point_vendor=specification.vendor[:20],
            charge_point_model=specification.model[:20],
            charge_point_serial_number=specification.identity[:25],
            firmware_version=self.maintenance.firmware_version[:50],
            meter_type="Simulated meter",
            meter_serial_number=f"M-{specification.identity}"[:25],
        )
        self.request(request, now, is_triggered=True)

    def report_status(self, connector: Connector | None, now: float, *, is_triggered: bool = False) -> None:
        """Send the present status of a connector, or of the charge point itself (connector 0)."""
        at = self.clock.utc(now)
        if connector is None:
            change = StatusChange(None, self.status, ChargePointErrorCode.NoError, None, at)
        else:
            change = StatusChange(connector, connector.status, connector.error_code, connector.info, at)
        self._report(change, now, is_triggered=is_triggered)

    def report_local_list_conflict(self, now: float) -> None:
        """The central system contradicts the local authorization list (OCPP 1.6 §3.5.2)."""
        conflict = ChargePointErrorCode.LocalListConflict
        self._report(StatusChange(None, self.status, conflict, None, self.clock.utc(now)), now)

    def report_security_event(self, kind: str, now: float) -> None:
        """Tell the central system of a security event (whitepaper A04)."""
        self.request(SecurityEventNotificationRequest(type=kind, timestamp=self.clock.utc(now)), now)

    def forget_reported(self, connector_id: int) -> None:
        """A StatusNotification was lost: report that status again."""
        connector = self.charging.connector(connector_id)
        if connector is None:
            self._reported_status = None
        else:
            connector.reported = None

    def set_clock(self, current_time: datetime, now: float) -> None:
        """Take over the central system's time."""
        self.clock.set_utc(current_time, now)
        self._clock_set_at = now

    def configuration_changed(self, name: str, now: float) -> None:
        """Act on a key that has a new value."""
        match name.casefold():
            case "metervaluesampleinterval":
                self.charging.plan_samples(now)
            case "authorizationkey":
                self.must_reconnect = True

    # -- inside ----------------------------------------------------------------------------------------

    def _work(self, happenings: list[Happening], now: float) -> None:
        self._happenings.extend(happenings)
        while self._happenings:
            self._handle(self._happenings.popleft(), now)
        self._maintain(now)
        self.charging.tick(now)
        if self._link.is_open:
            self._send_what_is_due(now)
        self._flush(now)

    def _handle(self, happening: Happening, now: float) -> None:
        match happening:
            case Answered():
                answers.answered(self, happening, now)
            case Failed():
                answers.failed(self, happening, now)
            case Called():
                self._happenings.extend(commands.execute(self, self._link, happening.received, now))

    def _maintain(self, now: float) -> None:
        is_charging = any(connector.transaction is not None for connector in self.connectors)
        self.maintenance.tick(now, is_charging=is_charging)
        for connector in self.connectors:
            connector.is_out_of_use = self.maintenance.wants_to_install
        if self.maintenance.needs_restart and not self.is_resetting:
            self.begin_reset(Reason.Reboot, now, is_hard=False)

    def _send_what_is_due(self, now: float) -> None:
        boot_due, heartbeat_due = self.registration.boot_due, self._heartbeat_due()
        if boot_due is not None and boot_due <= now:
            self.boot(now)
        elif heartbeat_due is not None and heartbeat_due <= now and self._link.is_idle:
            self.request(HeartbeatRequest(), now)

    def _heartbeat_due(self) -> float | None:
        interval_s = self.configuration.integer("HeartbeatInterval")
        if not self.registration.is_accepted or not interval_s:
            return None
        # OCPP 1.6 §9.1.10: after inactivity; §4.6: for the clock's sake at least once a day.
        return min(self._link.last_sent_at + interval_s, self._clock_set_at + DAY_S)

    def _flush(self, now: float) -> None:
        """Send what has come up: the first kept message, changes of status, questions, reports."""
        changes, self.charging.status_changes = self.charging.status_changes, []
        questions, self.reader.questions = self.reader.questions, []
        if not self.is_online or self._is_powerless:
            return  # OCPP 1.6 §4.9: what changed meanwhile is reported on return, its history is not
        kept = self.outbox.take(now)
        if kept is not None:
            self.request(_addressed(kept), now, context=kept)
        for change in changes:
            self._report(change, now)
        if self._reported_status != self.status:
            self.report_status(None, now)
        for presentation in questions:
            self.request(AuthorizeRequest(id_tag=presentation.id_tag), now, context=presentation)
        while self.maintenance.reports:
            self.request(self.maintenance.reports.popleft(), now)

    def _report(self, change: StatusChange, now: float, *, is_triggered: bool = False) -> None:
        connector = change.connector
        request = StatusNotificationRequest(
            connector_id=0 if connector is None else connector.connector_id,
            error_code=change.error_code,
            status=change.status,
            info=change.info,
            timestamp=change.at,
        )
        if not self.request(request, now, is_triggered=is_triggered):
            return
        if connector is None:
            self._reported_status = change.status
        else:
            connector.reported = change.status

    def _existing(self, connector_id: int) -> Connector:
        connector = self.charging.connector(connector_id)
        if connector is None:
            raise ValueError(f"There is no connector {connector_id}; the charge point has {len(self.connectors)}.")
        return connector


def _build_connectors(specification: Specification) -> tuple[Connector, ...]:
    seed = None if specification.seed is None else f"{specification.seed}/{specification.identity}"
    chance = random.Random(seed)
    meters = [
        Meter(
            phases=specification.phases,
            energy_wh=float(chance.randrange(20_000, 900_000)),
            variation=chance.uniform(0.0, 6.0),
        )
        for _ in range(specification.connectors)
    ]
    return tuple(Connector(number, meter, specification.max_power_w) for number, meter in enumerate(meters, start=1))


def _addressed(kept: Kept) -> Request:
    """The message with the transaction id that is known now."""
    if kept.transaction is None or isinstance(kept.message, StartTransactionRequest):
        return kept.message
    return msgspec.structs.replace(kept.message, transaction_id=kept.transaction.id_to_send)
