"""When meters are read, and where the readings go: MeterValues.req, transactionData, or both (OCPP 1.6 §3.16).

Pure. What is to be sent goes into the outbox.
"""

from datetime import UTC, datetime, timedelta

from ocppj.v16 import MeterValue, MeterValuesRequest, ReadingContext
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.connector import Connector
from simulator.outbox import Outbox
from simulator.sampling import meter_value
from simulator.transaction import Transaction


class Sampler:
    """Periodic samples of transactions, and clock-aligned ones of all connectors."""

    def __init__(self, clock: Clock, configuration: Configuration, outbox: Outbox) -> None:
        self._clock = clock
        self._configuration = configuration
        self._outbox = outbox
        self._aligned_due: datetime | None = None

    def read(self, connector: Connector, context: ReadingContext, key: str, now: float) -> MeterValue | None:
        """The values that a configuration key asks for, as the meter shows them now."""
        return self._read(connector, context, self._configuration.items(key), now)

    def begin(self, connector: Connector, transaction: Transaction, now: float) -> None:
        """A transaction has started."""
        self._keep_boundary(connector, transaction, ReadingContext.Transaction_Begin, now)
        self.plan(transaction, now)

    def end(self, connector: Connector, transaction: Transaction, now: float) -> None:
        """A transaction is about to stop."""
        self._keep_boundary(connector, transaction, ReadingContext.Transaction_End, now)

    def plan(self, transaction: Transaction, now: float) -> None:
        """Count MeterValueSampleInterval from now."""
        interval_s = self._configuration.integer("MeterValueSampleInterval")
        transaction.sample_due = self._clock.after(now, interval_s) if interval_s else None

    def sample(self, connector: Connector, transaction: Transaction, now: float) -> None:
        """Take a periodic sample, if it is due."""
        due = transaction.sample_due
        if due is None or due > now:
            return
        self.plan(transaction, due)
        if transaction.sample_due is not None and transaction.sample_due <= now:
            self.plan(transaction, now)  # after a long pause (a laptop's sleep) samples are not made up for
        self._take(connector, transaction, ReadingContext.Sample_Periodic, "Sampled", now)

    def sample_aligned(self, connectors: tuple[Connector, ...], now: float) -> None:
        """Take the clock-aligned samples, if they are due."""
        due = self.next_aligned(now)
        if due is None or self._clock.utc(now) < due:
            return
        self._aligned_due = None
        for connector in connectors:
            self._take(connector, connector.transaction, ReadingContext.Sample_Clock, "Aligned", now)

    def next_aligned(self, now: float) -> datetime | None:
        """The next full ClockAlignedDataInterval of the day."""
        interval_s = self._configuration.integer("ClockAlignedDataInterval")
        if not interval_s:
            self._aligned_due = None
        elif self._aligned_due is None:
            utc = self._clock.utc(now)
            midnight = datetime(utc.year, utc.month, utc.day, tzinfo=UTC)
            passed = (utc - midnight).total_seconds() // interval_s + 1
            self._aligned_due = min(midnight + timedelta(seconds=passed * interval_s), midnight + timedelta(days=1))
        return self._aligned_due

    def _take(
        self, connector: Connector, transaction: Transaction | None, context: ReadingContext, kind: str, now: float
    ) -> None:
        value = self.read(connector, context, f"MeterValues{kind}Data", now)
        if value is not None:
            transaction_id = None if transaction is None else transaction.id_to_send
            request = MeterValuesRequest(
                connector_id=connector.connector_id, transaction_id=transaction_id, meter_value=[value]
            )
            self._outbox.add(request, transaction)
        if transaction is None:
            return
        kept = self.read(connector, context, f"StopTxn{kind}Data", now)
        if kept is not None:
            transaction.keep(kept, self._configuration.integer("StopTransactionMaxMeterValues"))

    def _keep_boundary(
        self, connector: Connector, transaction: Transaction, context: ReadingContext, now: float
    ) -> None:
        """Errata 3.14: begin and end of every measurand that StopTransaction.req is configured to report."""
        keys = ("StopTxnSampledData", "StopTxnAlignedData")
        items = dict.fromkeys(item for key in keys for item in self._configuration.items(key))
        value = self._read(connector, context, list(items), now)
        if value is not None:
            transaction.data.append(value)

    def _read(self, connector: Connector, context: ReadingContext, items: list[str], now: float) -> MeterValue | None:
        if not items:
            return None
        return meter_value(connector.meter.read(self._clock.simulated(now)), items, context, self._clock.utc(now))
