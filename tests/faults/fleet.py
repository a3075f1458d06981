"""``python -m tests.faults.fleet``: simulated charge points in a process of their own, which keep the truth.

A line of JSON every quarter of a second says how they fare. Commands come as lines on stdin: ``vanish SECONDS
IDENTITY…`` takes their network away (the other end is not told), ``finish`` ends all visits, delivers what is left,
and writes the truth to a file: every frame with the number of its connection, every transaction.
"""

import argparse
import asyncio
import json
import pickle
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulator.charge_point import Specification
from simulator.client import SimulatedChargePoint
from simulator.ledger import Entry, Ledger, LedgerEvent
from simulator.meter import Car
from tests.faults.truth import Event, Truth, gets_no_pings

TELL_EVERY_S = 0.25
SPEED = 20.0
"""Simulated seconds in one of ours."""
SAMPLE_INTERVAL_S = 60
"""Simulated: a charge point that charges sends meter values every three of our seconds."""
ENERGY_WH = (400.0, 2500.0)
PATIENCE_S = 20.0
DELIVERY_S = 120.0
RETRY_INTERVAL_S = "5"
MESSAGE_TIMEOUT_S = "40"
"""Longer than a central system may hold a CALL (20 s, and 10 s more until the last socket is closed)."""
PING_INTERVAL_S = "10"
"""A charge point that finds out by itself that nobody hears it, within PING_INTERVAL_S and 20 s."""
WITHOUT_PINGS = "Grizzl-E"
"""A vendor that our quirks know for it; nor does it ping by itself."""


class Visitors:
    """Cars that come to one charge point, charge, and leave, until ``is_over``."""

    def __init__(self, charge_point: SimulatedChargePoint, chance: random.Random) -> None:
        self._charge_point = charge_point
        self._chance = chance
        self._tag = f"TAG-{charge_point.identity}"
        self.is_over = False

    async def come_and_go(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 5.0))
        while not self.is_over:
            with suppress(TimeoutError):  # nobody could be asked: the next one tries again
                await self._visit()
            await asyncio.sleep(self._chance.uniform(1.0, 4.0))
        await self._leave()

    async def _visit(self) -> None:
        charge_point = self._charge_point
        connector = charge_point.charge_point.connectors[0]
        if not connector.is_plugged:
            await charge_point.plug_in(1, Car(capacity_wh=80_000.0, soc=10.0, max_power_w=11_000.0))
        if connector.transaction is None and self._chance.random() < 0.5:  # the others are started remotely
            await charge_point.present_tag(self._tag, 1)
        await self._until(lambda: connector.transaction is not None, "it charges", PATIENCE_S)
        transaction = connector.transaction
        if transaction is not None and not self.is_over:
            wanted_wh = transaction.meter_start_wh + self._chance.uniform(*ENERGY_WH)
            await self._until(
                lambda: connector.transaction is not transaction or connector.meter.energy_wh >= wanted_wh,
                "it has charged enough",
                120.0,
            )
        await self._leave()

    async def _until(self, condition: Any, what: str, timeout_s: float) -> None:
        await self._charge_point.wait_until(lambda: self.is_over or condition(), what, timeout_s)

    async def _leave(self) -> None:
        connector = self._charge_point.charge_point.connectors[0]
        if connector.transaction is not None and self._chance.random() < 0.7:
            await self._charge_point.stop_charging(1)
        if connector.is_plugged:
            await self._charge_point.unplug(1)


class Fleet:
    """So many charge points."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._truth = Path(options.truth)
        self._times: dict[str, list[float]] = defaultdict(list)
        """By charge point: when each entry of its ledger was written, on a clock that does not jump."""
        self._charge_points = [
            SimulatedChargePoint(
                options.url,
                identity,
                specification=_specification(identity, number, options.seed),
                ledger=Ledger(identity, sink=lambda identity, _entry: self._times[identity].append(time.monotonic())),
            )
            for number in range(1, options.count + 1)
            for identity in [f"{options.prefix}-{number}"]
        ]
        self._by_identity = {one.identity: one for one in self._charge_points}
        self._seed = options.seed
        self._tasks: set[asyncio.Task[None]] = set()
        self._visitors: list[Visitors] = []
        self._finishing = asyncio.Event()

    async def run(self) -> None:
        for charge_point in self._charge_points:
            charge_point.start()
            _configure(charge_point)
            visitors = Visitors(charge_point, random.Random(f"{self._seed}/{charge_point.identity}"))
            self._visitors.append(visitors)
        visits = [asyncio.create_task(visitors.come_and_go()) for visitors in self._visitors]
        telling = asyncio.create_task(self._tell_again_and_again())
        listening = asyncio.create_task(self._listen())
        await self._finishing.wait()
        for charge_point, visitors in zip(self._charge_points, self._visitors, strict=True):
            visitors.is_over = True
            charge_point._after_step()
        await asyncio.gather(*visits, return_exceptions=True)
        await asyncio.gather(*(one.delivered(DELIVERY_S) for one in self._charge_points), return_exceptions=True)
        self._write_truth()
        print(json.dumps({"finished": True}), flush=True)
        await self._finishing_again.wait()
        listening.cancel()
        telling.cancel()
        await asyncio.gather(*(one.close() for one in self._charge_points))

    async def _listen(self) -> None:
        self._finishing_again = asyncio.Event()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            match line.decode().split():
                case ["vanish", seconds, *identities]:
                    for identity in identities:
                        task = asyncio.create_task(self._vanish(self._by_identity[identity], float(seconds)))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
                case ["finish"] if self._finishing.is_set():
                    self._finishing_again.set()
                case ["finish"]:
                    self._finishing.set()
        self._finishing.set()
        self._finishing_again.set()

    async def _vanish(self, charge_point: SimulatedChargePoint, seconds: float) -> None:
        with suppress(TimeoutError):
            await charge_point.go_offline()
        await asyncio.sleep(seconds)
        with suppress(TimeoutError):
            await charge_point.go_online()

    async def _tell_again_and_again(self) -> None:
        while True:
            line = {
                "at": time.monotonic(),
                "answered": [one.ledger.counts[LedgerEvent.answer_received] for one in self._charge_points],
                "online": [one.identity for one in self._charge_points if one.charge_point.is_connected],
            }
            print(json.dumps(line), flush=True)
            await asyncio.sleep(TELL_EVERY_S)

    def _write_truth(self) -> None:
        with self._truth.open("wb") as file:
            for one in self._charge_points:
                state = one.charge_point
                truth = Truth(
                    identity=one.identity,
                    events=list(_events(one.ledger.entries, self._times[one.identity])),
                    transactions=one.ledger.transactions,
                    statuses={connector.connector_id: str(connector.status) for connector in state.connectors},
                    undelivered=len(state.outbox),
                )
                pickle.dump(truth, file)


def _specification(identity: str, number: int, seed: int) -> Specification:
    vendor = WITHOUT_PINGS if gets_no_pings(number) else "Simulated"
    return Specification(
        identity, vendor=vendor, speed=SPEED, sample_interval_s=SAMPLE_INTERVAL_S, seed=seed + number - 1
    )


def _configure(charge_point: SimulatedChargePoint) -> None:
    configuration = charge_point.charge_point.configuration
    configuration.set("AllowOfflineTxForUnknownId", "true")
    configuration.set("TransactionMessageRetryInterval", RETRY_INTERVAL_S)
    configuration.set("MessageTimeout", MESSAGE_TIMEOUT_S)
    is_without = charge_point.specification.vendor == WITHOUT_PINGS
    configuration.set("WebSocketPingInterval", "0" if is_without else PING_INTERVAL_S)


def _events(entries: list[Entry], times: list[float]) -> Iterator[Event]:
    connection = 0
    for entry, at in zip(entries, times, strict=True):
        connection += entry.event is LedgerEvent.connected
        yield Event(at, connection, entry)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fleet")
    parser.add_argument("--url", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--truth", required=True)
    asyncio.run(Fleet(parser.parse_args()).run())


if __name__ == "__main__":
    main()
