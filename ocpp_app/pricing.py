"""What a transaction costs: terms and a meter curve in, the lines of a bill out.

Pure functions, decimal arithmetic, and this rounding:

- Energy is whole Wh. Where a window begins or ends between two meter values, the register there is interpolated between
  them, half a Wh up; the windows of a transaction add up to its energy.
- Time is whole seconds, shown as minutes with four digits behind the point.
- A line is quantity times price, rounded half up to the currency's minor unit (cents). The total is the sum of its
  lines, so bills, transactions and reports add up to the cent.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ocpp_app import money

MINUTES = Decimal("0.0001")
MICROSECOND = timedelta(microseconds=1)


class Window(msgspec.Struct, frozen=True):
    """A part of the day on some days of the week (1 is Monday); a price that is None is that of the terms."""

    name: str
    weekdays: list[int]
    starts_at: time
    ends_at: time
    price_per_kwh: Decimal | None = None
    price_per_minute: Decimal | None = None
    idle_price_per_minute: Decimal | None = None


class Terms(msgspec.Struct, frozen=True):
    """The prices that a transaction began with, in ``currency``; windows are meant in ``time_zone``."""

    name: str
    currency: str
    time_zone: str = "UTC"
    price_per_kwh: Decimal = Decimal(0)
    price_per_minute: Decimal = Decimal(0)
    price_per_start: Decimal = Decimal(0)
    idle_price_per_minute: Decimal = Decimal(0)
    idle_grace_minutes: int = 0
    windows: list[Window] = []
    tariff: int | None = None

    @property
    def has_idle_fee(self) -> bool:
        """Whether idleness costs anything at any time."""
        return any([self.idle_price_per_minute, *(window.idle_price_per_minute for window in self.windows)])


class LineKind(StrEnum):
    """What a line charges for."""

    ENERGY = "energy"
    TIME = "time"
    START = "start"
    IDLE = "idle"


UNITS = {LineKind.ENERGY: "kWh", LineKind.TIME: "min", LineKind.START: "", LineKind.IDLE: "min"}


@dataclass(frozen=True, slots=True)
class Register:
    """The energy register in Wh at a time."""

    at: datetime
    wh: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What is charged for: from when until when; the register from start to end, rising (empty: the energy is not
    billed); since when the car was full (None: it never was)."""

    started_at: datetime
    stopped_at: datetime
    curve: Sequence[Register] = ()
    full_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; ``window`` is empty where the terms' own price applies."""

    kind: LineKind
    window: str
    quantity: Decimal
    price: Decimal
    amount_minor: int
    currency: str

    def as_json(self) -> dict[str, str]:
        """As a transaction keeps it; numbers as text, so that nothing is lost."""
        return {
            "kind": self.kind,
            "window": self.window,
            "quantity": str(self.quantity),
            "unit": UNITS[self.kind],
            "price": str(self.price),
            "amount": str(money.from_minor(self.amount_minor, self.currency)),
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """A bill: its lines, and their sum in the currency's minor unit."""

    currency: str
    lines: tuple[Line, ...] = field(default=())

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    @property
    def total(self) -> Decimal:
        return money.from_minor(self.total_minor, self.currency)


def read_terms(terms: dict[str, Any]) -> Terms:
    """Terms from their JSON (``Tariff.terms``); raises ``msgspec.ValidationError`` naming the field."""
    return msgspec.convert(terms, Terms)


def price(terms: Terms, usage: Usage) -> Cost:
    """The cost of this usage under these terms: energy and time by window, the start, and idleness.

    The price per minute runs from start to end, while the car is idle as well; the idle fee comes on top of it, from
    ``idle_grace_minutes`` after ``full_at`` to the end. Lines of time, start and idleness that cost nothing are left
    out.
    """
    # Not in a local time zone: there Python reckons by what clocks show, an hour wrong when they change.
    begin, end = usage.started_at.astimezone(UTC), usage.stopped_at.astimezone(UTC)
    curve = [Register(register.at.astimezone(UTC), register.wh) for register in usage.curve]
    lines = [
        *_energy_lines(terms, curve),
        *_time_lines(LineKind.TIME, terms, begin, end),
        *_start_lines(terms),
    ]
    if usage.full_at is not None:
        idle_from = max(usage.full_at.astimezone(UTC), begin) + timedelta(minutes=terms.idle_grace_minutes)
        lines += _time_lines(LineKind.IDLE, terms, idle_from, end)
    return Cost(terms.currency, tuple(lines))


# -- lines ---------------------------------------------------------------------------------------------------


def _energy_lines(terms: Terms, curve: Sequence[Register]) -> Iterator[Line]:
    if not curve:
        return
    quantities: dict[tuple[str, Decimal], int] = defaultdict(int)
    before = curve[0].wh
    for _begin, end, window in segments(terms, curve[0].at, curve[-1].at):
        after = register_at(curve, end)
        quantities[_priced(LineKind.ENERGY, terms, window)] += after - before
        before = after
    quantities[_priced(LineKind.ENERGY, terms, None)] += curve[-1].wh - before  # all at once: no time has passed
    for (name, unit_price), wh in quantities.items():
        if wh:
            yield _line(LineKind.ENERGY, name, Decimal(wh).scaleb(-3), unit_price, terms.currency)


def _time_lines(kind: LineKind, terms: Terms, begin: datetime, end: datetime) -> Iterator[Line]:
    quantities: dict[tuple[str, Decimal], int] = defaultdict(int)
    passed = 0
    for _begin, until, window in segments(terms, begin, end):
        seconds = int((until - begin).total_seconds())
        quantities[_priced(kind, terms, window)] += seconds - passed
        passed = seconds
    for (name, unit_price), seconds in quantities.items():
        if unit_price and seconds:
            quantity = (Decimal(seconds) / 60).quantize(MINUTES)
            yield _line(kind, name, quantity, unit_price, terms.currency)


def _start_lines(terms: Terms) -> Iterator[Line]:
    if terms.price_per_start:
        yield _line(LineKind.START, "", Decimal(1), terms.price_per_start, terms.currency)


def _line(kind: LineKind, window: str, quantity: Decimal, unit_price: Decimal, currency: str) -> Line:
    return Line(kind, window, quantity, unit_price, money.to_minor(quantity * unit_price, currency), currency)


PRICES = {
    LineKind.ENERGY: "price_per_kwh",
    LineKind.TIME: "price_per_minute",
    LineKind.IDLE: "idle_price_per_minute",
}


def _priced(kind: LineKind, terms: Terms, window: Window | None) -> tuple[str, Decimal]:
    """The name on the bill and the price; a window without a price of its own is no line of its own."""
    own: Decimal | None = None if window is None else getattr(window, PRICES[kind])
    if window is None or own is None:
        return "", getattr(terms, PRICES[kind])
    return window.name, own


# -- windows -------------------------------------------------------------------------------------------------


def segments(terms: Terms, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, Window | None]]:
    """The time from ``begin`` to ``end`` in order, cut where windows begin and end; None: no window applies.

    A window that does not end after it starts ends on the next day, and belongs to the day on which it starts. Its
    times are what clocks in the terms' time zone show: in the nights when they change, a window is an hour longer or
    shorter, and one that lies in the hour they skip does not happen.
    """
    if end <= begin:
        return
    spans = _spans(terms, begin, end)
    edges = {edge for day in spans.values() for span in day for edge in span[:2] if begin < edge < end}
    since = begin
    zone = ZoneInfo(terms.time_zone)
    for until in sorted({*edges, end}):
        yield since, until, _window_at(spans, since, zone)
        since = until


Span = tuple[datetime, datetime, int, Window]


def _spans(terms: Terms, begin: datetime, end: datetime) -> dict[date, list[Span]]:
    """The windows as times, by the day on which they start; the day before counts, its nights reach into the first."""
    spans: dict[date, list[Span]] = defaultdict(list)
    if not terms.windows:
        return spans
    zone = ZoneInfo(terms.time_zone)
    day, last = begin.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    while day <= last:
        for position, window in enumerate(terms.windows):
            if day.isoweekday() in window.weekdays:
                ends_on = day + timedelta(days=window.ends_at <= window.starts_at)
                span = _instant(day, window.starts_at, zone), _instant(ends_on, window.ends_at, zone)
                spans[day].append((*span, position, window))
        day += timedelta(days=1)
    return spans


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """When clocks show this time; where they show it twice, the first; where they skip it, when they skip."""
    shown = datetime.combine(day, clock, zone)
    instant = shown.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None):
        return instant
    before, after = shown.replace(fold=1).astimezone(UTC), instant
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old_offset else (before, middle)
    return after.replace(microsecond=0)


def _window_at(spans: dict[date, list[Span]], at: datetime, zone: ZoneInfo) -> Window | None:
    today = at.astimezone(zone).date()
    candidates = [*spans.get(today, ()), *spans.get(today - timedelta(days=1), ())]
    found = [span for span in candidates if span[0] <= at < span[1]]
    return min(found, key=lambda span: span[2])[3] if found else None


# -- the register --------------------------------------------------------------------------------------------


def register_at(curve: Sequence[Register], at: datetime) -> int:
    """The register at a time: interpolated between the two readings around it, half a Wh up; before the first and
    after the last, that of the first and the last."""
    index = bisect_right(curve, at, key=lambda register: register.at)
    if index == 0:
        return curve[0].wh
    if index == len(curve):
        return curve[-1].wh
    before, after = curve[index - 1], curve[index]
    share = Fraction((at - before.at) // MICROSECOND, (after.at - before.at) // MICROSECOND)
    return before.wh + int((after.wh - before.wh) * share + Fraction(1, 2))
