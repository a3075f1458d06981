"""The truth of one charge point: what it sent, what was answered, every transaction and every Wh.

Kept for whoever compares it with the central system afterwards. Frames are kept only where asked for; counts and
transactions always.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from simulator.transaction import Transaction


class LedgerEvent(StrEnum):
    """What a line of the ledger tells."""

    connected = "connected"
    disconnected = "disconnected"
    connection_failed = "connection_failed"
    call_sent = "call_sent"
    answer_received = "answer_received"
    call_error_received = "call_error_received"
    timed_out = "timed_out"
    unanswered = "unanswered"
    """The connection ended before the answer came."""
    discarded = "discarded"
    """A transaction-related message failed TransactionMessageAttempts times and is given up (OCPP 1.6 §3.7.1)."""
    call_received = "call_received"
    answer_sent = "answer_sent"
    call_error_sent = "call_error_sent"
    unexpected_received = "unexpected_received"
    transfer_failed = "transfer_failed"
    broken = "broken"
    """An error of the simulator's own: this charge point stands still from here on."""
    transaction_started = "transaction_started"
    transaction_stopped = "transaction_stopped"


FAULTS = (
    LedgerEvent.call_error_received,
    LedgerEvent.timed_out,
    LedgerEvent.discarded,
    LedgerEvent.unexpected_received,
    LedgerEvent.broken,
)
"""What should not happen between a charge point and a central system that are both well."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: ``at`` is the charge point's clock, ``frame`` was on the wire, ``detail`` says the rest in words."""

    at: datetime
    event: LedgerEvent
    action: str = ""
    unique_id: str = ""
    frame: bytes = b""
    detail: str = ""

    def as_json(self, charge_point: str) -> str:
        """The entry as one line of JSON; a frame that is JSON stands in it as such."""
        line: dict[str, Any] = {"at": self.at.isoformat(), "charge_point": charge_point, "event": self.event.value}
        line |= {name: value for name in ("action", "unique_id", "detail") if (value := getattr(self, name))}
        if self.frame:
            line["frame"] = _readable(self.frame)
        return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


class Latencies:
    """How long answers took, in classes 5 % apart, so that a million of them cost nothing."""

    _FACTOR = math.log(1.05)

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self.slowest_s = 0.0

    @property
    def count(self) -> int:
        """How many answers there were."""
        return sum(self._classes.values())

    def add(self, latency_s: float) -> None:
        """Count one answer."""
        self._classes[round(math.log(max(latency_s, 1e-6)) / self._FACTOR)] += 1
        self.slowest_s = max(self.slowest_s, latency_s)

    def quantile(self, share: float) -> float:
        """The seconds within which that share of the answers came; 0 where there was none."""
        remaining = share * self.count
        for number, count in sorted(self._classes.items()):
            remaining -= count
            if remaining <= 0:
                return min(math.exp(number * self._FACTOR), self.slowest_s)
        return self.slowest_s


class Ledger:
    """What a charge point did and what came of it."""

    def __init__(
        self,
        charge_point: str,
        *,
        keep_entries: bool = True,
        sink: Callable[[str, Entry], None] | None = None,
        latencies: Latencies | None = None,
    ) -> None:
        """``sink`` is given each entry with the identity, whether or not it is kept; ``latencies`` may be shared by
        many.
        """
        self.charge_point = charge_point
        self.counts: Counter[LedgerEvent] = Counter()
        self.entries: list[Entry] = []
        self.faults: list[Entry] = []
        self.transactions: list[Transaction] = []
        self.latencies = latencies if latencies is not None else Latencies()
        self.last: Entry | None = None
        self.last_call: Entry | None = None
        """The last CALL, in either direction."""
        self._keep_entries = keep_entries
        self._sink = sink

    def write(self, entry: Entry) -> None:
        """Add a line."""
        self.counts[entry.event] += 1
        self.last = entry
        if entry.event in (LedgerEvent.call_sent, LedgerEvent.call_received):
            self.last_call = entry
        if entry.event in FAULTS:
            self.faults.append(entry)
        if self._keep_entries:
            self.entries.append(entry)
        if self._sink is not None:
            self._sink(self.charge_point, entry)

    @property
    def call_errors(self) -> list[Entry]:
        """The CALLERRORs that the central system has answered with."""
        return [entry for entry in self.faults if entry.event is LedgerEvent.call_error_received]

    @property
    def energy_wh(self) -> int:
        """The energy of all transactions that have stopped."""
        return sum(
            transaction.meter_stop_wh - transaction.meter_start_wh
            for transaction in self.transactions
            if transaction.meter_stop_wh is not None
        )

    def calls(self, action: str) -> list[Entry]:
        """The CALLs of that action that were sent, each transmission counted; needs kept entries."""
        return [entry for entry in self.entries if entry.event is LedgerEvent.call_sent and entry.action == action]

    def transactions_as_json(self) -> list[dict[str, Any]]:
        """The transactions as plain data, without their meter values."""
        return [
            {name: _plain(value) for name, value in asdict(transaction).items() if name not in ("data", "sample_due")}
            for transaction in self.transactions
        ]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _readable(frame: bytes) -> Any:
    try:
        return json.loads(frame)
    except (ValueError, RecursionError):
        return frame.decode("utf-8", "replace")
