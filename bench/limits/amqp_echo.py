"""The tuned echo: what RPC over RabbitMQ gives with pika as the worker when nothing else is done.

``serve``: a blocking pika worker that sends every message back to its sender; prefetch 64, no confirms, one multiple
ack for all that was ready. ``load``: K callers in one asyncio process that publish the frames of ``bench.mix`` as a
gateway with aio-pika would (non-persistent, an exclusive reply queue), one AMQP message per frame, each sending its
next frame as soon as the last one is back. ``--lean`` publishes and consumes with aiormq, on which aio-pika is built
and which our gateway uses for its batches. There is no websocket and no database in it. The broker is named by
AMQP_URL.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable

import aio_pika
import aiormq
import pika
import pika.exceptions
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import DeliveredMessage

from bench.load import PATIENCE_S, STAGGER_S, loop_factory
from bench.mix import Mix
from bench.tally import Tally, write_line

QUEUE = "bench.echo"
PREFETCH = 64
NON_PERSISTENT = 1


def serve(url: str, queue: str) -> None:
    """Echo until the process is told to end."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.basic_qos(prefetch_count=PREFETCH)
    for method, properties, body in channel.consume(queue):
        echo = pika.BasicProperties(correlation_id=properties.correlation_id, delivery_mode=NON_PERSISTENT)
        channel.basic_publish("", properties.reply_to, body, echo)
        if not channel.get_waiting_message_count():
            channel.basic_ack(method.delivery_tag, multiple=True)


Publish = Callable[[str, bytes], Awaitable[object]]
"""Send a frame with its correlation id."""


class Callers:
    """All callers of a run, on one channel."""

    def __init__(self, publish: Publish, count: int) -> None:
        self.tally = Tally()
        self.tally.connections = count
        self._publish = publish
        self._mixes = [Mix(number) for number in range(1, count + 1)]
        self._waiting: dict[str, tuple[float, bytes]] = {}
        self._publishing: set[asyncio.Future[object]] = set()
        self._is_over = False
        self._all_back = asyncio.Event()

    def call(self, number: int) -> None:
        """Let one caller send its next frame."""
        frame = self._mixes[number].next_call()
        self._waiting[str(number)] = time.perf_counter(), frame
        task = asyncio.ensure_future(self._publish(str(number), frame))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    def received(self, caller: str, body: bytes) -> None:
        """The echo of a frame with this correlation id is here."""
        now = time.perf_counter()
        sent_at, frame = self._waiting.pop(caller)
        mix = self._mixes[int(caller)]
        if body == frame:
            self.tally.answered(mix.action, now - sent_at)
        else:
            self.tally.failed(f"the echo of {frame[:100]!r} is {body[:100]!r}")
        mix.advance()
        if not self._is_over:
            self.call(int(caller))
        elif not self._waiting:
            self._all_back.set()

    async def run(self, warm_up_s: float, seconds: float) -> None:
        """Measure."""
        loop = asyncio.get_running_loop()
        for number in range(len(self._mixes)):
            loop.call_later(random.uniform(0, STAGGER_S), self.call, number)
        await asyncio.sleep(STAGGER_S + warm_up_s)
        self.tally.begin()
        await asyncio.sleep(seconds)
        self.tally.end()
        self._is_over = True
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._all_back.wait()
        except TimeoutError:
            self.tally.failed(f"{len(self._waiting)} frames did not come back")


async def load(url: str, options: argparse.Namespace) -> None:
    """Call with aio-pika, and print the result."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.declare_queue(options.queue, durable=True)
        replies = await channel.declare_queue("", exclusive=True, auto_delete=True)

        async def publish(correlation_id: str, frame: bytes) -> None:
            message = aio_pika.Message(
                frame,
                correlation_id=correlation_id,
                reply_to=replies.name,
                delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
            )
            await channel.default_exchange.publish(message, options.queue)

        async def receive(message: AbstractIncomingMessage) -> None:
            callers.received(str(message.correlation_id), message.body)

        callers = Callers(publish, options.chargers)
        await replies.consume(receive, no_ack=True)
        await callers.run(options.warm_up, options.seconds)
    write_line(callers.tally.result())


async def load_lean(url: str, options: argparse.Namespace) -> None:
    """Call with aiormq, and print the result."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    assert isinstance(channel, aiormq.Channel)
    await channel.queue_declare(options.queue, durable=True)
    reply_queue = str((await channel.queue_declare("", exclusive=True, auto_delete=True)).queue)

    async def publish(correlation_id: str, frame: bytes) -> None:
        properties = aiormq.spec.Basic.Properties(
            correlation_id=correlation_id, reply_to=reply_queue, delivery_mode=NON_PERSISTENT
        )
        await channel.basic_publish(frame, routing_key=options.queue, properties=properties, wait=False)

    async def receive(message: DeliveredMessage) -> None:
        callers.received(str(message.header.properties.correlation_id), bytes(message.body))

    callers = Callers(publish, options.chargers)
    await channel.basic_consume(reply_queue, receive, no_ack=True)
    await callers.run(options.warm_up, options.seconds)
    await connection.close()
    write_line(callers.tally.result())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.limits.amqp_echo", description="An RPC echo over RabbitMQ.")
    parser.add_argument("part", choices=("serve", "load"))
    parser.add_argument("--chargers", type=int, default=50, metavar="K")
    parser.add_argument("--warm-up", type=float, default=2.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S")
    parser.add_argument("--queue", default=QUEUE, help="one for each worker (default: %(default)s)")
    parser.add_argument("--lean", action="store_true", help="load: with aiormq alone")
    options = parser.parse_args()
    url = os.environ["AMQP_URL"]  # it holds a password, which no process list should show
    if options.part == "load":
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run((load_lean if options.lean else load)(url, options))
    else:
        serve(url, options.queue)


if __name__ == "__main__":
    main()
