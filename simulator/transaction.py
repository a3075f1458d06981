"""A transaction as the charge point knows it, from the first Wh to the confirmed StopTransaction."""

from dataclasses import dataclass, field
from datetime import datetime

from ocppj.v16 import MeterValue, Reason

UNKNOWN_TRANSACTION_ID = -1
"""Errata 3.18: what is sent where StartTransaction.req could not be delivered."""


@dataclass(slots=True)
class Transaction:
    """One transaction on one connector; energies are readings of its meter's register, times are the charge point's
    clock.
    """

    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    meter_start_wh: int
    started_at: datetime
    reservation_id: int | None = None
    transaction_id: int | None = None
    """What the central system has given it; None until its StartTransaction.conf has come."""
    meter_stop_wh: int | None = None
    stopped_at: datetime | None = None
    reason: Reason | None = None
    is_denied: bool = False
    """The central system did not accept the idTag: no energy beyond MaxEnergyOnInvalidId (OCPP 1.6 §4.8)."""
    is_start_confirmed: bool = False
    is_stop_confirmed: bool = False
    confirmed_meter_values: int = 0
    sample_due: float | None = None
    """When the next periodic sample is taken, on the clock of ``now``."""
    data: list[MeterValue] = field(default_factory=list)
    """What goes into StopTransaction.req as transactionData."""

    @property
    def id_to_send(self) -> int:
        """The transactionId for a message that is sent now."""
        return UNKNOWN_TRANSACTION_ID if self.transaction_id is None else self.transaction_id

    def keep(self, meter_value: MeterValue, most: int) -> None:
        """Add to ``data``; beyond ``most`` every other value is dropped, but never the first (errata 3.89)."""
        self.data.append(meter_value)
        if len(self.data) >= most:  # leaves a place for Transaction.End
            del self.data[1::2]
