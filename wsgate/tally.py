"""What a gateway counts: plain numbers, added to where it happens, read when somebody asks (``wsgate.metrics``)."""

from collections import Counter

from ocppj.metrics import REQUESTS, Distribution


class Tally:
    """The numbers of one gateway. Its event loop writes them; any thread may read."""

    __slots__ = (
        "answers",
        "batches",
        "broker_connections",
        "calls",
        "closes",
        "commands",
        "gone",
        "handshakes",
        "latency",
        "received_bytes",
        "repeated",
        "returned",
        "sent_bytes",
        "unexpected",
        "written",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = 0
        self.answers = 0
        self.unexpected = 0
        """Frames that came, by what they are."""
        self.written = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.handshakes: Counter[str] = Counter()
        """By HTTP status; ``protocol`` for those who offer another subprotocol only."""
        self.gone = 0
        """TCP connections that have ended, whether they became websockets or not."""
        self.closes: Counter[str] = Counter()
        """By close code."""
        self.commands: Counter[str] = Counter()
        """Reports of what became of our CALLs, by state."""
        self.latency = Distribution()
        """From a frame's arrival at the relay to the backend's reply."""
        self.batches = Distribution(REQUESTS)
        self.repeated = 0
        """Requests that were published again."""
        self.returned = 0
        """Requests that the broker gave back."""
        self.broker_connections = 0
