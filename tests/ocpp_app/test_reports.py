"""Who charged how much: sums that equal the transactions to the Wh and the cent."""

import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ocpp_app import reports
from ocpp_app.models import ChargePoint, Connector, IdTag, Organisation, Site, Transaction
from ocpp_app.reports import Grouping, Row

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)


def make_transaction(
    identity: str = "CP001", id_tag: str = "TAG1", ended: datetime = datetime(2026, 3, 1, tzinfo=UTC), **fields: Any
) -> Transaction:
    """An ended transaction of 1 kWh, an hour, 40 cents."""
    charge_point, _ = ChargePoint.objects.get_or_create(identity=identity)
    connector, _ = Connector.objects.get_or_create(charge_point=charge_point, number=1)
    fields.setdefault("organisation", charge_point.organisation)
    tag = IdTag.objects.filter(id_tag__iexact=id_tag, organisation=fields["organisation"]).first()
    row = transaction_of(connector, id_tag, tag, ended, **fields)
    row.save()
    return row


def transaction_of(connector: Connector, id_tag: str, tag: IdTag | None, ended: datetime, **fields: Any) -> Transaction:
    values = {
        "organisation": connector.charge_point.organisation,
        "charge_point": connector.charge_point,
        "connector": connector,
        "id_tag": id_tag,
        "tag": tag,
        "owner": None if tag is None else tag.owner,
        "id_tag_status": "Accepted",
        "is_active": False,
        "started_at": ended - timedelta(hours=1),
        "start_received_at": ended,
        "meter_start_wh": 0,
        "stopped_at": ended,
        "duration_s": 3600,
        "energy_wh": 1000,
        "currency": "EUR",
        "cost_minor": 40,
        **fields,
    }
    return Transaction(**values)


def report_of(by: str, first: date = FIRST, last: date = LAST, **options: Any) -> list[Row]:
    return reports.make(Grouping(by), first, last, **{"zone": BERLIN, **options}).rows


# -- groups ------------------------------------------------------------------------------------------------------------


def test_by_tag() -> None:
    IdTag.objects.create(id_tag="Tag1")
    make_transaction(id_tag="TAG1")
    make_transaction(id_tag="tag1", energy_wh=500, cost_minor=20)
    make_transaction(id_tag="UNKNOWN")
    make_transaction(id_tag="unknown")
    make_transaction(id_tag="")
    assert report_of("tag") == [
        Row("Tag1", "EUR", 2, 1500, 7200, 60),
        Row("unknown", "EUR", 2, 2000, 7200, 80),
        Row("", "EUR", 1, 1000, 3600, 40),
    ]


def test_the_same_tag_of_two_organisations_is_two() -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    make_transaction()
    make_transaction(organisation=other, energy_wh=7)
    assert sorted(row.energy_wh for row in report_of("tag")) == [7, 1000]
    theirs = Transaction.objects.filter(organisation=other)
    assert [row.energy_wh for row in report_of("tag", transactions=theirs)] == [7]


def test_by_owner_of_the_tag_at_its_start(django_user_model: Any) -> None:
    ann, bob = (django_user_model.objects.create_user(name) for name in ("ann", "bob"))
    for number, owner in enumerate((ann, ann, bob)):
        IdTag.objects.create(id_tag=f"T{number}", owner=owner)
        make_transaction(id_tag=f"T{number}")
    make_transaction(id_tag="nobody's")
    IdTag.objects.update(owner=bob)
    assert [(row.name, row.sessions) for row in report_of("owner")] == [("ann", 2), ("bob", 1), ("", 1)]


def test_by_charge_point_and_site() -> None:
    for identity, site in (("CP1", "North"), ("CP2", "North"), ("CP3", "South"), ("CP4", None)):
        make_transaction(identity)
        place = None if site is None else Site.objects.get_or_create(name=site)[0]
        ChargePoint.objects.filter(identity=identity).update(site=place)
    assert [row.name for row in report_of("charge_point")] == ["CP1", "CP2", "CP3", "CP4"]
    assert [(row.name, row.sessions) for row in report_of("site")] == [("North", 2), ("South", 1), ("", 1)]


def test_by_month_of_the_time_zone() -> None:
    for moment in (
        datetime(2026, 1, 31, 22, 59, tzinfo=UTC),  # January in Berlin
        datetime(2026, 1, 31, 23, 1, tzinfo=UTC),  # February
        datetime(2026, 6, 30, 22, 1, tzinfo=UTC),  # July, by summer time
    ):
        make_transaction(ended=moment)
    assert [(row.name, row.sessions) for row in report_of("month")] == [("2026-01", 1), ("2026-02", 1), ("2026-07", 1)]
    in_utc = report_of("month", zone=ZoneInfo("UTC"))
    assert [(row.name, row.sessions) for row in in_utc] == [("2026-01", 2), ("2026-06", 1)]


def test_each_currency_is_a_row() -> None:
    make_transaction()
    make_transaction(currency="JPY", cost_minor=300)
    make_transaction(currency="", cost_minor=None)
    rows = report_of("tag")
    assert [(row.currency, row.cost if row.cost is None else str(row.cost)) for row in rows] == [
        ("", None),
        ("EUR", "0.40"),
        ("JPY", "300"),
    ]


# -- what counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_in"),
    [
        (datetime(2026, 3, 1, 0, 0, tzinfo=BERLIN), True),
        (datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=BERLIN), False),
        (datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=BERLIN), True),  # by summer time
        (datetime(2026, 4, 1, 0, 0, tzinfo=BERLIN), False),
    ],
)
def test_both_days_are_included_from_midnight_to_midnight_there(moment: datetime, is_in: bool) -> None:
    make_transaction(ended=moment)
    assert bool(report_of("tag", date(2026, 3, 1), date(2026, 3, 31))) == is_in


def test_open_transactions_are_not_reported() -> None:
    make_transaction(is_active=True, stopped_at=None)
    assert report_of("tag") == []


def test_energy_in_doubt_is_shown_as_such() -> None:
    make_transaction()
    make_transaction(energy_wh=None, doubtful_wh=5000, cost_minor=0)
    make_transaction(energy_wh=None, doubtful_wh=None, currency="", cost_minor=None)
    assert report_of("tag") == [
        Row("TAG1", "", 1, 0, 3600, None, in_doubt=1),
        Row("TAG1", "EUR", 2, 1000, 7200, 40, in_doubt=1, doubtful_wh=5000),
    ]


@pytest.fixture
def many(django_user_model: Any) -> list[Transaction]:
    """300 transactions of everything, some in doubt, some without a tariff, some far beyond a float's digits."""
    chance = random.Random(17)
    connectors, tags = [], []
    for number in range(8):
        owner = django_user_model.objects.create_user(f"user{number}") if number % 2 else None
        tags.append(IdTag.objects.create(id_tag=f"T{number}", owner=owner))
        site = Site.objects.get_or_create(name=f"S{number % 3}")[0] if number % 3 else None
        charge_point = ChargePoint.objects.create(identity=f"CP{number}", site=site)
        connectors.append(Connector.objects.create(charge_point=charge_point, number=1))
    made = []
    for _number in range(300):
        in_doubt, currency = chance.random() < 0.1, chance.choice(("EUR", "EUR", "JPY", ""))
        tag = chance.choice([*tags, None])
        made.append(
            transaction_of(
                chance.choice(connectors),
                "UNKNOWN" if tag is None else tag.id_tag,
                tag,
                datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(360 * 86_400)),
                currency=currency,
                cost_minor=chance.randrange(10**15) if currency else None,
                energy_wh=None if in_doubt else chance.randrange(10**15),
                doubtful_wh=chance.randrange(10**6) if in_doubt else None,
                duration_s=chance.randrange(10**6),
            )
        )
    return Transaction.objects.bulk_create(made)


@pytest.mark.parametrize("by", list(Grouping))
def test_sums_equal_the_transactions_to_the_wh_and_the_cent(by: Grouping, many: list[Transaction]) -> None:
    report = reports.make(by, FIRST, LAST, zone=BERLIN)
    assert len(report.rows) > 3
    for currency in ("EUR", "JPY", ""):
        own = [row for row in many if row.currency == currency]
        (total,) = [row for row in report.totals if row.currency == currency]
        assert total == Row(
            "",
            currency,
            len(own),
            sum(row.energy_wh or 0 for row in own),
            sum(row.duration_s or 0 for row in own),
            sum(row.cost_minor or 0 for row in own) if currency else None,
            sum(row.energy_wh is None for row in own),
            sum(row.doubtful_wh or 0 for row in own),
        )


GROUP_OF: dict[Grouping, Callable[[Transaction], str]] = {
    Grouping.TAG: lambda row: row.id_tag,
    Grouping.OWNER: lambda row: "" if row.owner is None else row.owner.get_username(),
    Grouping.CHARGE_POINT: lambda row: row.charge_point.identity,
    Grouping.SITE: lambda row: "" if row.charge_point.site is None else row.charge_point.site.name,
    Grouping.MONTH: lambda row: f"{row.stopped_at.astimezone(BERLIN):%Y-%m}" if row.stopped_at else "",
}


@pytest.mark.parametrize("by", list(Grouping))
def test_every_row_equals_its_transactions(by: Grouping, many: list[Transaction]) -> None:
    rows = Transaction.objects.select_related("owner", "charge_point__site")
    for found in report_of(by):
        own = [row for row in rows if (GROUP_OF[by](row), row.currency) == (found.name, found.currency)]
        assert found.sessions == len(own) > 0
        assert found.energy_wh == sum(row.energy_wh or 0 for row in own)
        assert (found.cost_minor or 0) == sum(row.cost_minor or 0 for row in own)


@pytest.mark.parametrize("by", list(Grouping))
def test_a_report_is_one_query(by: Grouping, many: list[Transaction]) -> None:
    with CaptureQueriesContext(connection) as captured:
        report_of(by)
    assert len(captured) == 1


# -- command -----------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("report", *arguments, stdout=output)
    return output.getvalue()


def test_command_prints_a_table() -> None:
    make_transaction(id_tag="TAG1")
    make_transaction(id_tag="T2", energy_wh=12_345, cost_minor=1234, duration_s=90_061)
    make_transaction(id_tag="T2", energy_wh=None, doubtful_wh=77, cost_minor=0)
    assert run("--from", "2026-03-01", "--to", "2026-03-31").splitlines() == [
        "tag    sessions  energy_kwh  duration   cost  currency  sessions_in_doubt  energy_in_doubt_kwh",
        "T2            2      12.345  26:01:01  12.34       EUR                  1                0.077",
        "TAG1          1       1.000   1:00:00   0.40       EUR                  0                0.000",
        "total         3      13.345  27:01:01  12.74       EUR                  1                0.077",
    ]


def test_command_writes_csv_without_formulas(tmp_path: Any) -> None:
    make_transaction(id_tag="=cmd()")
    out = tmp_path / "report.csv"
    assert run("--from", "2026-01-01", "--to", "2026-12-31", "--format", "csv", "--output", str(out)) == ""
    assert out.read_bytes().decode() == (
        "tag,sessions,energy_kwh,duration,cost,currency,sessions_in_doubt,energy_in_doubt_kwh\r\n"
        "'=cmd(),1,1.000,1:00:00,0.40,EUR,0,0.000\r\n"
    )
    assert run("--from", "2026-01-01", "--to", "2026-12-31", "--format", "csv") == out.read_bytes().decode()


def test_command_is_of_this_month_and_of_all_organisations_unless_told() -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    now = datetime.now(UTC)
    make_transaction(ended=now)
    make_transaction(ended=now, organisation=other, id_tag="THEIRS")
    make_transaction(ended=now - timedelta(days=40), id_tag="EARLIER")
    names = [line.split()[0] for line in run().splitlines()]
    assert names == ["tag", "TAG1", "THEIRS", "total"]
    assert [line.split()[0] for line in run("--organisation", "other").splitlines()] == ["tag", "THEIRS", "total"]
    by_site = run("--by", "site").splitlines()
    assert [line.split()[0] for line in by_site] == ["site", "-", "total"]


def test_command_has_days_of_a_time_zone() -> None:
    make_transaction(ended=datetime(2026, 2, 28, 23, 30, tzinfo=UTC))
    days = ("--from", "2026-03-01", "--to", "2026-03-01")
    assert len(run(*days).splitlines()) == 1
    assert len(run(*days, "--time-zone", "Europe/Berlin").splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--from", "1.3.2026"), "1.3.2026 is no day. Write it as 2026-01-31."),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "is after --to 2026-03-01"),
        (("--time-zone", "Mars/Base"), "is no time zone. Use a name such as Europe/Berlin."),
        (("--organisation", "nope"), "There is no organisation nope"),
        (("--output", "/no/such/dir/file"), "cannot be written"),
    ],
)
def test_command_says_what_to_do(arguments: tuple[str, ...], error: str) -> None:
    with pytest.raises(CommandError) as raised:
        run(*arguments)
    assert error in str(raised.value)
