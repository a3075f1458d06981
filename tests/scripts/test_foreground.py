"""`make run` and `make cluster` start programs together and stop them together."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scripts import ports

ROOT = Path(__file__).resolve().parents[2]

SERVE = """
import pathlib, signal, sys, time
def stop(*_):
    with open("ends", "a") as file:
        file.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1] + ".up").touch()
time.sleep(60)
"""


def start_parts(folder: Path, *parts: tuple[str, str]) -> "subprocess.Popen[str]":
    """A program that runs the given (name, Python source) parts in the foreground until it is told to stop."""
    script = f"""
        import os, sys
        from pathlib import Path
        from scripts.foreground import Foreground, Part
        with Foreground() as foreground:
            for name, source in {list(parts)!r}:
                command = [sys.executable, "-c", source, name]
                foreground.start(Part(name, command, dict(os.environ), Path(name + ".log")))
                foreground.wait_until(Path(name + ".up").exists, 20)
            dead = foreground.wait()
        print(dead.describe_end() if dead else "stopped")
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_the_last_part_first(tmp_path: Path, signum: signal.Signals) -> None:
    program = start_parts(tmp_path, ("first", SERVE), ("second", SERVE))
    wait_for_file(tmp_path / "second.up")
    program.send_signal(signum)
    assert program.communicate(timeout=30)[0] == "stopped\n"
    assert (tmp_path / "ends").read_text().split() == ["second", "first"]


def test_part_that_dies_stops_the_others_and_its_log_is_shown(tmp_path: Path) -> None:
    program = start_parts(tmp_path, ("lives", SERVE), ("dies", "import sys; sys.exit('no database')"))
    said = program.communicate(timeout=30)[0]
    assert "dies ended with exit code 1" in said
    assert "no database" in said
    assert (tmp_path / "ends").read_text().split() == ["lives"]


def test_taken_port_names_the_variable_to_change() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = ports.explain_taken("127.0.0.1", {"HTTP_PORT": [port]}, "run")
    assert said is not None
    assert f"Port {port} is taken" in said
    assert "make run HTTP_PORT=" in said
    assert ports.explain_taken("127.0.0.1", {"HTTP_PORT": [port]}, "run") is None
