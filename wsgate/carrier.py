"""What the relay asks of a carrier and is told by it; ``wsgate.amqp`` and ``wsgate.memory`` are the two carriers."""

from typing import Protocol

from ocppj.envelope import Reply, Request


class Owner(Protocol):
    """Who submitted a request and gets its reply."""

    def replied(self, request: Request, reply: Reply | None) -> None:
        """The reply to ``request``; None when the relay has given up on it."""

    def held_too_long(self, request: Request) -> None:
        """The request has waited longer than an outage is borne: send the peer away. A reply may still come."""


class Pending:
    """A request without a reply."""

    __slots__ = (
        "attempts",
        "close_at",
        "held_since",
        "is_abandoned",
        "is_queued",
        "owner",
        "published_at",
        "request",
        "was_published",
    )

    def __init__(self, request: Request, owner: Owner, now: float) -> None:
        self.request = request
        self.owner = owner
        self.held_since = now
        self.published_at = now
        self.attempts = 0
        self.is_queued = True
        self.is_abandoned = False
        self.was_published = False
        self.close_at: float | None = None


Batch = list[Pending]


class CarrierListener(Protocol):
    """What a carrier tells the relay, always from within the event loop."""

    def connected(self) -> None:
        """The carrier can publish; ``reply_to`` may be new, so replies to what was published before are lost."""

    def disconnected(self) -> None:
        """Nothing can be published until ``connected``."""

    def ready(self) -> None:
        """There is room again: ``is_ready`` has become true."""

    def received(self, data: bytes) -> None:
        """A ``ToGateway``."""

    def returned(self, batch: Batch) -> None:
        """Nobody took this batch; it is published again after a short wait."""


class Carrier(Protocol):
    """Moves bytes between this gateway and the backend."""

    @property
    def reply_to(self) -> str:
        """Where the backend answers to; an AMQP carrier has a new one for each broker connection."""

    @property
    def is_ready(self) -> bool:
        """Whether ``publish`` may be called now."""

    async def start(self, listener: CarrierListener) -> None:
        """Begin to connect, and return at once: a gateway stays up without its broker."""

    def publish(self, data: bytes, batch: Batch) -> None:
        """Send a ``ToBackend`` without waiting; ``batch`` is what it carries, for ``returned``."""

    async def stop(self) -> None:
        """Send what was published, then disconnect."""
