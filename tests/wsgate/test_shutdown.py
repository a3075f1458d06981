"""Leaving in good order: answers are delivered, sockets closed with 1012, the backend told."""

import asyncio
import contextlib
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ocppj.envelope import Announce, Connect, ConnectReply, Disconnect, Frame, FrameReply, ToGateway
from ocppj.envelope import encode as encode_envelope
from tests.wsgate.broker import broker_at
from tests.wsgate.process import wsgate
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Backend, closed, receive, running_site, until

# -- in process -----------------------------------------------------------------------------------------------


async def test_answer_in_flight_is_delivered_before_the_close():
    async with running_site() as site, site.connect() as charge_point, site.connect("/ocpp/CP002") as idle:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        await charge_point.send(HEARTBEAT.format(2))
        frame = await site.backend.one(Frame)
        stopping = asyncio.create_task(site.gateway.stop())
        assert await closed(idle) == 1012
        site.send(FrameReply(frame.relay_id, b'[3,"1",{}]'))

        assert await receive(charge_point) == '[3,"1",{}]'
        assert await closed(charge_point) == 1012
        await stopping

    assert len(site.backend.all(Frame)) == 1, "the second CALL stays with the charge point"
    assert {disconnect.code for disconnect in site.backend.all(Disconnect)} == {1012}


async def test_answer_to_our_own_call_is_waited_for_and_further_ones_go_back():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        await site.command("c2")
        assert '"c1"' in await receive(charge_point)
        stopping = asyncio.create_task(site.gateway.stop())
        await until(lambda: not site.gateway.addresses)
        await charge_point.send('[3,"c1",{"status":"Accepted"}]')
        assert await closed(charge_point) == 1012
        await stopping
        disconnect = await site.backend.one(Disconnect)

    assert [frame.raw for frame in site.backend.all(Frame)] == [b'[3,"c1",{"status":"Accepted"}]']
    assert (disconnect.unsent, disconnect.unanswered) == (("c2",), ())


async def test_stop_does_not_wait_longer_than_it_may():
    async with running_site(drain_s=0.2, close_timeout_s=0.1) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        await site.backend.one(Frame)
        await site.gateway.stop()

        assert await closed(charge_point) == 1012


async def test_peer_that_does_not_close_is_cut_off():
    async with running_site(drain_s=0.2, close_timeout_s=30) as site:
        charge_point = await site.connect()
        charge_point.transport.pause_reading()
        await site.session()
        async with asyncio.timeout(PATIENCE_S):
            await site.gateway.stop()
        assert site.gateway.sockets == 0
        charge_point.transport.abort()


async def test_closings_are_spread():
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def note_close(client) -> None:
        assert await closed(client) == 1012
        times.append(loop.time())

    async with running_site(closes_per_second=40) as site, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(site.connect(f"/ocpp/CP{number}")) for number in range(20)]
        closing = asyncio.gather(*map(note_close, clients))
        await site.gateway.stop()
        await closing

    assert max(times) - min(times) > 0.3


async def test_no_new_connections_while_the_gateway_leaves():
    async with running_site() as site, site.connect() as charge_point:
        port = site.port
        site.backend.silent = {Frame, Connect}
        await charge_point.send(HEARTBEAT.format(1))
        frame = await site.backend.one(Frame)
        waiting = asyncio.ensure_future(_handshake(site.url("/ocpp/CP002")))
        pending = (await site.backend.wait_for(Connect, 2))[1]
        stopping = asyncio.create_task(site.gateway.stop())
        await until(lambda: not site.gateway.addresses)
        with pytest.raises(OSError, match="Connect"):
            await connect(f"ws://127.0.0.1:{port}/ocpp/CP003", proxy=None)
        site.send(ConnectReply(pending.relay_id, True), FrameReply(frame.relay_id, b'[3,"1",{}]'))
        with pytest.raises(InvalidStatus, match="503"):
            await waiting
        await stopping
        assert (await site.backend.disconnected(pending.session)).code == 1006


async def _handshake(url: str):
    return await connect(url, proxy=None)


# -- a real process -------------------------------------------------------------------------------------------


async def test_sigterm_delivers_what_is_in_flight_closes_with_1012_and_says_goodbye(amqp_url, queue_name):
    options = ("--listen", "127.0.0.1:0", "--amqp-url", amqp_url, "--queue", queue_name, "--log-format", "json")
    async with broker_at(amqp_url, queue_name) as broker, wsgate(*options) as process:
        await broker.serve(backend := Backend())
        url = f"ws://127.0.0.1:{await process.port()}/ocpp"
        async with connect(f"{url}/CP001", proxy=None) as charge_point, connect(f"{url}/CP002", proxy=None) as idle:
            backend.silent = {Frame}
            await charge_point.send(HEARTBEAT.format(1))
            frame = await backend.one(Frame)
            process.signal(signal.SIGTERM)
            assert await closed(idle) == 1012
            await broker.publish(
                backend.messages[-1].reply_to,
                encode_envelope(ToGateway(1, (FrameReply(frame.relay_id, b'[3,"1",{}]'),))),
            )
            assert await receive(charge_point) == '[3,"1",{}]'
            assert await closed(charge_point) == 1012
        assert await process.ends() == 0

    assert {disconnect.code for disconnect in await backend.wait_for(Disconnect, 2)} == {1012}
    assert backend.all(Announce)[-1].leaving
    assert '"charge_point": "CP001"' in process.log


async def test_second_signal_ends_the_process_at_once(amqp_url, queue_name):
    options = ("--amqp-url", amqp_url, "--queue", queue_name, "--drain-seconds", "3600")
    async with broker_at(amqp_url, queue_name) as broker, wsgate(*options, WSGATE_LISTEN="127.0.0.1:0") as process:
        await broker.serve(backend := Backend())
        async with connect(f"ws://127.0.0.1:{await process.port()}/CP001", proxy=None) as charge_point:
            backend.silent = {Frame}
            await charge_point.send(HEARTBEAT.format(1))
            await backend.one(Frame)
            process.signal(signal.SIGTERM)
            await process.says("Stopping: 1 charge points")
            process.signal(signal.SIGTERM)
            assert await process.ends() == -signal.SIGTERM


async def test_port_in_use_is_explained():
    async with running_site() as site:
        address = f"127.0.0.1:{site.port}"
        async with wsgate("--listen", address) as process:
            assert await process.ends() == 2

    assert process.log == f"python -m wsgate: Cannot listen on {address}: Address already in use.\n"
