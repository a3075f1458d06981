"""Free-running mode: drivers who come, plug in, charge, stop and leave, each in their own way but repeatable with a
seed.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ocppj.v16 import ChargePointStatus
from simulator.client import SimulatedChargePoint
from simulator.meter import Car


@dataclass(slots=True)
class Habits:
    """How the drivers of a simulation behave; energies in Wh, times in simulated seconds."""

    tags: Sequence[str] = ()
    """The idTags they use; empty: they have some that the central system has probably never heard of."""
    uses_tags: bool = True
    """False: they plug in and wait for the central system to start remotely, nothing else."""
    energy_wh: tuple[float, float] = (500.0, 8000.0)
    between_s: tuple[float, float] = (20.0, 240.0)
    """The time from one car's departure to the next one's arrival."""
    first_arrival_s: float = 2.0
    """Real seconds within which the first cars arrive."""
    look_s: float = 6.0
    """Real seconds that a driver gives the central system to start by itself, before trying a tag."""
    patience_s: float = 600.0
    """How long a driver whose tag was rejected waits for somebody to start remotely."""


class Driver:
    """The drivers of one connector, one after the other."""

    def __init__(
        self, charge_point: SimulatedChargePoint, connector_id: int, habits: Habits, chance: random.Random
    ) -> None:
        self._charge_point = charge_point
        self._connector_id = connector_id
        self._habits = habits
        self._chance = chance
        self._connector = charge_point.charge_point.connectors[connector_id - 1]
        self._tags = habits.tags or [f"{chance.getrandbits(32):08X}" for _ in range(3)]
        self._known_tags: set[str] = set()
        """Those that the central system has accepted before: with them some drivers come to the reader first."""

    @property
    def place(self) -> str:
        """Where they charge, in words."""
        return f"{self._charge_point.identity}, connector {self._connector_id}"

    async def come_and_go(self, *, times: int | None = None) -> int:
        """One car after the other, for ever or so many times; how many of them could not charge."""
        await self._arrive_first()
        visits = uncharged = 0
        while True:
            uncharged += not await self._visit()
            visits += 1
            if visits == times:
                return uncharged
            await self._charge_point.pass_time(self._chance.uniform(*self._habits.between_s))

    async def _arrive_first(self) -> None:
        charge_point = self._charge_point
        await charge_point.wait_until(lambda: charge_point.charge_point.registration.is_accepted, "accepted", None)
        await asyncio.sleep(self._chance.uniform(0.0, self._habits.first_arrival_s))

    async def _visit(self) -> bool:
        """One car, from its arrival to its departure; whether it charged."""
        charge_point, connector_id = self._charge_point, self._connector_id
        await charge_point.wait_until(self._is_usable, "the connector is free", None)
        tag = self._chance.choice(self._tags)
        is_tag_first = self._chance.random() < 0.5
        if is_tag_first and tag in self._known_tags:
            await charge_point.present_tag(tag, connector_id)
        await charge_point.plug_in(connector_id, self._car())
        has_started = await self._start(tag)
        if self._connector.transaction is not None:  # it may have been stopped again already
            await charge_point.charge(connector_id, energy_wh=self._chance.uniform(*self._habits.energy_wh))
            await self._stop(tag)
        await charge_point.pass_time(self._chance.uniform(3.0, 20.0))
        await charge_point.unplug(connector_id)
        return has_started

    async def _start(self, tag: str) -> bool:
        """See to it that a transaction starts: by itself, with a tag, or by whoever watches at the central system."""
        look_s = self._habits.look_s
        if self._habits.uses_tags:
            if await self._has_started(look_s):
                return True
            presentation = await self._charge_point.present_tag(tag, self._connector_id)
            if not presentation.refusal:
                self._known_tags.add(tag)
                return await self._has_started(look_s)
        return await self._has_started(max(look_s, self._habits.patience_s / self._charge_point.specification.speed))

    async def _stop(self, tag: str) -> None:
        transaction = self._connector.transaction
        if transaction is None:
            return  # stopped remotely, or for another reason
        if transaction.id_tag == tag:
            await self._charge_point.present_tag(tag, self._connector_id)
        elif self._chance.random() < 0.6:
            await self._charge_point.stop_charging(self._connector_id)
        # else: the cable is pulled out at the car, which stops it as well

    async def _has_started(self, timeout_s: float) -> bool:
        try:
            await self._charge_point.wait_until(
                lambda: self._connector.transaction is not None, "it charges", timeout_s
            )
        except TimeoutError:
            return False
        return True

    def _is_usable(self) -> bool:
        usable = (ChargePointStatus.Available, ChargePointStatus.Reserved)
        return not self._connector.is_plugged and self._connector.status in usable

    def _car(self) -> Car:
        return Car(
            capacity_wh=self._chance.choice((28_000.0, 40_000.0, 52_000.0, 60_000.0, 77_000.0, 82_000.0)),
            soc=self._chance.uniform(12.0, 70.0),
            max_power_w=self._chance.choice((3_700.0, 7_400.0, 11_000.0, 11_000.0, 22_000.0)),
        )
