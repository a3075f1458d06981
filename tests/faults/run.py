"""A run: a central system, a fleet, faults one by one or all mixed, and the reconciliation at the end."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.central_system import HOST
from tests.e2e.processes import wait_until
from tests.faults.balancer import Balancer
from tests.faults.fleet import DELIVERY_S
from tests.faults.injections import FAULTS, GONE_FOR_S, Fault, Scene
from tests.faults.reconcile import Findings, Reconciliation
from tests.faults.system import Site, System, running
from tests.faults.truth import read_truth
from tests.faults.watch import Commands, Fleet, Growth, Watch, growths

ONLINE_WITHIN_S = 60.0
SETTLE_S = 45.0
"""At the end: for commands to time out, and what looks after them to say so."""
BASELINE_S = 10.0
PATIENCE_S = 60.0
"""How long a run waits for the full rate before it goes on with the next fault."""
FLEETS = 2


@dataclass
class Injection:
    """One fault at a time of its own."""

    fault: Fault
    began_at: float
    calls: int = 0
    recovered_s: float | None = None
    is_alone: bool = True
    error: str = ""

    @property
    def is_in_time(self) -> bool:
        return not self.error and (
            not self.is_alone or (self.recovered_s is not None and self.recovered_s <= self.fault.limit_s)
        )


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
    longest_wrong_s: float = 0.0
    growths: list[Growth] = field(default_factory=list)
    restarts: int = 0
    tracebacks: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Everything that is demanded and was not kept; limits of time only where a fault was alone."""
        found = [
            f"{one.fault.name}: {one.error or 'not as before in time'}" for one in self.injections if not one.is_in_time
        ]
        if not self.findings.is_clean:
            found.append(f"the reconciliation:\n{self.findings.described()}")
        if self.longest_wrong_s > ONLINE_WITHIN_S:
            found.append(f"a charge point was shown online or offline wrongly for {self.longest_wrong_s:.0f} s")
        found += [
            f"{one.part}: from {one.first_mb:.0f} to {one.last_mb:.0f} MB" for one in self.growths if not one.is_flat
        ]
        found += [f"{name} has written a traceback" for name in self.tracebacks]
        return found


class Run:
    """One central system with its fleet; ``alone`` and ``mixed`` may follow one another, ``finish`` comes last."""

    def __init__(
        self, folder: Path, system: System | Site, chargers: int, seed: int, ends: ExitStack, baseline_s: float
    ) -> None:
        self.outcome = Outcome(seed, chargers=chargers)
        self._began = time.monotonic()
        self.system = system
        balancer = Balancer(HOST, system.ws_ports)
        ends.callback(balancer.end)
        self.fleets = [
            Fleet(number, (chargers + FLEETS - number) // FLEETS, balancer, folder, seed)
            for number in range(1, FLEETS + 1)
        ]
        for fleet in self.fleets:
            ends.callback(fleet.end)
        self.watch = Watch(system, self.fleets)
        ends.callback(self.watch.end)
        self.watch.wait_for_fleet()
        self._commands = Commands(system, [each for fleet in self.fleets for each in fleet.identities])
        ends.callback(self._commands.end)
        self.scene = Scene(system, balancer, self.fleets, self._commands, random.Random(seed))
        self._warm_up(baseline_s)

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
        """Rounds of all faults in random order: in one round each alone, in the next as they come."""
        ends_at, number = time.monotonic() + seconds, 0
        while time.monotonic() < ends_at:
            number += 1
            faults = self.scene.chance.sample(list(FAULTS.values()), len(FAULTS))
            if number % 2:
                for fault in faults:
                    if time.monotonic() > ends_at:
                        break
                    say(self._inject(fault))
                    self._pause(1.0, 4.0)
            else:
                self._overlapping(faults, ends_at, say)

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
        injection = Injection(fault, time.monotonic(), is_alone=is_alone)
        self.outcome.injections.append(injection)
        before = self.watch.answered(time.monotonic())
        self.watch.active_faults += 1
        try:
            fault.inject(self.scene)
        except Exception as error:  # noqa: BLE001 - a fault that could not be made is told, and the run goes on
            injection.error = f"{type(error).__name__}: {error}"
        finally:
            self.watch.active_faults -= 1
        gone_at = time.monotonic()
        if is_alone:
            injection.recovered_s = self.watch.seconds_to_recover(gone_at, self.outcome.rate, PATIENCE_S)
        injection.calls = round(self.watch.answered(time.monotonic()) - before)
        return injection

    def _wait_for_usual_rate(self) -> None:
        self.watch.seconds_to_recover(time.monotonic(), self.outcome.rate, PATIENCE_S)

    def _pause(self, shortest_s: float, longest_s: float) -> None:
        time.sleep(self.scene.chance.uniform(shortest_s, longest_s))

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
        reconciliation = Reconciliation(self.system.database, doubled=self.scene.doubled, lost=self.scene.lost)
        for fleet in self.fleets:
            for truth in read_truth(fleet.truth):
                reconciliation.charge_point(truth)
        reconciliation.commands(self._commands.outcomes)
        outcome.findings = reconciliation.findings
        outcome.longest_wrong_s = max(watch.longest_wrong.values(), default=0.0)
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
