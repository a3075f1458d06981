"""The transaction-related messages that the central system has not confirmed yet, in chronological order (OCPP 1.6
§3.7).
"""

from collections import deque
from dataclasses import dataclass

from ocppj.v16 import MeterValuesRequest, StartTransactionRequest, StopTransactionRequest
from simulator.transaction import Transaction

TransactionMessage = StartTransactionRequest | MeterValuesRequest | StopTransactionRequest


@dataclass(slots=True)
class Kept:
    """A message and how often it was transmitted without success.

    Its transactionId is filled in when it is sent: while it waits behind its StartTransaction.req, nobody knows it.
    """

    message: TransactionMessage
    transaction: Transaction | None
    failures: int = 0
    not_before: float = 0.0


class Outbox:
    """A queue whose first message stays until it is confirmed, so that none overtakes another; it survives a reset."""

    def __init__(self) -> None:
        self._kept: deque[Kept] = deque()
        self._is_under_way = False

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, message: TransactionMessage, transaction: Transaction | None) -> None:
        """Keep a message until it is confirmed."""
        self._kept.append(Kept(message, transaction))

    def take(self, now: float) -> Kept | None:
        """The message to send now, if one is due and none is under way; next comes ``confirm``, ``fail`` or
        ``give_back``.
        """
        if self._is_under_way or not self._kept or self._kept[0].not_before > now:
            return None
        self._is_under_way = True
        return self._kept[0]

    def confirm(self) -> None:
        """The message under way has been answered."""
        self._is_under_way = False
        self._kept.popleft()

    def give_back(self) -> None:
        """The connection ended before its answer came: it is sent again on the next one, and that is no failure to
        process it.
        """
        self._is_under_way = False

    def fail(self, now: float, *, attempts: int, retry_interval_s: float) -> Kept | None:
        """The central system failed to process the message under way (OCPP 1.6 §3.7.1).

        It is sent again after ``retry_interval_s`` times its transmissions so far, or discarded after ``attempts`` of
        them and returned.
        """
        self._is_under_way = False
        kept = self._kept[0]
        kept.failures += 1
        if kept.failures >= attempts:
            return self._kept.popleft()
        kept.not_before = now + retry_interval_s * kept.failures
        return None

    def next_timeout(self) -> float | None:
        """When ``take`` gives the next message; None while one is under way or there is none."""
        if self._is_under_way or not self._kept:
            return None
        return self._kept[0].not_before
