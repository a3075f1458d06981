"""The AMQP carrier: one broker connection, the workers' queue, and a reply queue of our own.

Messages to the workers are non-persistent, expire, and are published ``mandatory`` with publisher confirms. These are
not for durability (the charge point is the durable end, and unanswered requests are published again): they tell us what
nobody took, and waiting for them holds requests back, and thereby coalesces them, while the broker is busy or blocks.
"""

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelPreconditionFailed, DeliveryError, ProbableAuthenticationError

from ocppj.queues import broker_urls, queue_arguments
from wsgate.carrier import Batch, CarrierListener
from wsgate.config import AMQPConfig, Config

logger = logging.getLogger(__name__)

WINDOW = 1
"""Messages on their way to the broker without its confirm. What comes meanwhile travels together in the next one:
measured at 50 busy charge points, 1 gives the most CALLs/s, the least latency and the least CPU (2: -25 %, 8: -40 %).
"""
HEARTBEAT_S = 10
"""Finds a vanished broker about as fast as an outage is borne; the URL's own ``heartbeat`` goes first."""
CONNECT_TIMEOUT_S = 10.0
BACK_OFF_S = (0.1, 5.0)
"""The first and the longest pause between attempts to connect; half of each is left to chance."""
REFUSED_FOR_S = 1.0
"""A connection on which everything is refused for so long is made anew: one that was opened while a quorum queue had no
leader, because the leader's node had just died, is refused for ever (RabbitMQ 3.10)."""
GOODBYE_S = 2.0
NON_PERSISTENT = 1


class AMQPCarrier:
    """Carries envelopes over RabbitMQ; connects again for ever, with a fresh reply queue each time.

    A broker that is away, or a queue that was declared otherwise, is logged with what to do and never raised.
    """

    def __init__(self, broker: AMQPConfig, config: Config) -> None:
        self._broker = broker
        urls = broker_urls(broker.url)
        self._urls = random.sample(urls, len(urls))
        """All nodes of the broker, the one in use first; another order in each gateway."""
        # Older than this, a frame's socket has been closed; what must not be lost is published again.
        self._expiration = str(int((config.outage_grace_s + config.outage_spread_s) * 1000))
        self._listener: CarrierListener | None = None
        self._channel: aiormq.Channel | None = None
        self._queue: AbstractChannel | None = None
        self._publishing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._supervisor: asyncio.Task[None] | None = None
        self._reply_to = ""
        self._last_complaint = ""
        self._refused_since: float | None = None
        self._lost: Callable[[object, BaseException | None], None] | None = None
        """Call it to give the present connection up."""

    @property
    def reply_to(self) -> str:
        return self._reply_to

    @property
    def is_ready(self) -> bool:
        return self._channel is not None and len(self._publishing) < WINDOW

    async def start(self, listener: CarrierListener) -> None:
        self._listener = listener
        self._supervisor = asyncio.create_task(self._keep_connected(listener))

    async def stop(self) -> None:
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=GOODBYE_S)
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor}, timeout=GOODBYE_S)

    def publish(self, data: bytes, batch: Batch) -> None:
        assert self._channel is not None, "ask is_ready first"
        task = asyncio.get_running_loop().create_task(self._publish(self._channel, data, batch))
        self._publishing.add(task)
        task.add_done_callback(self._published)

    # -- publishing -------------------------------------------------------------------------------------------

    async def _publish(self, channel: aiormq.Channel, data: bytes, batch: Batch) -> None:
        properties = aiormq.spec.Basic.Properties(
            content_type="application/msgpack",
            delivery_mode=NON_PERSISTENT,
            expiration=self._expiration,
            reply_to=self._reply_to,
            message_id=str(next(self._numbers)),  # by which a returned one is known; otherwise a random UUID is made
        )
        try:
            outcome = await channel.basic_publish(
                data, routing_key=self._broker.queue, properties=properties, mandatory=True, wait=False
            )
        except DeliveryError as error:
            self._refused(error)
            self._give_back(batch)
        except (AMQPError, OSError, RuntimeError) as error:
            # The connection ends; everything unanswered is published on the next one.
            logger.debug("Publishing failed: %r", error)
        else:
            self._refused_since = None
            if isinstance(outcome, DeliveredMessage):
                await self._returned(batch)

    def _refused(self, error: DeliveryError) -> None:
        now = asyncio.get_running_loop().time()
        if self._refused_since is None:
            logger.warning("The broker refused a message, it is published again: %s", error)
            self._refused_since = now
        elif now - self._refused_since > REFUSED_FOR_S and self._lost is not None:
            self._lost(None, error)

    async def _returned(self, batch: Batch) -> None:
        logger.warning("The queue %s is gone; it is declared again", self._broker.queue)
        with contextlib.suppress(AMQPError, OSError, RuntimeError):
            if self._queue is not None:
                await self._declare_queue(self._queue)
        self._give_back(batch)

    def _give_back(self, batch: Batch) -> None:
        if self._listener is not None:
            self._listener.returned(batch)

    def _published(self, task: "asyncio.Task[None]") -> None:
        self._publishing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("Publishing failed", exc_info=task.exception())
        if self._listener is not None and self.is_ready:
            self._listener.ready()

    # -- the connection ---------------------------------------------------------------------------------------

    async def _keep_connected(self, listener: CarrierListener) -> None:
        pause, failures = BACK_OFF_S[0], 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    connection = await self._connect()
            except (AMQPError, OSError, TimeoutError, RuntimeError, ValueError) as error:
                self._complain("No connection to the broker %s: %s", error)
                self._try_next_node()
                failures += 1
                if failures % len(self._urls):
                    continue
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, BACK_OFF_S[1])
                continue
            try:
                await self._use(connection, listener)
                pause, failures = BACK_OFF_S[0], 0
            finally:
                await _close(connection)

    async def _connect(self) -> AbstractConnection:
        url = self._urls[0]
        options: dict[str, Any] = {} if "heartbeat" in parse_qs(urlsplit(url).query) else {"heartbeat": HEARTBEAT_S}
        names: Any = {"connection_name": "wsgate"}
        connection: AbstractConnection = await aio_pika.connect(url, client_properties=names, **options)
        return connection

    async def _use(self, connection: AbstractConnection, listener: CarrierListener) -> None:
        """Declare the queues, then publish and consume until the connection is lost."""
        lost = asyncio.Event()
        reason: list[object] = []

        def on_close(_: object, error: BaseException | None) -> None:
            reason.append(error)
            lost.set()

        connection.close_callbacks.add(on_close)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._open(connection, listener, on_close)
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            self._complain("The broker %s cannot be used: %s", error)
            self._try_next_node()
            await asyncio.sleep(BACK_OFF_S[1] * random.uniform(0.5, 1.0))
            return
        self._last_complaint = ""
        logger.info("Connected to the broker %s, replies come to %s", _shown(self._urls[0]), self._reply_to)
        self._lost, self._refused_since = on_close, None
        try:
            listener.connected()
            await lost.wait()
        finally:
            self._channel = self._queue = self._lost = None
            listener.disconnected()
        logger.warning("The connection to the broker is lost (%s), connecting again", reason[0])

    async def _open(self, connection: AbstractConnection, listener: CarrierListener, on_close: Any) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        channel.close_callbacks.add(on_close)
        await self._declare_queue(channel)
        # An old name may still be locked by our own half-open connection.
        self._reply_to = f"ocpp.gateway.{uuid4().hex}"
        await channel.declare_queue(self._reply_to, exclusive=True, auto_delete=True)
        raw = await channel.get_underlay_channel()
        assert isinstance(raw, aiormq.Channel)

        async def receive(message: DeliveredMessage) -> None:
            listener.received(message.body)

        raw.on_consumer_cancel_callbacks.add(lambda _: on_close(raw, RuntimeError("the reply queue was deleted")))
        await raw.basic_consume(self._reply_to, receive, no_ack=True, exclusive=True)
        self._queue, self._channel = channel, raw

    async def _declare_queue(self, channel: AbstractChannel) -> None:
        raw = await channel.get_underlay_channel()
        version = str(raw.connection.server_properties.get("version", ""))
        arguments = queue_arguments(self._broker.queue_type, version)
        await channel.declare_queue(self._broker.queue, durable=True, arguments=arguments)

    def _try_next_node(self) -> None:
        self._urls.append(self._urls.pop(0))

    def _complain(self, text: str, error: BaseException) -> None:
        """Say it once, not with every attempt."""
        complaint = text % (_shown(self._urls[0]), _explain(error))
        logger.log(logging.DEBUG if complaint == self._last_complaint else logging.ERROR, "%s", complaint)
        self._last_complaint = complaint


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(AMQPError, OSError, RuntimeError, TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await connection.close()


def _shown(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def _explain(error: BaseException) -> str:
    if isinstance(error, ProbableAuthenticationError):
        return "the user name or the password is wrong, see --amqp-url"
    if isinstance(error, ChannelPreconditionFailed):
        return f"{error}; the queue was declared otherwise: use the same --queue-type everywhere, or delete the queue"
    return str(error) or type(error).__name__
