"""Sampled values → one summary in Wh, W, A, V and percent."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_app.metering import Summary, digest, summarise
from ocppj.versions import protocol

REGISTER = "Energy.Active.Import.Register"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def summary_of(*sampled: dict[str, Any], main_meter: bool = False) -> Summary:
    """The summary of sampled values as a charge point sends them."""
    import msgspec

    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-01-31T12:00:00Z", "sampledValue": sampled}]}
    message = protocol("ocpp1.6").decode_request("MeterValues", msgspec.json.encode(payload)).message
    (meter_value,) = message.meter_value  # type: ignore[attr-defined]
    return summarise(meter_value.sampled_value, main_meter=main_meter)


@pytest.mark.parametrize(
    ("sampled", "energy_wh"),
    [
        pytest.param({"value": "1234"}, 1234.0, id="defaults: register, Wh, outlet, no phase, raw, periodic"),
        pytest.param({"value": "1234.5", "measurand": REGISTER, "unit": "Wh"}, 1234.5, id="Wh"),
        pytest.param({"value": "1.2345", "unit": "kWh"}, 1234.5, id="kWh"),
        pytest.param({"value": "0.1", "unit": "kWh"}, 100.0, id="no float's error"),
        pytest.param({"value": "-5"}, -5.0, id="negative, for the transaction to judge"),
        pytest.param({"value": "1234", "location": "Outlet"}, 1234.0, id="at the outlet"),
        pytest.param({"value": "1234", "location": "Inlet"}, None, id="at the inlet: what the grid delivers to all"),
        pytest.param({"value": "1234", "location": "Body"}, None, id="inside the charge point"),
        pytest.param({"value": "1234", "measurand": "Energy.Active.Import.Interval"}, None, id="interval"),
        pytest.param({"value": "1234", "measurand": "Energy.Active.Export.Register"}, None, id="export"),
        pytest.param({"value": "1234", "measurand": "Energy.Reactive.Import.Register"}, None, id="reactive"),
        pytest.param({"value": "1234", "unit": "varh"}, None, id="a unit of something else"),
        pytest.param({"value": "1234", "unit": "GWh"}, None, id="an unknown unit"),
        pytest.param({"value": "1234", "measurand": "Energy.Guess"}, None, id="an unknown measurand"),
        pytest.param({"value": "00FF", "format": "SignedData"}, None, id="signed data"),
        pytest.param({"value": "1234", "format": "SignedData"}, None, id="signed data that looks like a number"),
        pytest.param({"value": "NaN"}, None, id="NaN"),
        pytest.param({"value": "Infinity"}, None, id="infinite"),
        pytest.param({"value": "abc"}, None, id="no number"),
        pytest.param({"value": "1e13"}, None, id="more than all charge points together"),
        pytest.param({"value": "1e999999999"}, None, id="a huge exponent"),
        pytest.param({"value": "-1e999999999999"}, None, id="a huge exponent, negative"),
        pytest.param({"value": "1e-999999999"}, 0.0, id="a tiny exponent"),
        pytest.param({"value": "9" * 5000}, None, id="5000 digits"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "7.43")
def test_energy(sampled: dict[str, Any], energy_wh: float | None) -> None:
    started = time.monotonic()
    assert summary_of(sampled).energy_wh == energy_wh
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("sampled", "expected"),
    [
        pytest.param({"value": "11", "measurand": "Power.Active.Import", "unit": "kW"}, {"power_w": 11000.0}, id="kW"),
        pytest.param({"value": "11040", "measurand": "Power.Active.Import"}, {"power_w": 11040.0}, id="W"),
        pytest.param({"value": "0", "measurand": "Power.Active.Import"}, {"power_w": 0.0}, id="0 W is a value"),
        pytest.param({"value": "22", "measurand": "Power.Offered", "unit": "kW"}, {}, id="offered is not drawn"),
        pytest.param({"value": "16", "measurand": "Current.Import", "unit": "A"}, {"current_a": 16.0}, id="A"),
        pytest.param({"value": "32", "measurand": "Current.Offered", "unit": "A"}, {}, id="current offered"),
        pytest.param({"value": "231", "measurand": "Voltage", "unit": "V"}, {"voltage_v": 231.0}, id="V"),
        pytest.param({"value": "55", "measurand": "SoC", "unit": "Percent"}, {"soc_percent": 55.0}, id="percent"),
        pytest.param(
            {"value": "55", "measurand": "SoC", "unit": "Percent", "location": "EV"},
            {"soc_percent": 55.0},
            id="the state of charge is measured by the EV",
        ),
        pytest.param({"value": "40", "measurand": "Temperature", "unit": "Celsius"}, {}, id="temperature"),
    ],
)
def test_other_measurands(sampled: dict[str, Any], expected: dict[str, float]) -> None:
    assert summary_of(sampled) == Summary(**expected)


def phases(measurand: str, unit: str = "", **values: str) -> list[dict[str, str]]:
    names = {name.replace("_", "-"): value for name, value in values.items()}
    return [
        {"value": value, "measurand": measurand, "phase": name, **({"unit": unit} if unit else {})}
        for name, value in names.items()
    ]


@pytest.mark.parametrize(
    ("sampled", "expected"),
    [
        pytest.param([("Outlet", "10"), ("Inlet", "99")], {"energy_wh": 10.0}, id="outlet and inlet"),
        pytest.param([("Inlet", "99"), ("Outlet", "10")], {"energy_wh": 10.0}, id="inlet and outlet"),
        pytest.param([("Cable", "10"), ("EV", "9")], {"energy_wh": 10.0}, id="nobody is billed by the car's meter"),
        pytest.param([("Cable", "11"), ("Outlet", "10")], {"energy_wh": 10.0}, id="the outlet before the cable"),
        pytest.param([("EV", "9")], {}, id="the car's meter alone"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "7.30")
def test_the_place_nearest_to_the_socket_counts(sampled: list[tuple[str, str]], expected: dict[str, float]) -> None:
    values = [{"value": value, "location": location} for location, value in sampled]
    assert summary_of(*values) == Summary(**expected)


def test_power_that_only_the_car_measures_is_better_than_none() -> None:
    sampled = {"value": "7", "measurand": "Power.Active.Import", "unit": "kW", "location": "EV"}
    assert summary_of(sampled).power_w == 7000.0
    assert summary_of(sampled, {**sampled, "value": "8", "location": "Cable"}).power_w == 8000.0


@pytest.mark.spec("OCPP 1.6", "4.7")
def test_the_main_meter_is_at_the_inlet() -> None:
    sampled = {"value": "99", "location": "Inlet"}
    assert summary_of(sampled, main_meter=True).energy_wh == 99.0
    assert summary_of({"value": "98"}, main_meter=True).energy_wh == 98.0


@pytest.mark.parametrize(
    ("sampled", "expected"),
    [
        pytest.param(phases(REGISTER, L1="100", L2="200", L3="300"), {"energy_wh": 600.0}, id="energy is added up"),
        pytest.param(
            [*phases(REGISTER, L1="100", L2="200", L3="300"), {"value": "601"}],
            {"energy_wh": 601.0},
            id="the charge point's own sum wins",
        ),
        pytest.param(
            phases("Power.Active.Import", "kW", L1="3.6", L2="3.7", L3="3.7"), {"power_w": 11000.0}, id="power, lines"
        ),
        pytest.param(
            phases("Power.Active.Import", "W", L1_N="10", L2_N="20", L3_N="30"),
            {"power_w": 60.0},
            id="power, to neutral",
        ),
        pytest.param(
            phases("Current.Import", "A", L1="15.9", L2="16.1", L3="0", N="1"), {"current_a": 16.1}, id="strongest line"
        ),
        pytest.param(
            phases("Voltage", "V", L1_N="230", L2_N="231", L3_N="232"), {"voltage_v": 231.0}, id="mean voltage"
        ),
        pytest.param(phases("Voltage", "V", L1_L2="400", L2_L3="402"), {"voltage_v": 401.0}, id="line to line only"),
        pytest.param(
            phases(REGISTER, L1="100", L2="200", L3="300", L1_N="100", L2_N="200", L3_N="300"),
            {"energy_wh": 600.0},
            id="the same lines under two names",
        ),
        pytest.param(phases(REGISTER, L1="100"), {"energy_wh": 100.0}, id="one line only"),
        pytest.param(phases("Current.Import", "A", L1="9", N="17"), {"current_a": 9.0}, id="not the neutral's"),
        pytest.param(phases("Power.Active.Import", "W", L1_L2="100"), {}, id="no power between lines"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "7.34")
def test_phases(sampled: list[dict[str, str]], expected: dict[str, float]) -> None:
    assert summary_of(*sampled) == Summary(**expected)


def test_registers_and_intervals_are_never_mixed() -> None:
    sampled = {"value": "50000"}, {"value": "250", "measurand": "Energy.Active.Import.Interval"}
    assert summary_of(*sampled).energy_wh == summary_of(*reversed(sampled)).energy_wh == 50000.0


BEGIN, END = {"value": "1000", "context": "Transaction.Begin"}, {"value": "1500", "context": "Transaction.End"}


@pytest.mark.parametrize(
    ("sampled", "energy_wh", "is_begin"),
    [
        pytest.param([BEGIN], 1000.0, True, id="the begin alone"),
        pytest.param([END], 1500.0, False, id="the end alone"),
        pytest.param([BEGIN, END], 1500.0, False, id="begin and end in one MeterValue"),
        pytest.param([END, BEGIN], 1500.0, False, id="the same the other way round"),
        pytest.param(
            [BEGIN, {"value": "7", "measurand": "Power.Active.Import"}],
            1000.0,
            True,
            id="beside another measurand",
        ),
        pytest.param([{"value": "7", "measurand": "SoC", "context": "Transaction.Begin"}], None, False, id="no energy"),
    ],
)
def test_register_at_the_begin_of_a_transaction(
    sampled: list[dict[str, str]], energy_wh: float | None, is_begin: bool
) -> None:
    summary = summary_of(*sampled)
    assert (summary.energy_wh, summary.is_begin) == (energy_wh, is_begin)


def test_one_bad_value_costs_only_itself() -> None:
    power = {"value": "7000", "measurand": "Power.Active.Import"}
    assert summary_of({"value": ""}, {"value": "1e999999999"}, power, {"value": "abc"}) == Summary(power_w=7000.0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((2, 1, 7, NOW, [{"value": "1"}]), id="charge point"),
        pytest.param((1, 2, 7, NOW, [{"value": "1"}]), id="connector"),
        pytest.param((1, 1, 8, NOW, [{"value": "1"}]), id="transaction"),
        pytest.param((1, 1, None, NOW, [{"value": "1"}]), id="no transaction"),
        pytest.param((1, 1, 7, NOW.replace(second=1), [{"value": "1"}]), id="timestamp"),
        pytest.param((1, 1, 7, NOW, [{"value": "1.0"}]), id="values"),
        pytest.param((11, 1, 7, NOW, [{"value": "1"}]), id="numbers do not run together"),
    ],
)
def test_digest_tells_meter_values_apart(other: Any) -> None:
    same = (1, 1, 7, NOW, [{"value": "1"}])
    assert digest(*same) == digest(*same) != digest(*other)
