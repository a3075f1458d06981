"""Meter values in one unit: what a list of sampled values says about energy, power, current, voltage and state of
charge.

Pure functions over the typed messages (OCPP 1.6 §7.33, §7.43): defaults of the specification filled in, kilo-units
reduced, phases put together, registers and intervals never mixed.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ocppj.ordered import put_time_first
from ocppj.v16 import Location, Measurand, ReadingContext, SampledValue

SCALE = {
    "Wh": Decimal(1),
    "kWh": Decimal(1000),
    "W": Decimal(1),
    "kW": Decimal(1000),
    "A": Decimal(1),
    "V": Decimal(1),
    "Percent": Decimal(1),
}
"""Units of measure (OCPP 1.6 §7.45) that are understood, as factors to Wh, W, A, V and percent."""

UNITS: dict[str, frozenset[str]] = {
    Measurand.Energy_Active_Import_Register: frozenset({"Wh", "kWh"}),
    Measurand.Power_Active_Import: frozenset({"W", "kW"}),
    Measurand.Current_Import: frozenset({"A"}),
    Measurand.Voltage: frozenset({"V"}),
    Measurand.SoC: frozenset({"Percent"}),
}
DEFAULT_UNITS = {
    Measurand.Energy_Active_Import_Register: "Wh",
    Measurand.Power_Active_Import: "W",
    Measurand.Current_Import: "A",
    Measurand.Voltage: "V",
    Measurand.SoC: "Percent",
}
REGISTER = Measurand.Energy_Active_Import_Register
NEAREST_FIRST: dict[str, tuple[Location, ...]] = {
    REGISTER: (Location.Outlet, Location.Cable),  # nobody is billed by the car's own meter
    Measurand.SoC: (Location.EV, Location.Outlet, Location.Cable),  # the car's, so most say EV
}
"""Where a measurand may be measured (OCPP 1.6 §7.30; absent: Outlet); others at the outlet, the cable or the EV."""
LINES = ("L1", "L2", "L3")
LINES_TO_NEUTRAL = ("L1-N", "L2-N", "L3-N")


class Summary(NamedTuple):
    """What one MeterValue says, at the outlet; None where it says nothing. Wh, W, A, V, percent."""

    energy_wh: float | None = None
    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    soc_percent: float | None = None
    is_begin: bool = False
    """The register was read at the begin of the transaction (context Transaction.Begin): it tells no energy."""


def summarise(sampled_values: Sequence[SampledValue], *, main_meter: bool = False) -> Summary:
    """The summary of the sampled values of one MeterValue.

    What is measured at the inlet is what the grid delivers to the whole charge point: it counts only for the
    ``main_meter``, connector 0 (OCPP 1.6 §4.7, errata 3.14.3).
    """
    readings: dict[tuple[str, bool], dict[int, dict[str, Decimal]]] = {}
    for sampled in sampled_values:
        meaning = _meaning(
            sampled.measurand, sampled.context, sampled.location, sampled.unit, sampled.format, main_meter
        )
        value = None if meaning is None else _value(sampled.value, meaning.scale)
        if meaning is None or value is None:
            continue
        places = readings.setdefault(meaning.key, {})
        places.setdefault(meaning.distance, {})[str(sampled.phase or "")] = value
    nearest = {key: places[min(places)] for key, places in readings.items()}
    energy, begin = nearest.get((REGISTER, False)), nearest.get((REGISTER, True))
    return Summary(
        energy_wh=_total(energy or begin),
        power_w=_total(nearest.get((Measurand.Power_Active_Import, False))),
        current_a=_strongest(nearest.get((Measurand.Current_Import, False))),
        voltage_v=_mean(nearest.get((Measurand.Voltage, False))),
        soc_percent=_total(nearest.get((Measurand.SoC, False))),
        is_begin=begin is not None and energy is None,
    )


class _Meaning(NamedTuple):
    """What a sampled value tells of."""

    key: tuple[str, bool]
    """The measurand, and whether it is a register at the begin: beside a later one in the same MeterValue that must not
    count."""
    distance: int
    """How far from the car's socket it was measured; the nearest counts."""
    scale: Decimal


@lru_cache(maxsize=1024)  # a charge point sends the same few all its life
def _meaning(
    measurand: str | None,
    context: str | None,
    location: str | None,
    unit: str | None,
    value_format: str | None,
    main_meter: bool,
) -> _Meaning | None:
    """What a value with these attributes tells of; None: nothing that counts here."""
    measurand = str(measurand or Measurand.Energy_Active_Import_Register)
    places = NEAREST_FIRST.get(measurand, (Location.Outlet, Location.Cable, Location.EV))
    if main_meter:
        places = (Location.Inlet, Location.Outlet)
    location = location or Location.Outlet
    units = UNITS.get(measurand)
    unit = str(unit or DEFAULT_UNITS.get(measurand, ""))  # type: ignore[call-overload]
    if location not in places or units is None or unit not in units or value_format == "SignedData":
        return None
    is_begin = measurand == REGISTER and context == ReadingContext.Transaction_Begin
    return _Meaning((measurand, is_begin), places.index(location), SCALE[unit])


def _value(text: Any, scale: Decimal) -> Decimal | None:
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return None
    # copy_abs and the comparison are exact: abs() of a number with a huge exponent raises decimal.Overflow.
    return value * scale if value.is_finite() and value.copy_abs() < 10**12 else None


def _lines(phases: dict[str, Decimal]) -> list[Decimal]:
    """The three lines, by whichever of their names the charge point uses: L1, or L1-N, not both."""
    for names in (LINES, LINES_TO_NEUTRAL):
        lines = [phases[name] for name in names if name in phases]
        if lines:
            return lines
    return []


def _total(phases: dict[str, Decimal] | None) -> float | None:
    """The value without a phase, else the sum over the lines."""
    if not phases:
        return None
    if "" in phases:
        return float(phases[""])
    lines = _lines(phases)
    return float(sum(lines)) if lines else None


def _strongest(phases: dict[str, Decimal] | None) -> float | None:
    """The value without a phase, else that of the line that carries most; not that of neutral."""
    if not phases:
        return None
    return float(phases[""] if "" in phases else max(_lines(phases) or phases.values()))


def _mean(phases: dict[str, Decimal] | None) -> float | None:
    """The value without a phase, else the mean to neutral, else the mean from line to line."""
    if not phases:
        return None
    if "" in phases:
        return float(phases[""])
    values = _lines(phases) or list(phases.values())
    return float(sum(values) / len(values))


def digest(
    charge_point_id: int, connector: int, transaction_id: int | None, timestamp: datetime | None, sampled_values: Any
) -> uuid.UUID:
    """What makes a MeterValue the same when it is sent again (the transaction id as it was sent); in the order of
    time."""
    identity = (charge_point_id, connector, transaction_id, timestamp, sampled_values)
    hashed = hashlib.blake2b(msgspec.json.encode(identity), digest_size=16).digest()
    return put_time_first(0.0 if timestamp is None else timestamp.timestamp(), hashed)
