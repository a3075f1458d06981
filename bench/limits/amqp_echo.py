"""The tuned echo: what RPC over RabbitMQ gives with pika as the worker when nothing else is done.

``serve``: a blocking pika worker that sends every message back to its sender; prefetch 64, no confirms, one multiple
ack for all that was ready. ``load``: K callers in one asyncio process that publish the frames of ``bench.mix`` as a
gateway does (aiormq, non-persistent, an exclusive reply queue), but one AMQP message per frame, each sending its next
frame as soon as the last one is back. There is no websocket and no database in it. The broker is named by AMQP_URL.
"""

import argparse
import asyncio
import os
import random
import time

import aiormq
import pika
import pika.exceptions
from aiormq.abc import DeliveredMessage

from bench.load import PATIENCE_S, STAGGER_S, loop_factory
from bench.mix import Mix
from bench.tally import Tally, write_line

QUEUE = "bench.echo"
PREFETCH = 64
NON_PERSISTENT = 1


def serve(url: str) -> None:
    """Echo until the process is told to end."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True)
    channel.basic_qos(prefetch_count=PREFETCH)
    for method, properties, body in channel.consume(QUEUE):
        echo = pika.BasicProperties(correlation_id=properties.correlation_id, delivery_mode=NON_PERSISTENT)
        channel.basic_publish("", properties.reply_to, body, echo)
        if not channel.get_waiting_message_count():
            channel.basic_ack(method.delivery_tag, multiple=True)


class Callers:
    """All callers of a run, on one channel."""

    def __init__(self, channel: aiormq.Channel, reply_queue: str, count: int) -> None:
        self.tally = Tally()
        self.tally.connections = count
        self._channel = channel
        self._reply_queue = reply_queue
        self._mixes = [Mix(number) for number in range(1, count + 1)]
        self._waiting: dict[str, tuple[float, bytes]] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._all_back = asyncio.Event()

    def call(self, number: int) -> None:
        """Let one caller send its next frame."""
        frame = self._mixes[number].next_call()
        self._waiting[str(number)] = time.perf_counter(), frame
        task = asyncio.get_running_loop().create_task(self._publish(str(number), frame))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def received(self, message: DeliveredMessage) -> None:
        now = time.perf_counter()
        caller = str(message.header.properties.correlation_id)
        sent_at, frame = self._waiting.pop(caller)
        mix = self._mixes[int(caller)]
        if bytes(message.body) == frame:
            self.tally.answered(mix.action, now - sent_at)
        else:
            self.tally.failed(f"the echo of {frame[:100]!r} is {bytes(message.body)[:100]!r}")
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

    async def _publish(self, correlation_id: str, frame: bytes) -> None:
        properties = aiormq.spec.Basic.Properties(
            correlation_id=correlation_id, reply_to=self._reply_queue, delivery_mode=NON_PERSISTENT
        )
        await self._channel.basic_publish(frame, routing_key=QUEUE, properties=properties, wait=False)


async def load(url: str, options: argparse.Namespace) -> None:
    """Call, and print the result."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    assert isinstance(channel, aiormq.Channel)
    await channel.queue_declare(QUEUE, durable=True)
    declared = await channel.queue_declare("", exclusive=True, auto_delete=True)
    callers = Callers(channel, str(declared.queue), options.chargers)
    await channel.basic_consume(str(declared.queue), callers.received, no_ack=True)
    await callers.run(options.warm_up, options.seconds)
    await connection.close()
    write_line(callers.tally.result())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.limits.amqp_echo", description="An RPC echo over RabbitMQ.")
    parser.add_argument("part", choices=("serve", "load"))
    parser.add_argument("--chargers", type=int, default=50, metavar="K")
    parser.add_argument("--warm-up", type=float, default=2.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S")
    options = parser.parse_args()
    url = os.environ["AMQP_URL"]  # it holds a password, which no process list should show
    if options.part == "load":
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(load(url, options))
    else:
        serve(url)


if __name__ == "__main__":
    main()
