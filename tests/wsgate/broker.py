"""A worker's end of a real RabbitMQ, on a queue that only one test uses."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from ocppj import envelope
from ocppj.queues import queue_arguments
from tests.wsgate.site import Backend


@dataclasses.dataclass
class Broker:
    """One queue of this test on a real broker, and a way to look at it that does not go through the proxy."""

    url: str
    queue: str
    channel: AbstractChannel
    seen: list[AbstractIncomingMessage] = dataclasses.field(default_factory=list)

    async def declare(self, queue_type: str = "classic") -> None:
        await self.channel.declare_queue(self.queue, durable=True, arguments=queue_arguments(queue_type, "3"))

    async def serve(self, backend: Backend) -> None:
        """A worker: takes from the queue, answers to where the envelope says."""
        queue = await self.channel.get_queue(self.queue)

        async def handle(message: AbstractIncomingMessage) -> None:
            self.seen.append(message)
            answer = backend.handle(message.body)
            if answer is not None:
                reply_to = envelope.decode_to_backend(message.body).reply_to
                await self.publish(reply_to, answer)
            await message.ack()

        await queue.consume(handle)

    async def publish(self, queue: str, data: bytes) -> None:
        await self.channel.default_exchange.publish(aio_pika.Message(data), queue, mandatory=False)


@contextlib.asynccontextmanager
async def broker_at(url: str, queue: str, queue_type: str = "classic") -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(url)
    async with connection:
        broker = Broker(url, queue, await connection.channel(publisher_confirms=False))
        await broker.declare(queue_type)
        try:
            yield broker
        finally:
            async with connection.channel() as fresh:
                await fresh.queue_delete(queue)
