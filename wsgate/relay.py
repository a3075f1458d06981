"""Requests on their way to the backend, and the replies back: coalescing, retry, and how long an outage is borne.

``submit`` takes a request from a connection; everything that was submitted in one pass of the event loop is published
as one ``ToBackend`` in the next. The reply with the same relay id goes back to who submitted the request. A carrier
only moves bytes.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from ocppj import envelope
from ocppj.envelope import (
    Announce,
    CloseSession,
    Command,
    CommandFinished,
    Connect,
    Frame,
    FrameReply,
    Reply,
    Request,
    ToBackend,
)
from ocppj.errors import EnvelopeError
from ocppj.ordered import RANDOM_BITS, uuid7
from wsgate.carrier import Batch, Carrier, Owner, Pending
from wsgate.config import Config
from wsgate.tally import Tally

if TYPE_CHECKING:
    from wsgate.tracing import Tracing

logger = logging.getLogger(__name__)

ENVELOPE_BYTES = 160
"""About what a request needs beside its frame: two UUIDs, the identity, times. Only used to cap a batch."""
SWEEP_INTERVAL_S = 0.5
"""Unanswered requests are looked at this often, at the least; a coarse sweep instead of a timer for each."""


class Receiver(Protocol):
    """Who carries out what the backend sends on its own."""

    def command(self, command: Command) -> None: ...

    def close_session(self, item: CloseSession) -> None: ...


class Relay:
    """All requests of one gateway that the backend has not answered."""

    def __init__(
        self,
        config: Config,
        carrier: Carrier,
        gateway: str,
        tally: Tally | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._config = config
        self._carrier = carrier
        self._gateway = gateway
        self._tally = tally or Tally()
        self._tracing = tracing
        self._loop = asyncio.get_running_loop()
        self._pending: dict[UUID, Pending] = {}
        self._outbox: deque[Pending] = deque()
        self._flush_handle: asyncio.Handle | None = None
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._silent_since: float | None = self._loop.time()
        self._progress = asyncio.Event()
        self.is_connected = False
        """Whether the carrier has its connection."""
        self.receiver: Receiver | None = None
        """Set by the composition root before ``start``."""
        self.reconnected = asyncio.Event()
        """Set at each new connection to the broker, for the announcer, which clears it."""

    def __len__(self) -> int:
        """How many requests have no reply yet."""
        return len(self._pending)

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        await self._carrier.start(self)
        self._schedule_sweep()

    async def stop(self) -> None:
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
        self._flush()
        await self._carrier.stop()

    @property
    def is_down(self) -> bool:
        """Whether broker or backend have been away for longer than an outage is borne."""
        return self.silent_for > self._config.outage_grace_s

    @property
    def silent_for(self) -> float:
        """Seconds for which the backend owes us a sign of life."""
        return 0.0 if self._silent_since is None else self._loop.time() - self._silent_since

    @property
    def oldest_s(self) -> float:
        """For how long the oldest request has had no reply, in seconds; another thread may ask."""
        oldest = next(iter(list(self._pending.values())[:1]), None)
        return 0.0 if oldest is None else self._loop.time() - oldest.held_since

    async def wait_answered(self) -> None:
        """Return when no request waits for its reply any more, but for abandoned ones."""
        while not all(pending.is_abandoned for pending in self._pending.values()):
            self._progress.clear()
            await self._progress.wait()

    # -- requests --------------------------------------------------------------------------------------------

    def submit(self, request: Request, owner: Owner) -> None:
        """Bring a request to the backend; ``owner`` gets the reply, or None when it is given up."""
        now = self._loop.time()
        pending = Pending(request, owner, now)
        self._pending[request.relay_id] = pending
        if self._silent_since is None:
            self._silent_since = now
        self._outbox.append(pending)
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self._flush)

    def withdraw(self, relay_id: UUID) -> None:
        """Forget a request that has become pointless; nobody is told."""
        self._pending.pop(relay_id, None)

    def abandon(self, relay_id: UUID) -> None:
        """Publish a request no more; if it has been published before, its owner still gets the reply."""
        pending = self._pending.get(relay_id)
        if pending is not None and pending.was_published:
            pending.is_abandoned = True
        else:
            self.withdraw(relay_id)

    def _flush(self) -> None:
        self._flush_handle = None
        while self._outbox and self._carrier.is_ready:
            batch = self._next_batch()
            if batch:
                self._publish(batch)

    def _next_batch(self) -> Batch:
        batch: Batch = []
        size = 0
        while self._outbox and len(batch) < self._config.max_batch_requests:
            pending = self._outbox[0]
            if pending.is_abandoned or pending.request.relay_id not in self._pending:  # or answered, or withdrawn
                self._outbox.popleft()
                continue
            size += _size_of(pending.request)
            if batch and size > self._config.max_batch_bytes:
                break
            batch.append(self._outbox.popleft())
        return batch

    def _publish(self, batch: Batch) -> None:
        now = self._loop.time()
        self._tally.batches.add(len(batch))
        for pending in batch:
            pending.published_at = now
            pending.attempts += 1
            pending.is_queued = False
            pending.was_published = True
        message = ToBackend(
            envelope.VERSION, self._gateway, self._carrier.reply_to, tuple([pending.request for pending in batch])
        )
        self._carrier.publish(envelope.encode(message), batch)

    # -- what the carrier tells ------------------------------------------------------------------------------

    def connected(self) -> None:
        """Publish everything again that was published before: its replies went to a queue that is gone."""
        self.is_connected = True
        self._tally.broker_connections += 1
        self.reconnected.set()
        self._publish_again(list(self._pending.values()))

    def disconnected(self) -> None:
        self.is_connected = False
        if self._silent_since is None:
            self._silent_since = self._loop.time()

    def ready(self) -> None:
        if self._outbox and self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self._flush)

    def returned(self, batch: Batch) -> None:
        self._tally.returned += len(batch)
        self._loop.call_later(self._config.return_delay_s, self._publish_again, batch)

    def received(self, data: bytes) -> None:
        try:
            message = envelope.decode_to_gateway(data)
        except EnvelopeError as error:
            logger.error("What the backend sent is not understood and dropped: %s", error)
            return
        was_silent_for = self.silent_for
        for item in message.items:
            try:
                self._carry_out(item)
            except Exception:  # one item must not take the others with it
                logger.exception("A %s from the backend failed", type(item).__name__)
        self._silent_since = self._loop.time() if self._pending else None
        self._progress.set()
        if was_silent_for > self._config.retry_after_s:
            # The backend is back. What was published meanwhile may have expired in the queue.
            self._publish_again(list(self._pending.values()))

    def _carry_out(self, item: Reply) -> None:
        if isinstance(item, Command):
            if self.receiver is not None:
                self.receiver.command(item)
        elif isinstance(item, CloseSession):
            if self.receiver is not None:
                self.receiver.close_session(item)
        elif not isinstance(item, CommandFinished):
            pending = self._pending.pop(item.relay_id, None)
            if pending is not None:
                if isinstance(item, FrameReply):
                    self._tally.latency.add(self._loop.time() - pending.held_since)
                pending.owner.replied(pending.request, item)
                if self._tracing is not None and isinstance(item, FrameReply):
                    self._tracing.replied(pending, item, self._loop.time())

    # -- time ------------------------------------------------------------------------------------------------

    def _publish_again(self, batch: Iterable[Pending]) -> None:
        again = [
            pending
            for pending in batch
            if not (pending.is_queued or pending.is_abandoned) and pending.request.relay_id in self._pending
        ]
        for pending in again:
            pending.is_queued = True
            pending.attempts = 0
        self._tally.repeated += len(again)
        # Older than anything that waits in the outbox, so it goes first: frames of one session stay in order.
        self._outbox.extendleft(reversed(again))
        self.ready()

    def _schedule_sweep(self) -> None:
        interval = min(SWEEP_INTERVAL_S, self._config.retry_after_s / 5, self._config.outage_grace_s / 5)
        self._sweep_handle = self._loop.call_later(interval, self._sweep)

    def _sweep(self) -> None:
        self._schedule_sweep()
        if not self._pending:
            return
        now = self._loop.time()
        overdue = [pending for pending in self._pending.values() if self._is_overdue(pending, now)]
        if overdue and self._carrier.is_ready:
            self._tally.repeated += len(overdue)
            for pending in overdue:
                pending.is_queued = True
            self._outbox.extend(overdue)
            self.ready()
        grace_ends = now - self._config.outage_grace_s
        held = [pending for pending in self._pending.values() if pending.held_since < grace_ends]
        for pending in held:
            self._hold_no_longer(pending, now)

    def _is_overdue(self, pending: Pending, now: float) -> bool:
        return (
            not pending.is_queued
            and not pending.is_abandoned
            and pending.attempts <= self._config.max_retries
            and now - pending.published_at >= self._config.retry_after_s
        )

    def _hold_no_longer(self, pending: Pending, now: float) -> None:
        if now - pending.held_since > self._config.report_keep_s:
            self.give_up(pending.request)
        elif pending.close_at is None:
            pending.close_at = now + random.uniform(0, self._config.outage_spread_s)
        elif now >= pending.close_at:
            pending.owner.held_too_long(pending.request)

    def give_up(self, request: Request) -> None:
        """Wait no longer for the reply; the owner is told."""
        pending = self._pending.pop(request.relay_id, None)
        if pending is not None:
            pending.owner.replied(request, None)
            self._progress.set()
            if self._tracing is not None:
                self._tracing.replied(pending, None, self._loop.time())


def _size_of(request: Request) -> int:
    if isinstance(request, Frame):
        return ENVELOPE_BYTES + len(request.raw)
    if isinstance(request, Announce) and request.sessions is not None:
        return ENVELOPE_BYTES + 18 * len(request.sessions)
    if isinstance(request, Connect):
        return ENVELOPE_BYTES + len(request.path) + len(request.user_agent)
    return ENVELOPE_BYTES


def new_id() -> UUID:
    """A UUID of now, for relay and session ids. They are no secrets, so this one saves ``uuid4``'s system call."""
    return uuid7(time.time(), random.getrandbits(RANDOM_BITS))


def wall_clock() -> float:
    """Seconds since 1970, for the times in the envelope."""
    return time.time()
