"""What is seen from outside while faults happen: the rate of answers, who is online where, the memory of processes."""

import json
import statistics
import subprocess
import sys
import threading
import time
from array import array
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
from tests.faults.truth import HEARTBEAT_S, PATIENCE_HEARTBEATS, gets_no_pings

WINDOW_S = 2.0
"""The rate at a moment is that of so long before it."""
FULL = 0.9
"""This share of the usual rate counts as the full rate: with a few hundred answers in a window, chance takes the
rest."""
LOOK_EVERY_S = 2.0
ONLINE_SQL = "SELECT identity FROM ocpp_app_chargepoint WHERE session_id IS NOT NULL AND identity LIKE 'FLEET%%'"
WRONG_FOR_S = 60.0
"""So long a charge point may be shown online or offline wrongly; one without pings for some heartbeats."""
TOLD_WITHIN_S = 2.0
"""After three heartbeats that did not come the gateway knows it, then the backend."""
PAGE_KIB = 4
WARM_UP_S = 60.0


@dataclass
class Sample:
    """What a fleet says at a moment."""

    at: float
    answered: int
    by_number: "array[int]"
    """How many answers each charge point has had, in their order."""
    online: frozenset[str]


class Fleet:
    """A process with simulated charge points, from outside."""

    def __init__(self, number: int, count: int, balancer: Balancer, folder: Path, seed: int) -> None:
        self.identities = [f"FLEET{number}-{each}" for each in range(1, count + 1)]
        self.without_pings = {f"FLEET{number}-{each}" for each in range(1, count + 1) if gets_no_pings(each)}
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
                answers = array("I", told["answered"])
                self.samples.append(Sample(told["at"], sum(answers), answers, frozenset(told["online"])))
        self.is_finished.set()

    def say(self, *words: object) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(" ".join(map(str, words)) + "\n")
        self._popen.stdin.flush()

    @property
    def last(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    def at(self, moment: float) -> Sample | None:
        """What it said last by then, or its first word."""
        return next(
            (sample for sample in reversed(self.samples) if sample.at <= moment), next(iter(self.samples), None)
        )

    def answered_at(self, moment: float) -> int:
        """How many answers had come by then."""
        sample = self.at(moment)
        return 0 if sample is None else sample.answered

    def answered_without(self, identities: set[str], moment: float) -> int:
        """How many answers all but these charge points had by then."""
        sample = self.at(moment)
        if sample is None:
            return 0
        each = zip(self.identities, sample.by_number, strict=True)
        return sum(answered for identity, answered in each if identity not in identities)

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
        self.hiding_faults = 0
        """So many faults are going on that keep the central system from knowing who is online."""
        self.longest_wrong: dict[str, float] = {}
        """By charge point: for how long it was shown otherwise than it was, not counted while a fault hid it."""
        self._wrong_for: dict[str, float] = {}
        self._looked_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    # -- the rate --------------------------------------------------------------------------------------------

    def answered(self, moment: float) -> float:
        return sum(fleet.answered_at(moment) for fleet in self.fleets)

    def rate(self, until: float, window_s: float = WINDOW_S) -> float:
        """Answers per second."""
        return (self.answered(until) - self.answered(until - window_s)) / window_s

    def share_elsewhere(self, touched: set[str], since: float, until: float, usual: float) -> float:
        """The rate of the charge points that a fault does not touch, as a share of their usual one."""
        everybody = sum(len(fleet.identities) for fleet in self.fleets)
        answered = sum(
            fleet.answered_without(touched, until) - fleet.answered_without(touched, since) for fleet in self.fleets
        )
        return answered / (until - since) / (usual * (everybody - len(touched)) / everybody)

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
        passed, self._looked_at = now - self._looked_at, now
        if self.hiding_faults:
            return
        before = self.online
        shown = set(self.system.database.values(ONLINE_SQL))
        wrong = {identity for identity in before ^ shown if (identity in before) == (identity in self.online)}
        # Whoever is wrong for the first time has been so for an unknown part of the time since the last look.
        lasted = {
            identity: self._wrong_for[identity] + passed if identity in self._wrong_for else 0.0 for identity in wrong
        }
        for identity, seconds in lasted.items():
            self.longest_wrong[identity] = max(seconds, self.longest_wrong.get(identity, 0.0))
        self._wrong_for = lasted

    def shown_wrongly(self, *, without_pings: bool) -> tuple[float, float]:
        """The longest that such a charge point was shown online or offline wrongly, and how long it may be."""
        of_it = {identity for fleet in self.fleets for identity in fleet.without_pings}
        found = [seconds for identity, seconds in self.longest_wrong.items() if (identity in of_it) == without_pings]
        allowed = HEARTBEAT_S * PATIENCE_HEARTBEATS + TOLD_WITHIN_S if without_pings else WRONG_FOR_S
        return max(found, default=0.0), allowed

    def _look_at_memory(self) -> None:
        now = time.monotonic()
        for name, pid in self.system.pids:
            with suppress(OSError, IndexError):
                kib = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB
                self.memory[name].append((pid, now, kib / 1024))


def is_flat(first_mb: float, last_mb: float) -> bool:
    return last_mb <= first_mb * 1.15 + 10


@dataclass
class Growth:
    """The longest life of a part."""

    part: str
    seconds: float
    first_mb: float
    last_mb: float
    early_mb: float
    late_mb: float
    """Over all its lives: in the first and in the last quarter of the run."""

    @property
    def is_flat(self) -> bool:
        """What a process allocates once (caches, pools) it has after the first minute; more than this is a leak."""
        return is_flat(self.first_mb, self.last_mb) and is_flat(self.early_mb, self.late_mb)


def growths(memory: dict[str, list[tuple[int, float, float]]]) -> list[Growth]:
    """For each part its memory at the beginning (after the first minute) and at the end of its longest life, and early
    and late in the run."""
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
        early, late = (
            statistics.median(mb for _at, mb in quarter) for quarter in _outer_quarters(list(lives.values()))
        )
        found.append(Growth(part, ended - began, first, last, early, late))
    return found


def _outer_quarters(lives: list[list[tuple[float, float]]]) -> tuple[list[tuple[float, float]], ...]:
    """The samples of the first and of the last quarter of a run; of each life without its beginning."""
    settled = sorted(sample for life in lives for sample in life[len(life) // 3 :])
    size = max(1, len(settled) // 4)
    return settled[:size], settled[-size:]


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
                "payload": {"key": "HeartbeatInterval", "value": str(HEARTBEAT_S)},
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
