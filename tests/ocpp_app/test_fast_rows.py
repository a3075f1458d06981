"""The fast path of bulk writes: what it writes equals what Django writes, and the models of frames take it."""

import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import audit, bulk, fast_rows, round_trips
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    AuditEntry,
    ChargePoint,
    Command,
    CommandState,
    Connector,
    Direction,
    Gateway,
    IdTag,
    Inquiry,
    Message,
    MeterValue,
    Session,
    StatusHistory,
    Transaction,
)
from ocppj.frames import MessageType
from tests.ocpp_app.conftest import commits

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=fixed(timedelta(hours=2)))
TEXT = "Ä\n'\"%s\\ \\u0041 {}; DROP"


@pytest.fixture
def charge_point() -> ChargePoint:
    return ChargePoint.objects.create(identity="CP001")


@pytest.fixture
def connector(charge_point: ChargePoint) -> Connector:
    return Connector.objects.create(charge_point=charge_point, number=1)


def transaction_of(connector: Connector) -> Transaction:
    return Transaction(
        organisation=connector.charge_point.organisation,
        charge_point=connector.charge_point,
        connector=connector,
        id_tag=TEXT,
        tag=IdTag.objects.get(id_tag="anonymous"),
        id_tag_status="Accepted",
        started_at=NOW,
        start_timestamp=datetime(1, 1, 1, tzinfo=UTC),
        start_received_at=NOW,
        meter_start_wh=2**62,
        energy_wh=-1,
        last_power_w=1e-12,
        last_soc_percent=float("inf"),
    )


def anomaly_of(connector: Connector) -> Anomaly:
    transaction = transaction_of(connector)
    transaction.save()
    return Anomaly(transaction=transaction, kind=AnomalyKind.LOWER_METER, detail=TEXT, raw=TEXT, found_at=NOW)


MAKERS: dict[str, Callable[[Connector], models.Model]] = {
    "Inquiry": lambda connector: Inquiry(charge_point=connector.charge_point, due_at=NOW, told=TEXT[:20], unanswered=2),
    "Message": lambda connector: Message(
        charge_point=connector.charge_point,
        session_id=uuid.uuid4(),
        direction=Direction.INBOUND,
        unique_id=TEXT,
        raw=TEXT,
        at=NOW,
        answer_type=MessageType.call_result,
    ),
    "MeterValue": lambda connector: MeterValue(
        connector=connector,
        timestamp=NOW,
        received_at=NOW,
        digest=uuid.uuid4(),
        sampled_values=[{"value": TEXT, "n": 0.1, "none": None, "list": [True, 17, -1.5e300]}],
        energy_wh=12,
        power_w=0.1,
        current_a=-0.0,
    ),
    "StatusHistory": lambda connector: StatusHistory(
        connector=connector, status="Charging", error_code="NoError", info=TEXT, received_at=NOW
    ),
    "Transaction": transaction_of,
    "Anomaly": anomaly_of,
    "Session": lambda connector: Session(charge_point=connector.charge_point, path=TEXT, secure=True, connected_at=NOW),
    "Command": lambda connector: Command(
        charge_point=connector.charge_point,
        action="Reset",
        payload={"type": TEXT},
        state=CommandState.DISPATCHED,
        timeout_s=30,
        delay_s=0.5,
        created_at=NOW,
        error_details={"a": [1, {"b": "c"}]},
    ),
}


def stored(row: models.Model) -> dict[str, Any]:
    """The newest row of this model as Django reads it, without what makes every row another."""
    found = type(row)._default_manager.order_by("pk").last()
    assert found is not None
    fields = [field for field in row._meta.concrete_fields if not (field.primary_key or field.unique)]
    return {field.attname: (getattr(found, field.attname), as_kept(found, field)) for field in fields}


def as_kept(row: models.Model, field: Any) -> str:
    """The value as the table has it: on SQLite that may be of any type."""
    if connection.vendor != "sqlite":
        return ""
    table, key = row._meta.db_table, row._meta.pk
    assert key is not None
    with connection.cursor() as cursor:
        newest = f'ORDER BY "{key.column}" DESC LIMIT 1'
        cursor.execute(f'SELECT typeof("{field.column}") || quote("{field.column}") FROM "{table}" {newest}')
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "with another"])
@pytest.mark.parametrize("name", MAKERS)
def test_an_insert_writes_what_django_writes(name: str, is_alone: bool, connector: Connector) -> None:
    row = MAKERS[name](connector)
    type(row)._default_manager.bulk_create([row])
    expected = stored(row)
    type(row)._default_manager.all().delete()
    row.pk = None if isinstance(row._meta.pk, models.AutoField) else row.pk
    rows = [row] if is_alone else [row, row]
    statement = fast_rows.insert(rows, ignore_conflicts=not is_alone)  # of some there may be but one
    assert statement is not None, "the fast path does not take this model any more"
    round_trips.run([statement])
    assert stored(row) == expected


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "with another"])
@pytest.mark.parametrize("name", MAKERS)
def test_an_update_writes_what_django_writes(name: str, is_alone: bool, connector: Connector) -> None:
    row = MAKERS[name](connector)
    type(row)._default_manager.bulk_create([row])
    expected = stored(row)
    names = [field.name for field in row._meta.concrete_fields if field.null and field.attname in expected]
    type(row)._default_manager.update(**dict.fromkeys(names))
    statement = fast_rows.update([row] if is_alone else [row, row], names)
    assert statement is not None, "the fast path does not take this model any more"
    round_trips.run([statement])
    assert stored(row) == expected


def test_a_row_gets_the_time_at_which_it_is_inserted() -> None:
    began, row = timezone.now(), audit.entry("tried", detail=TEXT)
    statement = fast_rows.insert([row], ignore_conflicts=False)
    assert statement is not None
    round_trips.run([statement])
    found = AuditEntry.objects.get()
    assert began <= found.at == row.at <= timezone.now()
    assert (found.action, found.detail) == ("tried", TEXT)


def test_what_django_fills_in_again_and_again_is_left_to_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    fast_rows._columns.cache_clear()
    monkeypatch.setattr(ChargePoint._meta.get_field("created_at"), "auto_now", True)
    try:
        assert fast_rows.insert([ChargePoint(identity="CP002")], ignore_conflicts=False) is None
    finally:
        fast_rows._columns.cache_clear()


def test_what_the_database_fills_in_is_left_to_the_plain_path() -> None:
    gateway = Gateway(pk=1, name="gateway-1")
    assert isinstance(gateway.last_announced_at, models.Expression)
    assert fast_rows.update([gateway], ["last_announced_at"]) is None
    gateway.last_announced_at = NOW
    assert fast_rows.update([gateway], ["last_announced_at"]) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", 17),
        ("action", ["a"]),
        ("answer_type", "3"),
        ("at", "2026-01-31"),
        ("session_id", "no UUID"),
        ("raw", "NUL \x00"),
    ],
)
def test_a_value_of_another_kind_is_left_to_the_plain_path(connector: Connector, name: str, value: object) -> None:
    row = MAKERS["Message"](connector)
    setattr(row, name, value)
    assert fast_rows.insert([row], ignore_conflicts=False) is None


def test_json_with_a_nul_character_is_left_to_be_made_to_fit(connector: Connector) -> None:
    row = MAKERS["MeterValue"](connector)
    row.sampled_values = [{"value": "NUL \x00"}]  # type: ignore[attr-defined]
    assert fast_rows.insert([row], ignore_conflicts=False) is None
    bulk.insert([row])
    assert MeterValue.objects.get().sampled_values == [{"value": "NUL \\x00"}]


def test_a_parent_that_got_its_key_late_is_left_to_the_plain_path(connector: Connector) -> None:
    transaction = transaction_of(connector)
    row = Anomaly(transaction=transaction, kind=AnomalyKind.ORPHANED, found_at=NOW)
    transaction.save()
    assert fast_rows.insert([row], ignore_conflicts=False) is None


def test_an_upsert_writes_what_django_writes(charge_point: ChargePoint) -> None:
    kept, new = charge_point, ChargePoint.objects.create(identity="CP002")
    changed = ["due_at", "told"]

    def upserted(write: Callable[[list[Any]], Any]) -> list[Any]:
        Inquiry.objects.all().delete()
        Inquiry.objects.create(charge_point=kept, told="Pending", unanswered=3)
        write([Inquiry(charge_point=row, due_at=NOW, told=TEXT[:20], unanswered=5) for row in (kept, new)])
        return [stored(Inquiry.objects.get(charge_point=row)) for row in (kept, new)]

    django = upserted(
        lambda rows: Inquiry.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["charge_point"], update_fields=changed
        )
    )
    assert upserted(lambda rows: bulk.upsert(rows, "charge_point", changed)) == django


@transaction.atomic
def swallow_the_error(rows: list[Connector]) -> None:
    charge_point = rows[0].charge_point
    Connector.objects.create(charge_point=charge_point, number=4)
    with suppress(IntegrityError):
        bulk.insert(rows)
    bulk.insert([Connector(charge_point=charge_point, number=5)])


@pytest.mark.parametrize("looks_on", [True, False], ids=["somebody looks on", "nobody looks on"])
@pytest.mark.parametrize("numbers", [(1,), (2, 3, 1)], ids=["alone", "with others"])
@commits
def test_rows_are_written_together_or_not_at_all(numbers: tuple[int, ...], looks_on: bool) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    Connector.objects.create(charge_point=charge_point, number=1)
    rows = [Connector(charge_point=charge_point, number=number) for number in numbers]
    with pytest.raises(IntegrityError), CaptureQueriesContext(connection) if looks_on else nullcontext():
        bulk.insert(rows)
    assert Connector.objects.count() == 1
    with pytest.raises(DatabaseError):
        swallow_the_error(rows)
    assert Connector.objects.count() == 1
    bulk.insert(rows, ignore_conflicts=True)
    assert set(Connector.objects.values_list("number", flat=True)) == {1, *numbers}


def test_a_connection_that_binds_on_the_server_gets_one_statement_at_a_time(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", True)
    statements = [fast_rows.insert([MAKERS["Message"](connector)], ignore_conflicts=False) for _ in range(2)]
    round_trips.run([statement for statement in statements if statement is not None])
    assert Message.objects.count() == 2
