"""A run: a central system, a fleet, faults one by one or all mixed, and the reconciliation at the end."""

import math
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.central_system import HOST
from tests.e2e.processes import wait_until
from tests.faults.balancer import Balancer
from tests.faults.fleet import DELIVERY_S, TELL_EVERY_S, WITHOUT_PINGS
from tests.faults.injections import FAULTS, GONE_FOR_S, WITHIN_S, Fault, Scene
from tests.faults.reconcile import Findings, Reconciliation
from tests.faults.system import Site, System, running
from tests.faults.truth import read_truth
from tests.faults.watch import Commands, Fleet, Growth, Watch, growths

SETTLE_S = 45.0
"""At the end: for commands to time out, and what looks after them to say so."""
BASELINE_S = 10.0
PATIENCE_S = 60.0
"""How long a run waits for the full rate before it goes on with the next fault."""
IN_A_FLEET = 100
"""More charge points are too many for one process."""
ELSEWHERE = 0.33
"""Charging goes on where a fault does not touch it: at least this share of the usual rate while the fault does its
damage, with what has died starting again on the same two cores; what is stuck has none."""
ELSEWHERE_LOOK_S = 5.0
SOAK_S = 900.0
OFTEN = 3
"""In a soak so long every fault happens several times."""


@dataclass
class Injection:
    """One fault at a time of its own."""

    fault: Fault
    began_at: float
    gone_at: float = math.inf
    """When its cause was gone."""
    calls: int = 0
    recovered_s: float | None = None
    elsewhere: float | None = None
    """The share of the usual rate that the charge points had which it did not touch; None: it touched all."""
    is_alone: bool = True
    error: str = ""

    @property
    def outage(self) -> tuple[float, float]:
        """From when until when nobody could be answered; among others what follows it cannot be told from theirs."""
        return self.began_at, self.gone_at + (0.0 if self.is_alone else WITHIN_S)

    @property
    def is_kept(self) -> bool:
        return not self.complaint

    @property
    def complaint(self) -> str:
        """What is not as demanded; limits of time only where the fault was alone."""
        if self.error:
            return self.error
        if self.is_alone and (self.recovered_s is None or self.recovered_s > self.fault.limit_s):
            return "not as before in time"
        if self.elsewhere is not None and self.elsewhere < ELSEWHERE:
            return f"only {self.elsewhere:.0%} of the usual rate where it touched nobody"
        return ""


Say = Callable[[Injection], None]


@dataclass
class Outcome:
    """What a run has found."""

    seed: int
    seconds: float = 0.0
    chargers: int = 0
    rate: float = 0.0
    injections: list[Injection] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    shown_wrongly_s: tuple[float, float] = (0.0, 0.0)
    """The longest that a charge point was shown online or offline wrongly, and how long it may be."""
    without_pings_wrongly_s: tuple[float, float] = (0.0, 0.0)
    """The same of the models without pings."""
    least_times: int = 0
    """How often every fault has to happen."""
    growths: list[Growth] = field(default_factory=list)
    restarts: int = 0
    tracebacks: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Everything that is demanded and was not kept."""
        found = [f"{one.fault.name}: {one.complaint}" for one in self.injections if not one.is_kept]
        times = Counter(one.fault.name for one in self.injections)
        found += [f"{name}: only {times[name]} times" for name in FAULTS if times[name] < self.least_times]
        if not self.findings.is_clean:
            found.append(f"the reconciliation:\n{self.findings.described()}")
        found += [
            f"{one.part}: from {one.first_mb:.0f} to {one.last_mb:.0f} MB in one life, from {one.early_mb:.0f} to "
            f"{one.late_mb:.0f} MB in the run"
            for one in self.growths
            if not one.is_flat
        ]
        found += [f"{name} has written a traceback" for name in self.tracebacks]
        return found


class Run:
    """One central system with its fleet; ``alone`` and ``mixed`` may follow one another, ``finish`` comes last."""

    def __init__(
        self,
        folder: Path,
        system: System | Site,
        chargers: int,
        seed: int,
        ends: ExitStack,
        baseline_s: float,
        pace: float = 1.0,
    ) -> None:
        self.outcome = Outcome(seed, chargers=chargers)
        self.outages: list[tuple[float, float]] = []
        """What else was away, from when until when."""
        self._turns: dict[str, threading.Lock] = defaultdict(threading.Lock)
        """By what a fault is done to: one at a time."""
        self._began = time.monotonic()
        self.system = system
        balancer = Balancer(HOST, system.ws_ports)
        ends.callback(balancer.end)
        fleets = -(-chargers // IN_A_FLEET)
        self.fleets = [
            Fleet(number, (chargers + fleets - number) // fleets, balancer, folder, seed)
            for number in range(1, fleets + 1)
        ]
        for fleet in self.fleets:
            ends.callback(fleet.end)
        self.watch = Watch(system, self.fleets)
        ends.callback(self.watch.end)
        self.watch.wait_for_fleet()
        self._let_models_be_known(balancer)
        self._commands = Commands(system, [each for fleet in self.fleets for each in fleet.identities])
        ends.callback(self._commands.end)
        self.scene = Scene(system, balancer, self.fleets, self._commands, random.Random(seed), pace)
        self._warm_up(baseline_s)

    def _let_models_be_known(self, balancer: Balancer) -> None:
        """What a charge point said of its model when it booted counts from its next connection on."""
        everybody = sum(len(fleet.identities) for fleet in self.fleets)
        wait_until(lambda: self.system.database.value(BOOTED) == everybody, "all have booted")
        balancer.cut(identity for fleet in self.fleets for identity in fleet.without_pings)
        wait_until(lambda: self.system.database.value(CONNECTED_ONCE) == 0, "who gets no pings has connected again")
        self.watch.wait_for_fleet()

    def _warm_up(self, baseline_s: float) -> None:
        """Until the rate has stood for a while."""
        time.sleep(baseline_s * 1.5)
        self.outcome.rate = self.watch.rate(time.monotonic(), baseline_s)

    # -- faults ----------------------------------------------------------------------------------------------

    def alone(self, faults: Iterable[Fault]) -> None:
        """One fault after the other, each when all is as usual again."""
        for fault in faults:
            self._inject(fault)
            self._pause(2.0, 6.0)

    def mixed(self, seconds: float, say: Say) -> None:
        """Rounds of all faults in random order: in one round each alone, in the next as they come. As many rounds as
        are demanded are never cut short."""
        self.outcome.least_times = least = OFTEN if seconds >= SOAK_S else 1
        ends_at, number = time.monotonic() + seconds, 0
        while number < least or time.monotonic() < ends_at:
            number += 1
            faults = self.scene.chance.sample(list(FAULTS.values()), len(FAULTS))
            if number % 2:
                for fault in faults:
                    if number > least and time.monotonic() > ends_at:
                        break
                    say(self._inject(fault))
                    self._pause(1.0, 4.0)
            else:
                self._overlapping(faults, math.inf if number <= least else ends_at, say)

    def _overlapping(self, faults: list[Fault], ends_at: float, say: Say) -> None:
        threads = []
        for fault in faults:
            if time.monotonic() > ends_at:
                break
            thread = threading.Thread(target=lambda it=fault: say(self._inject(it, is_alone=False)))
            thread.start()
            threads.append(thread)
            self._pause(2.0, 12.0)
            threads = [each for each in threads if each.is_alive()]
            while len(threads) >= 3:
                threads[0].join(1.0)
                threads = [each for each in threads if each.is_alive()]
        for thread in threads:
            thread.join()
        self._wait_for_usual_rate()

    def _inject(self, fault: Fault, *, is_alone: bool = True) -> Injection:
        with self._turns[fault.part] if fault.part else nullcontext():
            return self._inject_now(fault, is_alone=is_alone)

    def _inject_now(self, fault: Fault, *, is_alone: bool) -> Injection:
        injection = Injection(fault, time.monotonic(), is_alone=is_alone)
        self.outcome.injections.append(injection)
        before = self.watch.answered(time.monotonic())
        self.watch.hiding_faults += fault.hides
        touched: set[str] | None = None
        try:
            touched = fault.inject(self.scene)
        except Exception as error:  # noqa: BLE001 - a fault that could not be made is told, and the run goes on
            injection.error = f"{type(error).__name__}: {error}"
        finally:
            self.watch.hiding_faults -= fault.hides
        gone_at = injection.gone_at = time.monotonic()
        if is_alone:
            injection.recovered_s = self.watch.seconds_to_recover(gone_at, self.outcome.rate, PATIENCE_S)
            if touched is not None:
                looked_until = max(gone_at, injection.began_at + ELSEWHERE_LOOK_S * self.scene.pace)
                time.sleep(max(0.0, looked_until - time.monotonic()) + TELL_EVERY_S)
                injection.elsewhere = self.watch.share_elsewhere(
                    touched, injection.began_at, looked_until, self.outcome.rate
                )
        injection.calls = round(self.watch.answered(time.monotonic()) - before)
        return injection

    def _wait_for_usual_rate(self) -> None:
        self.watch.seconds_to_recover(time.monotonic(), self.outcome.rate, PATIENCE_S)

    def _pause(self, shortest_s: float, longest_s: float) -> None:
        self.scene.while_(shortest_s, longest_s)

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self, settle_s: float = SETTLE_S) -> Outcome:
        """Let everybody finish, compare everything, and say what was found."""
        outcome, watch = self.outcome, self.watch
        if any(one.fault.name == "vanished" for one in outcome.injections):
            wait_until(lambda: len(watch.online) == outcome.chargers, "all are back", GONE_FOR_S + 30)
        self._commands.end()
        for fleet in self.fleets:
            fleet.say("finish")
        for fleet in self.fleets:
            assert fleet.is_finished.wait(DELIVERY_S + 60), "the charge points could not deliver what they kept"
        self._settle(settle_s)
        scene = self.scene
        reconciliation = Reconciliation(
            self.system.database,
            doubled=scene.doubled,
            lost=scene.lost,
            gateway_ends=scene.gateway_ends,
            outages=[*self.outages, *(one.outage for one in outcome.injections if one.fault.hides)],
        )
        for fleet in self.fleets:
            for truth in read_truth(fleet.truth):
                reconciliation.charge_point(truth)
        reconciliation.commands(self._commands.outcomes)
        outcome.findings = reconciliation.findings
        outcome.shown_wrongly_s = watch.shown_wrongly(without_pings=False)
        outcome.without_pings_wrongly_s = watch.shown_wrongly(without_pings=True)
        for seconds, allowed in (outcome.shown_wrongly_s, outcome.without_pings_wrongly_s):
            if seconds > allowed:
                reconciliation.shown_wrongly(seconds, allowed)
        outcome.growths = growths(watch.memory)
        outcome.restarts = self.system.supervisor.restarts
        # Web may answer a request with 500 while the database is away.
        outcome.tracebacks = [name for name in self.system.tracebacks({}) if name not in ("web", "runcsms")]
        outcome.seconds = time.monotonic() - self._began
        return outcome

    def _settle(self, settle_s: float) -> None:
        deadline = time.monotonic() + settle_s
        while time.monotonic() < deadline and self.system.database.value(ALIVE_COMMANDS):
            time.sleep(0.5)


BOOTED = "SELECT count(*) FROM ocpp_app_chargepoint WHERE vendor <> '' AND identity LIKE 'FLEET%%'"
CONNECTED_ONCE = (
    f"SELECT count(*) FROM ocpp_app_chargepoint c WHERE vendor = '{WITHOUT_PINGS}' AND "
    "(SELECT count(*) FROM ocpp_app_session s WHERE s.charge_point_id = c.id) < 2"
)
ALIVE_COMMANDS = (
    "SELECT count(*) FROM ocpp_app_command m JOIN ocpp_app_chargepoint c ON c.id = m.charge_point_id "
    "WHERE m.state IN ('queued', 'dispatched', 'sent') AND c.identity LIKE 'FLEET%%'"
)


@contextmanager
def faults_run(
    folder: Path, chargers: int, seed: int, guard_off: str = "", *, baseline_s: float = BASELINE_S, **settings: str
) -> Iterator[Run]:
    """A run, ready for faults."""
    with running(folder, guard_off=guard_off, **settings) as system, ExitStack() as ends:
        yield Run(folder, system, chargers, seed, ends, baseline_s)
