"""Who charged how much: ended transactions of a period by idTag, owner, charge point, site or month.

A transaction is of the day on which it ended. Sums are made of whole Wh, seconds and cents, in the database: they equal
the transactions exactly. Energy in doubt is not billed; it stands in columns of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, TruncMonth, Upper
from django.utils import timezone

from ocpp_app import money, spreadsheets
from ocpp_app.models import Transaction

COLUMNS = (
    "sessions",
    "energy_kwh",
    "duration",
    "cost",
    "currency",
    "sessions_in_doubt",
    "energy_in_doubt_kwh",
)


class Grouping(StrEnum):
    """What a report has a row for."""

    TAG = "tag"
    OWNER = "owner"
    CHARGE_POINT = "charge_point"
    SITE = "site"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Row:
    """The sums of one group in one currency (empty: of the transactions without a tariff).

    ``energy_wh`` is what was billed; ``doubtful_wh`` what is known at least of the ``in_doubt`` transactions, whose
    energy is not.
    """

    name: str
    currency: str
    sessions: int = 0
    energy_wh: int = 0
    duration_s: int = 0
    cost_minor: int | None = None
    in_doubt: int = 0
    doubtful_wh: int = 0

    @property
    def cost(self) -> Decimal | None:
        return None if self.cost_minor is None else money.from_minor(self.cost_minor, self.currency)

    def cells(self) -> tuple[Any, ...]:
        """The values of ``COLUMNS``: energy in kWh to the Wh, duration as hours:minutes:seconds."""
        return (
            self.sessions,
            f"{Decimal(self.energy_wh) / 1000:.3f}",
            hours(self.duration_s),
            "" if self.cost is None else f"{self.cost:f}",
            self.currency,
            self.in_doubt,
            f"{Decimal(self.doubtful_wh) / 1000:.3f}",
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a period, both days included; in local time of ``zone``."""

    by: Grouping
    first: date
    last: date
    zone: ZoneInfo
    rows: list[Row] = field(default_factory=list)

    @property
    def totals(self) -> list[Row]:
        """The sum of all rows, one for each currency."""
        by_currency: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            by_currency[row.currency].append(row)
        return [_sum(currency, rows) for currency, rows in sorted(by_currency.items())]


def make(
    by: Grouping,
    first: date,
    last: date,
    *,
    transactions: QuerySet[Transaction] | None = None,
    zone: ZoneInfo | None = None,
) -> Report:
    """The report of the ended transactions (of these, where given) from the ``first`` day to the ``last``.

    ``zone``: where days and months begin; without it, in the current time zone. One query, however many there are.
    """
    here = zone or ZoneInfo(timezone.get_current_timezone_name())
    begin, end = (datetime.combine(day, time(), here).astimezone(UTC) for day in (first, last + timedelta(days=1)))
    ended = Transaction.objects.all() if transactions is None else transactions
    ended = ended.filter(is_active=False, stopped_at__gte=begin, stopped_at__lt=end)
    group = _group(by, here)
    sums = (
        ended.order_by()
        .annotate(group=group.key)
        .values("group", "currency", *group.also)
        .annotate(
            name=group.name,
            sessions=Count("pk"),
            energy=Sum("energy_wh"),
            duration=Sum("duration_s"),
            cost=Sum("cost_minor"),
            in_doubt=Count("pk", filter=Q(energy_wh=None)),
            doubtful=Sum("doubtful_wh"),
        )
    )
    rows = [_row(by, found) for found in sums]
    return Report(by, first, last, here, sorted(rows, key=lambda row: (row.name == "", row.name, row.currency)))


@dataclass(frozen=True, slots=True)
class Group:
    """What makes a group of transactions: its key, what it is called, and what else tells two groups apart."""

    key: Any
    name: Any
    also: tuple[str, ...] = ()


def _group(by: Grouping, zone: ZoneInfo) -> Group:
    match by:
        case Grouping.TAG:  # of two organisations, the same idTag is two
            names = Coalesce(Max("tag__id_tag"), Max("id_tag"))
            return Group(Coalesce("tag__key", Upper("id_tag")), names, ("organisation",))
        case Grouping.OWNER:
            return Group(F("owner"), Max(f"owner__{get_user_model().USERNAME_FIELD}"))
        case Grouping.CHARGE_POINT:
            return Group(F("charge_point"), Max("charge_point__identity"))
        case Grouping.SITE:
            return Group(F("charge_point__site"), Max("charge_point__site__name"))
        case Grouping.MONTH:
            return Group(TruncMonth("stopped_at", tzinfo=zone), Value(""))


def _row(by: Grouping, found: dict[str, Any]) -> Row:
    name = f"{found['group']:%Y-%m}" if by is Grouping.MONTH else found["name"] or ""
    return Row(
        name,
        found["currency"],
        found["sessions"],
        found["energy"] or 0,
        found["duration"] or 0,
        found["cost"],
        found["in_doubt"],
        found["doubtful"] or 0,
    )


def _sum(currency: str, rows: Iterable[Row]) -> Row:
    total = Row("", currency)
    for row in rows:
        costs = [cost for cost in (total.cost_minor, row.cost_minor) if cost is not None]
        total = Row(
            "",
            currency,
            total.sessions + row.sessions,
            total.energy_wh + row.energy_wh,
            total.duration_s + row.duration_s,
            sum(costs) if costs else None,
            total.in_doubt + row.in_doubt,
            total.doubtful_wh + row.doubtful_wh,
        )
    return total


# -- showing -------------------------------------------------------------------------------------------------


def hours(seconds: int) -> str:
    """A duration as hours:minutes:seconds; the hours may be more than a day's."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def as_csv(report: Report) -> Iterator[str]:
    """The rows as lines of a CSV file, without the totals: whoever adds them up finds them."""
    yield from spreadsheets.lines([(report.by, *COLUMNS)])
    yield from spreadsheets.lines((row.name, *row.cells()) for row in report.rows)


def as_table(report: Report) -> Iterator[str]:
    """The rows and the totals as lines of text, in columns."""
    header = (report.by.value, *COLUMNS)
    body = [(row.name or "-", *(str(cell) for cell in row.cells())) for row in report.rows]
    totals = [("total", *(str(cell) for cell in row.cells())) for row in report.totals]
    widths = [max(len(cells[index]) for cells in (header, *body, *totals)) for index in range(len(header))]
    for cells in (header, *body, *totals):
        first, *others = (
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()
