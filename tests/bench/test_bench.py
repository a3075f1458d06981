"""The benchmark as a whole, in seconds: real processes, every answer found again in the database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.scenarios import Figure


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


def test_the_cpu_time_of_a_process_counts_its_ended_children() -> None:
    before = processes.cpu_s([os.getpid()])
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert processes.cpu_s([os.getpid()]) - before > 0.1


@pytest.mark.parametrize(("value", "verdict"), [(0.5, "below"), (0.8, "floor"), (1.2, "goal")])
def test_a_figure_tells_whether_floor_and_goal_are_reached(value: float, verdict: str) -> None:
    assert Figure("CALLs/s", lambda _: value, floor=0.7, goal=1.0, less_is_better=False).verdict(value) == verdict
    assert Figure("CPU", lambda _: -value, floor=-0.7, goal=-1.0).verdict(-value) == verdict
