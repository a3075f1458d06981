"""What one charge point knows at the end, from the process in which it lived to the reconciliation."""

import pickle
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulator.ledger import Entry
from simulator.transaction import Transaction

HEARTBEAT_S = 15
"""The heartbeat interval of every charge point."""
PATIENCE_HEARTBEATS = 3
"""So many missed heartbeats tell that a charge point is gone which gets no pings."""


def gets_no_pings(number: int) -> bool:
    """Whether the charge point with this number in its fleet is of a model that bears no websocket pings."""
    return number % 8 == 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a charge point: on the clock of ``time.monotonic``, and on which connection."""

    at: float
    connection: int
    entry: Entry


@dataclass
class Truth:
    """What one charge point knows."""

    identity: str
    events: list[Event]
    transactions: list[Transaction]
    statuses: dict[int, str]
    undelivered: int


def read_truth(path: Path) -> Iterator[Truth]:
    """What a fleet has written."""
    with path.open("rb") as file, suppress(EOFError):
        while True:
            yield pickle.load(file)
