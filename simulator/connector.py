"""One connector: the facts about it, and the status that follows from them (OCPP 1.6 §4.9).

The status is never set. Facts change (a plug, a tag, a transaction, a fault), then ``settle`` gives the statuses to
report, one after the other, so that no step is taken which the table of §4.9 does not know.
"""

from collections import deque
from dataclasses import dataclass, field

from ocppj.v16 import ChargePointErrorCode, ChargePointStatus
from simulator.meter import Car, Meter
from simulator.transaction import Transaction

_A, _P, _C, _SEV, _SEVSE, _F, _R, _U, _X = (
    ChargePointStatus.Available,
    ChargePointStatus.Preparing,
    ChargePointStatus.Charging,
    ChargePointStatus.SuspendedEV,
    ChargePointStatus.SuspendedEVSE,
    ChargePointStatus.Finishing,
    ChargePointStatus.Reserved,
    ChargePointStatus.Unavailable,
    ChargePointStatus.Faulted,
)

TRANSITIONS: dict[ChargePointStatus, tuple[ChargePointStatus, ...]] = {
    _A: (_P, _C, _SEV, _SEVSE, _R, _U, _X),
    _P: (_A, _C, _SEV, _SEVSE, _F, _X),
    _C: (_A, _SEV, _SEVSE, _F, _U, _X),
    _SEV: (_A, _C, _SEVSE, _F, _U, _X),
    _SEVSE: (_A, _C, _SEV, _F, _U, _X),
    _F: (_A, _P, _U, _X),
    _R: (_A, _P, _U, _X),
    _U: (_A, _P, _C, _SEV, _SEVSE, _X),
    _X: (_A, _P, _C, _SEV, _SEVSE, _F, _R, _U),
}
"""The table of OCPP 1.6 §4.9, with B6 of errata 3.20."""


def steps(current: ChargePointStatus, target: ChargePointStatus) -> tuple[ChargePointStatus, ...]:
    """The statuses to go through from ``current`` to ``target``, the target included; the shortest way that §4.9
    allows.
    """
    ways: deque[tuple[ChargePointStatus, ...]] = deque([()])
    seen = {current}
    while ways:
        way = ways.popleft()
        here = way[-1] if way else current
        if here == target:
            return way
        # A detour never reports a fault, a reservation or energy that is not there; what ends in energy begins with
        # Preparing.
        for status in (target, _P, _A) if target in (_C, _SEV, _SEVSE) else (target, _A, _P):
            if status in TRANSITIONS[here] and status not in seen:
                seen.add(status)
                ways.append((*way, status))
    raise AssertionError(f"OCPP 1.6 §4.9 has no way from {current} to {target}.")


@dataclass(slots=True)
class Authorization:
    """A driver who may charge here, from the moment of the tag to the start of the transaction."""

    id_tag: str
    parent_id_tag: str | None = None


@dataclass(slots=True)
class Connector:
    """Connector 1..n of a charge point."""

    connector_id: int
    meter: Meter
    max_power_w: float
    status: ChargePointStatus = ChargePointStatus.Available
    is_operative: bool = True
    """Set by ChangeAvailability; persists over a reset (OCPP 1.6 §5.2)."""
    is_out_of_use: bool = False
    """The charge point itself keeps it from being used, while new firmware waits or is installed (errata 3.49)."""
    is_reserved: bool = False
    is_ev_disconnected: bool = False
    """The cable hangs loose at the car's side while the transaction goes on (StopTransactionOnEVSideDisconnect is
    false).
    """
    is_timed_out: bool = False
    """Usage was initiated, but nobody presented a tag in time (errata 3.20)."""
    has_ended: bool = False
    """A transaction has ended and the cable is still in."""
    is_locked: bool = False
    error_code: ChargePointErrorCode = ChargePointErrorCode.NoError
    info: str | None = None
    authorization: Authorization | None = None
    transaction: Transaction | None = None
    connection_deadline: float | None = None
    """When a Preparing ends by ConnectionTimeOut, on the clock of ``now``."""
    reported: ChargePointStatus | None = field(default=None)
    """The status that the central system has last confirmed."""

    @property
    def is_plugged(self) -> bool:
        """Whether a car is connected."""
        return self.meter.car is not None

    @property
    def is_free(self) -> bool:
        """Whether a new driver can begin here."""
        return self.status in (_A, _R)

    @property
    def is_startable(self) -> bool:
        """Whether a transaction can begin here, as soon as a driver is authorized and a car connected."""
        return self.status in (_A, _P, _F, _R)

    def plug(self, car: Car) -> None:
        """Connect a car."""
        self.meter.car = car
        self.is_ev_disconnected = False

    def unplug(self) -> None:
        """Take the cable out; whoever was about to charge has gone."""
        self.meter.car = None
        self.has_ended = self.is_timed_out = self.is_ev_disconnected = self.is_locked = False
        self.authorization = None

    def restart(self) -> None:
        """Forget what does not survive a reset; the cable is still in."""
        self.authorization = None
        self.has_ended = self.is_timed_out = self.is_out_of_use = False
        self.reported = None

    def target(self) -> ChargePointStatus:
        """The status that the facts call for."""
        if self.error_code not in (ChargePointErrorCode.NoError, ChargePointErrorCode.EVCommunicationError):
            return ChargePointStatus.Faulted
        if self.transaction is not None:
            return self._target_in_transaction()
        if not self.is_operative or self.is_out_of_use:
            return ChargePointStatus.Unavailable
        return self._target_without_transaction()

    def settle(self) -> tuple[ChargePointStatus, ...]:
        """Move to what the facts call for; the statuses to report, in order."""
        passed = steps(self.status, self.target())
        if passed:
            self.status = passed[-1]
        if self.status is ChargePointStatus.Unavailable:  # H6 does not exist: afterwards the cable counts as a new use
            self.has_ended = self.is_timed_out = False
        return passed

    def _target_in_transaction(self) -> ChargePointStatus:
        car = self.meter.car
        # OCPP 1.6 §4.9: suspended by both is SuspendedEVSE.
        if self.meter.offered_w <= 0 and not self.is_ev_disconnected:
            return ChargePointStatus.SuspendedEVSE
        if car is None or self.is_ev_disconnected or car.is_full or car.is_paused:
            return ChargePointStatus.SuspendedEV
        return ChargePointStatus.Charging

    def _target_without_transaction(self) -> ChargePointStatus:
        if self.authorization is not None:
            return ChargePointStatus.Preparing
        if self.is_plugged and (self.has_ended or self.is_timed_out):
            return ChargePointStatus.Finishing
        if self.is_reserved:
            return ChargePointStatus.Reserved
        return ChargePointStatus.Preparing if self.is_plugged else ChargePointStatus.Available
