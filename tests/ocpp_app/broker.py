"""A gateway's end of a real RabbitMQ, and a proxy in front of the broker that cuts a worker off."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pika

from ocppj import envelope
from tests.ocpp_app.site import WITHIN_S, Answer
from tests.ocpp_app.wire import Backend, GatewayEnd
from tests.wsgate.proxy import Proxy, proxied


class BrokerEnd:
    """A plain connection to the broker, for one thread."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()

    def __enter__(self) -> "BrokerEnd":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def declare(self) -> str:
        """A queue of this connection alone."""
        return self.channel.queue_declare("", exclusive=True).method.queue

    def publish(self, queue: str, *bodies: bytes) -> None:
        for body in bodies:
            self.channel.basic_publish("", queue, body)

    def take(self, queue: str) -> tuple[Any, bytes]:
        """The next message on a queue, waited for."""
        for method, properties, body in self.channel.consume(queue, auto_ack=True, inactivity_timeout=WITHIN_S):
            assert method is not None, "no message came"
            self.channel.cancel()
            return properties, body
        raise AssertionError("the broker has cancelled the consumer")

    def waiting(self, queue: str) -> int:
        """How many messages are ready in a queue."""
        return self.channel.queue_declare(queue, passive=True).method.message_count


class AmqpGateway:
    """What a gateway does at the broker, in a thread of its own: publishes requests, takes replies and commands."""

    def __init__(self, url: str, rpc_queue: str) -> None:
        self._rpc_queue = rpc_queue
        self._replies: dict[uuid.UUID, Future[Any]] = {}
        self.answer: Answer = lambda command: ()
        self.commands: list[envelope.Command] = []
        self._end = BrokerEnd(url)
        self.end = GatewayEnd(Backend(), f"gateway-{uuid.uuid4()}", self._end.declare())
        self._end.channel.basic_consume(self.end.queue, self._take, auto_ack=True)
        self._thread = threading.Thread(target=self._end.channel.start_consuming, name="gateway")

    def __enter__(self) -> "AmqpGateway":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end.channel.stop_consuming)
        self._thread.join(WITHIN_S)
        self._end.connection.close()

    def submit(self, *requests: envelope.Request) -> None:
        body = self.end.pack(*requests)
        self._run(lambda: self._end.channel.basic_publish("", self._rpc_queue, body))

    def ask(self, request: envelope.Request) -> Any:
        """Publish one request and wait for its reply; once more when none came in a while, as gateways do."""
        reply = self._replies[request.relay_id] = Future()
        for timeout_s in (1.0, WITHIN_S):
            self.submit(request)
            try:
                return reply.result(timeout_s)
            except TimeoutError:
                continue
        raise AssertionError(f"{request} was not answered")

    def _run(self, action: Callable[[], Any]) -> None:
        self._end.connection.add_callback_threadsafe(action)

    def _take(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        for item in envelope.decode_to_gateway(body).items:
            if isinstance(item, envelope.Command):
                self.commands.append(item)
                if requests := tuple(self.answer(item)):
                    self.submit(*requests)
            elif reply := self._replies.pop(getattr(item, "relay_id", uuid.UUID(int=0)), None):
                reply.set_result(item)


class Cutter:
    """Breaks what goes through the proxy."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop, url: str) -> None:
        self._proxy = proxy
        self._loop = loop
        self.url = url

    def cut(self) -> None:
        """Reset all connections, now."""

        async def cut() -> None:
            self._proxy.cut()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(WITHIN_S)


@contextmanager
def cutter(url: str) -> Iterator[Cutter]:
    """A proxy in front of the broker, in a thread of its own."""
    started: Future[Cutter] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with proxied(url) as (proxy, through):
            started.set_result(Cutter(proxy, asyncio.get_running_loop(), through))
            await ended.wait()
            proxy.cut()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="proxy")
    thread.start()
    proxy = started.result(WITHIN_S)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(ended.set)
        thread.join(WITHIN_S)


def items_of(body: bytes) -> Sequence[envelope.Reply]:
    return envelope.decode_to_gateway(body).items
