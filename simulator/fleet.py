"""Many simulated charge points in one process."""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from simulator.charge_point import Specification
from simulator.client import SimulatedChargePoint
from simulator.drivers import Driver, Habits
from simulator.ledger import FAULTS, Entry, Latencies, Ledger, LedgerEvent
from simulator.scenario import Scenario, ScenarioError

logger = logging.getLogger(__name__)

MOST_HANDSHAKES = 100
"""How many may run at once: a listen backlog of 128 (the usual one) is not overrun when thousands are switched on."""

Listener = Callable[[str, Entry], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a simulation; energies in Wh, latencies in seconds."""

    charge_points: int
    online: int
    """Connected, and accepted by the central system."""
    charging: int
    power_w: float
    energy_wh: int
    transactions: int
    waiting_messages: int
    counts: Counter[LedgerEvent]
    median_s: float
    p99_s: float

    @property
    def is_clean(self) -> bool:
        """Whether everything was answered, and nothing with a CALLERROR."""
        return not any(self.counts[event] for event in FAULTS) and not self.waiting_messages


class Simulator:
    """A fleet: ``async with Simulator(...) as simulator: await simulator.run()``."""

    def __init__(
        self,
        url: str,
        identities: Sequence[str],
        *,
        specification: Specification | None = None,
        password: str | None = None,
        habits: Habits | None = None,
        ledger_path: Path | None = None,
        keep_entries: bool = False,
        listener: Listener | None = None,
    ) -> None:
        """``specification`` is that of each, but for its identity; ``listener`` is told each line of every ledger."""
        base = specification or Specification(identity="")
        self.latencies = Latencies()
        self.speed = base.speed
        self._habits = habits or Habits()
        self._ledger_path = ledger_path
        self._ledger_file: IO[str] | None = None
        self._listener = listener
        self._seed = base.seed
        handshakes = asyncio.Semaphore(MOST_HANDSHAKES)
        self.charge_points = [
            SimulatedChargePoint(
                url,
                identity,
                password=password,
                specification=replace(base, identity=identity),
                ledger=Ledger(identity, keep_entries=keep_entries, sink=self._write, latencies=self.latencies),
                handshakes=handshakes,
            )
            for identity in identities
        ]

    async def __aenter__(self) -> Self:
        if self._ledger_path is not None:
            self._ledger_file = self._ledger_path.open("a", buffering=1, encoding="utf-8")
        for charge_point in self.charge_points:
            charge_point.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(charge_point.close() for charge_point in self.charge_points))
        if self._ledger_file is not None:
            self._write_transactions(self._ledger_file)
            self._ledger_file.close()

    async def run(self, *, times: int | None = None) -> list[str]:
        """Let drivers come and go at every connector, for ever or ``times`` times; what went wrong, in words."""
        drivers = [
            Driver(
                charge_point, connector.connector_id, self._habits, self._chance(charge_point, connector.connector_id)
            )
            for charge_point in self.charge_points
            for connector in charge_point.charge_point.connectors
        ]
        async with asyncio.TaskGroup() as tasks:
            visits = [(driver, tasks.create_task(driver.come_and_go(times=times))) for driver in drivers]
        failures = [f"{driver.place}: nobody started a transaction." for driver, visit in visits if visit.result()]
        return failures + await self._deliver()

    async def play(self, script: Scenario, tags: Sequence[str]) -> list[str]:
        """Let every charge point play the script, with the tags in turn; what went wrong, in words."""
        plays = (
            script.play(charge_point, tags[number % len(tags)])
            for number, charge_point in enumerate(self.charge_points)
        )
        results = await asyncio.gather(*plays, return_exceptions=True)
        for result in results:
            if result is not None and not isinstance(result, ScenarioError):
                raise result
        return [str(result) for result in results if result is not None] + await self._deliver()

    async def _deliver(self) -> list[str]:
        """Wait until everything that was kept is confirmed."""
        waiting = (charge_point.delivered() for charge_point in self.charge_points)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        return [str(result) for result in results if result is not None]

    def summary(self) -> Summary:
        """How things stand."""
        counts: Counter[LedgerEvent] = Counter()
        power_w, energy_wh, charging, waiting, transactions = 0.0, 0, 0, 0, 0
        for charge_point in self.charge_points:
            counts.update(charge_point.ledger.counts)
            waiting += len(charge_point.charge_point.outbox)
            transactions += len(charge_point.ledger.transactions)
            energy_wh += charge_point.ledger.energy_wh
            for connector in charge_point.charge_point.connectors:
                if connector.transaction is not None:
                    charging += 1
                    power_w += connector.meter.power_w
                    energy_wh += connector.meter.energy_wh - connector.transaction.meter_start_wh
        return Summary(
            charge_points=len(self.charge_points),
            online=sum(charge_point.charge_point.is_online for charge_point in self.charge_points),
            charging=charging,
            power_w=power_w,
            energy_wh=energy_wh,
            transactions=transactions,
            waiting_messages=waiting,
            counts=counts,
            median_s=self.latencies.quantile(0.5),
            p99_s=self.latencies.quantile(0.99),
        )

    def _chance(self, charge_point: SimulatedChargePoint, connector_id: int) -> random.Random:
        return random.Random(None if self._seed is None else f"{self._seed}/{charge_point.identity}/{connector_id}")

    def _write(self, identity: str, entry: Entry) -> None:
        if self._ledger_file is not None:
            self._ledger_file.write(entry.as_json(identity) + "\n")
        if self._listener is not None:
            self._listener(identity, entry)

    def _write_transactions(self, file: IO[str]) -> None:
        for charge_point in self.charge_points:
            for transaction in charge_point.ledger.transactions_as_json():
                line = {"charge_point": charge_point.identity, "event": "transaction", **transaction}
                file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")
