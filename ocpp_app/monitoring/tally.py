"""What this process counts of itself: plain numbers, added to once for a batch, read when somebody asks.

There is one ``TALLY`` in a process, as there is one process to be asked. Who counts calls one of its methods;
``monitoring.exposition`` knows how the numbers are called.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocpp_app.work import Work
from ocppj import envelope
from ocppj.errors import FrameError
from ocppj.frames import Call, CallError, CallResult
from ocppj.metrics import REQUESTS, Distribution
from ocppj.v16 import PROTOCOL

if TYPE_CHECKING:
    from ocpp_app.events.posting import Answer

Items = Mapping[str, Sequence[envelope.Reply]]

RESULTS = {None: "none", b"3": "result", b"4": "error"}
"""By the message type of the answer, the second byte of its raw form."""
OTHER = "other"
"""An action that nobody knows: charge points shall not make time series."""


@dataclass(slots=True)
class TaskTally:
    """What a background task has done."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass
class Tally:
    """The numbers of one process; ``worker`` and ``courier`` have one thread each, ``web`` has many."""

    # worker
    frames: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Frames by action, type and result."""
    requests: Counter[str] = field(default_factory=Counter)
    """Other requests of gateways, by kind."""
    batches: Distribution = field(default_factory=lambda: Distribution(REQUESTS))
    batch_s: Distribution = field(default_factory=Distribution)
    database_s: Distribution = field(default_factory=Distribution)
    waited_s: Distribution = field(default_factory=Distribution)
    oldest_s: float = 0.0
    turned_at: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    splits: int = 0
    outages: int = 0
    is_broker_connected: bool = False
    holds_lease: bool = False
    tasks: dict[str, TaskTally] = field(default_factory=dict)
    # everywhere
    security_events: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    # courier
    deliveries: Counter[str] = field(default_factory=Counter)
    delivery_s: Distribution = field(default_factory=Distribution)
    # web
    pages: Counter[tuple[str, str]] = field(default_factory=Counter)
    page_s: Distribution = field(default_factory=Distribution)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # -- worker ----------------------------------------------------------------------------------------------

    def turn(self, works: Sequence[Work]) -> None:
        """The worker's loop has come round with these requests; without any, nothing waits."""
        now = self.turned_at = time.time()
        self.oldest_s = max(0.0, now - min(work.request.at for work in works)) if works else 0.0
        if works:
            self.batches.add(len(works))
            self.waited_s.add(self.oldest_s)

    def answered(self, works: Iterable[Work], outgoing: Items) -> None:
        """These requests have been committed and answered."""
        replies = (item for items in outgoing.values() for item in items)
        raws = {item.relay_id.int: item.raw for item in replies if type(item) is envelope.FrameReply}
        for work in works:
            frame = work.frame
            if frame is None:
                self.requests[type(work.request).__name__.lower()] += 1
            elif isinstance(frame, Call):
                raw = raws.get(work.request.relay_id.int)
                action = frame.action if frame.action in PROTOCOL.actions else OTHER
                self.frames[action, "call", RESULTS.get(raw and raw[1:2], "none")] += 1
            else:
                self.frames["", _KINDS[type(frame)], "none"] += 1

    def batch_done(self, wall_s: float, cpu_s: float, publish_s: float) -> None:
        """A batch is through: what it took, how much of that was our own CPU time, and how long publishing took."""
        self.batch_s.add(wall_s)
        self.database_s.add(max(0.0, wall_s - cpu_s - publish_s))

    def failed(self, action: str) -> None:
        """Our code, or a user's, failed on a request of this action."""
        self.failures[action if action in PROTOCOL.actions else OTHER] += 1

    def task_done(self, name: str, seconds: float, *, has_failed: bool) -> None:
        """A background task has run."""
        task = self.tasks.setdefault(name, TaskTally())
        task.runs += 1
        task.failures += has_failed
        task.seconds += seconds

    # -- courier ---------------------------------------------------------------------------------------------

    def delivered(self, answers: Iterable["Answer"]) -> None:
        """These attempts at webhooks have been made."""
        for answer in answers:
            failed = "unreachable" if answer.is_unreachable else "refused"
            self.deliveries["delivered" if answer.is_success else failed] += 1
            self.delivery_s.add(answer.duration_s)

    # -- web -------------------------------------------------------------------------------------------------

    def page_done(self, part: str, status: int, seconds: float) -> None:
        """A web request has been answered."""
        with self._lock:
            self.pages[part, str(status)] += 1
            self.page_s.add(seconds)

    def limit_hit(self, limit: str) -> None:
        """A limit has kept somebody out."""
        with self._lock:
            self.limits[limit] += 1

    def security_event(self, kind: str, count: int) -> None:
        with self._lock:
            self.security_events[kind] += count


_KINDS: dict[type, str] = {CallResult: "call_result", CallError: "call_error", FrameError: "malformed"}
TALLY = Tally()
