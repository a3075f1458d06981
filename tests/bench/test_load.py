"""The load generator against real servers: a right one, and some that are not."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.limits import bare_websocket
from bench.tally import Phase, Result, read_line

Handler = Callable[[ServerConnection], Awaitable[None]]


async def _run_load(handler: Handler, *words: str) -> tuple[list[str], Result]:
    """The phases and the result of a load generator against a server with this handler."""
    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        command = [sys.executable, "-m", "bench.load", *words, "--url", f"ws://127.0.0.1:{port}/ocpp"]
        load = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=True)
    lines = [read_line(line) for line in load.stdout.splitlines()]
    result = lines.pop()
    assert isinstance(result, Result)
    return [line.name for line in lines if isinstance(line, Phase)], result


def run_load(handler: Handler, *words: str) -> tuple[list[str], Result]:
    return asyncio.run(_run_load(handler, *words))


CLOSED = ("closed", "--chargers=3", "--seconds=0.5", "--warm-up=0")


@pytest.mark.parametrize(
    "words",
    [
        CLOSED,
        ("open", "--chargers=3", "--seconds=0.5", "--warm-up=0.1", "--rate=200"),
        ("site", "--chargers=3", "--seconds=0.5", "--warm-up=0", "--meter-interval=0.1"),
        ("storm", "--chargers=20"),
    ],
)
def test_right_answers_are_counted_by_action(words: tuple[str, ...]) -> None:
    phases, result = run_load(bare_websocket.handle, *words)
    assert phases == ["begin", "end"]
    assert result.errors == 0, result.error_samples
    assert result.answers["BootNotification"] == result.connections
    assert 0 < result.calls <= sum(result.answers.values())
    assert 0 <= result.p50_ms <= result.p99_ms <= result.max_ms


def test_several_servers_get_the_same_share_of_the_charge_points() -> None:
    async def run() -> tuple[list[int], Result]:
        connections = [0, 0]

        def counted(number: int) -> Handler:
            async def handle(websocket: ServerConnection) -> None:
                connections[number] += 1
                await bare_websocket.handle(websocket)

            return handle

        protocols = [Subprotocol("ocpp1.6")]
        async with (
            serve(counted(0), "127.0.0.1", 0, subprotocols=protocols) as first,
            serve(counted(1), "127.0.0.1", 0, subprotocols=protocols) as second,
        ):
            ports = [next(iter(server.sockets)).getsockname()[1] for server in (first, second)]
            command = [sys.executable, "-m", "bench.load", "storm", "--chargers=20"]
            command += [f"--url=ws://127.0.0.1:{port}/ocpp" for port in ports]
            load = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=True)
        result = read_line(load.stdout.splitlines()[-1])
        assert isinstance(result, Result)
        return connections, result

    connections, result = asyncio.run(run())
    assert connections == [10, 10]
    assert result.errors == 0


def test_idle_connections_stay_and_say_when_all_are_there() -> None:
    phases, result = run_load(bare_websocket.handle, "idle", "--chargers=120", "--seconds=0.2", "--warm-up=0")
    assert phases == ["begin", "connected", "end"]
    assert (result.connections, result.errors) == (120, 0)


def test_every_charging_session_is_finished() -> None:
    _, result = run_load(bare_websocket.handle, *CLOSED)
    assert result.answers["StartTransaction"] == result.answers["StopTransaction"]
    assert result.answers["MeterValues"] == 5 * result.answers["StartTransaction"]


async def refuse_transactions(websocket: ServerConnection) -> None:
    """Answers rightly, but for StartTransaction, whose idTag it does not accept."""
    try:
        while True:
            frame = await websocket.recv()
            answer = bare_websocket.answer(frame)
            if json.loads(frame)[2] == "StartTransaction":
                answer = answer.replace(b"Accepted", b"Invalid")
            await websocket.send(answer, text=True)
    except ConnectionClosed:
        pass


def test_wrong_answers_are_errors_with_a_sample() -> None:
    _, result = run_load(refuse_transactions, *CLOSED)
    assert result.errors > 0
    assert "StartTransaction" not in result.answers
    assert "Invalid" in result.error_samples[0]


async def leave_after_boot(websocket: ServerConnection) -> None:
    for _ in range(3):
        await websocket.send(bare_websocket.answer(await websocket.recv()), text=True)
    await websocket.recv()
    await websocket.close(1012, "restart")


def test_a_lost_connection_is_an_error() -> None:
    _, result = run_load(leave_after_boot, *CLOSED)
    assert result.errors == 3
    assert "1012 restart" in result.error_samples[0]


async def call_first(websocket: ServerConnection) -> None:
    """Asks for a remote start before it answers anything, in two fragments, and with a ping before."""
    await websocket.ping(b"are you there")
    await websocket.send(['[2,"c0ffee","RemoteStart', 'Transaction",{"idTag":"anonymous"}]'])
    frames: list[str] = []
    while len(frames) < 2:
        frames.append(str(await websocket.recv()))
    answer, boot = sorted(frames, reverse=True)
    assert answer == '[3,"c0ffee",{"status":"Rejected"}]'
    await websocket.send(bare_websocket.answer(boot), text=True)
    await bare_websocket.handle(websocket)


def test_calls_of_the_central_system_are_answered_and_counted() -> None:
    _, result = run_load(call_first, *CLOSED)
    assert result.errors == 0, result.error_samples
    assert result.commands == 3
