"""What one peer may have of a gateway, and that everybody else keeps what is theirs."""

import asyncio
import base64
import contextlib
import json
import logging
import time

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from ocppj.envelope import Announce, Connect, ConnectReply, Frame
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Backend, Site, closed, receive, running_site, until
from wsgate import gate, limits
from wsgate.config import LOOPBACK
from wsgate.handshake import PENALTY_S
from wsgate.limits import Attempt, Attempts, Bucket, Buckets, Incidents, Lines
from wsgate.turns import AT_ONCE, MAX_WAITING


def basic(identity: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{password}".encode()).decode()}


async def status_of(site: Site, path: str = "/ocpp/CP001", **kwargs) -> int:
    try:
        async with site.connect(path, **kwargs):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def page(site: Site, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer.decode()


def count(site: Site, kind: str) -> int:
    return site.gateway.incidents.totals[kind]


# -- pure -------------------------------------------------------------------------------------------------------


def test_bucket_lets_a_burst_through_and_then_the_rate():
    bucket = Bucket(10, 5, now=0)
    assert [bucket.take(1, 0) for _ in range(5)] == [0] * 5
    assert bucket.take(1, 0) == pytest.approx(0.1)
    assert bucket.take(1, 0) == pytest.approx(0.2)
    assert bucket.take(1, 0.5) == 0


def test_buckets_forget_those_unused_for_longest():
    buckets: Buckets[int] = Buckets(1, 1)
    for number in range(limits.MAX_REMEMBERED + 5):
        assert buckets.take(number, 0)
    assert not buckets.take(limits.MAX_REMEMBERED, 0)
    assert buckets.take(0, 0)


def test_incidents_are_told_once_and_the_many_as_a_sum():
    incidents = Incidents()
    for number in range(limits.MAX_TOLD + 20):
        incidents.note(limits.SLOW_HANDSHAKE, f"10.0.0.{number}", 0)
    incidents.note(limits.SLOW_HANDSHAKE, "10.0.0.7", 0)
    told = incidents.take()
    assert told[0].address == "10.0.0.7"
    assert (told[0].count, told[-1].address, told[-1].count) == (2, "", 20)
    assert sum(incident.count for incident in told) == limits.MAX_TOLD + 21
    assert incidents.take() == ()
    incidents.give_back(told[:1])
    assert incidents.take() == told[:1]


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was logged, each with its address."""
    return [(record.getMessage(), vars(record).get("remote_address", "")) for record in caplog.records]


def test_a_flood_is_one_line_and_afterwards_its_number(caplog: pytest.LogCaptureFixture):
    written = Lines()
    for number in range(1000):
        written.write(logging.WARNING, "Refused", "why", "192.0.2.1", now=number / 100, identity=f"CP{number}")
    written.write(logging.WARNING, "Refused", "", "192.0.2.2", now=10)
    written.sum_up(limits.LOG_AGAIN_AFTER_S - 1)
    assert lines(caplog) == [("Refused: why", "192.0.2.1"), ("Refused", "192.0.2.2")]
    written.sum_up(limits.LOG_AGAIN_AFTER_S + 20)
    written.write(logging.WARNING, "Refused", "again", "192.0.2.1", now=limits.LOG_AGAIN_AFTER_S + 20)
    assert lines(caplog)[2:] == [("Refused: 999 more in a minute", "192.0.2.1"), ("Refused: again", "192.0.2.1")]


def test_a_flood_from_everywhere_is_a_hundred_lines_and_its_number(caplog: pytest.LogCaptureFixture):
    written = Lines()
    for number in range(1000):
        written.write(logging.WARNING, "Refused", "", f"2001:db8:0:{number:x}::1", now=0)
        written.write(logging.WARNING, "Refused", "", f"2001:db8:0:1::{number:x}", now=0)  # one who has a /64
    written.sum_up(limits.LOG_AGAIN_AFTER_S)
    assert len(lines(caplog)) == limits.MAX_NAMED + 3  # and the first of those not named, and two numbers
    assert lines(caplog)[-2:] == [
        ("Refused: 1000 more in a minute", "2001:db8:0:1::/64"),
        ("Refused: 899 more in a minute, from many addresses", ""),
    ]


def test_attempts_fail_too_often_by_address_and_by_identity():
    attempts = Attempts(per_minute=3)
    by_address = [attempts.failed(Attempt("a", f"CP{number}"), 0) for number in range(4)]
    assert by_address == [False, False, False, True]
    by_identity = [attempts.failed(Attempt(f"b{number}", "CP"), 0) for number in range(4)]
    assert by_identity == [False, False, False, True]
    assert not attempts.failed(Attempt("c", "other"), 0)
    assert not attempts.failed(Attempt("a", "CP0"), 60)


def test_identity_that_is_guessed_at_is_suspect_unless_the_password_was_right_at_this_address():
    attempts = Attempts(per_minute=2)
    attempts.succeeded(Attempt("home", "CP", b"right"))
    for number in range(3):
        attempts.failed(Attempt("away", "CP", b"wrong"), 0)
        assert attempts.is_suspect(Attempt("home", "CP", b"wrong"), 0) is (number > 0)
    assert attempts.is_suspect(Attempt("home", "CP"), 0)
    assert not attempts.is_suspect(Attempt("home", "CP", b"right"), 0)
    assert attempts.is_suspect(Attempt("away", "CP", b"right"), 0)
    assert not attempts.is_suspect(Attempt("away", "other", b"wrong"), 0)
    assert not attempts.is_suspect(Attempt("away", "CP", b"wrong"), 60)


def test_certificate_is_suspect_only_for_its_own_failures():
    attempts = Attempts(per_minute=2)
    for _ in range(3):
        attempts.failed(Attempt("a", "CP", b"wrong"), 0)
    assert not attempts.is_suspect(Attempt("a", "CP", certificate="its own"), 0)
    for number in range(3):
        assert attempts.is_suspect(Attempt("a", "CP", b"guess", "another's"), 0) is (number > 1)
        attempts.failed(Attempt("a", "CP", b"guess", "another's"), 0)
    assert attempts.is_suspect(Attempt("a", "CP", b"guess", "another's"), 0)
    assert not attempts.is_suspect(Attempt("a", "CP", certificate="its own"), 0)


# -- sockets ----------------------------------------------------------------------------------------------------


async def test_address_has_only_so_many_connections():
    async with running_site(max_connections_per_address=3) as site:
        async with contextlib.AsyncExitStack() as stack:
            for number in range(3):
                await stack.enter_async_context(site.connect(f"/ocpp/CP{number}"))
            with pytest.raises((OSError, EOFError, InvalidMessage)):
                await site.connect("/ocpp/CP4")
            assert count(site, limits.CONNECTIONS_PER_ADDRESS) == 1
            async with site.connect("/ocpp/CP5", local_addr=("127.0.0.2", 0)) as other:
                await other.send(HEARTBEAT.format("1"))
                assert await receive(other) == '[3,"1",{}]'
        await until(lambda: site.gateway.sockets == 0)
        assert await status_of(site) == 101


async def test_charge_points_behind_a_proxy_are_counted_by_their_own_address():
    one, two = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    async with (
        running_site(max_connections_per_address=1, trusted_proxies=LOOPBACK) as site,
        site.connect("/ocpp/CP1", additional_headers=one),
    ):
        assert await status_of(site, "/ocpp/CP2", additional_headers=one) == 429
        assert await status_of(site, "/ocpp/CP3", additional_headers=two) == 101
        assert count(site, limits.CONNECTIONS_PER_ADDRESS) == 1


async def test_all_get_in_who_come_at_once():
    async with running_site(max_pending_handshakes=5) as site:
        statuses = await asyncio.gather(*[status_of(site, f"/ocpp/CP{number}") for number in range(50)])
        assert set(statuses) == {101}
        assert count(site, limits.PENDING_HANDSHAKES) == 0


async def test_the_oldest_socket_without_a_request_makes_room(monkeypatch):
    monkeypatch.setattr(gate, "ROOM_AFTER_S", 0.1)
    async with running_site(max_pending_handshakes=5) as site:
        streams = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(6)]
        assert await status_of(site) == 101
        async with asyncio.timeout(PATIENCE_S):
            assert await streams[0][0].read() == b""
        assert count(site, limits.PENDING_HANDSHAKES) == 1
        for _, writer in streams:
            writer.close()


async def test_who_has_most_sockets_without_a_request_makes_room(monkeypatch):
    """One address cannot take them all: an older socket of another stays."""
    monkeypatch.setattr(gate, "ROOM_AFTER_S", 0.1)
    async with running_site(max_pending_handshakes=5) as site:
        honest = await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.3", 0))
        await until(lambda: site.gateway.sockets == 1)
        streams = [
            await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.2", 0)) for _ in range(12)
        ]
        await until(lambda: count(site, limits.PENDING_HANDSHAKES) == 8)
        for reader, _ in streams[:8]:
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
        honest[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert (await honest[0].read()).startswith(b"HTTP/1.1 200 ")
        for _, writer in [honest, *streams]:
            writer.close()


async def test_socket_without_a_request_is_dropped_in_time():
    async with running_site(handshake_timeout_s=0.2) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /ocpp/CP001 HTTP/1.1\r\nHost:")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()
        assert count(site, limits.SLOW_HANDSHAKE) == 1


# -- frames and bytes -------------------------------------------------------------------------------------------


async def test_flood_of_frames_is_slowed_down_and_others_are_not():
    async with running_site(max_frames_per_second=50) as site:
        async with site.connect("/ocpp/FLOOD") as flood, site.connect("/ocpp/CP001") as other:
            started = time.monotonic()
            sending = asyncio.create_task(flooding(flood, 150))
            await until(lambda: count(site, limits.FRAME_RATE) > 0)
            await other.send(HEARTBEAT.format("1"))
            assert await receive(other) == '[3,"1",{}]'
            assert time.monotonic() - started < 1
            for number in range(150):
                assert json.loads(await receive(flood))[1] == str(number)
            await sending
        assert time.monotonic() - started >= 0.9  # 150 frames: a burst of 100, then 50 in a second


async def flooding(websocket, number: int) -> None:
    for each in range(number):
        await websocket.send(HEARTBEAT.format(each))


async def pings(websocket, number: int) -> None:
    for each in range(number):
        await websocket.ping(str(each))


async def pongs(websocket, number: int) -> None:
    for each in range(number):
        await websocket.pong(str(each))


async def fragmented(websocket, number: int) -> None:
    await websocket.send(iter(HEARTBEAT.format("whole").ljust(number)))


@pytest.mark.parametrize("flood", [pings, pongs, fragmented])
async def test_frames_that_are_no_messages_count_as_well(flood, caplog: pytest.LogCaptureFixture):
    async with running_site(max_frames_per_second=100) as site:
        async with site.connect("/ocpp/FLOOD") as flooding, site.connect("/ocpp/CP001") as other:
            started = time.monotonic()
            await flood(flooding, 320)
            await until(lambda: count(site, limits.FRAME_RATE) > 0)
            await flooding.send(HEARTBEAT.format("after"))
            await other.send(HEARTBEAT.format("1"))
            assert await receive(other) == '[3,"1",{}]'
            assert not [frame for frame in site.backend.all(Frame) if b"after" in frame.raw]
            while await receive(flooding) != '[3,"after",{}]':
                pass
        assert time.monotonic() - started >= 1  # a burst of 200, then 100 in a second
    noted = [record for record in caplog.records if "too many frames" in record.message]
    assert vars(noted[0])["charge_point"] == "FLOOD"


async def test_flood_of_bytes_is_slowed_down_and_nothing_is_lost():
    async with running_site(max_bytes_per_second=200_000, max_frame_bytes=100_000) as site:
        async with site.connect() as websocket:
            for number in range(8):
                await websocket.send(f'[2,"{number}","DataTransfer",{{"data":"{"x" * 60_000}"}}]')
                assert json.loads(await receive(websocket))[1] == str(number)
        assert count(site, limits.BYTE_RATE) > 0
        assert [len(frame.raw) > 60_000 for frame in site.backend.all(Frame)] == [True] * 8


async def test_pings_count_as_bytes():
    async with running_site(max_bytes_per_second=1000, max_frame_bytes=500) as site, site.connect() as websocket:
        pongs = [await websocket.ping(f"{number:0100}") for number in range(25)]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*pongs)
        assert count(site, limits.BYTE_RATE) > 0


async def test_calls_that_wait_in_vain_are_not_read_on_and_it_is_counted(caplog: pytest.LogCaptureFixture):
    async with running_site(max_waiting_calls=2) as site:
        site.backend.on_frame = lambda request: [] if request.identity == "FLOOD" else site.backend.answer(request)
        async with site.connect("/ocpp/FLOOD") as flood, site.connect("/ocpp/CP001") as other:
            await flooding(flood, 20)
            await until(lambda: count(site, limits.INBOUND_QUEUE) == 1)
            await other.send(HEARTBEAT.format("1"))
            assert await receive(other) == '[3,"1",{}]'
            assert [frame.identity for frame in site.backend.all(Frame)] == ["FLOOD", "CP001"]
            assert 'wsgate_limit_hits_total{limit="inbound_queue"} 1.0' in await page(site, "/metrics")
    assert (limits.KINDS[limits.INBOUND_QUEUE], "127.0.0.1") in lines(caplog)


async def test_frame_that_is_too_large_closes_with_1009_and_is_counted():
    async with running_site(max_frame_bytes=1000) as site, site.connect() as websocket:
        await websocket.send("x" * 1001)
        assert await closed(websocket) == 1009
        await until(lambda: count(site, limits.FRAME_SIZE) == 1)


# -- attempts ---------------------------------------------------------------------------------------------------


def strict() -> Backend:
    backend = Backend()

    def on_connect(request: Connect) -> list:
        accepted = request.password == b"right"
        return [ConnectReply(request.relay_id, accepted, 101 if accepted else 401, settings=backend.settings)]

    backend.on_connect = on_connect
    return backend


async def test_guessing_gets_429_and_never_locks_out_who_knows_the_password():
    async with running_site(strict(), failed_attempts_per_minute=5) as site:
        statuses = [
            await status_of(site, additional_headers=basic("CP001", f"guess {number}"), local_addr=("127.0.0.2", 0))
            for number in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2
        assert await status_of(site, additional_headers=basic("CP001", "right")) == 101
        assert await status_of(site, additional_headers=basic("CP001", "right"), local_addr=("127.0.0.2", 0)) == 101
        assert count(site, limits.FAILED_ATTEMPTS) == 2


def guess(site: Site, number: int, address: str) -> "asyncio.Task[int]":
    headers = basic("CP001", f"guess {number}")
    return asyncio.create_task(status_of(site, additional_headers=headers, local_addr=(address, 0)))


@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.3"])
async def test_right_password_is_let_in_at_once_while_others_guess_behind_the_same_router(address: str):
    """At a gateway that has never seen the charge point; it is behind their router or elsewhere."""
    async with running_site(strict(), failed_attempts_per_minute=2) as site:
        assert [await guess(site, number, "127.0.0.2") for number in range(3)] == [401, 401, 429]
        guessing = [guess(site, number, "127.0.0.2") for number in range(50)]
        await until(lambda: has_arrived(site, guessing))
        started = time.monotonic()
        async with site.connect(additional_headers=basic("CP001", "right"), local_addr=(address, 0)) as websocket:
            assert time.monotonic() - started < 1
            await websocket.send(HEARTBEAT.format("1"))
            assert await receive(websocket) == '[3,"1",{}]'
        assert set(await asyncio.gather(*guessing)) == {429}


def has_arrived(site: Site, tasks: "list[asyncio.Task[int]]") -> bool:
    answered = sum(task.done() for task in tasks)
    return answered + site.gateway.sockets - site.gateway.gate.pending >= len(tasks)


async def test_answer_to_failures_beyond_the_limit_comes_late():
    async with running_site(strict(), failed_attempts_per_minute=2) as site:
        assert [await guess(site, number, "127.0.0.2") for number in range(2)] == [401, 401]
        started = time.monotonic()
        assert await guess(site, 2, "127.0.0.2") == 429
        assert time.monotonic() - started >= PENALTY_S


async def test_unknown_ones_beyond_their_number_are_failed_attempts():
    """The backend's 429: too many wait for approval. Whoever makes up identities gets slower answers as well."""
    backend = Backend()
    backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, 429, "Too many wait for approval.")]
    async with running_site(backend, failed_attempts_per_minute=2) as site:
        assert [await status_of(site, f"/ocpp/MADE-UP-{number}") for number in range(3)] == [429] * 3
        assert count(site, limits.FAILED_ATTEMPTS) == 1


async def test_flood_of_refused_handshakes_is_one_line_and_its_number(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "wsgate")
    backend = Backend()
    backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, 404, "Nobody knows it.")]
    async with running_site(backend, failed_attempts_per_minute=1000) as site:
        assert {await status_of(site, f"/ocpp/MADE-UP-{number}") for number in range(20)} == {404}
    refused = [line for line in lines(caplog) if line[0].startswith("Handshake refused")]
    assert refused == [
        ("Handshake refused with 404: Nobody knows it.", "127.0.0.1"),
        ("Handshake refused with 404: 19 more in a minute", "127.0.0.1"),
    ]


async def test_only_so_many_guesses_in_a_second_are_looked_at():
    async with running_site(strict(), failed_attempts_per_minute=2, connect_timeout_s=20) as site:
        for number in range(3):
            await guess(site, number, "127.0.0.2")
        asked, started = len(site.backend.all(Connect)), time.monotonic()
        crowd = AT_ONCE + MAX_WAITING + 20
        assert set(await asyncio.gather(*(guess(site, number, "127.0.0.2") for number in range(crowd)))) == {429}
        took_s = time.monotonic() - started
        looked_at = len(site.backend.all(Connect)) - asked
        assert looked_at <= AT_ONCE + 200 * took_s
        assert looked_at >= AT_ONCE + MAX_WAITING


# -- what others hear of it -------------------------------------------------------------------------------------


async def test_counters_are_at_metrics_for_this_machine_only():
    async with running_site(handshake_timeout_s=0.1) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        await reader.read()
        writer.close()
        text = await page(site, "/metrics")
    assert text.startswith("HTTP/1.1 200")
    assert 'wsgate_limit_hits_total{limit="slow_handshake"} 1' in text
    async with running_site(metrics_from=()) as site:
        assert "wsgate_" not in await page(site, "/metrics")


async def test_backend_hears_of_incidents_with_the_next_announcement():
    async with running_site(handshake_timeout_s=0.1, announce_interval_s=0.1) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        await reader.read()
        writer.close()
        announce = await site.backend.one(Announce, lambda request: bool(request.incidents))
    (incident,) = announce.incidents
    assert (incident.kind, incident.address, incident.count) == ("slow_handshake", "127.0.0.1", 1)
