"""Prices and a meter curve make a bill that adds up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_app import money
from ocpp_app.pricing import Cost, Register, Terms, Usage, price, read_terms, register_at, segments

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


def local(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    """A time in Berlin in March 2026; the 1st is a Sunday, the clocks change on the 29th."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


def window(name: str, starts_at: str, ends_at: str, weekdays: list[int] = EVERY_DAY, **prices: str) -> dict[str, Any]:
    return {"name": name, "starts_at": starts_at, "ends_at": ends_at, "weekdays": weekdays, **prices}


def terms(*windows: dict[str, Any], **prices: Any) -> Terms:
    fields = {"name": "T", "currency": "EUR", "time_zone": "Europe/Berlin", "windows": list(windows), **prices}
    return read_terms(fields)


def bill(cost: Cost) -> list[tuple[str, str, str, str, str]]:
    """Kind, window, quantity, price and amount of each line."""
    lines = [line.as_json() for line in cost.lines]
    return [(line["kind"], line["window"], line["quantity"], line["price"], line["amount"]) for line in lines]


def steady(begin: datetime, end: datetime, wh: int) -> Usage:
    """Steady power from begin to end."""
    return Usage(begin, end, (Register(begin, 1000), Register(end, 1000 + wh)))


# -- lines -------------------------------------------------------------------------------------------------------------


def test_every_part_of_a_tariff_is_a_line() -> None:
    prices = terms(
        price_per_kwh="0.45",
        price_per_minute="0.01",
        price_per_start="1",
        idle_price_per_minute="0.10",
        idle_grace_minutes=30,
    )
    begin = local(2, 8)
    usage = Usage(begin, local(2, 12), (Register(begin, 0), Register(local(2, 10), 12_345)), full_at=local(2, 10))
    assert bill(price(prices, usage)) == [
        ("energy", "", "12.345", "0.45", "5.56"),
        ("time", "", "240.0000", "0.01", "2.40"),
        ("start", "", "1", "1", "1.00"),
        ("idle", "", "90.0000", "0.10", "9.00"),
    ]
    assert price(prices, usage).total == Decimal("17.96")


@pytest.mark.parametrize(
    ("prices", "total"),
    [
        pytest.param({"price_per_kwh": "0.335"}, "0.34", id="half a cent is rounded up"),
        pytest.param({"price_per_kwh": "0.3349"}, "0.33", id="less than half is rounded down"),
        pytest.param({"price_per_kwh": "150.5", "currency": "JPY"}, "151", id="a currency without minor unit"),
        pytest.param({"price_per_kwh": "0.3345", "currency": "KWD"}, "0.335", id="a currency of thousandths"),
        pytest.param({"price_per_minute": "0.001"}, "0.06", id="an hour"),
        pytest.param({}, "0.00", id="free"),
    ],
)
def test_rounding(prices: dict[str, str], total: str) -> None:
    begin = local(2, 8)
    assert str(price(terms(**prices), steady(begin, local(2, 9), 1000)).total) == total


def test_energy_that_is_not_billed_is_no_line() -> None:
    prices = terms(price_per_kwh="1", price_per_minute="1")
    assert [line.kind for line in price(prices, Usage(local(2, 8), local(2, 9))).lines] == ["time"]


def test_energy_in_no_time_is_billed() -> None:
    begin = local(2, 8)
    assert price(terms(price_per_kwh="1"), steady(begin, begin, 5000)).total == 5


def test_free_energy_stays_visible() -> None:
    assert bill(price(terms(), steady(local(2, 8), local(2, 9), 5000))) == [("energy", "", "5.000", "0", "0.00")]


@pytest.mark.parametrize(
    ("full_at", "grace", "minutes"),
    [
        pytest.param(local(2, 10), 0, "120.0000", id="at once"),
        pytest.param(local(2, 10), 45, "75.0000", id="after the grace"),
        pytest.param(local(2, 10), 120, None, id="the grace lasts to the end"),
        pytest.param(local(2, 10), 500, None, id="the grace lasts longer"),
        pytest.param(local(2, 7), 0, "240.0000", id="not before the start"),
        pytest.param(None, 0, None, id="never full"),
    ],
)
def test_idle_fee(full_at: datetime | None, grace: int, minutes: str | None) -> None:
    prices = terms(idle_price_per_minute="0.1", idle_grace_minutes=grace)
    lines = price(prices, Usage(local(2, 8), local(2, 12), full_at=full_at)).lines
    assert [str(line.quantity) for line in lines] == ([] if minutes is None else [minutes])


def test_terms_say_whether_idleness_costs_anything() -> None:
    assert not terms().has_idle_fee
    assert terms(idle_price_per_minute="0.1").has_idle_fee
    assert terms(window("day", "08:00:00", "20:00:00", idle_price_per_minute="0.1")).has_idle_fee


def test_broken_terms_name_the_field() -> None:
    with pytest.raises(msgspec.ValidationError, match="price_per_kwh"):
        terms(price_per_kwh="cheap")


# -- windows -----------------------------------------------------------------------------------------------------------

NIGHT = window("night", "22:00:00", "06:00:00", price_per_kwh="0.2", price_per_minute="0.01", idle_price_per_minute="0")
WEEKEND = window("weekend", "00:00:00", "00:00:00", [6, 7], price_per_kwh="0.1")


def energies(usage: Usage, *windows: dict[str, Any]) -> dict[str, str]:
    lines = price(terms(*windows, price_per_kwh="0.4"), usage).lines
    return {line.window: str(line.quantity) for line in lines if line.kind == "energy"}


@pytest.mark.parametrize(
    ("begin", "end", "windows", "shares"),
    [
        pytest.param(local(3, 20), local(4, 0), [NIGHT], {"": "2.000", "night": "2.000"}, id="into the night"),
        pytest.param(local(3, 4), local(3, 8), [NIGHT], {"night": "2.000", "": "2.000"}, id="out of the night"),
        pytest.param(local(3, 20), local(4, 20), [NIGHT], {"": "2.666", "night": "1.334"}, id="all night long"),
        pytest.param(local(3, 20), local(5, 20), [NIGHT], {"": "2.668", "night": "1.332"}, id="two nights, one line"),
        pytest.param(local(3, 22), local(4, 6), [NIGHT], {"night": "4.000"}, id="from edge to edge"),
        pytest.param(local(3, 6), local(3, 22), [NIGHT], {"": "4.000"}, id="between the edges"),
        pytest.param(local(6, 23), local(7, 1), [WEEKEND], {"": "2.000", "weekend": "2.000"}, id="Friday to Saturday"),
        pytest.param(local(8, 23), local(9, 1), [WEEKEND], {"weekend": "2.000", "": "2.000"}, id="Sunday to Monday"),
        pytest.param(
            local(7, 20), local(8, 0), [NIGHT, WEEKEND], {"weekend": "2.000", "night": "2.000"}, id="the first counts"
        ),
        pytest.param(local(7, 20), local(8, 0), [WEEKEND, NIGHT], {"weekend": "4.000"}, id="in the order given"),
        pytest.param(
            local(7, 4),
            local(7, 8),
            [window("friday night", "22:00:00", "06:00:00", [5], price_per_kwh="0.2")],
            {"friday night": "2.000", "": "2.000"},
            id="a night belongs to the day on which it begins",
        ),
        pytest.param(
            local(3, 8),
            local(3, 12),
            [
                window("a", "08:00:00", "09:00:00", price_per_kwh="1"),
                window("b", "11:00:00", "12:00:00", price_per_kwh="2"),
            ],
            {"a": "1.000", "": "2.000", "b": "1.000"},
            id="two windows of a day",
        ),
        pytest.param(
            local(3, 8),
            local(3, 12),
            [window("no energy price", "08:00:00", "10:00:00", price_per_minute="1")],
            {"": "4.000"},
            id="a window without a price for energy",
        ),
    ],
)
def test_energy_by_window(
    begin: datetime, end: datetime, windows: list[dict[str, Any]], shares: dict[str, str]
) -> None:
    assert energies(steady(begin, end, 4000), *windows) == shares


def test_energy_follows_the_meter_values_not_the_clock() -> None:
    curve = (
        Register(local(3, 20), 0),
        Register(local(3, 21), 9000),
        Register(local(3, 23), 10_000),  # half of it before ten
        Register(local(4, 6), 10_000),
    )
    assert energies(Usage(local(3, 20), local(4, 6), curve), NIGHT) == {"": "9.500", "night": "0.500"}


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(local(27, 12), 8, id="an ordinary night"),
        pytest.param(local(28, 12), 7, id="the night that loses an hour"),
        pytest.param(local(24, 12, month=10), 9, id="the night that gains an hour"),
    ],
)
def test_windows_follow_the_clocks_of_the_time_zone(day: datetime, hours: int) -> None:
    lines = price(terms(NIGHT), Usage(day, day + timedelta(days=1))).lines
    assert [(line.window, line.quantity) for line in lines] == [("night", Decimal(60 * hours))]


def test_time_and_idleness_have_windows_as_well() -> None:
    prices = terms(NIGHT, price_per_minute="0.02", idle_price_per_minute="0.1")
    usage = Usage(local(3, 20), local(3, 23), full_at=local(3, 21))
    assert bill(price(prices, usage)) == [
        ("time", "", "120.0000", "0.02", "2.40"),
        ("time", "night", "60.0000", "0.01", "0.60"),
        ("idle", "", "60.0000", "0.1", "6.00"),
    ]


# -- what always holds -------------------------------------------------------------------------------------------------

HOURS = st.lists(st.integers(0, 23), min_size=2, max_size=2)
WINDOWS = st.lists(
    st.builds(
        lambda hours, weekdays, number: window(
            f"w{number}", f"{hours[0]:02}:17:00", f"{hours[1]:02}:17:00", sorted(weekdays), price_per_kwh=f"0.{number}"
        ),
        HOURS,
        st.sets(st.integers(1, 7)),
        st.integers(0, 999),
    ),
    max_size=4,
)
STEPS = st.lists(st.tuples(st.integers(0, 5 * 3600), st.integers(0, 90_000)), min_size=1, max_size=8)


def curve_of(begin: datetime, steps: list[tuple[int, int]]) -> tuple[Register, ...]:
    curve = [Register(begin, 1000)]
    for seconds, wh in steps:
        curve.append(Register(curve[-1].at + timedelta(seconds=seconds), curve[-1].wh + wh))
    return tuple(curve)


@given(windows=WINDOWS, steps=STEPS, day=st.integers(1, 30))
def test_lines_add_up_to_the_energy_and_to_the_total(
    windows: list[dict[str, Any]], steps: list[tuple[int, int]], day: int
) -> None:
    curve = curve_of(local(day, 21, 41).astimezone(UTC), steps)
    cost = price(terms(*windows, price_per_kwh="0.4"), Usage(curve[0].at, curve[-1].at, curve))
    assert sum(line.quantity for line in cost.lines) * 1000 == curve[-1].wh - curve[0].wh
    assert cost.total_minor == sum(line.amount_minor for line in cost.lines)
    for line in cost.lines:
        assert line.quantity > 0
        assert abs(line.quantity * line.price - money.from_minor(line.amount_minor, "EUR")) <= Decimal("0.005")


@given(windows=WINDOWS, day=st.integers(1, 30), length=st.integers(1, 4 * 86_400))
def test_segments_cover_the_time_without_gap_or_overlap(windows: list[dict[str, Any]], day: int, length: int) -> None:
    begin = local(day, 3, 13).astimezone(UTC)
    end = begin + timedelta(seconds=length)  # in UTC: clocks may change on the way
    found = list(segments(terms(*windows), begin, end))
    assert (found[0][0], found[-1][1]) == (begin, end)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    for since, _until, applying in found:  # a slow look at the clock agrees
        clock = since.astimezone(BERLIN)
        expected = [row for row in terms(*windows).windows if applies(row, clock)]
        assert applying == (expected[0] if expected else None)


def applies(row: Any, clock: datetime) -> bool:
    days = {clock.isoweekday(): 0, (clock - timedelta(days=1)).isoweekday(): 1}
    for weekday, days_later in days.items():
        if weekday not in row.weekdays:
            continue
        minutes = clock.hour * 60 + clock.minute + 1440 * days_later
        begin = row.starts_at.hour * 60 + row.starts_at.minute
        end = row.ends_at.hour * 60 + row.ends_at.minute
        if begin <= minutes < (end if end > begin else end + 1440):
            return True
    return False


@given(steps=STEPS, seconds=st.integers(-100, 50 * 3600))
def test_register_between_readings_lies_between_them(steps: list[tuple[int, int]], seconds: int) -> None:
    curve = curve_of(local(3, 12), steps)
    moment = curve[0].at + timedelta(seconds=seconds)
    found = register_at(curve, moment)
    assert max((r.wh for r in curve if r.at <= moment), default=curve[0].wh) <= found
    assert found <= min((r.wh for r in curve if r.at > moment), default=curve[-1].wh)
