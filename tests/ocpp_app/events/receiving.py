"""A webhook receiver in a process of its own, for tests that let it die and come back."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

from scripts.services.state import choose_port
from tests.e2e.processes import Process, environment, wait_until

RECEIVER = Path(__file__).with_name("receiver.py")


class Receiver:
    """The receiver's process, and what it has got."""

    def __init__(self, folder: Path) -> None:
        self.port = choose_port()
        self.url = f"http://127.0.0.1:{self.port}/hook?key=1"
        self._folder = folder
        self._file = folder / "received"
        self._process: Process | None = None

    def start(self, status: int = 200) -> "Receiver":
        command = [sys.executable, str(RECEIVER), str(self.port), str(self._file), str(status)]
        self._process = Process("receiver", command, environment(), self._folder).start()
        wait_until(self._listens, "the receiver listens")
        return self

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()

    def end(self) -> None:
        if self._process is not None:
            self._process.end()

    @property
    def got(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines() if line.endswith("}")]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(one["body"]) for one in self.got]

    def statuses(self, charge_point: str) -> list[str]:
        """What it heard of a charge point, each event once."""
        seen = {event["id"]: event["data"]["status"] for event in self.events if event["charge_point"] == charge_point}
        return list(seen.values())

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
