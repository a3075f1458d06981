"""What registers prove: rises are energy, falls are doubt, slips and rounding are neither."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_app.energy import measure
from ocpp_app.pricing import Register

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def at(minute: int, wh: int) -> Register:
    return Register(START + timedelta(minutes=minute), wh)


def measured(start: int, readings: list[int], stop: int | None) -> tuple[int | None, int | None]:
    """The energy and the energy in doubt: readings a quarter of an hour apart, the stop after the last."""
    curve = [at(15 * number, wh) for number, wh in enumerate(readings, start=1)]
    end = None if stop is None else at(15 * (len(readings) + 1), stop)
    energy = measure(at(0, start), curve, end)
    return energy.wh, energy.doubtful_wh


@pytest.mark.parametrize(
    ("start", "readings", "stop", "energy_wh"),
    [
        pytest.param(1000, [], 6000, 5000, id="no meter values"),
        pytest.param(1000, [], 1000, 0, id="nothing delivered"),
        pytest.param(1000, [2000, 3000, 3000], 6000, 5000, id="rising"),
        pytest.param(1000, [2001, 3003], None, 2003, id="without a stop, the last register"),
        pytest.param(1000, [], None, 0, id="without a stop and without meter values"),
        pytest.param(12_400, [12_000, 13_000, 21_000], 20_600, 8200, id="meter values in whole kWh"),
        pytest.param(12_400, [12_400, 12_500, 20_700], 20_650, 8250, id="meter values in tenths of a kWh"),
        pytest.param(1000, [2003, 2001, 2007], 2005, 1005, id="trembling by some Wh"),
        pytest.param(1000, [2001, 5003], 4003, 3003, id="stop read a moment before the last meter value"),
        pytest.param(1000, [2001, 5, 2103], 2205, 1205, id="one slip down"),
        pytest.param(1000, [2001, 9005, 2103], 2205, 1205, id="one slip up"),
        pytest.param(1000, [7, 2001], 2205, 1205, id="a slip at once"),
        pytest.param(1000, [2001, 9_999_999_999], 2205, 1205, id="more than a megawatt"),
        pytest.param(1000, [2001, -7, -7], 2205, 1205, id="negative"),
        pytest.param(123_456, [0, 501, 1203], 124_656, 1200, id="meter values that count anew"),
    ],
)
def test_energy_of_registers_that_agree(start: int, readings: list[int], stop: int | None, energy_wh: int) -> None:
    assert measured(start, readings, stop) == (energy_wh, None)


@pytest.mark.parametrize(
    ("start", "readings", "stop", "at_least_wh"),
    [
        pytest.param(1000, [], 999, 0, id="stop below start"),
        pytest.param(1000, [2001, 3003], 999, 2003, id="stop below start, after rises"),
        pytest.param(1000, [2001, 5003], 3005, 4003, id="stop below the last register"),
        pytest.param(1000, [2001, 3003, 0, 501], 1203, 3206, id="reset on the way"),
        pytest.param(1000, [2001, 3003, 0, 501, 2503], 3507, 5510, id="reset on the way, then beyond"),
        pytest.param(1000, [2001, 3003, 0, 501], None, 2504, id="reset, never stopped"),
        pytest.param(1000, [2001, 3003], 9_999_999_999, 2003, id="absurd stop"),
        pytest.param(0, [3001, 1, 4003, 2], 5005, 12_006, id="falls again and again"),
    ],
)
def test_energy_in_doubt_where_registers_contradict_each_other(
    start: int, readings: list[int], stop: int | None, at_least_wh: int
) -> None:
    assert measured(start, readings, stop) == (None, at_least_wh)


def test_the_fall_is_told() -> None:
    energy = measure(at(0, 1000), [at(15, 2001), at(30, 5003)], at(45, 3005))
    assert energy.fall == (at(30, 5003), at(45, 3005))


@pytest.mark.parametrize("back", [4, 20])
@pytest.mark.parametrize("changed_after", [0, 1, 2])
def test_a_clock_that_is_set_back_in_between_makes_no_doubt(back: int, changed_after: int) -> None:
    true = [at(15, 2001), at(16, 3003), at(17, 4005)]
    told = [
        reading if number < changed_after else Register(reading.at - timedelta(minutes=back), reading.wh)
        for number, reading in enumerate(true)
    ]
    energy = measure(at(0, 1000), told, at(30, 5003))
    assert (energy.wh, energy.doubtful_wh, energy.fall) == (4003, None, None)
    assert all(one.at <= other.at and one.wh <= other.wh for one, other in pairwise(energy.curve))


def test_a_reset_is_no_matter_of_the_clock() -> None:
    fallen = [at(15, 2001), at(16, 3003), at(14, 0), at(18, 501)]
    assert measure(at(0, 1000), fallen, at(30, 5003)).wh is None


def test_readings_after_the_stop_do_not_count() -> None:
    energy = measure(at(0, 1000), [at(15, 2001), at(60, 9003)], at(45, 3005))
    assert (energy.wh, energy.curve[-1]) == (2005, at(45, 3005))


def test_readings_at_the_begin_set_no_energy() -> None:
    early = [at(-30, 1500), at(0, 1500), Register(START + timedelta(seconds=10), 1500)]
    assert measure(at(0, 1000), early, None).wh == 0
    assert measure(at(0, 1000), [*early, at(15, 2001)], at(45, 3005)).curve == (
        at(0, 1000),
        at(15, 2001),
        at(45, 3005),
    )


def test_stop_before_the_start_lasts_no_time() -> None:
    energy = measure(at(0, 1000), [], at(-10, 1500))
    assert (energy.wh, energy.curve[-1]) == (500, at(0, 1500))


MINUTES = st.integers(0, 600)
RISES = st.lists(st.integers(0, 3000), min_size=1, max_size=12)


@given(rises=RISES, data=st.data())
def test_rising_registers_are_never_in_doubt_in_any_order_however_often(rises: list[int], data: st.DataObject) -> None:
    registers = [at(15 * number, 500 + sum(rises[:number])) for number in range(len(rises) + 1)]
    start, *readings = registers
    sent = data.draw(st.permutations(readings + data.draw(st.lists(st.sampled_from(readings)))))
    energy = measure(start, sent, registers[-1])
    assert (energy.wh, energy.doubtful_wh) == (sum(rises), None)
    assert (energy.curve[0], energy.curve[-1]) == (start, registers[-1])


@given(
    readings=st.lists(st.tuples(MINUTES, st.integers(-(10**6), 10**8))),
    start=st.integers(0, 10**7),
    stop=st.none() | st.tuples(MINUTES, st.integers(-(10**6), 10**8)),
)
def test_whatever_registers_say_energy_is_sane(
    readings: list[tuple[int, int]], start: int, stop: tuple[int, int] | None
) -> None:
    energy = measure(at(0, start), [at(*reading) for reading in readings], None if stop is None else at(*stop))
    if energy.wh is None:
        assert energy.doubtful_wh is not None
        assert energy.doubtful_wh >= 0
        assert energy.curve == ()
    else:
        assert energy.doubtful_wh is None
        assert stop is None or energy.wh == stop[1] - start
        assert energy.wh == energy.curve[-1].wh - energy.curve[0].wh >= 0
        assert all(a.at <= b.at and a.wh <= b.wh for a, b in pairwise(energy.curve))
