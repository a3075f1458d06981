"""One charge point's connection: order, CALLs in both directions, commands and their reports, bad behaviour."""

import asyncio
import json
import socket

import pytest
from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode

from ocppj.envelope import (
    CloseSession,
    Command,
    CommandReport,
    Connect,
    ConnectReply,
    Disconnect,
    Done,
    Frame,
    FrameReply,
    SessionSettings,
)
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Backend, closed, receive, running_site, until

ANSWER = '[3,"{}",{{"status":"Accepted"}}]'


async def write_frames(charge_point, *frames: WebsocketFrame) -> None:
    """Websocket frames as they are, also such as the client library would not send."""
    charge_point.transport.write(b"".join(frame.serialize(mask=True) for frame in frames))


# -- from the charge point ------------------------------------------------------------------------------------


async def test_frame_reaches_the_backend_untouched():
    raw = ' [2, "1",\t"Heartbeat" , {"ü": 1.50} ] '
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send(raw)
        frame = await site.backend.one(Frame)
        connect = await site.backend.one(Connect)

    assert frame.raw == raw.encode()
    assert (frame.session, frame.identity) == (connect.session, "CP001")
    assert frame.at >= connect.at
    assert (frame.late, frame.latency_s) == (False, None)


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
async def test_calls_of_a_charge_point_go_to_the_backend_one_at_a_time_in_order():
    async with running_site() as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        for number in range(5):
            await charge_point.send(HEARTBEAT.format(number))
        for number in range(5):
            frame = (await site.backend.wait_for(Frame, number + 1))[number]
            assert json.loads(frame.raw)[1] == str(number)
            assert len(site.backend.all(Frame)) == number + 1
            site.send(FrameReply(frame.relay_id, f'[3,"{number}",{{}}]'.encode()))
            assert await receive(charge_point) == f'[3,"{number}",{{}}]'


async def test_call_that_gets_no_answer_makes_room_for_the_next():
    backend = Backend()
    backend.on_frame = lambda frame: [FrameReply(frame.relay_id, b'[3,"2",{}]' if b'"2"' in frame.raw else None)]
    async with running_site(backend) as site, site.connect() as charge_point:
        await charge_point.send(HEARTBEAT.format(1))
        await charge_point.send(HEARTBEAT.format(2))

        assert await receive(charge_point) == '[3,"2",{}]'


async def test_waiting_calls_are_bounded_by_not_reading_on():
    async with running_site(max_waiting_calls=2) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        site.backend.on_frame = lambda frame: [FrameReply(frame.relay_id, None)]
        large = HEARTBEAT.format("x" * 60_000)

        async def flood() -> None:
            for _ in range(2000):
                await charge_point.send(large)

        flooding = asyncio.create_task(flood())
        frame = await site.backend.one(Frame)
        async with site.connect("/ocpp/CP002") as other:
            site.backend.silent = set()
            await other.send(HEARTBEAT.format(1))
            await site.backend.one(Frame, lambda one: one.identity == "CP002")
        assert not flooding.done(), "120 MB do not fit between the two of them: the gateway has stopped reading"
        assert len([one for one in site.backend.all(Frame) if one.identity == "CP001"]) == 1

        # An answer, and it is read on.
        site.send(FrameReply(frame.relay_id, None))
        await site.backend.wait_for(Frame, 20, lambda one: one.identity == "CP001")
        charge_point.transport.abort()
        await asyncio.wait({flooding})
        assert flooding.exception() is not None


async def test_answer_to_a_call_that_nobody_made_is_passed_on_and_gets_no_answer():
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send('[3,"unknown",{}]')
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'

    assert [frame.raw for frame in site.backend.all(Frame)] == [b'[3,"unknown",{}]', HEARTBEAT.format(1).encode()]


@pytest.mark.parametrize(
    "garbage",
    ["", " ", "hello", "{}", "[]", "[2]", '[9,"1",{}]', "[" * 5000, "\x00", '[3,"1"', '[2,null,"Heartbeat",{}]'],
)
async def test_garbage_is_passed_on_and_the_connection_goes_on(garbage):
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send(garbage)
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'

    assert site.backend.all(Frame)[0].raw == garbage.encode()


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
async def test_malformed_call_is_answered_with_its_unique_id():
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send('[2,"77","Heartbeat",{')

        assert (await receive(charge_point)).startswith('[4,"77","FormationViolation"')


async def test_binary_messages_are_taken_as_text():
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send(HEARTBEAT.format(1).encode())

        assert await receive(charge_point) == '[3,"1",{}]'
        assert charge_point.protocol.close_rcvd is None


async def test_fragments_are_put_together():
    async with running_site() as site, site.connect() as charge_point:
        await charge_point.send(['[2,"1",', '"Heart', 'beat",{}]'])

        assert await receive(charge_point) == '[3,"1",{}]'


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
async def test_what_is_no_utf8_closes_with_1007(opcode):
    async with running_site() as site, site.connect() as charge_point:
        await write_frames(charge_point, WebsocketFrame(opcode, b'[2,"\xff","Heartbeat",{}]'))

        assert await closed(charge_point) == 1007
        assert (await site.backend.one(Disconnect)).code == 1007


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(WebsocketFrame(Opcode.CONT, b"x"), id="continuation of nothing"),
        pytest.param(WebsocketFrame(Opcode.TEXT, b"x", rsv1=True), id="compressed without being agreed"),
        pytest.param(WebsocketFrame(Opcode.CLOSE, b"\x00"), id="malformed close"),
    ],
)
async def test_broken_websocket_frames_end_their_own_connection_only(frame):
    async with running_site() as site, site.connect() as charge_point, site.connect("/ocpp/CP002") as other:
        charge_point.transport.write(serialize_unchecked(frame))
        assert await closed(charge_point) == 1002

        await other.send(HEARTBEAT.format(1))
        assert await receive(other) == '[3,"1",{}]'


def serialize_unchecked(frame: WebsocketFrame) -> bytes:
    head = 0x80 | (0x40 if frame.rsv1 else 0) | frame.opcode
    return bytes([head, 0x80 | len(frame.data), 0, 0, 0, 0]) + bytes(frame.data)


# -- commands -------------------------------------------------------------------------------------------------


async def test_command_is_written_reported_and_its_answer_passed_on():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        assert await receive(charge_point) == '[2,"c1","Reset",{"type":"Soft"}]'
        report = await site.backend.one(CommandReport)
        await charge_point.send(ANSWER.format("c1"))
        frame = await site.backend.one(Frame)

    assert (report.unique_id, report.state, report.session) == ("c1", "sent", frame.session)
    assert frame.raw == ANSWER.format("c1").encode()
    assert not frame.late
    assert frame.latency_s is not None
    assert 0 <= frame.latency_s < PATIENCE_S


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
async def test_next_command_waits_for_the_answer_to_the_last():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        await site.command("c2")
        assert '"c1"' in await receive(charge_point)
        # A whole exchange in the other direction: c2 would have come before it.
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'
        await charge_point.send(ANSWER.format("c1"))
        assert '"c2"' in await receive(charge_point)


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
async def test_command_without_answer_times_out_and_the_next_goes_out():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1", timeout_s=0.05)
        await site.command("c2")
        assert '"c1"' in await receive(charge_point)
        assert '"c2"' in await receive(charge_point)
        assert (await site.backend.reported("timed_out")).unique_id == "c1"

        await charge_point.send(ANSWER.format("c1"))
        late = await site.backend.one(Frame)

    assert late.late
    assert late.latency_s is not None
    assert late.latency_s >= 0.05


async def test_answers_pass_while_calls_of_the_charge_point_wait():
    async with running_site() as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        await charge_point.send(HEARTBEAT.format(2))
        await site.command("c1")
        assert '"c1"' in await receive(charge_point)
        await charge_point.send(ANSWER.format("c1"))
        first, answer = await site.backend.wait_for(Frame, 2)

    assert json.loads(first.raw)[1] == "1"
    assert answer.raw == ANSWER.format("c1").encode()


async def test_delayed_command_is_not_written_earlier():
    async with running_site() as site, site.connect() as charge_point:
        started = asyncio.get_running_loop().time()
        await site.command("later", delay_s=0.1)
        await site.command("now")
        assert '"now"' in await receive(charge_point)
        await charge_point.send(ANSWER.format("now"))
        assert '"later"' in await receive(charge_point)

        assert asyncio.get_running_loop().time() - started >= 0.1


async def test_expired_command_is_reported_and_not_written():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("old", expires_at=1.0)
        assert (await site.backend.reported("expired")).unique_id == "old"
        await site.command("new", expires_at=1e11)

        assert '"new"' in await receive(charge_point)


async def test_command_that_comes_twice_is_written_once():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        await site.command("c1")
        assert '"c1"' in await receive(charge_point)
        await charge_point.send(ANSWER.format("c1"))
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'

    assert [report.state for report in site.backend.all(CommandReport)] == ["sent"]


async def test_command_that_comes_again_while_the_session_ends_is_not_reported_unsent():
    """It was written: reported unsent, it would be sent once more on the next connection."""
    async with running_site(close_timeout_s=5) as site, site.connect() as charge_point:
        await site.command("c1")
        assert '"c1"' in await receive(charge_point)
        charge_point.transport.pause_reading()  # the closing takes as long as we like
        site.send(CloseSession(await site.session(), 1008))
        await site.command("c1")
        await site.command("c2")
        await site.backend.one(CommandReport, lambda report: report.unique_id == "c2")
        charge_point.transport.resume_reading()
        disconnect = await site.backend.one(Disconnect)

    reports = [(report.unique_id, report.state) for report in site.backend.all(CommandReport)]
    assert reports == [("c1", "sent"), ("c2", "unsent")]
    assert disconnect.unanswered == ("c1",)


async def test_command_for_a_session_that_is_not_here_is_reported_unsent():
    async with running_site() as site:
        async with site.connect():
            session = await site.session()
        await site.backend.disconnected(session)
        await site.command("c1", session)
        report = await site.backend.reported("unsent")

    assert (report.unique_id, report.session) == ("c1", session)


async def test_commands_that_come_with_the_acceptance_are_written_once_the_socket_is_open():
    backend = Backend()
    backend.on_connect = lambda request: [
        ConnectReply(request.relay_id, True, settings=backend.settings),
        Command(request.session, request.identity, "c1", b'[2,"c1","Reset",{"type":"Soft"}]'),
    ]
    async with running_site(backend) as site, site.connect() as charge_point:
        assert '"c1"' in await receive(charge_point)
        await backend.reported("sent")


async def test_end_of_a_session_says_what_became_of_its_commands():
    async with running_site() as site:
        async with site.connect() as charge_point:
            for unique_id in ("written", "waiting 1", "waiting 2"):
                await site.command(unique_id)
            assert '"written"' in await receive(charge_point)
        disconnect = await site.backend.one(Disconnect)

    assert disconnect.unanswered == ("written",)
    assert disconnect.unsent == ("waiting 1", "waiting 2")
    assert disconnect.code == 1000


async def test_disconnect_comes_after_the_last_frame_has_been_carried_out():
    async with running_site() as site:
        site.backend.silent = {Frame}
        async with site.connect() as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            frame = await site.backend.one(Frame)
        await until(lambda: site.gateway.connections == 0)
        assert site.backend.all(Disconnect) == []
        site.send(FrameReply(frame.relay_id, b'[3,"1",{}]'))

        assert (await site.backend.one(Disconnect)).session == frame.session


async def test_frames_sent_right_before_the_close_are_not_lost():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        await receive(charge_point)
        await charge_point.send(ANSWER.format("c1"))
        await charge_point.send(HEARTBEAT.format(1))
        await charge_point.close()
        frames = await site.backend.wait_for(Frame, 2)
        disconnect = await site.backend.one(Disconnect)

    assert [frame.raw for frame in frames] == [ANSWER.format("c1").encode(), HEARTBEAT.format(1).encode()]
    assert disconnect.unanswered == ()


# -- cancelled, and repeated ----------------------------------------------------------------------------------


async def test_cancelled_command_is_reported_unsent_and_never_written():
    async with running_site() as site, site.connect() as charge_point:
        for unique_id in ("c1", "c2", "c3"):
            await site.command(unique_id)
        await site.command("c2", cancel=True)
        report = await site.backend.reported("unsent")
        assert '"c1"' in await receive(charge_point)
        await charge_point.send(ANSWER.format("c1"))
        assert '"c3"' in await receive(charge_point)

    assert report.unique_id == "c2"


async def test_command_that_was_written_cannot_be_cancelled():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1")
        assert '"c1"' in await receive(charge_point)
        await site.command("c1", cancel=True)
        await charge_point.send(ANSWER.format("c1"))
        await site.backend.one(Frame)

    assert [report.state for report in site.backend.all(CommandReport)] == ["sent"]


async def test_cancellation_that_overtakes_its_command():
    async with running_site() as site, site.connect() as charge_point:
        await site.command("c1", cancel=True)
        await site.backend.reported("unsent")
        await site.command("c1")
        await site.command("c2")
        assert '"c2"' in await receive(charge_point)

    assert {report.unique_id for report in site.backend.all(CommandReport)} == {"c1", "c2"}


@pytest.mark.parametrize("cancel", [False, True])
async def test_what_was_written_is_never_called_unsent_while_the_backend_does_not_know_of_the_end(cancel):
    async with running_site() as site:
        async with site.connect() as charge_point:
            session = await site.session()
            await site.command("c1")
            assert '"c1"' in await receive(charge_point)
            site.backend.silent = {Disconnect}
        disconnect = await site.backend.disconnected(session)
        await site.command("c1", session, cancel=cancel)
        await site.command("c2", session, cancel=cancel)
        report = await site.backend.reported("unsent")
        site.send(Done(disconnect.relay_id))

    assert disconnect.unanswered == ("c1",)
    assert report.unique_id == "c2"


# -- closed by the backend ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "expected"), [(1008, 1008), (4001, 4001), (1006, 1000), (77, 1000)])
async def test_backend_closes_a_session(code, expected):
    async with running_site() as site, site.connect() as charge_point:
        site.send(CloseSession(await site.session(), code, "Not any more. " * 20))
        assert await closed(charge_point) == expected
        disconnect = await site.backend.one(Disconnect)

    assert disconnect.code == expected
    assert len(disconnect.reason.encode()) <= 123


async def test_session_that_is_closed_before_it_has_opened():
    backend = Backend()
    backend.on_connect = lambda request: [
        ConnectReply(request.relay_id, True),
        Command(request.session, request.identity, "c1", b"[]"),
        CloseSession(request.session, 1008),
        Command(request.session, request.identity, "c2", b"[]"),
    ]
    async with running_site(backend) as site, site.connect() as charge_point:
        assert await closed(charge_point) == 1008
        disconnect = await backend.one(Disconnect)

    assert disconnect.unsent == ("c1",)
    assert [(report.unique_id, report.state) for report in backend.all(CommandReport)] == [("c2", "unsent")]


# -- liveness -------------------------------------------------------------------------------------------------


def pinging(interval_s: float | None, silence_s: float | None = None) -> Backend:
    backend = Backend()
    backend.settings = SessionSettings(ping_interval_s=interval_s, silence_timeout_s=silence_s)
    return backend


async def test_charge_point_that_does_not_answer_pings_is_disconnected():
    async with running_site(pinging(0.05)) as site:
        charge_point = await site.connect(ping_interval=None)
        charge_point.transport.pause_reading()  # no pongs, and the kernel goes on acknowledging
        disconnect = await site.backend.one(Disconnect)
        charge_point.transport.abort()

    assert disconnect.code == 1006
    assert "ping" in disconnect.reason


async def test_pongs_keep_a_silent_charge_point_connected():
    async with running_site(pinging(0.02)) as site, site.connect(ping_interval=None) as charge_point:
        pings = count_pings(charge_point)
        await until(lambda: pings() >= 5)
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'


async def test_wrong_pongs_are_borne():
    async with running_site(pinging(0.02)) as site, site.connect(ping_interval=None) as charge_point:
        pings = count_pings(charge_point, answer=WebsocketFrame(Opcode.PONG, b"some other payload"))
        await until(lambda: pings() >= 5)
        await charge_point.send(HEARTBEAT.format(1))
        assert await receive(charge_point) == '[3,"1",{}]'


async def test_charge_point_that_is_not_read_is_not_taken_for_dead():
    async with (
        running_site(pinging(0.02), max_waiting_calls=1) as site,
        site.connect(ping_interval=None) as charge_point,
    ):
        site.backend.silent = {Frame}
        for number in range(30):
            await charge_point.send(HEARTBEAT.format(number))
        # Ten times as long as between two pings. Its pongs would wait behind what is not read.
        await site.command("c1", timeout_s=0.2)
        await site.backend.reported("timed_out")
        site.backend.silent = set()
        frame = await site.backend.one(Frame)
        site.send(FrameReply(frame.relay_id, b'[3,"0",{}]'))

        assert '"c1"' in await receive(charge_point)
        assert [await receive(charge_point) for _ in range(30)] == [f'[3,"{number}",{{}}]' for number in range(30)]


async def test_charge_point_without_pings_gets_none():
    async with running_site(pinging(None)) as site, site.connect(ping_interval=None) as charge_point:
        pings = count_pings(charge_point)
        await site.command("c1", timeout_s=0.1)
        await site.backend.reported("timed_out")
        assert pings() == 0


async def test_silence_ends_a_connection_where_it_is_told_to():
    async with running_site(pinging(None, silence_s=0.15)) as site, site.connect(ping_interval=None) as charge_point:
        for number in range(3):
            await site.command(f"c{number}", timeout_s=0.05)
            await receive(charge_point)
            await charge_point.send(ANSWER.format(f"c{number}"))
        disconnect = await site.backend.one(Disconnect)

    assert disconnect.code == 1006
    assert "ilent" in disconnect.reason


def count_pings(charge_point, answer: WebsocketFrame | None = None):
    """How many pings the client has got; ``answer`` replaces the pong that its library would send."""
    seen = 0
    plain_receive = charge_point.protocol.recv_frame

    def recv_frame(frame: WebsocketFrame) -> None:
        nonlocal seen
        if frame.opcode is not Opcode.PING:
            plain_receive(frame)
            return
        seen += 1
        if answer is None:
            plain_receive(frame)
        else:
            charge_point.transport.write(answer.serialize(mask=True))

    charge_point.protocol.recv_frame = recv_frame
    return lambda: seen


# -- slow charge points ---------------------------------------------------------------------------------------


async def test_charge_point_that_reads_nothing_is_given_up_and_hurts_nobody():
    answer = b'[3,"1",{"data":"' + b"x" * 200_000 + b'"}]'
    backend = Backend()
    backend.on_frame = lambda frame: [
        FrameReply(frame.relay_id, answer if frame.identity == "CP001" else b'[3,"1",{}]')
    ]
    async with running_site(backend, max_write_buffer_bytes=1_000_000) as site:
        slow = await site.connect(max_queue=1)
        small_buffer(slow)
        slow.transport.pause_reading()
        for _ in range(60):
            await slow.send(HEARTBEAT.format(1))
        async with site.connect("/ocpp/CP002") as other:
            await other.send(HEARTBEAT.format(1))
            assert await receive(other) == '[3,"1",{}]'
            disconnect = await backend.one(Disconnect)
        slow.transport.abort()

    assert disconnect.identity == "CP001"
    assert "slow" in disconnect.reason


async def test_charge_point_that_takes_nothing_for_too_long_is_given_up():
    backend = Backend()
    backend.on_frame = lambda frame: [FrameReply(frame.relay_id, b'[3,"1",{"data":"' + b"x" * 800_000 + b'"}]')]
    async with running_site(backend, write_timeout_s=0.1, max_write_buffer_bytes=1 << 30) as site:
        slow = await site.connect(max_queue=1)
        small_buffer(slow)
        slow.transport.pause_reading()
        for _ in range(20):
            await slow.send(HEARTBEAT.format(1))
        disconnect = await backend.one(Disconnect)
        slow.transport.abort()

    assert "reads nothing" in disconnect.reason


async def test_slow_charge_point_gets_everything_in_order():
    backend = Backend()
    backend.on_frame = lambda frame: [
        FrameReply(frame.relay_id, b'[3,"%s",{"data":"%s"}]' % (json.loads(frame.raw)[1].encode(), b"x" * 200_000))
    ]
    async with running_site(backend, max_write_buffer_bytes=1 << 30) as site:
        slow = await site.connect(max_queue=1)
        small_buffer(slow)
        slow.transport.pause_reading()
        for number in range(40):
            await slow.send(HEARTBEAT.format(number))
        await backend.wait_for(Frame, 40)
        await site.command("c1")
        async with site.connect("/ocpp/CP002") as other:
            await other.send(HEARTBEAT.format(1))
            await receive(other)
        assert backend.all(CommandReport) == [], "it waits behind 8 MB"
        slow.transport.resume_reading()
        order = [json.loads(await receive(slow))[1] for _ in range(41)]
        await backend.reported("sent")
        await slow.close()

    assert order == [*(str(number) for number in range(40)), "c1"]


async def test_what_is_queued_is_written_before_the_close():
    backend = Backend()
    backend.on_frame = lambda frame: [FrameReply(frame.relay_id, b'[3,"1",{"data":"' + b"x" * 200_000 + b'"}]')]
    async with running_site(backend, max_write_buffer_bytes=1 << 30, close_timeout_s=5) as site:
        slow = await site.connect(max_queue=1)
        small_buffer(slow)
        slow.transport.pause_reading()
        for _ in range(40):
            await slow.send(HEARTBEAT.format(1))
        await backend.wait_for(Frame, 40)
        site.send(CloseSession(await site.session(), 1008))
        await site.command("c1")
        await backend.reported("unsent")
        slow.transport.resume_reading()
        for _ in range(40):
            assert (await receive(slow)).startswith('[3,"1"')
        assert await closed(slow) == 1008


def small_buffer(charge_point) -> None:
    """Keep the kernel from taking megabytes on behalf of a client that does not read them."""
    charge_point.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
