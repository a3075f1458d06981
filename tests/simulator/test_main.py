"""The command line, as a process of its own."""

import asyncio
import json
import os
import re
import signal
import sys

import pytest

from simulator.__main__ import parse_arguments
from tests.simulator.central_system import CentralSystem, running
from tests.simulator.wire import ANSWERS


async def start(*arguments: str, **options) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        *arguments,
        **{"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE} | options,
    )


async def run(*arguments: str) -> tuple[int | None, str, str]:
    process = await start(*arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_scenario_that_goes_well_ends_with_0_and_a_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    async with running() as central:
        options = ("--identity", "CP001", "--identity", "CP002", "--speed", "1200", "--ledger", str(path))
        code, out, err = await run("--url", central.url, "--scenario", "pull", *options)

    assert (code, err) == (0, "")
    assert re.search(r"^\d\d:\d\d:\d\d CP001( and 1 more)? connector 1 Charging$", out, re.MULTILINE)
    assert re.search(r"^2 transactions, 1\.\d\d kWh; ", out, re.MULTILINE)
    assert "\x1b" not in out
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    transactions = [line for line in lines if line["event"] == "transaction"]
    assert [line["charge_point"] for line in transactions] == ["CP001", "CP002"]
    assert {line["reason"] for line in transactions} == {"EVDisconnected"}
    assert sum(line["event"] == "call_sent" for line in lines) == len(central.calls)


async def test_a_call_error_is_shown_and_makes_it_end_with_1():
    async with running() as central:
        central.answers["MeterValues"] = ["CALLERROR GenericError", "{}"]
        central.answers["BootNotification"] = ANSWERS["BootNotification"].replace("3600", "300")
        answers = asyncio.create_task(configure(central, "TransactionMessageRetryInterval", "0"))
        code, out, _ = await run("--url", central.url, "--scenario", "charge", "--speed", "1200", "--quiet")
        await answers

    assert code == 1
    [alarm] = [line for line in out.splitlines() if "SIM0001" in line]
    assert alarm.endswith("SIM0001 CALLERROR: MeterValues GenericError: as the test wants it")
    assert ", 1 cut off" not in out
    assert "\n1 CALLERRORs, 0 timed out, 0 cut off, 0 discarded, 0 not delivered\n" in out


async def configure(central: CentralSystem, key: str, value: str) -> None:
    await central.until_called("StatusNotification")
    assert await central.call("ChangeConfiguration", f'{{"key":"{key}","value":"{value}"}}') == {"status": "Accepted"}


async def test_a_wrong_script_ends_with_2_before_anything_is_connected(tmp_path):
    path = tmp_path / "wrong.txt"
    path.write_text("plug\nfly away\n")

    code, _, err = await run("--scenario", str(path))

    assert code == 2
    assert err.startswith("wrong.txt, line 2: 'fly' is none of: plug, ")


@pytest.mark.parametrize(("arguments", "expected"), [((), 0), (("--once",), 130)])
async def test_ctrl_c_closes_the_sockets_and_leaves_no_traceback(arguments, expected):
    async with running() as central:
        process = await start("--url", central.url, "--count", "3", *arguments)
        await central.until(lambda: len(central.payloads("StatusNotification")) >= 6)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert process.returncode == expected
    assert err == b""
    assert central.closed == [1001, 1001, 1001]
    assert b"Traceback" not in out
    assert b" transactions, " in out


async def test_no_central_system_is_said_once_and_ctrl_c_still_works():
    process = await start("--url", "ws://127.0.0.1:9/ocpp")
    assert process.stdout is not None
    line = await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    assert line.decode().rstrip().endswith("SIM0001 cannot connect: nobody listens there")
    assert (process.returncode, err) == (0, b"")


async def read_terminal(central: CentralSystem, environment: dict[str, str]) -> str:
    """What a terminal gets to see until it is online, and of a Ctrl-C then."""
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm", **environment}
    process = await start("--url", central.url, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    seen, is_interrupted = b"", False
    try:
        while True:
            seen += await asyncio.to_thread(os.read, master, 65536)
            if b"1/1 online" in seen and not is_interrupted:
                is_interrupted = True
                process.send_signal(signal.SIGINT)
    except OSError:  # the other side has been closed
        await process.wait()
    finally:
        os.close(master)
    return seen.decode()


@pytest.mark.parametrize(("environment", "is_colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
async def test_a_terminal_gets_a_table_with_colors_unless_they_are_not_wanted(environment, is_colored):
    async with running() as central:
        seen = await read_terminal(central, environment)

    assert "1 charge point → " in seen
    assert ("\x1b[1m" in seen) == is_colored
    assert "SIM0001" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is back
    assert "0 CALLERRORs" in seen


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "0"], "'0' is no number from 1 on"),
        (["--speed", "0"], "'0' is no number above 0"),
        (["--speed", "fast"], "'fast' is no number above 0"),
        (["--power", "11 horses"], "'11 horses' is no power such as 11kW or 7360W"),
    ],
)
def test_wrong_options_are_explained(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(arguments)

    assert caught.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(("text", "watts"), [("11kW", 11_000), ("7.4 kW", 7400), ("3680W", 3680), ("3680", 3680)])
def test_power_is_understood_with_and_without_a_unit(text, watts):
    assert parse_arguments(["--power", text]).power == watts
