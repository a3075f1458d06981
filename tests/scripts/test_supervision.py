"""`make cluster` starts a part that died again."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import supervision
from scripts.supervision import Control, Program

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """supervisord with one program that runs and one that waits to be started."""
    with tempfile.TemporaryDirectory(prefix="ocpp-csms-") as run_dir:
        control = Control(tmp_path / "supervisord.conf", Path(run_dir) / "supervisor.sock")
        programs = [Program("worker", SLEEP), Program("simulator", SLEEP, is_late=True)]
        supervision.write_configuration(control, programs, tmp_path)
        supervisord = subprocess.Popen(supervision.command(control))
        try:
            yield control
        finally:
            supervisord.terminate()
            supervisord.wait(30)


def wait_until_running(control: Control, name: str, is_wanted: Callable[[int], bool] = bool) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        process = find(control, name)
        if process.get("statename") == "RUNNING" and is_wanted(process["pid"]):
            return int(process["pid"])
        time.sleep(0.05)
    raise AssertionError(f"{name} does not run:\n{control.status_lines()}")


def find(control: Control, name: str) -> dict[str, Any]:
    return next((process for process in control.processes() if process["name"] == name), {})


def test_killed_part_is_started_again_and_told(control: Control, capsys: pytest.CaptureFixture[str]) -> None:
    watch = supervision.Watch(control)
    first = wait_until_running(control, "worker")
    watch.report_changes()
    os.kill(first, signal.SIGKILL)
    second = wait_until_running(control, "worker", lambda pid: pid != first)
    watch.report_changes()
    assert f"process {second}, in place of {first}" in capsys.readouterr().out


def test_late_part_waits_until_it_is_called(control: Control) -> None:
    wait_until_running(control, "worker")
    assert find(control, "simulator")["statename"] == "STOPPED"
    supervision.start_late_programs(control)
    wait_until_running(control, "simulator")
