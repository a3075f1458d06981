"""How much energy a transaction delivered: what its registers prove, and whether they contradict each other.

The registers of a transaction, in the order of the charge point's time, are meterStart, those of its meter values, and
meterStop (OCPP 1.6 §7.31: they must only rise). Readings of the begin, intervals, signed data, and what is measured at
the inlet are none of them. The rule:

1. While they only rise, the energy is meterStop less meterStart; without a true stop, the last one less meterStart.
2. A register that is read in whole kWh (10 Wh, 100 Wh) differs from another by as much, and meterStop from the last
   meter value by up to 1 kWh: this is no contradiction. It changes nothing of the rule above.
3. A single reading that disagrees with the one before and the one after it, while these two agree, is a slip: left out
   (one in ten, and always one). So is one that would have needed more power than any charge point has.
4. Readings that are all below meterStart, while meterStop is not, are of another register (some charge points count
   anew in their meter values): left out.
5. Where they fall in the order of the charge point's time, but not in the order in which they came, its clock was set
   back in between: the registers are right, and each was read no earlier than the one before it.
6. Otherwise the register has fallen: it was reset or exchanged, or meterStop is below what was seen before. The energy
   is in doubt. Nothing is billed, and the sum of the rises is kept beside it: so much was delivered at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from ocpp_app.pricing import Register

MAX_POWER_W = 1_000_000
"""More than any charge point delivers today; what would have needed more is no energy but a broken meter."""
GRACE = timedelta(hours=1)
"""Clocks of charge points are rough: an hour more is granted before an energy is called absurd."""
RESOLUTIONS_WH = (1000, 100, 10)
ROUNDING_WH = 10
"""How far apart two readings of the same register may be before one of them is wrong, beyond their resolution."""
BEGIN = timedelta(seconds=10)
"""A reading so shortly after the start is of the start, where meterStart is the register: a Transaction.Begin sample
sets no energy."""
EARLY_STOP_WH = 1000
"""How far meterStop may be below the last meter value: it is rounded, or read a moment earlier while much power flows.
It counts all the same."""
READINGS_PER_SLIP = 10
"""A register that slips more often than once in so many readings is not to be believed at all."""


@dataclass(frozen=True, slots=True)
class Energy:
    """What was delivered: ``wh``, or None where the registers contradict each other; then ``doubtful_wh`` at least.

    ``curve`` is the register from start to end, only rising, of energy that is not in doubt. ``fall`` is where the
    register fell: the readings before and after.
    """

    wh: int | None
    doubtful_wh: int | None = None
    curve: tuple[Register, ...] = ()
    fall: tuple[Register, Register] | None = None


def possible_wh(started_at: datetime, until: datetime) -> float:
    """More than this cannot have been delivered since the start, in Wh."""
    duration = max(until, started_at) - started_at
    return MAX_POWER_W * (duration + GRACE).total_seconds() / 3600


def measure(start: Register, readings: Sequence[Register], stop: Register | None) -> Energy:
    """The energy of a transaction by the rule above; ``stop`` is None for one that was not truly stopped.

    Readings are in the order in which they came, which may be any, and may come more than once; those after the stop do
    not count.
    """
    last = Register(max(start.at, stop.at), stop.wh) if stop else None
    seen = sorted({reading for reading in readings if _counts(start, last, reading)}, key=_order)
    tolerance = ROUNDING_WH + _resolution(seen)
    kept = _of_the_same_register(start, _without_slips(start, seen, tolerance), last, tolerance)
    runs = _runs_to_stop([start, *kept], last, tolerance)
    if last is not None and not start.wh <= last.wh <= start.wh + possible_wh(start.at, last.at):
        return Energy(None, _rises(_runs([start, *seen], tolerance)), fall=_fall(runs))
    if len(runs) > 1:
        as_they_came = _runs_to_stop(_as_they_came(start, readings, last), last, tolerance)
        if len(as_they_came) > 1:
            return Energy(None, _rises(runs), fall=_fall(runs))
        runs = as_they_came
    curve = _rising(runs[0], last)
    return Energy(curve[-1].wh - start.wh, curve=curve)


# -- inside --------------------------------------------------------------------------------------------------


def _order(reading: Register) -> tuple[datetime, int]:
    return reading.at, reading.wh


def _counts(start: Register, stop: Register | None, reading: Register) -> bool:
    """After the start, not after the stop, and nothing that no charge point can deliver."""
    in_time = start.at + BEGIN < reading.at and (stop is None or reading.at <= stop.at)
    return in_time and 0 <= reading.wh <= start.wh + possible_wh(start.at, reading.at)


def _resolution(readings: Sequence[Register]) -> int:
    """In how many Wh the meter values count."""
    for resolution in RESOLUTIONS_WH:
        if readings and all(reading.wh % resolution == 0 for reading in readings):
            return resolution
    return 0


def _without_slips(start: Register, readings: Sequence[Register], tolerance: int) -> list[Register]:
    """Without single readings between two that agree with each other but not with it; the last one has none behind
    it."""
    kept: list[Register] = []
    for reading, following in zip_longest(readings, readings[1:]):
        before = kept[-1] if kept else start
        if following is not None and before.wh - tolerance <= following.wh:
            low, high = before.wh - tolerance, following.wh + tolerance
            if not low <= reading.wh <= high:
                continue
        kept.append(reading)
    slips = len(readings) - len(kept)
    return kept if slips <= 1 + len(readings) // READINGS_PER_SLIP else list(readings)


def _of_the_same_register(
    start: Register, readings: list[Register], stop: Register | None, tolerance: int
) -> list[Register]:
    """Nothing, where all meter values are of a register that counts anew while start and stop agree."""
    if stop is None or stop.wh < start.wh or not readings:
        return readings
    highest = max(reading.wh for reading in readings)
    anew = highest < start.wh - tolerance and highest <= stop.wh - start.wh + tolerance
    return [] if anew else readings


def _runs(registers: Sequence[Register], tolerance: int) -> list[list[Register]]:
    """The registers cut where they fall by more than the tolerance."""
    runs = [[registers[0]]]
    highest = registers[0].wh
    for register in registers[1:]:
        if register.wh < highest - tolerance:
            runs.append([register])
            highest = register.wh
        else:
            runs[-1].append(register)
            highest = max(highest, register.wh)
    return runs


def _runs_to_stop(registers: Sequence[Register], stop: Register | None, tolerance: int) -> list[list[Register]]:
    """The same with the stop behind them, which may be read a moment earlier."""
    runs = _runs(registers, tolerance)
    if stop is None:
        return runs
    falls = stop.wh < max(register.wh for register in runs[-1]) - max(tolerance, EARLY_STOP_WH)
    return [*runs, [stop]] if falls else [*runs[:-1], [*runs[-1], stop]]


def _as_they_came(start: Register, readings: Sequence[Register], stop: Register | None) -> list[Register]:
    """The registers in the order in which they came, each no earlier than the one before it, and not after the stop."""
    until = max(start.at, *(reading.at for reading in readings)) if stop is None else stop.at
    most_wh = start.wh + possible_wh(start.at, until)
    came = [start]
    for reading in readings:
        if 0 <= reading.wh <= most_wh:
            came.append(Register(min(max(reading.at, came[-1].at), until), reading.wh))
    return came


def _rises(runs: Sequence[Sequence[Register]]) -> int:
    return sum(max(register.wh for register in run) - run[0].wh for run in runs)


def _fall(runs: Sequence[Sequence[Register]]) -> tuple[Register, Register] | None:
    return (runs[0][-1], runs[1][0]) if len(runs) > 1 else None


def _rising(run: Sequence[Register], stop: Register | None) -> tuple[Register, ...]:
    """The run without what its rounding makes fall: never below what was before, never above the end."""
    end = max(register.wh for register in run) if stop is None else stop.wh
    curve: list[Register] = []
    for register in run:
        wh = min(max(register.wh, curve[-1].wh if curve else register.wh), end)
        curve.append(Register(register.at, wh))
    return tuple(curve)
