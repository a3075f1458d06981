"""Requests on their way to the backend: coalescing, retry with the same relay id, outages, announcements."""

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections import Counter
from uuid import uuid4

import pytest
from websockets.exceptions import InvalidStatus

from ocppj import envelope
from ocppj.envelope import (
    Announce,
    CommandFinished,
    CommandReport,
    Connect,
    ConnectReply,
    Disconnect,
    Done,
    Frame,
    FrameReply,
    ToGateway,
)
from tests.wsgate.site import HEARTBEAT, QUICK, Backend, Site, closed, receive, running_site, until
from wsgate.memory import MemoryCarrier
from wsgate.relay import new_id
from wsgate.server import Gateway


def number_of_messages_with(backend: Backend, kind: type) -> int:
    return sum(any(isinstance(request, kind) for request in message.requests) for message in backend.messages)


@contextlib.asynccontextmanager
async def charge_points(site: Site, number: int):
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(site.connect(f"/ocpp/CP{index:03}")) for index in range(number)]


def answer_together(site: Site, frames: list[Frame]) -> None:
    site.send(*(FrameReply(frame.relay_id, b'[3,"1",{}]') for frame in frames))


# -- coalescing -----------------------------------------------------------------------------------------------


async def test_frames_of_one_pass_of_the_loop_travel_in_one_message():
    async with running_site() as site, charge_points(site, 20) as clients:
        before = len(site.backend.messages)
        # The event loop is ours as well: nothing is read before all of this is in the sockets.
        for client in clients:
            client.protocol.send_text(HEARTBEAT.format(1).encode())
            client.send_data()
        await site.backend.wait_for(Frame, 20)
        messages = site.backend.messages[before:]

    assert [len(message.requests) for message in messages[:1]] == [20]


async def test_a_message_is_capped_in_number():
    async with running_site(max_batch_requests=8) as site, charge_points(site, 20) as clients:
        for client in clients:
            client.protocol.send_text(HEARTBEAT.format(1).encode())
            client.send_data()
        await site.backend.wait_for(Frame, 20)

    sizes = [sum(isinstance(request, Frame) for request in message.requests) for message in site.backend.messages]
    assert [size for size in sizes if size] == [8, 8, 4]


async def test_a_message_is_capped_in_size_but_one_large_frame_passes():
    async with running_site(max_batch_bytes=10_000) as site, charge_points(site, 4) as clients:
        for client, length in zip(clients, (4_000, 4_000, 4_000, 20_000), strict=True):
            client.protocol.send_text(HEARTBEAT.format("x" * length).encode())
            client.send_data()
        await site.backend.wait_for(Frame, 4)

    sizes = [sum(isinstance(request, Frame) for request in message.requests) for message in site.backend.messages]
    assert [size for size in sizes if size] == [2, 1, 1]


async def test_a_lone_frame_does_not_wait_for_company():
    async with running_site(retry_after_s=1000) as site, site.connect() as charge_point:
        await charge_point.send(HEARTBEAT.format(1))

        assert await receive(charge_point) == '[3,"1",{}]'


# -- retry ----------------------------------------------------------------------------------------------------


async def test_unanswered_request_is_published_twice_again_with_the_same_relay_id():
    async with running_site(retry_after_s=0.1, announce_interval_s=0.03) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        first, *again = await site.backend.wait_for(Frame, 3)
        assert again == [first, first]

        # Long enough for a third retry, which does not come: the backend lives, as its other replies show.
        await site.backend.wait_for(Announce, len(site.backend.all(Announce)) + 8)
        assert len(site.backend.all(Frame)) == 3
        site.send(FrameReply(first.relay_id, b'[3,"1",{}]'))
        assert await receive(charge_point) == '[3,"1",{}]'


async def test_second_reply_to_the_same_request_is_ignored():
    async with running_site(retry_after_s=0.05) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        first, *_ = await site.backend.wait_for(Frame, 2)
        reply = FrameReply(first.relay_id, b'[3,"1",{}]')
        site.send(reply, reply)
        site.send(reply)
        assert await receive(charge_point) == '[3,"1",{}]'
        site.backend.silent = set()
        await charge_point.send(HEARTBEAT.format(2))

        assert await receive(charge_point) == '[3,"2",{}]'


async def test_what_the_carrier_could_not_hand_over_is_published_again():
    backend = Backend()
    attempts: list[bytes] = []

    def submit(data: bytes) -> None:
        attempts.append(data)
        if len(attempts) <= 3:
            raise ConnectionError
        answer = backend.handle(data)
        if answer is not None:
            carrier.deliver(answer)

    carrier = MemoryCarrier(submit)
    gateway = Gateway(QUICK, carrier)
    await gateway.start()
    try:
        async with Site(gateway, backend, carrier).connect() as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'
    finally:
        await gateway.stop()
    refused = [request.relay_id for data in attempts[:3] for request in envelope.decode_to_backend(data).requests]
    assert {request.relay_id for message in backend.messages for request in message.requests} >= set(refused)


async def test_backend_that_comes_back_gets_again_what_may_have_expired():
    async with running_site(retry_after_s=0.05, announce_interval_s=0.05) as site, site.connect() as charge_point:
        site.backend.silent = {Frame, Announce}
        await charge_point.send(HEARTBEAT.format(1))
        await site.backend.wait_for(Frame, 3)
        assert len(site.backend.all(Frame)) == 3
        site.backend.silent = set()

        assert await receive(charge_point) == '[3,"1",{}]'
        assert len({frame.relay_id for frame in site.backend.all(Frame)}) == 1


async def test_after_the_backend_has_come_back_there_are_retries_again():
    async with running_site(retry_after_s=0.15, announce_interval_s=0.03) as site, site.connect() as charge_point:
        site.backend.silent = {Frame, Announce}
        await charge_point.send(HEARTBEAT.format(1))
        await site.backend.wait_for(Frame, 3)
        site.backend.silent = {Frame}

        await site.backend.wait_for(Frame, 6)


# -- outage ---------------------------------------------------------------------------------------------------


async def test_socket_whose_request_waited_too_long_is_closed_with_1013_and_only_that():
    async with running_site(outage_grace_s=0.2) as site, charge_points(site, 2) as (waiting, idle):
        site.backend.silent = {Frame}
        await waiting.send(HEARTBEAT.format(1))
        assert await closed(waiting) == 1013
        site.backend.silent = set()
        await idle.send(HEARTBEAT.format(1))

        assert await receive(idle) == '[3,"1",{}]'


async def test_disconnect_does_not_wait_for_a_call_that_the_charge_point_sends_again():
    async with running_site(outage_grace_s=0.1, report_keep_s=1000) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        assert await closed(charge_point) == 1013

        assert (await site.backend.one(Disconnect)).code == 1013
        await until(lambda: site.gateway.unanswered == 0)


async def test_outage_that_ends_in_time_is_not_noticed_by_the_charge_point():
    async with running_site(retry_after_s=0.05, announce_interval_s=0.05) as site, site.connect() as charge_point:
        site.backend.silent = {Frame, Announce}
        await charge_point.send(HEARTBEAT.format(1))
        await site.backend.wait_for(Frame, 2)
        site.backend.silent = set()

        assert await receive(charge_point) == '[3,"1",{}]'
        assert site.backend.all(Disconnect) == []


async def test_closings_of_an_outage_are_spread():
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def note_close(client) -> None:
        assert await closed(client) == 1013
        times.append(loop.time())

    async with running_site(outage_grace_s=0.1, outage_spread_s=1.0) as site, charge_points(site, 30) as clients:
        site.backend.silent = {Frame}
        for client in clients:
            await client.send(HEARTBEAT.format(1))
        await asyncio.gather(*map(note_close, clients))

    # 30 times out of one second, each at random: less than 0.3 s between first and last happens once in 10^13 runs.
    assert max(times) - min(times) > 0.3


async def test_while_the_backend_is_away_handshakes_get_503_and_afterwards_they_pass():
    async with running_site(outage_grace_s=0.1, announce_interval_s=0.05) as site:
        site.backend.silent = {Announce, Connect}
        await until(lambda: site.gateway.is_backend_down)
        with pytest.raises(InvalidStatus) as refused:
            await site.connect()
        assert refused.value.response.status_code == 503
        assert "Retry-After" in refused.value.response.headers
        site.backend.silent = set()
        await until(lambda: not site.gateway.is_backend_down)

        async with site.connect() as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            assert await receive(charge_point) == '[3,"1",{}]'


async def test_what_nobody_will_repeat_outlives_the_outage():
    """After 1013: the CALL is dropped (the charge point sends it again), the answer and the disconnect are kept."""
    async with running_site(outage_grace_s=0.2, retry_after_s=0.1, announce_interval_s=0.05) as site:
        async with site.connect() as charge_point:
            await site.command("c1")
            await receive(charge_point)
            await site.backend.reported("sent")
            site.backend.silent = {Frame, Announce, Disconnect, CommandReport}
            await charge_point.send(HEARTBEAT.format(1))
            await charge_point.send('[3,"c1",{"status":"Accepted"}]')
            assert await closed(charge_point) == 1013
        before = len(site.backend.messages)
        # The CALL is given up in the next sweeps, then only the answer is owed.
        site.backend.silent = set()
        disconnect = await site.backend.one(Disconnect)
        after = [request for message in site.backend.messages[before:] for request in message.requests]

    assert b'[3,"c1",{"status":"Accepted"}]' in [request.raw for request in after if isinstance(request, Frame)]
    assert disconnect.code == 1013
    assert disconnect.unanswered == ()


async def test_requests_are_given_up_in_the_end():
    async with running_site(outage_grace_s=0.1, report_keep_s=0.3, retry_after_s=10) as site:
        site.backend.silent = {CommandReport}
        await site.command("c1", uuid4())
        await site.backend.one(CommandReport)
        site.backend.silent = set()
        # Nothing is left to wait for: the gateway stops without its goodbye running out.
        await until(lambda: site.gateway.unanswered == 0)


# -- announcements --------------------------------------------------------------------------------------------


async def test_gateway_announces_itself_at_the_interval():
    async with running_site(announce_interval_s=0.05) as site, site.connect():
        first, *_, last = await site.backend.wait_for(Announce, 3)

    assert first.sessions == ()
    assert (last.sessions, last.leaving) == (None, False)
    assert (first.connections, last.connections) == (0, 1)
    assert {message.gateway for message in site.backend.messages} == {site.gateway.name}


async def test_sessions_are_announced_when_the_backend_asks_for_them():
    async with running_site(announce_interval_s=0.05) as site, charge_points(site, 2):
        sessions = {connect.session for connect in await site.backend.wait_for(Connect, 2)}
        site.backend.resend_sessions = True
        announce = await site.backend.one(Announce, lambda one: bool(one.sessions))
        assert set(announce.sessions or ()) == sessions
        site.backend.resend_sessions = False
        await site.backend.one(Announce, lambda one: one.sessions is None and one.at > announce.at)


async def test_session_that_the_backend_may_hold_for_open_already_is_announced():
    async with running_site(announce_interval_s=0.05) as site:
        site.backend.silent = {Connect}
        site.backend.resend_sessions = True
        connecting = asyncio.ensure_future(site.connect().__aenter__())
        connect = await site.backend.one(Connect)
        await site.backend.one(Announce, lambda one: one.sessions == (connect.session,))
        site.send(ConnectReply(connect.relay_id, True))
        await (await connecting).close()
        await site.backend.disconnected(connect.session)
        await site.backend.one(Announce, lambda one: one.sessions == () and one.at > connect.at)


async def test_announcement_with_sessions_is_repeated_until_it_is_answered():
    async with running_site(announce_interval_s=0.05) as site:
        site.backend.silent = {Announce}
        site.backend.messages.clear()
        site.backend.resend_sessions = True
        await site.backend.wait_for(Announce, 1)
        site.backend.silent = set()
        await site.backend.wait_for(Announce, 2, lambda one: one.sessions is not None)


async def test_the_last_announcement_says_that_the_gateway_leaves():
    async with running_site() as site, site.connect():
        await site.session()

    last = site.backend.messages[-1].requests[-1]
    assert isinstance(last, Announce)
    assert (last.leaving, last.connections) == (True, 0)
    assert len([one for one in site.backend.all(Announce) if one.leaving]) == 1


# -- what comes from the backend ------------------------------------------------------------------------------


async def test_what_the_gateway_does_not_know_is_ignored():
    async with running_site() as site, site.connect() as charge_point:
        site.send(Done(uuid4()), FrameReply(uuid4(), b"[]"), CommandFinished("c1"))
        site.carrier.deliver(b"no envelope")
        site.carrier.deliver(envelope.encode(ToGateway(99, ())))
        await charge_point.send(HEARTBEAT.format(1))

        assert await receive(charge_point) == '[3,"1",{}]'


async def test_replies_of_many_charge_points_come_together():
    async with running_site() as site, charge_points(site, 10) as clients:
        site.backend.silent = {Frame}
        for client in clients:
            await client.send(HEARTBEAT.format(1))
        answer_together(site, await site.backend.wait_for(Frame, 10))

        assert [await receive(client) for client in clients] == ['[3,"1",{}]'] * 10


# -- the memory carrier ---------------------------------------------------------------------------------------


async def test_memory_carrier_takes_replies_from_any_thread():
    async with running_site() as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        frame = await site.backend.one(Frame)
        thread = threading.Thread(target=site.send, args=(FrameReply(frame.relay_id, b'[3,"1",{}]'),))
        thread.start()
        assert await receive(charge_point) == '[3,"1",{}]'
        thread.join()


def test_memory_carrier_drops_what_comes_when_the_gateway_does_not_run():
    carrier = MemoryCarrier(lambda data: None)
    carrier.deliver(b"too early")

    async def run_a_gateway() -> None:
        gateway = Gateway(dataclasses.replace(QUICK, goodbye_s=0.01), carrier)
        await gateway.start()
        await gateway.stop()
        carrier.deliver(b"too late")

    asyncio.run(run_a_gateway())
    carrier.deliver(b"much too late")


def test_gateway_runs_in_a_thread_of_its_own():
    """As ``runcsms`` embeds it: the event loop in one thread, the worker in another."""
    backend = Backend()
    ready, stop = threading.Event(), threading.Event()
    ports: list[int] = []

    def submit(data: bytes) -> None:
        worker = threading.Thread(target=lambda: carrier.deliver(backend.handle(data) or b""))
        worker.start()

    carrier = MemoryCarrier(submit)

    async def serve() -> None:
        gateway = Gateway(QUICK, carrier)
        await gateway.start()
        ports.append(gateway.addresses[0].port)
        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, stop.wait)
        await gateway.stop()

    async def charge_point() -> str:
        from websockets.asyncio.client import connect

        async with connect(f"ws://127.0.0.1:{ports[0]}/ocpp/CP001", proxy=None) as client:
            await client.send(HEARTBEAT.format(1))
            return await receive(client)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        assert asyncio.run(charge_point()) == '[3,"1",{}]'
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert Counter(type(request).__name__ for message in backend.messages for request in message.requests)["Frame"] == 1


def test_relay_and_session_ids_are_in_the_order_of_time():
    first = new_id()
    time.sleep(0.002)
    second = new_id()

    assert (first.version, second.version) == (7, 7)
    assert first < second
    assert abs((second.int >> 80) / 1000 - time.time()) < 60
