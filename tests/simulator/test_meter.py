"""The meter and the car: what physics and OCPP 1.6 §7.31 demand of the readings."""

import pytest

from simulator.meter import CHARGING_EFFICIENCY, Car, Meter


def charging_meter(**car) -> Meter:
    meter = Meter(energy_wh=1000.0)
    meter.car = Car(**car)
    meter.offer(7360.0, at=0.0)
    return meter


def test_power_rises_in_a_ramp_and_stays_at_what_is_offered():
    meter = charging_meter(soc=20.0)

    powers = [meter.read(at).power_w for at in (0.0, 2.0, 4.0, 60.0, 600.0)]

    assert powers[0] == 0.0
    assert 0 < powers[1] < powers[2] < 7360.0
    assert powers[3] == powers[4] == 7360.0


def test_an_hour_at_full_power_is_that_many_watt_hours():
    meter = charging_meter(soc=10.0)

    start = meter.read(60.0).energy_wh
    end = meter.read(3660.0).energy_wh

    assert end - start == pytest.approx(7360, abs=2)


def test_energy_does_not_depend_on_how_often_one_looks():
    seldom, often = charging_meter(soc=70.0), charging_meter(soc=70.0)
    for at in range(0, 7200, 5):
        often.advance(float(at))

    assert seldom.read(7200.0).energy_wh == pytest.approx(often.read(7200.0).energy_wh, abs=2)


def test_register_never_falls_whatever_is_plugged_in():
    meter = charging_meter(soc=50.0)
    readings = [meter.read(100.0).energy_wh]
    meter.car = None
    readings.append(meter.read(200.0).energy_wh)
    meter.car = Car(soc=10.0)
    meter.offer(0.0, at=200.0)
    readings.append(meter.read(300.0).energy_wh)
    meter.offer(3680.0, at=300.0)
    readings.append(meter.read(400.0).energy_wh)

    assert readings[0] == readings[1] == readings[2] < readings[3]
    assert all(isinstance(reading, int) for reading in readings)


def test_time_that_runs_backwards_is_no_energy():
    meter = charging_meter(soc=50.0)
    energy_wh = meter.read(100.0).energy_wh

    assert meter.read(50.0).energy_wh == energy_wh


def test_battery_takes_less_and_less_beyond_80_percent_and_then_nothing():
    meter = charging_meter(soc=79.0, capacity_wh=20_000.0, max_power_w=7000.0)
    powers = {}
    for at in range(0, 6 * 3600, 30):
        reading = meter.read(float(at))
        powers[round(reading.soc)] = reading.power_w

    assert powers[79] == 7000.0
    assert powers[85] > powers[90] > powers[95] > powers[99] > 0
    assert meter.car.is_full
    assert meter.power_w == 0.0


def test_what_the_meter_measures_is_more_than_what_the_battery_gets():
    meter = charging_meter(soc=20.0, capacity_wh=50_000.0)
    start = meter.energy_wh

    energy_wh = meter.read(3600.0).energy_wh - start

    stored_wh = (meter.car.soc - 20.0) / 100 * 50_000
    assert stored_wh == pytest.approx(energy_wh * CHARGING_EFFICIENCY, rel=0.001)


@pytest.mark.parametrize(
    ("phases", "offered_w", "expected_w"), [(1, 1379.0, 0.0), (1, 1380.0, 1380.0), (3, 4139.0, 0.0)]
)
def test_less_than_six_ampere_on_each_phase_cannot_be_offered(phases, offered_w, expected_w):
    meter = Meter(phases=phases)
    meter.car = Car()
    meter.offer(offered_w, at=0.0)

    assert meter.offered_w == expected_w
    assert meter.read(120.0).power_w == expected_w


def test_a_lower_limit_holds_at_once():
    meter = charging_meter(soc=20.0)
    meter.read(60.0)

    meter.offer(2300.0, at=60.0)

    assert meter.read(60.0).power_w == 2300.0


def test_three_phases_share_the_current():
    meter = Meter(phases=3)
    meter.car = Car(max_power_w=11_000.0)
    meter.offer(22_080.0, at=0.0)

    reading = meter.read(600.0)

    assert len(reading.voltage_v) == len(reading.current_a) == 3
    assert all(225 < volts < 235 for volts in reading.voltage_v)
    assert sum(v * a for v, a in zip(reading.voltage_v, reading.current_a, strict=True)) == pytest.approx(11_000.0)


def test_a_paused_car_takes_nothing_and_goes_on_afterwards():
    meter = charging_meter(soc=20.0)
    meter.read(60.0)
    meter.car.is_paused = True
    assert meter.read(61.0).power_w == 0.0
    meter.car.is_paused = False
    assert meter.read(120.0).power_w == 7360.0


def test_a_meter_has_one_phase_or_three():
    with pytest.raises(ValueError, match="1 or 3 phases, not 2"):
        Meter(phases=2)
