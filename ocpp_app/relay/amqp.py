"""The relay over RabbitMQ, with pika: the worker's end (``AmqpCarrier``) and the sender of commands
(``AmqpPublisher``)."""

import logging
import os
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, UnroutableError

from ocpp_app.errors import DeliveryUnknown, RelayUnavailable
from ocpp_app.relay.base import Items
from ocpp_app.relay.wakeups import Wakeups
from ocppj import envelope
from ocppj.queues import broker_urls, queue_arguments

logger = logging.getLogger(__name__)

TRANSIENT = pika.BasicProperties(delivery_mode=1, content_type="application/msgpack")
"""The charge point is the durable end: nothing on the way needs a disk."""
BROKER_ERRORS = (AMQPError, OSError)


def parameters(url: str) -> list[pika.URLParameters]:
    """How we connect to a broker; of several nodes those that come later are tried when the first does not answer.

    Each time in another order, so that connections spread over all nodes.
    """
    urls = broker_urls(url)
    return [_parameters_of(each) for each in random.sample(urls, len(urls))]


def _parameters_of(url: str) -> pika.URLParameters:
    found = pika.URLParameters(url)
    found.heartbeat = 30
    found.blocked_connection_timeout = 60
    found.socket_timeout = 5
    return found


def _version_of(connection: pika.BlockingConnection) -> str:
    return str((connection._impl.server_properties or {}).get("version", ""))  # pika has no public way to ask


def _body(items: Sequence[envelope.Reply]) -> bytes:
    return envelope.encode(envelope.ToGateway(envelope.VERSION, tuple(items)))


class AmqpCarrier:
    """The worker's connection; it declares the queue, so that it does not matter who starts first."""

    def __init__(self, url: str, *, queue: str, prefetch: int, queue_type: str = "classic") -> None:
        """``prefetch``: how many messages may be on their way to this worker. Raises ``RelayUnavailable``."""
        self._ready: deque[tuple[int, bytes]] = deque()
        self._returned: list[envelope.Command] = []
        self._taken: list[int] = []
        """Delivery tags of what ``get`` returned and nobody has settled yet."""
        self._prefetch = prefetch
        self._carried_out: int | None = None
        """The last delivery tag that the broker is to be told of."""
        self._is_cancelled = False
        try:
            self._connection = pika.BlockingConnection(parameters(url))
            self._channel: BlockingChannel = self._connection.channel()
            self._channel.queue_declare(
                queue, durable=True, arguments=queue_arguments(queue_type, _version_of(self._connection))
            )
            self._channel.basic_qos(prefetch_count=prefetch)
            self._channel.add_on_return_callback(self._on_return)
            self._channel.add_on_cancel_callback(self._on_cancel)
            self._channel.basic_consume(queue, self._on_message)
        except BROKER_ERRORS as error:
            raise RelayUnavailable(f"RabbitMQ cannot be used: {error!r}") from error

    def _on_message(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self._ready.append((method.delivery_tag, body))

    def _on_cancel(self, _method: Any) -> None:
        self._is_cancelled = True  # the connection stays, nothing would ever come again

    def _on_return(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        items = envelope.decode_to_gateway(body).items
        self._returned.extend(item for item in items if isinstance(item, envelope.Command))

    def get(self, timeout_s: float) -> bytes | None:
        # What had come when the last reply went out is here: to look again takes its time.
        if not self._ready and timeout_s:
            self._process(timeout_s)
            if not self._ready:
                self._settle()
        if not self._ready:
            return None
        tag, body = self._ready.popleft()
        self._taken.append(tag)
        return body

    def give_back(self) -> None:
        # Forgotten here: to acknowledge it as well would be an error that closes the channel.
        tag = self._taken.pop()
        self._call(lambda: self._channel.basic_nack(tag, requeue=True))

    def publish(self, items: Items) -> None:
        for queue, some in items.items():
            self._call(partial(self._channel.basic_publish, "", queue, _body(some), TRANSIENT, mandatory=True))

    def acknowledge(self) -> None:
        if self._taken:
            is_late = len(self._taken) * 2 >= self._prefetch  # the broker sends no more before it hears of them
            self._carried_out = self._taken[-1]
            self._taken.clear()
            if is_late:
                self._settle()

    def look_ahead(self) -> Sequence[bytes]:
        known = len(self._ready)
        with suppress(RelayUnavailable):
            self._settle()
            self._process(0)
        return [body for _tag, body in islice(self._ready, known, None)]

    def _settle(self) -> None:
        """Tell the broker what has been carried out."""
        if self._carried_out is not None:
            tag, self._carried_out = self._carried_out, None
            self._call(lambda: self._channel.basic_ack(tag, multiple=True))

    def idle(self, seconds: float) -> None:
        self._call(lambda: self._connection.sleep(seconds))

    def undeliverable(self) -> list[envelope.Command]:
        returned, self._returned = self._returned, []
        return returned

    def close(self) -> None:
        try:
            if self._connection.is_open:
                with suppress(RelayUnavailable):
                    self._settle()
                self._connection.close()
        except BROKER_ERRORS:
            logger.debug("The broker connection was gone already.")

    def _process(self, timeout_s: float) -> None:
        self._call(lambda: self._connection.process_data_events(time_limit=timeout_s))

    def _call(self, action: Callable[[], Any]) -> None:
        if not self._connection.is_open:  # pika raises whatever comes to its mind
            raise RelayUnavailable("The broker connection was lost.")
        if self._is_cancelled:
            raise RelayUnavailable("The broker no longer delivers from the queue: it was deleted, or has moved.")
        try:
            action()
        except BROKER_ERRORS as error:
            raise RelayUnavailable(f"The broker connection was lost: {error!r}") from error


class AmqpPublisher:
    """One pika connection for a process, in a thread of its own, started when it is first needed (after any fork)."""

    CONNECT_TIMEOUT_S = 10.0

    def __init__(self, url: str) -> None:
        self._url = url
        self._wakeups = Wakeups()
        self._lock = threading.Lock()
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._queue = ""
        self._unfinished: set[Future[bool]] = set()

    @property
    def reply_queue(self) -> str:
        self._ensure_connected()
        return self._queue

    def send(self, queue: str, items: Sequence[envelope.Reply]) -> bool:
        body = _body(items)
        return self._in_thread(lambda channel: self._publish(channel, queue, body))

    def wait(self, command_id: str, timeout_s: float) -> None:
        self._wakeups.wait(command_id, timeout_s)

    @staticmethod
    def _publish(channel: BlockingChannel, queue: str, body: bytes) -> bool:
        try:
            channel.basic_publish("", queue, body, TRANSIENT, mandatory=True)
        except UnroutableError:
            return False
        return True

    def _in_thread(self, action: Callable[[BlockingChannel], bool]) -> bool:
        connection, channel = self._ensure_connected()
        done: Future[bool] = Future()
        self._unfinished.add(done)

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(action(channel))
            except Exception as error:  # noqa: BLE001  handed to the thread that waits
                done.set_exception(error)

        try:
            connection.add_callback_threadsafe(run)
            return done.result(self.CONNECT_TIMEOUT_S)
        except (*BROKER_ERRORS, TimeoutError, CancelledError) as error:
            # Of what has begun nobody can say that it has not arrived.
            lost = RelayUnavailable if done.cancel() else DeliveryUnknown
            raise lost(f"The broker connection was lost: {error!r}") from error
        finally:
            self._unfinished.discard(done)

    def _ensure_connected(self) -> tuple[pika.BlockingConnection, BlockingChannel]:
        with self._lock:
            if not self._is_connected():
                self._start()
            assert self._connection is not None
            assert self._channel is not None
            return self._connection, self._channel

    def _is_connected(self) -> bool:
        if self._pid != os.getpid() or self._thread is None or self._connection is None:
            return False
        if self._connection.is_closed:
            self._thread.join(self.CONNECT_TIMEOUT_S)  # it only fails what it had not carried out
        return self._thread.is_alive()

    def _start(self) -> None:
        started: Future[None] = Future()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, args=(started,), name="ocpp-publisher", daemon=True)
        self._thread.start()
        try:
            started.result(self.CONNECT_TIMEOUT_S)
        except (*BROKER_ERRORS, TimeoutError) as error:
            self._thread = None
            raise RelayUnavailable(f"RabbitMQ cannot be reached: {error!r}") from error

    def _run(self, started: "Future[None]") -> None:
        try:
            self._connection = pika.BlockingConnection(parameters(self._url))
            channel = self._channel = self._connection.channel()
            self._queue = f"ocpp.web.{uuid.uuid4()}"
            channel.queue_declare(self._queue, exclusive=True, auto_delete=True)
            channel.confirm_delivery()
            channel.basic_consume(self._queue, self._on_message, auto_ack=True)
        except Exception as error:  # noqa: BLE001  handed to the thread that waits
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            channel.start_consuming()
        except BROKER_ERRORS as error:
            logger.warning("The broker connection for commands was lost, the next command opens a new one: %r", error)
            self._fail_unfinished(error)

    def _fail_unfinished(self, error: Exception) -> None:
        """What was handed to the thread that ends now is not carried out; nobody has to wait for it."""
        for done in tuple(self._unfinished):
            if not done.cancel():
                with suppress(InvalidStateError):  # it was carried out a moment ago
                    done.set_exception(error)

    def _on_message(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        for item in envelope.decode_to_gateway(body).items:
            if isinstance(item, envelope.CommandFinished):
                self._wakeups.wake(item.unique_id)
