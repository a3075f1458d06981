"""What a carrier of the envelope does for a worker, and for whoever sends commands."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ocppj import envelope

Items = Mapping[str, Sequence[envelope.Reply]]
"""What to send, by queue."""


class Carrier(Protocol):
    """The worker's end of the relay. One thread uses it."""

    def get(self, timeout_s: float) -> bytes | None:
        """The next message from a gateway; None when none came in time (0: none is here). Raises
        ``RelayUnavailable``."""

    def give_back(self) -> None:
        """Give the message that ``get`` returned last back to the relay, for another worker."""

    def publish(self, items: Items) -> None:
        """Send replies and commands. Raises ``RelayUnavailable``; the requests then come again."""

    def acknowledge(self) -> None:
        """All messages that ``get`` returned so far have been carried out. The relay hears of it a moment later, with
        ``look_ahead`` or when nothing comes."""

    def look_ahead(self) -> Sequence[bytes]:
        """What has come since anybody looked, and ``get`` is yet to return. Waits for nothing and raises nothing: a
        relay that is gone shows when it is needed."""

    def idle(self, seconds: float) -> None:
        """Wait without taking messages, and keep the connection alive."""

    def undeliverable(self) -> list[envelope.Command]:
        """Commands published to a queue that does not exist (any more), each given out once."""

    def close(self) -> None:
        """Give back what is not acknowledged and leave."""


class Publisher(Protocol):
    """How a process that is no worker sends commands; any thread uses it."""

    @property
    def reply_queue(self) -> str:
        """The queue on which wake-ups for this process arrive; empty where it has none (it then reads the row every
        second)."""

    def send(self, queue: str, items: Sequence[envelope.Reply]) -> bool:
        """Send to a gateway; False when its queue is gone.

        Raises ``RelayUnavailable``, and ``DeliveryUnknown`` when it may have arrived all the same.
        """

    def wait(self, command_id: str, timeout_s: float) -> None:
        """Return when the command was reported finished, or after ``timeout_s``."""
