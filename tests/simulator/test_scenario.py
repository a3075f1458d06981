"""Scripts: what can be written, what is said about what cannot, and what the built-in ones do."""

import asyncio

import pytest

from simulator.client import SimulatedChargePoint
from simulator.scenario import ScenarioError, built_in, load, parse
from tests.simulator.central_system import running


def test_a_script_is_read_line_by_line():
    script = parse(
        """
        # two rounds on connector 2
        repeat 2
            plug 2
            tag ABC123 on 2   # the driver's
            charge 1.5 kWh on 2
        end
        offline
        """
    )

    assert [(step.line, step.verb, step.arguments, step.connector_id) for step in script.steps] == [
        *[
            (4, "plug", (), 2),
            (5, "tag", ("ABC123",), 2),
            (6, "charge", ("1.5", "kWh"), 2),
        ]
        * 2,
        (8, "offline", (), 1),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fly", "line 1: 'fly' is none of: plug, unplug, tag"),
        ("wait", "line 1: `wait` is followed by one of Available, Preparing"),
        ("wait sleeping", "not by 'sleeping'"),
        ("charge", "line 1: `charge` is followed by a number and Wh or kWh, not by ''"),
        ("charge much", "not by 'much'"),
        ("charge 5 km", "not by '5 km'"),
        ("sleep 5 kWh", "`sleep` is followed by a number and s or min or h"),
        ("plug 1 2", "`plug` is followed by a number and %"),
        ("unplug now", "`unplug` is followed by nothing but a connector, not by 'now'"),
        ("tag A B", "`tag` is followed by one word at most"),
        ("plug on 0", "'0' is no connector; they are numbered from 1"),
        ("fault Fire", "`fault` is followed by an error code such as GroundFailure, not by 'Fire'"),
        ("repeat", "`repeat` is followed by how often"),
        ("repeat 2", "this `repeat` has no `end`"),
        ("end", "this `end` has no `repeat`"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(line, words):
    with pytest.raises(ScenarioError) as caught:
        parse(line)
    assert words in str(caught.value)


def test_a_scenario_that_does_not_exist_names_those_that_do():
    with pytest.raises(ScenarioError, match=r"'nope' is no file that can be read .*, nor one of: autostart, charge"):
        load("nope")


def test_a_script_from_a_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("plug\nunplug\n")

    script = load(str(path))

    assert (script.name, len(script.steps)) == ("mine.txt", 2)


@pytest.mark.parametrize("name", sorted(built_in()))
async def test_built_in_scenarios_come_to_their_end(name):
    script = load(name)
    async with running() as central:
        charge_point = SimulatedChargePoint(central.url, "CP001", speed=2400.0, seed=1)
        async with charge_point:
            playing = asyncio.create_task(script.play(charge_point, "ABC"))
            if name == "autostart":
                await charge_point.wait_for_status("Preparing")
                await central.call("RemoteStartTransaction", '{"idTag":"anonymous"}')
            await playing

    [transaction] = charge_point.ledger.transactions
    assert transaction.is_stop_confirmed
    assert charge_point.ledger.faults == []


async def test_a_step_that_fails_is_named():
    async with running() as central, SimulatedChargePoint(central.url, "CP001") as charge_point:
        with pytest.raises(ScenarioError, match=r"CP001: mine, line 2 \(charge\): Connector 1 has no transaction"):
            await parse("plug\ncharge 5 Wh", "mine").play(charge_point)
