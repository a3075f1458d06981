"""More than there should be: sockets, bytes, frames, nesting."""

import asyncio
import contextlib
import json
import resource
import socket
import time

import pytest

from ocpp_app.models import Message, SecurityEventKind
from tests.security.stand import OTHER_KEY, PATIENCE_S, QUICK_S, Pki, System, ask, attacked, basic, in_database, until
from wsgate import limits
from wsgate.limits import Incidents

pytestmark = pytest.mark.usefixtures("registered")

HEARTBEAT = '[2,"{}","Heartbeat",{{}}]'
HALF_OPEN = 10_000


async def let_in(system: System) -> None:
    """A charge point that comes now is let in, and answered."""
    async with asyncio.timeout(QUICK_S), system.owner() as owner:
        assert (await ask(owner, HEARTBEAT.format(1)))[0] == 3


async def test_ten_thousand_half_open_connections(pki: Pki) -> None:
    """Sockets that never send anything, more than the gateway keeps: the oldest go, and nobody else notices."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept = 1000
    number = min(HALF_OPEN, hard - kept - 1000)
    async with attacked(pki, max_pending_handshakes=kept, handshake_timeout_s=60) as system:
        with contextlib.ExitStack() as stack:
            for opened in range(number):
                stack.enter_context(socket.create_connection(("127.0.0.1", system.port)))
                if opened % 200 == 199:
                    await asyncio.sleep(0)
            await until(lambda: system.hits(limits.PENDING_HANDSHAKES) >= number - kept)
            await until(lambda: system.gateway.sockets <= kept + 2)
            await let_in(system)
            await system.is_unharmed()
            assert (await system.seen("pending_handshakes")).count > 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET /ocpp/OWNER HTTP/1.1\r\nHost: "])
async def test_slow_handshakes(sent: bytes, pki: Pki) -> None:
    """Nothing, half a TLS hello, half a request: a few bytes at a time do not keep a socket open."""
    async with attacked(pki, tls=not sent.startswith(b"GET"), handshake_timeout_s=0.5) as system:
        started = time.monotonic()
        streams = [await asyncio.open_connection("127.0.0.1", system.port) for _ in range(50)]
        for _, writer in streams:
            writer.write(sent)
        await let_in(system)
        for reader, writer in streams:
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
        assert time.monotonic() - started >= 0.4
        await system.seen("slow_handshake")
        assert system.hits(limits.SLOW_HANDSHAKE) == 50


async def test_request_that_drips_is_dropped_in_time(pki: Pki) -> None:
    async with attacked(pki, tls=False, handshake_timeout_s=0.5) as system:
        reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
        writer.write(b"GET /ocpp/OWNER HTTP/1.1\r\n")
        dropped = asyncio.create_task(reader.read())
        while not dropped.done():
            writer.write(b"X-A: b\r\n")
            await asyncio.wait({dropped}, timeout=0.05)
        writer.close()
        await system.seen("slow_handshake")


async def test_request_without_end_is_refused(pki: Pki) -> None:
    async with attacked(pki, tls=False) as system:
        reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
        writer.write(b"GET /ocpp/OWNER HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 100_000)
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        await let_in(system)


async def test_frame_larger_than_allowed(pki: Pki) -> None:
    async with attacked(pki, max_frame_bytes=10_000) as system, system.owner() as owner:
        await owner.send(f'[2,"1","DataTransfer",{{"vendorId":"x","data":"{"x" * 20_000}"}}]')
        async with asyncio.timeout(PATIENCE_S):
            await owner.wait_closed()
        assert owner.close_code == 1009
        await system.seen("frame_size", "OWNER")
        await let_in(system)


ABSURD = (
    "[" * 100_000,
    '{"a":' * 50_000,
    f'[2,"1","DataTransfer",{{"vendorId":"x","data":{"[" * 50_000}{"]" * 50_000}}}]',
    f'[2,"1","MeterValues",{"[" * 500}{"]" * 500}]',
    f'[3,"1",{"[" * 20_000}{"]" * 20_000}]',
    '[2,"1","Heartbeat",{"a":1e999999}]',
    f'[2,"1","Heartbeat",{{"a":{"9" * 50_000}}}]',
    f'[2,"{"i" * 50_000}","Heartbeat",{{}}]',
    '[2,"1","Heartbeat",' + "{" + ",".join(f'"k{n}":{n}' for n in range(5_000)) + "}]",
)


async def test_deeply_nested_and_absurd_frames(pki: Pki) -> None:
    """Answered or ignored, kept in the message log, and the next frame is answered as ever."""
    async with attacked(pki) as system, system.owner() as owner:
        for number, frame in enumerate(ABSURD):
            await owner.send(frame)
            await owner.send(HEARTBEAT.format(f"after-{number}"))
            async with asyncio.timeout(PATIENCE_S):
                while (answer := json.loads(await owner.recv()))[1] != f"after-{number}":
                    assert answer[0] in (3, 4), frame[:40]
            assert answer[0] == 3, frame[:40]
        of_owner = Message.objects.filter(charge_point__identity="OWNER")
        assert await in_database(lambda: of_owner.count()) == 2 * len(ABSURD)


async def test_flood_of_frames(pki: Pki) -> None:
    async with attacked(pki, max_frames_per_second=50) as system, system.owner() as owner:
        flooding = asyncio.create_task(flood(owner, 500))
        await until(lambda: system.hits(limits.FRAME_RATE) > 0)
        await system.is_unharmed()
        read = await in_database(lambda: Message.objects.filter(charge_point__identity="OWNER").count())
        assert 0 < read < 400
        await system.seen("frame_rate", "OWNER")
        flooding.cancel()


async def flood(websocket, number: int) -> None:
    for each in range(number):
        await websocket.send(HEARTBEAT.format(each))


async def test_flood_of_bytes(pki: Pki) -> None:
    async with attacked(pki, max_bytes_per_second=50_000, max_frame_bytes=50_000) as system, system.owner() as owner:
        filler = "x" * 40_000
        for number in range(5):
            await owner.send(f'[2,"{number}","DataTransfer",{{"vendorId":"x","data":"{filler}"}}]')
        await system.seen("byte_rate", "OWNER")
        await system.is_unharmed()


async def test_more_connections_than_an_address_may_have(pki: Pki) -> None:
    async with attacked(pki, tls=False, max_connections_per_address=5) as system:
        stack = [await asyncio.open_connection("127.0.0.1", system.port, local_addr=("127.0.0.77", 0))
                 for _ in range(8)]  # fmt: skip
        await until(lambda: system.hits(limits.CONNECTIONS_PER_ADDRESS) == 3)
        event = await system.seen("connections_per_address")
        assert event.remote_address == "127.0.0.77"
        await let_in(system)
        for _, writer in stack:
            writer.close()


async def test_storm_of_unknown_ones_makes_no_rows(pki: Pki) -> None:
    """Made-up identities: refused, counted as one event for each address and hour."""
    async with attacked(pki, tls=False) as system:
        statuses = [
            await system.status(f"/ocpp/MADE-UP-{number}", additional_headers=basic("X", OTHER_KEY))
            for number in range(30)
        ]
        assert set(statuses) == {404, 429}
        assert (await system.seen("unknown_identity")).count >= 10


def test_every_limit_is_counted_and_is_an_event() -> None:
    counted = Incidents().totals
    for kind, words in limits.KINDS.items():
        assert kind in SecurityEventKind.values
        assert counted[kind] == 0  # counted from the start, so that a rate of it can be asked for
        assert kind in counted
        assert words
