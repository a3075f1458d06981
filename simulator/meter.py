"""A meter and the car behind it: power with a ramp and a taper, an energy register, state of charge, voltage and
current.

Pure: time is an argument, in seconds of simulated time, and never runs backwards.
"""

import math
from dataclasses import dataclass

LINE_VOLTAGE_V = 230.0
"""The set voltage of the area, by which OCPP 1.6 §7.12 converts between W and A."""
MINIMUM_CURRENT_A = 6.0
"""IEC 61851: an EVSE cannot offer less; below it offers nothing."""

LONGEST_STEP_S = 5.0
RAMP_W_PER_S = 900.0
TAPER_FROM_SOC = 80.0
POWER_AT_FULL = 0.08
"""A car that is nearly full takes this share of its greatest power."""
CHARGING_EFFICIENCY = 0.92
SECONDS_PER_HOUR = 3600.0


@dataclass(slots=True)
class Car:
    """A car's battery and on-board charger."""

    capacity_wh: float = 60_000.0
    soc: float = 40.0
    """State of charge, in percent."""
    max_power_w: float = 11_000.0
    is_paused: bool = False
    """The car asks for no energy although it is offered some (SuspendedEV)."""

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return self.soc >= 100.0

    def wanted_power_w(self) -> float:
        """The most it would take now: all up to 80 %, then less and less."""
        if self.is_paused or self.is_full:
            return 0.0
        beyond = max(0.0, self.soc - TAPER_FROM_SOC) / (100.0 - TAPER_FROM_SOC)
        return self.max_power_w * (1.0 - (1.0 - POWER_AT_FULL) * beyond)

    def store(self, energy_wh: float) -> None:
        """Put what the meter measured, less the losses, into the battery."""
        self.soc = min(100.0, self.soc + 100.0 * CHARGING_EFFICIENCY * energy_wh / self.capacity_wh)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter shows at one moment; per-phase values have one element for each phase."""

    energy_wh: int
    power_w: float
    offered_w: float
    voltage_v: tuple[float, ...]
    current_a: tuple[float, ...]
    soc: float | None
    temperature_c: float
    frequency_hz: float


class Meter:
    """The meter of one connector. Its register is never set back, whatever is plugged in."""

    def __init__(self, *, phases: int = 1, energy_wh: float = 0.0, at: float = 0.0, variation: float = 0.0) -> None:
        """``energy_wh``: where the register stands. ``variation`` shifts the small waves of voltage, so that no two
        meters are alike.
        """
        if phases not in (1, 3):
            raise ValueError(f"A meter has 1 or 3 phases, not {phases}.")
        self.phases = phases
        self.car: Car | None = None
        self._register_wh = energy_wh
        self._power_w = 0.0
        self._offered_w = 0.0
        self._at = at
        self._variation = variation

    @property
    def energy_wh(self) -> int:
        """Energy.Active.Import.Register, whole Wh."""
        return int(self._register_wh)

    @property
    def power_w(self) -> float:
        """Power.Active.Import at the time of the last ``advance``."""
        return self._power_w

    @property
    def offered_w(self) -> float:
        """What the EVSE offers; 0 while its contactor is open."""
        return self._offered_w

    @property
    def smallest_offer_w(self) -> float:
        """Less than 6 A on each phase cannot be offered."""
        return MINIMUM_CURRENT_A * LINE_VOLTAGE_V * self.phases

    def offer(self, power_w: float, at: float) -> None:
        """Offer the car that much from now on; less than the smallest offer is none."""
        self.advance(at)
        self._offered_w = power_w if power_w >= self.smallest_offer_w else 0.0
        self._power_w = min(self._power_w, self._offered_w)  # a limit holds at once, only the way up is a ramp

    def advance(self, at: float) -> None:
        """Let the energy flow until ``at``."""
        remaining = at - self._at
        if remaining <= 0:
            return
        self._at = at
        if self._wanted_power_w() <= 0:
            self._power_w = 0.0
            return
        while remaining > 0:
            step = min(remaining, LONGEST_STEP_S)
            remaining -= step
            self._flow(step)

    def read(self, at: float) -> Reading:
        """What the meter shows at ``at``."""
        self.advance(at)
        current_a = self._power_w / (LINE_VOLTAGE_V * self.phases)
        wave = math.sin(at / 97.0 + self._variation)
        voltage_v = tuple(
            LINE_VOLTAGE_V + 1.4 * math.sin(at / 61.0 + self._variation + phase) - 0.04 * current_a
            for phase in range(self.phases)
        )
        return Reading(
            energy_wh=self.energy_wh,
            power_w=self._power_w,
            offered_w=self._offered_w,
            voltage_v=voltage_v,
            current_a=tuple(self._power_w / self.phases / volts for volts in voltage_v),
            soc=None if self.car is None else self.car.soc,
            temperature_c=21.0 + 2.0 * wave + 0.25 * current_a,
            frequency_hz=50.0 + 0.02 * wave,
        )

    def _wanted_power_w(self) -> float:
        return 0.0 if self.car is None else min(self._offered_w, self.car.wanted_power_w())

    def _flow(self, step_s: float) -> None:
        target_w = self._wanted_power_w()
        power_w = min(target_w, self._power_w + RAMP_W_PER_S * step_s)
        energy_wh = (
            (self._power_w + power_w) / 2 * step_s / SECONDS_PER_HOUR
            if power_w > self._power_w
            else power_w * step_s / SECONDS_PER_HOUR
        )
        self._power_w = power_w
        self._register_wh += energy_wh
        if self.car is not None:
            self.car.store(energy_wh)
