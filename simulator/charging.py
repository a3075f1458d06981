"""The connectors of a charge point at work: plugs, transactions, power limits, time.

Pure. It never sends: transaction-related messages go into the outbox, changes of status into ``status_changes``.
"""

from dataclasses import dataclass
from datetime import datetime

from ocppj.v16 import (
    ChargePointErrorCode,
    ChargePointStatus,
    Reason,
    StartTransactionRequest,
    StopTransactionRequest,
)
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.connector import Authorization, Connector
from simulator.ledger import Entry, Ledger, LedgerEvent
from simulator.meter import Car
from simulator.outbox import Outbox
from simulator.reservations import Reservations
from simulator.sampler import Sampler
from simulator.smart_charging import ChargingProfiles, Limit
from simulator.transaction import Transaction

STEP_S = 10.0
"""Simulated seconds after which a charging car is looked at again: whether it is full, what the drivers wait for."""
SHORTEST_STEP_S = 0.2
"""In real seconds, so that a high speed does not make a busy loop."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status to report, as it was when it was reached."""

    connector: Connector | None
    """None for the charge point itself (connector 0)."""
    status: ChargePointStatus
    error_code: ChargePointErrorCode
    info: str | None
    at: datetime


class Charging:
    """Connectors 1..n with what is plugged into them."""

    def __init__(
        self,
        connectors: tuple[Connector, ...],
        clock: Clock,
        configuration: Configuration,
        profiles: ChargingProfiles,
        outbox: Outbox,
        ledger: Ledger,
    ) -> None:
        self.connectors = connectors
        self.status_changes: list[StatusChange] = []
        self.reservations = Reservations(connectors)
        self.sampler = Sampler(clock, configuration, outbox)
        self._clock = clock
        self._configuration = configuration
        self._profiles = profiles
        self._outbox = outbox
        self._ledger = ledger
        self._limit_until: datetime | None = None

    def connector(self, connector_id: int | None) -> Connector | None:
        """The connector with that number, or None."""
        if connector_id is None or not 1 <= connector_id <= len(self.connectors):
            return None
        return self.connectors[connector_id - 1]

    def by_transaction(self, transaction_id: int) -> Connector | None:
        """The connector on which that transaction is going on."""
        return next(
            (
                connector
                for connector in self.connectors
                if connector.transaction is not None and connector.transaction.transaction_id == transaction_id
            ),
            None,
        )

    # -- what drivers do ------------------------------------------------------------------------------------

    def plug(self, connector: Connector, car: Car, now: float) -> None:
        """Connect a car; with an authorization waiting, its transaction starts."""
        connector.plug(car)
        if connector.authorization is not None and connector.transaction is None:
            self.start(connector, now)
        self.settle(now)

    def unplug(self, connector: Connector, now: float) -> None:
        """Take the cable out at the car (OCPP 1.6 §4.10); a transaction stops, where StopTransactionOnEVSideDisconnect
        says so.
        """
        if connector.transaction is not None:
            connector.info = "EV side disconnected"
            if not self._configuration.boolean("StopTransactionOnEVSideDisconnect"):
                connector.is_ev_disconnected = True
                self.settle(now)
                connector.info = None
                return
            self.stop(connector, Reason.EVDisconnected, now)
            self.settle(now)  # Finishing, before the cable is out at this end, too
        connector.meter.advance(self._clock.simulated(now))
        connector.unplug()
        self.settle(now)

    def authorize(self, connector: Connector, authorization: Authorization, now: float) -> None:
        """A driver may charge here: start now, or when the cable is in."""
        connector.authorization = authorization
        connector.has_ended = connector.is_timed_out = False
        self.settle(now)
        if connector.is_plugged:
            self.start(connector, now)

    # -- transactions ---------------------------------------------------------------------------------------

    def start(self, connector: Connector, now: float) -> Transaction:
        """Start the transaction of the connector's authorization."""
        authorization = connector.authorization
        assert authorization is not None
        reservation = self.reservations.used_by(connector, authorization.id_tag, authorization.parent_id_tag)
        connector.meter.advance(self._clock.simulated(now))
        transaction = Transaction(
            connector_id=connector.connector_id,
            id_tag=authorization.id_tag,
            parent_id_tag=authorization.parent_id_tag,
            meter_start_wh=connector.meter.energy_wh,
            started_at=self._clock.utc(now),
            reservation_id=None if reservation is None else reservation.reservation_id,
        )
        if reservation is not None:
            self.reservations.end(reservation)
        connector.authorization, connector.transaction, connector.is_locked = None, transaction, True
        connector.info = None
        self._ledger.transactions.append(transaction)
        self._ledger.write(
            Entry(transaction.started_at, LedgerEvent.transaction_started, detail=_describe(transaction))
        )
        self._outbox.add(
            StartTransactionRequest(
                connector_id=connector.connector_id,
                id_tag=transaction.id_tag,
                meter_start=transaction.meter_start_wh,
                timestamp=transaction.started_at,
                reservation_id=transaction.reservation_id,
            ),
            transaction,
        )
        self.sampler.begin(connector, transaction, now)
        self.settle(now)
        return transaction

    def stop(self, connector: Connector, reason: Reason, now: float, id_tag: str | None = None) -> None:
        """Stop the connector's transaction; the cable is unlocked, but still in."""
        transaction = connector.transaction
        if transaction is None:
            return
        connector.meter.offer(0.0, self._clock.simulated(now))
        self.sampler.end(connector, transaction, now)
        transaction.meter_stop_wh = connector.meter.energy_wh
        transaction.stopped_at = self._clock.utc(now)
        transaction.reason = reason
        self._outbox.add(
            StopTransactionRequest(
                id_tag=id_tag,
                meter_stop=transaction.meter_stop_wh,
                timestamp=transaction.stopped_at,
                transaction_id=transaction.id_to_send,
                reason=reason,
                transaction_data=transaction.data or None,
            ),
            transaction,
        )
        transaction.data = []
        self._ledger.write(
            Entry(transaction.stopped_at, LedgerEvent.transaction_stopped, detail=_describe(transaction))
        )
        connector.transaction = None
        connector.has_ended, connector.is_locked = connector.is_plugged, False
        self._profiles.end_transaction(connector.connector_id)
        self.settle(now)

    def deny(self, transaction: Transaction, now: float) -> None:
        """The central system did not accept the idTag of StartTransaction.req (OCPP 1.6 §4.8, errata 3.17)."""
        connector = self.connectors[transaction.connector_id - 1]
        if connector.transaction is not transaction:
            return
        if self._configuration.boolean("StopTransactionOnInvalidId"):
            self.stop(connector, Reason.DeAuthorized, now)
        else:
            transaction.is_denied = True
            self.settle(now)

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Let time pass: energy flows, samples are taken, what has run out ends."""
        self.reservations.expire(self._clock.utc(now))
        for connector in self.connectors:
            self._tick_connector(connector, now)
        self.sampler.sample_aligned(self.connectors, now)
        self.settle(now)

    def advance(self, now: float) -> None:
        """Let the energy flow until now, for somebody who looks at the meters between two ticks."""
        for connector in self.connectors:
            if connector.transaction is not None:
                connector.meter.advance(self._clock.simulated(now))

    def next_timeout(self, now: float) -> float | None:
        """When ``tick`` is due; the sooner one calls it, the finer the curve."""
        dues = [
            connector.connection_deadline for connector in self.connectors if connector.connection_deadline is not None
        ]
        for connector in self.connectors:
            if connector.transaction is not None:
                dues.append(now + max(STEP_S / self._clock.speed, SHORTEST_STEP_S))
                if connector.transaction.sample_due is not None:
                    dues.append(connector.transaction.sample_due)
        planned = (self.reservations.next_expiry(), self._limit_until, self.sampler.next_aligned(now))
        moments = [moment for moment in planned if moment is not None]
        if moments:
            dues.append(now + max(0.0, (min(moments) - self._clock.utc(now)).total_seconds()))
        return min(dues, default=None)

    def settle(self, now: float) -> None:
        """Bring offers and statuses in line with the facts."""
        self._offer(now)
        for connector in self.connectors:
            self._settle_connector(connector, now)

    def plan_samples(self, now: float) -> None:
        """MeterValueSampleInterval has changed: count it from now."""
        for connector in self.connectors:
            if connector.transaction is not None:
                self.sampler.plan(connector.transaction, now)

    def _settle_connector(self, connector: Connector, now: float) -> None:
        changes = connector.settle()
        for status in changes:
            self.status_changes.append(
                StatusChange(connector, status, connector.error_code, connector.info, self._clock.utc(now))
            )
        if not changes:
            return
        connector.info = None
        if connector.status == ChargePointStatus.Preparing:
            timeout_s = self._configuration.integer("ConnectionTimeOut")
            connector.connection_deadline = self._clock.after(now, timeout_s) if timeout_s else None
        else:
            connector.connection_deadline = None
        if connector.status in (ChargePointStatus.Unavailable, ChargePointStatus.Faulted):
            self.reservations.end_for(connector)

    def _tick_connector(self, connector: Connector, now: float) -> None:
        transaction = connector.transaction
        if transaction is not None:
            connector.meter.advance(self._clock.simulated(now))
            self.sampler.sample(connector, transaction, now)
        elif connector.connection_deadline is not None and connector.connection_deadline <= now:
            connector.connection_deadline = None
            connector.authorization = None
            # Errata 3.20: with one reader for many connectors, a cable that was left in must not start for the next
            # driver's tag.
            connector.is_timed_out = connector.is_plugged and len(self.connectors) > 1

    def _offer(self, now: float) -> None:
        utc, at = self._clock.utc(now), self._clock.simulated(now)
        self._limit_until = None
        active = [connector for connector in self.connectors if connector.transaction is not None]
        if not active:
            return
        together = self._profiles.charge_point_limit(utc, active[0].meter.phases)
        share = Limit(None if together.power_w is None else together.power_w / len(active), together.until)
        for connector in active:
            transaction = connector.transaction
            assert transaction is not None
            own = self._profiles.connector_limit(
                connector.connector_id, utc, transaction.started_at, connector.meter.phases
            )
            limit = share.and_also(own)
            self._limit_until = limit.and_also(Limit(None, self._limit_until)).until
            offered_w = connector.max_power_w if limit.power_w is None else min(connector.max_power_w, limit.power_w)
            connector.meter.offer(offered_w if self._may_deliver(connector, transaction) else 0.0, at)

    def _may_deliver(self, connector: Connector, transaction: Transaction) -> bool:
        if connector.is_ev_disconnected:
            return False
        if not transaction.is_denied:
            return True
        delivered_wh = connector.meter.energy_wh - transaction.meter_start_wh
        return delivered_wh < self._configuration.integer("MaxEnergyOnInvalidId")


def _describe(transaction: Transaction) -> str:
    words = f"connector {transaction.connector_id}, idTag {transaction.id_tag}, from {transaction.meter_start_wh} Wh"
    if transaction.meter_stop_wh is None:
        return words
    return f"{words} to {transaction.meter_stop_wh} Wh ({transaction.reason})"
