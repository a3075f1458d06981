"""The benchmark as a whole, in seconds: real processes, every answer found again in the database."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from bench import grown, processes
from bench.__main__ import Benchmark, parse_options
from bench.runs import Measurement
from bench.scenarios import SCENARIOS, Figure, figures
from bench.tally import Result
from scripts.services import postgres


def run_bench(report: Path, *words: str) -> dict[str, object]:
    command = [sys.executable, "-m", "bench", "--chargers=3", "--seconds=1", "--warm-up=0", f"--json={report}", *words]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ROUNDS": ""})
    assert result.returncode == 0, result.stdout + result.stderr
    document: dict[str, object] = json.loads(report.read_text())
    return document


def test_the_one_process_system_against_the_bare_server(tmp_path: Path) -> None:
    document = run_bench(tmp_path / "report.json", "--scenario=closed-50", "--system=runcsms", "--system=bare")
    measurements = document["measurements"]
    assert isinstance(measurements, list)
    assert [one["system"] for one in measurements] == ["bare", "runcsms"]
    for one in measurements:
        assert one["result"]["errors"] == 0
        assert one["result"]["calls"] > 0
    assert measurements[1]["cpu_s"]["runcsms"] > 0
    assert measurements[1]["rss_end"]["runcsms"] > 10_000_000


def test_a_load_that_wants_a_new_system_gets_one_with_a_folder_of_its_own(tmp_path: Path) -> None:
    options = parse_options(["--scenario=closed-1", "--scenario=idle", "--system=bare", "--chargers=3", "--seconds=1"])
    with ExitStack() as stack:
        Benchmark(options, tmp_path, stack).run()
    assert len(list(tmp_path.glob("*/bare/server.log"))) == 2


@pytest.mark.usefixtures("amqp_url", "postgres_url")
def test_rabbitmq_and_postgresql_against_the_echo(tmp_path: Path) -> None:
    document = run_bench(tmp_path / "report.json", "--scenario=closed-50", "--system=scaled", "--system=echo")
    measurements = document["measurements"]
    assert isinstance(measurements, list)
    assert [one["system"] for one in measurements] == ["scaled", "echo"]
    assert measurements[0]["cpu_s"].keys() >= {"gateway", "worker", "load"}
    figures = document["figures"]
    assert isinstance(figures, dict)
    assert figures["CALLs/s, 50 charge points"] > 0


@pytest.mark.usefixtures("amqp_url", "postgres_url")
def test_two_gateways_and_two_workers_share_the_charge_points(tmp_path: Path) -> None:
    document = run_bench(tmp_path / "report.json", "--scenario=scale-out", "--system=scaled-out")
    measurements = document["measurements"]
    assert isinstance(measurements, list)
    assert measurements[0]["result"]["connections"] == 3
    assert measurements[0]["result"]["error_samples"] == []


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("amqp_url")
def test_a_grown_database_is_filled_once_and_only_what_a_run_adds_is_counted(tmp_path: Path, postgres_url: str) -> None:
    stored = grown.Stored(messages=3_000, meter_values=6_000)
    url = grown.url_of(postgres_url, 3, stored)
    words = ("--scenario=growth", "--system=scaled-grown", "--messages=3000", "--meter-values=6000")
    try:
        first = run_bench(tmp_path / "first.json", *words)
        began = created_at(url)
        second = run_bench(tmp_path / "second.json", *words)
        assert created_at(url) == began
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*) FROM ocpp_app_metervalue").fetchone()
    finally:
        postgres.drop_database(url)
    results = [document["measurements"][0]["result"] for document in (first, second)]  # type: ignore[index]
    assert [result["error_samples"] for result in results] == [[], []]
    assert found == (stored.meter_values + sum(result["answers"]["MeterValues"] for result in results),)


def created_at(url: str) -> object:
    """When the oldest of what a database holds by the millions came: another one if it were filled again."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT min(at) FROM ocpp_app_message").fetchone()


def test_a_grown_database_has_whole_charging_sessions() -> None:
    actions = [action for action, _call, _answer in grown.exchanges()]
    assert actions.count("MeterValues") == 5
    for _action, call, answer in grown.exchanges():
        assert json.loads(call)[1] == json.loads(answer)[1] == grown.PLACEHOLDER


def test_the_cpu_time_of_a_process_counts_its_ended_children() -> None:
    before = processes.cpu_s([os.getpid()])
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert processes.cpu_s([os.getpid()]) - before > 0.1


def test_a_round_of_everything_tells_every_figure() -> None:
    parts = {"gateway": 1, "worker": 1, "broker": 1, "PostgreSQL": 1, "server": 1, "runcsms": 1}
    result = Result(8_000, 8.0, 2.0, 4.0, 5.0, 0, [], {}, 0, 1_000, 1.0)
    one = {
        (scenario.name, system): Measurement(scenario.name, system, 1, result, dict.fromkeys(parts, 1.0), parts, parts)
        for scenario in SCENARIOS.values()
        for system in scenario.systems
    }
    assert [figure.label for figure in figures(fsync_ms=0.5) if figure.of_round(one) is None] == []


@pytest.mark.parametrize(("value", "verdict"), [(0.5, "below"), (0.8, "floor"), (1.2, "goal")])
def test_a_figure_tells_whether_floor_and_goal_are_reached(value: float, verdict: str) -> None:
    assert Figure("CALLs/s", lambda _: value, floor=0.7, goal=1.0, less_is_better=False).verdict(value) == verdict
    assert Figure("CPU", lambda _: -value, floor=-0.7, goal=-1.0).verdict(-value) == verdict
