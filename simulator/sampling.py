"""What a meter shows as the sampled values of a message (OCPP 1.6 §7.33, §7.43)."""

from collections.abc import Iterator
from datetime import datetime

from ocppj.v16 import Location, Measurand, MeterValue, Phase, ReadingContext, SampledValue, UnitOfMeasure
from simulator.meter import Reading


def meter_value(reading: Reading, items: list[str], context: ReadingContext, utc: datetime) -> MeterValue | None:
    """One moment's values for the ``items`` of a configuration key; None where none of them can be measured now.

    A measurand that differs per phase is reported for every phase (OCPP 1.6 §3.16.3), unless the item names one
    (``Voltage.L1``).
    """
    sampled = [value for item in items for value in _sampled_values(reading, item, context)]
    return MeterValue(timestamp=utc, sampled_value=sampled) if sampled else None


def _sampled_values(reading: Reading, item: str, context: ReadingContext) -> Iterator[SampledValue]:
    match item:
        case "Energy.Active.Import.Register":
            yield _value(reading.energy_wh, item, context, UnitOfMeasure.Wh)
        case "Power.Active.Import":
            yield _value(round(reading.power_w), item, context, UnitOfMeasure.W)
        case "Power.Offered":
            yield _value(round(reading.offered_w), item, context, UnitOfMeasure.W)
        case "Current.Offered":
            offered_a = reading.offered_w / sum(reading.voltage_v)
            yield _value(round(offered_a, 1), item, context, UnitOfMeasure.A)
        case "SoC":
            if reading.soc is not None:
                yield _value(round(reading.soc), item, context, UnitOfMeasure.Percent, location=Location.EV)
        case "Temperature":
            yield _value(round(reading.temperature_c, 1), item, context, UnitOfMeasure.Celsius, location=Location.Body)
        case "Frequency":  # OCPP 1.6 §7.31: there is no unit for it
            yield _value(round(reading.frequency_hz, 2), item, context, None)
        case _:
            yield from _phased_values(reading, item, context)


def _phased_values(reading: Reading, item: str, context: ReadingContext) -> Iterator[SampledValue]:
    measurand, _, wanted = item.rpartition(".") if item[-2:-1] == "L" else (item, "", "")
    is_voltage = measurand == "Voltage"
    values = reading.voltage_v if is_voltage else reading.current_a
    unit = UnitOfMeasure.V if is_voltage else UnitOfMeasure.A
    for number, value in enumerate(values, start=1):
        name = f"L{number}"
        if wanted in ("", name):
            has_phase = len(values) > 1 or wanted
            phase = Phase(f"{name}-N" if is_voltage else name) if has_phase else None
            yield _value(round(value, 1), measurand, context, unit, phase=phase)


def _value(
    value: float,
    measurand: str,
    context: ReadingContext,
    unit: UnitOfMeasure | None,
    *,
    phase: Phase | None = None,
    location: Location | None = None,
) -> SampledValue:
    return SampledValue(
        value=str(value), context=context, measurand=Measurand(measurand), phase=phase, location=location, unit=unit
    )
