"""What is seen from outside while faults happen: the rate of answers, who is online where, the memory of processes."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.central_system import HOST
from tests.e2e.processes import PATIENCE_S, ROOT, environment, wait_until
from tests.faults.balancer import Balancer
from tests.faults.system import Site, System

WINDOW_S = 2.0
"""The rate at a moment is that of so long before it."""
FULL = 0.9
"""This share of the usual rate counts as the full rate: with a few hundred answers in a window, chance takes the
rest."""
LOOK_EVERY_S = 2.0
ONLINE_SQL = "SELECT identity FROM ocpp_app_chargepoint WHERE session_id IS NOT NULL AND identity LIKE 'FLEET%%'"
PAGE_KIB = 4
WARM_UP_S = 60.0


@dataclass
class Sample:
    """What a fleet says at a moment."""

    at: float
    answered: int
    online: frozenset[str]
    waiting: int
    charging: int


class Fleet:
    """A process with simulated charge points, from outside."""

    def __init__(self, number: int, count: int, balancer: Balancer, folder: Path, seed: int) -> None:
        self.identities = [f"FLEET{number}-{each}" for each in range(1, count + 1)]
        self.truth = folder / f"truth-{number}.pickle"
        self.samples: list[Sample] = []
        self.is_finished = threading.Event()
        self._errors = (folder / f"fleet-{number}.log").open("wb")
        options = ["--url", f"ws://{HOST}:{balancer.port}/ocpp", "--prefix", f"FLEET{number}", "--count", str(count)]
        options += ["--seed", str(seed * 1000 + number * 500), "--truth", str(self.truth)]
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fleet", *options],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, name=f"fleet-{number}", daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            told = json.loads(line)
            if "finished" in told:
                self.is_finished.set()
            else:
                online = frozenset(told["online"])
                self.samples.append(Sample(told["at"], told["answered"], online, told["waiting"], told["charging"]))
        self.is_finished.set()

    def say(self, *words: object) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(" ".join(map(str, words)) + "\n")
        self._popen.stdin.flush()

    @property
    def last(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    def answered_at(self, moment: float) -> float:
        """How many answers had come by then."""
        answered = 0
        for sample in reversed(self.samples):
            answered = sample.answered
            if sample.at <= moment:
                break
        return answered

    def end(self) -> None:
        with suppress(OSError, ValueError):
            self.say("finish")
            self.say("finish")
        try:
            self._popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._errors.close()


class Watch:
    """Looks at everything, in a thread of its own."""

    def __init__(self, system: System | Site, fleets: list[Fleet]) -> None:
        self.system = system
        self.fleets = fleets
        self.memory: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
        """By part: (process id, moment, MB)."""
        self.active_faults = 0
        self.longest_wrong: dict[str, float] = {}
        """By charge point: for how long it was shown otherwise than it was, while no fault was going on."""
        self._wrong_since: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    # -- the rate --------------------------------------------------------------------------------------------

    def answered(self, moment: float) -> float:
        return sum(fleet.answered_at(moment) for fleet in self.fleets)

    def rate(self, until: float, window_s: float = WINDOW_S) -> float:
        """Answers per second."""
        return (self.answered(until) - self.answered(until - window_s)) / window_s

    @property
    def online(self) -> set[str]:
        return {identity for fleet in self.fleets if fleet.last for identity in fleet.last.online}

    def wait_for_fleet(self, timeout_s: float = 120.0) -> None:
        """Return when all are online and charging has begun."""
        everybody = sum(len(fleet.identities) for fleet in self.fleets)
        wait_until(lambda: len(self.online) == everybody, "all charge points are online", timeout_s)

    def seconds_to_recover(self, since: float, usual: float, patience_s: float) -> float | None:
        """From ``since`` until the rate is what it usually is; None: not in time."""
        while time.monotonic() < since + patience_s:
            now = time.monotonic()
            latest = min((fleet.last.at for fleet in self.fleets if fleet.last), default=now)
            if latest >= since and self.rate(latest) >= FULL * usual:
                return max(0.0, latest - since)
            time.sleep(0.1)
        return None

    # -- online and memory -----------------------------------------------------------------------------------

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look_at_memory()
            with suppress(psycopg.Error):
                self._look_who_is_online()

    def _look_who_is_online(self) -> None:
        now = time.monotonic()
        if self.active_faults:
            self._wrong_since.clear()
            return
        before = self.online
        shown = set(self.system.database.values(ONLINE_SQL))
        wrong = {identity for identity in before ^ shown if (identity in before) == (identity in self.online)}
        for identity in tuple(self._wrong_since):
            if identity not in wrong:
                del self._wrong_since[identity]
        for identity in wrong:
            lasted = now - self._wrong_since.setdefault(identity, now)
            self.longest_wrong[identity] = max(lasted, self.longest_wrong.get(identity, 0.0))

    def _look_at_memory(self) -> None:
        now = time.monotonic()
        for name, pid in self.system.pids:
            with suppress(OSError, IndexError):
                kib = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB
                self.memory[name].append((pid, now, kib / 1024))


@dataclass
class Growth:
    """The longest life of a part."""

    part: str
    seconds: float
    first_mb: float
    last_mb: float

    @property
    def is_flat(self) -> bool:
        """What a process allocates once (caches, pools) it has after the first minute; more than this is a leak."""
        return self.last_mb <= self.first_mb * 1.15 + 10


def growths(memory: dict[str, list[tuple[int, float, float]]]) -> list[Growth]:
    """For each part its longest life after the first minute: the memory at its beginning and at its end."""
    found = []
    for part, samples in sorted(memory.items()):
        lives: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for pid, at, mb in samples:
            lives[pid].append((at, mb))
        longest = max(lives.values(), key=lambda life: life[-1][0] - life[0][0])
        began, ended = longest[0][0], longest[-1][0]
        settled = [mb for at, mb in longest if at - began >= min(WARM_UP_S, (ended - began) / 3)]
        edge = max(1, len(settled) // 10)
        first, last = statistics.median(settled[:edge]), statistics.median(settled[-edge:])
        found.append(Growth(part, ended - began, first, last))
    return found


@dataclass
class Commands:
    """Somebody at the console: asks one charge point after the other for something, and waits for the answer."""

    system: System | Site
    identities: list[str]
    outcomes: list[tuple[str, int, Any]] = field(default_factory=list)
    """Identity, HTTP status (0: web was away), body."""

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(2)]
        for thread in self._threads:
            thread.start()

    @property
    def is_waiting(self) -> bool:
        return self._under_way > 0

    _under_way: int = 0

    def _run(self, number: int) -> None:
        turn = number
        while not self._ended.wait(0.2):
            identity = self.identities[turn % len(self.identities)]
            turn += 7
            body = {
                "action": "ChangeConfiguration",
                "payload": {"key": "HeartbeatInterval", "value": "3600"},
                "wait": 20,
            }
            self._under_way += 1
            try:
                status, answer = self.system.request("POST", f"charge-points/{identity}/commands/", body)
            except Exception as error:  # noqa: BLE001 - whatever a dying web server does to a client
                status, answer = 0, repr(error)
            self._under_way -= 1
            self.outcomes.append((identity, status, answer))

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
