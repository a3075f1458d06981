"""What a person sees: fits 80 columns, says what matters, has colors only where they are wanted."""

import io
import re
from functools import partial

import pytest

from simulator.charge_point import Specification
from simulator.drivers import Habits
from simulator.fleet import Simulator
from simulator.ledger import Entry, LedgerEvent
from simulator.progress import Progress
from simulator.table import Painter, alarm, last_words, news, table
from tests.simulator.central_system import running
from tests.simulator.wire import START

PLAIN = Painter(is_colored=False)
URL = "ws://127.0.0.1:9000/ocpp"


async def charging_fleet(central, count: int, connectors: int) -> Simulator:
    """A fleet whose drivers are in a hurry."""
    specification = Specification(identity="", connectors=connectors, speed=300.0, seed=2)
    identities = [f"SIM{number:04}" for number in range(1, count + 1)]
    habits = Habits(energy_wh=(100.0, 200.0), first_arrival_s=0.1, look_s=0.1)
    return Simulator(central.url, identities, specification=specification, habits=habits)


async def test_table_has_a_line_for_each_connector_and_fits_80_columns():
    async with running() as central, await charging_fleet(central, 2, 2) as simulator:
        first = simulator.charge_points[0]
        await first.wait_until(lambda: first.charge_point.is_online, "online")
        await first.plug_in(2)
        await first.present_tag("ABC", 2)
        await first.charge(2, energy_wh=1000)
        lines = table(simulator, URL, 75.0, PLAIN, width=79, height=24)

    assert lines[0] == f"2 charge points → {URL} · speed ×300 · 0:01:15"
    assert lines[1].split() == ["identity", "status", "kW", "kWh", "battery", "last", "CALL"]
    assert re.fullmatch(r"SIM0001 +1 +Available +→ \w+", lines[2])
    assert re.fullmatch(r" +2 +Charging +7\.4 +1\.\d\d +█{4}░{6} +4\d%", lines[3])
    assert lines[4].startswith("SIM0002")
    assert "1 charging · 7.4 kW · 1.0 kWh" in lines[-1]
    assert len(lines) == 7
    assert all(len(line) <= 79 for line in lines)


async def test_many_are_counted_by_status():
    async with running() as central, await charging_fleet(central, 30, 1) as simulator:
        for charge_point in simulator.charge_points:
            state = charge_point.charge_point
            await charge_point.wait_until(partial(getattr, state, "is_online"), "online")
        await simulator.charge_points[0].plug_in()
        lines = table(simulator, URL, 0.0, PLAIN, width=79, height=24)

    assert lines[1] == "29 Available · 1 Preparing"
    assert lines[2].startswith("30/30 online · 0 charging")
    assert len(lines) == 3


async def test_offline_says_how_many_messages_are_kept():
    async with running() as central, await charging_fleet(central, 1, 1) as simulator:
        [charge_point] = simulator.charge_points
        await charge_point.wait_until(lambda: charge_point.charge_point.is_online, "online")
        await charge_point.plug_in()
        await charge_point.present_tag("ABC")
        await charge_point.delivered()
        await charge_point.go_offline()
        await charge_point.stop_charging()
        lines = table(simulator, URL, 0.0, PLAIN, width=79, height=24)
        colored = table(simulator, URL, 0.0, Painter(is_colored=True), width=79, height=24)

    assert re.match(r"SIM0001 +offline \(\d+\) ", lines[2])
    assert "0/1 online" in lines[3]
    assert "\x1b" not in "".join(lines)
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in colored] == lines


@pytest.mark.parametrize(
    ("event", "action", "detail", "expected"),
    [
        (LedgerEvent.call_error_received, "Heartbeat", "InternalError: no", "CALLERROR: Heartbeat InternalError: no"),
        (LedgerEvent.disconnected, "", "1006 without a word", "disconnected: 1006 without a word"),
        (LedgerEvent.disconnected, "", "switched off", ""),
        (LedgerEvent.answer_received, "Heartbeat", "", ""),
    ],
)
def test_alarms(event, action, detail, expected):
    assert alarm(Entry(START, event, action, detail=detail)) == expected


def test_news_tell_the_status_of_a_connector():
    assert news(Entry(START, LedgerEvent.call_sent, "StatusNotification", detail="connector 1 Charging")) == (
        "connector 1 Charging"
    )
    assert news(Entry(START, LedgerEvent.call_sent, "MeterValues")) == ""


async def test_last_words_count_everything():
    async with running() as central, await charging_fleet(central, 2, 1) as simulator:
        failures = await simulator.run(times=1)
        words = last_words(simulator.summary())
        is_clean = simulator.summary().is_clean

    assert failures == []
    assert is_clean
    assert re.match(r"2 transactions, \d+\.\d\d kWh; (\d+) CALLs, \1 answered \(p50 ", words[0])
    assert words[1] == "0 CALLERRORs, 0 timed out, 0 cut off, 0 discarded, 0 not delivered"


def test_log_lines_say_the_same_of_many_only_once():
    output = io.StringIO()
    progress = Progress(URL, output)
    for number in range(1, 6):
        progress.listen(f"SIM{number}", Entry(START, LedgerEvent.disconnected, detail="1012 service restart"))
        progress.listen(f"SIM{number}", Entry(START, LedgerEvent.connection_failed, detail="nobody listens there"))
    progress.listen("SIM1", Entry(START, LedgerEvent.connected))

    lines = progress.take_lines()

    assert [line.partition(" ")[2] for line in lines] == [
        "SIM1 and 4 more disconnected: 1012 service restart",
        "SIM1 connected again",
    ]
