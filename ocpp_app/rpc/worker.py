"""The worker's loop: everything that is ready becomes one batch."""

import gc
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.utils import timezone

from ocpp_app import conf, outbound
from ocpp_app.commands import as_worker
from ocpp_app.dispatch import AfterCommit, Dispatcher
from ocpp_app.errors import DatabaseUnavailable
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.relay.base import Carrier
from ocpp_app.rpc.housekeeping import Housekeeping
from ocpp_app.work import Items, Work
from ocppj import envelope
from ocppj.errors import EnvelopeError

if TYPE_CHECKING:
    from ocpp_app.monitoring.tracing import Tracing

logger = logging.getLogger(__name__)

POLL_S = 0.5
"""How long the loop waits for messages before it looks after the housekeeping."""
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 2.0
"""Between two attempts while the database is away: the full rate is to be there again within 10 s after its return."""
GARBAGE_AT = 10_000
"""New objects, less those that are gone, after which garbage is looked for; some MB at most."""


def start_tracing(worker: str) -> "Tracing | None":
    """What tells OpenTelemetry of a worker's frames; None where OCPP_TRACING is 0. To be called after any fork, and
    closed at the end. Raises ``ImproperlyConfigured`` for an OTEL_… variable that cannot be used."""
    if not conf.tracing():
        return None
    from ocpp_app.monitoring.tracing import Tracing

    try:
        return Tracing(conf.tracing(), worker)
    except ValueError as error:
        raise ImproperlyConfigured(f"OCPP_TRACING: an OTEL_… variable cannot be used: {error}.") from None


def settle_memory() -> None:
    """To be called when a process begins to serve. What is loaded by now stays: it is looked through no more when
    garbage is collected, nor is that done every few frames. It took a tenth of a worker's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AT)


class Worker:
    """Serves one carrier until ``stop`` is called or the carrier fails (``RelayUnavailable``)."""

    def __init__(
        self,
        carrier: Carrier,
        *,
        name: str,
        stopping: threading.Event | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._carrier = carrier
        self._tracing = tracing
        self._dispatcher = Dispatcher(tracing, self._look_ahead)
        self._ahead: deque[tuple[bytes, list[Work]]] = deque()
        """Messages that were decoded before their turn."""
        self._housekeeping = Housekeeping(name)
        self._stopping = stopping or threading.Event()
        self._publishing_s = 0.0

    def stop(self) -> None:
        """Finish the batch at hand, then return from ``run``; may be called from a signal handler or another thread."""
        self._stopping.set()

    def run(self) -> None:
        """Serve. Raises ``RelayUnavailable`` when the carrier is gone: make a new one and a new worker."""
        try:
            TALLY.is_broker_connected = True
            with as_worker():
                while not self._stopping.is_set():
                    self._turn()
        finally:
            TALLY.is_broker_connected = False
            self._carrier.close()
            connection.close()

    def _turn(self) -> None:
        works = self._take()
        TALLY.turn(works)
        if works:
            self._handle(works)
        if len(works) >= conf.worker_batch():
            self._housekeeping.note_backlog()
        if items := self._housekeeping.run_next_due() if works else self._housekeeping.run_when_due():
            self._publish(items)
        self._give_back_undeliverable()

    def _take(self) -> list[Work]:
        """What is ready, up to ``OCPP_WORKER_BATCH`` requests (a message is never split)."""
        limit = conf.worker_batch()
        works: list[Work] = []
        data = self._carrier.get(POLL_S)
        while data is not None:
            some = self._decode(data)
            if some is None:  # it comes again at once: first what came with it
                if not works:
                    self._carrier.idle(FIRST_BACKOFF_S)
                break
            works.extend(some)
            data = self._carrier.get(0) if len(works) < limit else None
        return works

    def _look_ahead(self) -> None:
        """While the database works: read and decode what has come, up to the next batch."""
        for data in self._carrier.look_ahead():
            with suppress(EnvelopeError):  # that is for ``_decode`` to say, in its turn
                self._ahead.append((data, _works_of(data)))

    def _decode(self, data: bytes) -> list[Work] | None:
        """The requests of a message; None for one that was given back."""
        if self._ahead and self._ahead[0][0] is data:
            return self._ahead.popleft()[1]
        try:
            return _works_of(data)
        except EnvelopeError as error:
            if error.version is None:
                logger.error("Dropped a message from the relay that no gateway has sent: %s", error)
                return []
            logger.error("%s The message is given back for a worker that knows it.", error)
            self._carrier.give_back()
            return None

    def _handle(self, works: list[Work]) -> None:
        wall, cpu, publishing = time.monotonic(), time.thread_time(), self._publishing_s
        if self._tracing is not None:
            self._tracing.taken(works)
        after = self._process(works)
        if after is None:
            return
        self._carrier.acknowledge()
        TALLY.batch_done(time.monotonic() - wall, time.thread_time() - cpu, self._publishing_s - publishing)
        after.run()

    def _process(self, works: list[Work]) -> AfterCommit | None:
        """Handle a batch; while the database is away, wait for it with the broker connection alive. None: stopped
        meanwhile."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                return self._dispatcher.process(works, self._publish)
            except DatabaseUnavailable as error:
                logger.error("The database cannot be used, trying again in %.1f s: %s", backoff_s, error)
                TALLY.outages += 1
                self._housekeeping.note_outage()
                connection.close()
                self._carrier.idle(backoff_s)
                TALLY.turned_at = time.time()
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
        return None

    def _publish(self, items: Items) -> None:
        started = time.monotonic()
        self._carrier.publish(items)
        took_s = time.monotonic() - started
        self._publishing_s += took_s
        logger.debug("Published to %d queues in %.1f ms.", len(items), took_s * 1000)

    def _give_back_undeliverable(self) -> None:
        """Commands that the broker returned; it tells of them only after they were published."""
        returned = self._carrier.undeliverable()
        if not returned:
            return
        try:
            outbound.give_back_undelivered(returned, timezone.now())
        except DatabaseError as error:  # they are sent again when nobody hears of them
            logger.error("%d commands could not be given back: %s", len(returned), error)
            self._housekeeping.note_outage()
            connection.close()


def _works_of(data: bytes) -> list[Work]:
    """The requests of a message. Raises ``EnvelopeError``."""
    message = envelope.decode_to_backend(data)
    return [Work(request, message.gateway, message.reply_to) for request in message.requests]
