"""The AMQP carrier against a real RabbitMQ, with a worker on the other side and a proxy to break the connection."""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from websockets.asyncio.client import connect

from ocppj.envelope import Announce, Connect, Disconnect, Frame
from tests.wsgate.broker import Broker, broker_at
from tests.wsgate.proxy import proxied
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, QUICK, Backend, closed, receive, until
from wsgate.amqp import AMQPCarrier
from wsgate.config import AMQPConfig
from wsgate.server import Gateway


@contextlib.asynccontextmanager
async def gateway_at(url: str, queue: str, queue_type: str = "classic", **changes) -> AsyncIterator[Gateway]:
    config = dataclasses.replace(QUICK, **changes)
    gateway = Gateway(config, AMQPCarrier(AMQPConfig(url=url, queue=queue, queue_type=queue_type), config))
    await gateway.start()
    try:
        yield gateway
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await gateway.stop()


def client(gateway: Gateway, identity: str = "CP001") -> connect:
    return connect(f"ws://127.0.0.1:{gateway.addresses[0].port}/ocpp/{identity}", compression=None, proxy=None)


# -- the usual ------------------------------------------------------------------------------------------------


async def test_call_is_answered_over_the_broker(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker:
        await broker.serve(backend := Backend())
        async with gateway_at(amqp_url, queue_name) as gateway, client(gateway) as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'
            frame = await backend.one(Frame)
        await backend.disconnected(frame.session)

    message = broker.seen[0]
    assert message.delivery_mode == 1, "nothing on the way needs a disk"
    assert message.expiration is not None
    assert message.reply_to == backend.messages[0].reply_to
    assert backend.messages[-1].requests[-1].leaving


async def test_frames_of_two_charge_points_travel_in_one_amqp_message(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker:
        await broker.serve(backend := Backend())
        async with (
            gateway_at(amqp_url, queue_name) as gateway,
            client(gateway, "CP001") as first,
            client(gateway, "CP002") as second,
        ):
            for charge_point in (first, second):
                charge_point.protocol.send_text(HEARTBEAT.format(1).encode())
                charge_point.send_data()
            assert [await receive(first), await receive(second)] == ['[3,"1",{}]'] * 2

    together = [message for message in backend.messages if any(isinstance(one, Frame) for one in message.requests)]
    assert len(together) == 1
    assert {request.identity for request in together[0].requests} == {"CP001", "CP002"}


async def test_quorum_queue(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name, "quorum") as broker:
        await broker.serve(Backend())
        async with gateway_at(amqp_url, queue_name, "quorum") as gateway, client(gateway) as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'


# -- the broker is away ---------------------------------------------------------------------------------------


async def test_gateway_starts_without_a_broker_and_finds_it_later(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker, proxied(amqp_url) as (proxy, url):
        proxy.refuse()
        await broker.serve(backend := Backend())
        async with gateway_at(url, queue_name, connect_timeout_s=10) as gateway:
            connecting = asyncio.ensure_future(_connected(gateway))
            await until(lambda: gateway.unanswered == 1)
            assert backend.messages == []
            await proxy.open()

            charge_point = await connecting
            assert gateway.connections == 1
            await charge_point.close()


async def _connected(gateway: Gateway):
    return await client(gateway)


async def test_lost_connection_is_made_again_and_what_was_unanswered_is_published_again(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker, proxied(amqp_url) as (proxy, url):
        await broker.serve(backend := Backend())
        async with gateway_at(url, queue_name) as gateway, client(gateway) as charge_point:
            backend.silent = {Frame}
            await charge_point.send(HEARTBEAT.format(1))
            await backend.one(Frame)
            backend.silent = set()
            before = time.time()
            proxy.cut()

            assert await receive(charge_point) == '[3,"1",{}]'
            first, again = backend.all(Frame)
            assert first == again
            session = first.session
            await backend.one(Announce, lambda announce: announce.sessions == (session,) and announce.at > before)
            assert backend.all(Disconnect) == []
            assert len({message.reply_to for message in backend.messages}) == 2, "a new name for each connection"
            assert len({message.gateway for message in backend.messages}) == 1


async def test_requests_of_an_outage_are_held_until_the_broker_is_back(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker, proxied(amqp_url) as (proxy, url):
        await broker.serve(backend := Backend())
        async with gateway_at(url, queue_name) as gateway, client(gateway) as charge_point:
            await backend.one(Connect)
            proxy.refuse()
            proxy.cut()
            await charge_point.send(HEARTBEAT.format(1))
            await until(lambda: gateway.unanswered == 1)
            await proxy.open()

            assert await receive(charge_point) == '[3,"1",{}]'


async def test_outage_that_lasts_closes_with_1013(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker, proxied(amqp_url) as (proxy, url):
        await broker.serve(backend := Backend())
        async with gateway_at(url, queue_name, outage_grace_s=0.2) as gateway, client(gateway) as charge_point:
            await backend.one(Connect)
            proxy.refuse()
            proxy.cut()
            await charge_point.send(HEARTBEAT.format(1))
            assert await closed(charge_point) == 1013
            await proxy.open()

            assert (await backend.one(Disconnect)).code == 1013


async def test_blocked_connection_freezes_nothing(amqp_url, queue_name):
    """A broker in a memory alarm reads nothing more: frames wait, everything else goes on."""
    async with broker_at(amqp_url, queue_name) as broker, proxied(amqp_url) as (proxy, url):
        await broker.serve(backend := Backend())
        async with (
            gateway_at(url, queue_name, retry_after_s=0.1) as gateway,
            client(gateway, "CP001") as first,
            client(gateway, "CP002") as second,
        ):
            proxy.hold()
            for number in range(30):
                await first.send(HEARTBEAT.format(number))
                await second.send(HEARTBEAT.format(number))
            await until(lambda: gateway.unanswered == 2)
            pong = await first.ping()
            async with asyncio.timeout(PATIENCE_S):
                await pong
            assert backend.all(Frame) == []
            proxy.release()

            for number in range(30):
                assert [await receive(first), await receive(second)] == [f'[3,"{number}",{{}}]'] * 2


# -- queues that are not as they should be --------------------------------------------------------------------


async def test_deleted_queue_is_declared_again_and_what_came_back_is_published_again(amqp_url, queue_name):
    async with broker_at(amqp_url, queue_name) as broker:
        await broker.serve(backend := Backend())
        async with gateway_at(amqp_url, queue_name) as gateway, client(gateway) as charge_point:
            await broker.channel.queue_delete(queue_name)
            await charge_point.send(HEARTBEAT.format(1))
            await _exists(broker)
            await broker.serve(backend)

            assert await receive(charge_point) == '[3,"1",{}]'
            assert len({frame.relay_id for frame in backend.all(Frame)}) == 1


async def _exists(broker: Broker) -> None:
    connection = await aio_pika.connect(broker.url)
    async with connection, asyncio.timeout(PATIENCE_S):
        while True:
            channel = await connection.channel()
            with contextlib.suppress(aio_pika.exceptions.ChannelNotFoundEntity):
                await channel.declare_queue(broker.queue, passive=True)
                return


async def test_queue_that_was_declared_otherwise_is_explained(amqp_url, queue_name, caplog):
    async with broker_at(amqp_url, queue_name, "quorum"):
        with caplog.at_level(logging.ERROR, "wsgate.amqp"):
            async with gateway_at(amqp_url, queue_name, "classic") as gateway:
                await until(lambda: "--queue-type" in caplog.text)
                assert gateway.addresses


async def test_wrong_password_is_explained_and_not_shown(amqp_url, queue_name, caplog):
    parts = urlsplit(amqp_url)
    wrong = urlunsplit(parts._replace(netloc=f"{parts.username}:not-the-password@{parts.hostname}:{parts.port}"))
    with caplog.at_level(logging.DEBUG, "wsgate"):
        async with gateway_at(wrong, queue_name):
            await until(lambda: "password is wrong" in caplog.text)

    assert "not-the-password" not in caplog.text


async def test_nodes_that_do_not_answer_are_passed_over(amqp_url, queue_name):
    dead = ",".join(f"amqp://127.0.0.1:{port}/" for port in (1, 2, 3))
    async with broker_at(amqp_url, queue_name) as broker:
        await broker.serve(Backend())
        async with gateway_at(f"{dead},{amqp_url}", queue_name) as gateway, client(gateway) as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'
