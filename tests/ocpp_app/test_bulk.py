"""Set-based writes: the same rows on both databases, and values that fit their columns."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ocpp_app import bulk
from ocpp_app.models import (
    ChargePoint,
    Command,
    Connector,
    Direction,
    IdTag,
    Inquiry,
    Message,
    MeterValue,
    Session,
    Transaction,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def charge_point() -> ChargePoint:
    return ChargePoint.objects.create(identity="CP001")


def transaction_at(charge_point: ChargePoint, number: int = 1) -> Transaction:
    connector, _created = Connector.objects.get_or_create(charge_point=charge_point, number=number)
    return Transaction.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=connector,
        started_at=NOW,
        start_received_at=NOW,
        meter_start_wh=0,
    )


def command_of(charge_point: ChargePoint, **fields: Any) -> Command:
    return Command.objects.create(
        charge_point=charge_point, action="Reset", payload={}, timeout_s=1, created_at=NOW, **fields
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"name": "Ä\n'\"%s\\", "vendor": ""}, id="text"),
        pytest.param({"last_seen_at": NOW, "last_boot_at": datetime(1, 1, 1, tzinfo=UTC)}, id="times"),
        pytest.param({"last_seen_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)}, id="the end of time"),
        pytest.param({"last_seen_at": None, "heartbeat_interval_s": None, "auto_remote_start": None}, id="nothing"),
        pytest.param({"auto_remote_start": True, "is_strict": False}, id="booleans"),
        pytest.param({"heartbeat_interval_s": 0, "call_timeout_s": 2**31 - 1}, id="integers"),
    ],
)
def test_update_of_a_charge_point(values: dict[str, Any], charge_point: ChargePoint) -> None:
    other = ChargePoint.objects.create(identity="CP002", name="untouched")
    for name, value in values.items():
        setattr(charge_point, name, value)
    bulk.update([charge_point], values)
    charge_point.refresh_from_db()
    assert {name: getattr(charge_point, name) for name in values} == values
    other.refresh_from_db()
    assert (other.name, other.last_seen_at) == ("untouched", None)


@pytest.mark.parametrize(
    "values",
    [
        {"meter_stop_wh": 2**63 - 1, "energy_wh": -(2**63), "last_power_w": 1e-12},
        {"meter_stop_wh": None, "last_soc_percent": 0.1, "stopped_at": NOW, "is_active": False},
        {"tag_id": None, "reservation_id": 2**40},
    ],
)
def test_update_of_a_transaction(values: dict[str, Any], charge_point: ChargePoint) -> None:
    row = transaction_at(charge_point)
    row.tag = IdTag.objects.create(id_tag="TAG1")
    for name, value in values.items():
        setattr(row, name, value)
    bulk.update([row], values)
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in values} == values


@pytest.mark.parametrize(
    "values",
    [
        {"response": {"status": "Accepted", "list": [1, 2.5, None, True], "text": "Ä'\"%s"}, "status": "Accepted"},
        {"response": None, "error_details": {}, "session_id": None, "is_late": True},
        {"response": "text", "error_details": [], "finished_at": NOW},
        {"response": 17, "error_details": False},
    ],
)
def test_update_of_a_command(values: dict[str, Any], charge_point: ChargePoint) -> None:
    """JSON, UUIDs as primary and as foreign keys, floats."""
    session = Session.objects.create(charge_point=charge_point, connected_at=NOW)
    row = command_of(charge_point, session=session, response={"old": 1})
    for name, value in values.items():
        setattr(row, name, value)
    bulk.update([row], values)
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in values} == values


def test_none_in_json_is_null_in_the_database(charge_point: ChargePoint) -> None:
    row = command_of(charge_point, response={"old": 1})
    row.response = None
    bulk.update([row], ["response"])
    assert Command.objects.filter(response__isnull=True).exists()


def test_rows_keep_their_own_values_and_types_when_the_first_has_none(charge_point: ChargePoint) -> None:
    rows = [transaction_at(charge_point, number) for number in range(1, 5)]
    for number, row in enumerate(rows):
        row.energy_wh = None if number == 0 else number
        row.stopped_at = None if number % 2 == 0 else NOW + timedelta(seconds=number)
        row.stop_reason = "" if number == 0 else f"reason {number}"
    with CaptureQueriesContext(connection) as captured:
        bulk.update(rows, ["energy_wh", "stopped_at", "stop_reason"])
    assert len(captured) == 1
    found = Transaction.objects.order_by("pk").values_list("energy_wh", "stopped_at", "stop_reason")
    assert list(found) == [
        (None, None, ""),
        (1, NOW + timedelta(seconds=1), "reason 1"),
        (2, None, "reason 2"),
        (3, NOW + timedelta(seconds=3), "reason 3"),
    ]


def test_more_rows_than_one_statement_takes(charge_point: ChargePoint) -> None:
    connectors = [Connector(charge_point=charge_point, number=number) for number in range(12_000)]
    Connector.objects.bulk_create(connectors)
    rows = list(Connector.objects.all())
    for row in rows:
        row.status, row.error_code = f"S{row.number}", 7  # type: ignore[assignment]  # for Django to make text of
    with CaptureQueriesContext(connection) as captured:
        bulk.update(rows, ["status", "error_code"])
    assert len(captured) == 2  # 3 parameters each, 30 000 for a statement
    assert Connector.objects.filter(error_code="7").count() == 12_000
    assert Connector.objects.get(number=11_999).status == "S11999"


def test_upsert_inserts_or_updates_the_named_fields_and_no_others() -> None:
    one, two = (ChargePoint.objects.create(identity=f"CP{number}") for number in (1, 2))
    Inquiry.objects.create(charge_point=one, due_at=None, told="Pending", unanswered=3)
    later = NOW + timedelta(hours=1)
    rows = [Inquiry(charge_point=row, due_at=later, told="Accepted") for row in (one, two)]
    with CaptureQueriesContext(connection) as captured:
        bulk.upsert(rows, "charge_point", ["due_at"])
    assert len(captured) == 1
    found = Inquiry.objects.values_list("charge_point", "due_at", "told", "unanswered")
    assert list(found.order_by("charge_point")) == [(one.pk, later, "Pending", 3), (two.pk, later, "Accepted", 0)]
    assert not rows[0]._state.adding


def message_of(charge_point: ChargePoint, **fields: Any) -> Message:
    return Message(charge_point=charge_point, direction=Direction.INBOUND, at=NOW, **fields)


def test_nul_characters_and_overlong_text_are_made_to_fit(charge_point: ChargePoint) -> None:
    bulk.insert([message_of(charge_point, raw="a\x00b", unique_id="u" * 300, action="x\x00" * 200)])
    row = Message.objects.get()
    assert (row.raw, row.unique_id, row.action) == ("a\\x00b", "u" * 255, ("x\\x00" * 200)[:255])
    row.answer, row.action = "\x00", "y" * 256
    bulk.update([row], ["answer", "action"])
    row.refresh_from_db()
    assert (row.answer, row.action) == ("\\x00", "y" * 255)


def test_nul_characters_in_json_are_made_to_fit(charge_point: ChargePoint) -> None:
    row = command_of(charge_point)
    row.response = {"key\x00": ["a\x00b", {"c": "\x00"}], "number": 1}
    bulk.update([row], ["response"])
    row.refresh_from_db()
    assert row.response == {"key\\x00": ["a\\x00b", {"c": "\\x00"}], "number": 1}


def meter_value(connector: Connector, digest: uuid.UUID) -> MeterValue:
    return MeterValue(
        connector=connector, timestamp=NOW, received_at=NOW, digest=digest, sampled_values=[{"value": "1"}]
    )


def test_conflicts_are_ignored_only_on_demand(charge_point: ChargePoint) -> None:
    connector = Connector.objects.create(charge_point=charge_point, number=1)
    same, other = uuid.uuid4(), uuid.uuid4()
    bulk.insert([meter_value(connector, same)])
    bulk.insert([meter_value(connector, same), meter_value(connector, other)], ignore_conflicts=True)
    bulk.insert([meter_value(connector, other), meter_value(connector, other)], ignore_conflicts=True)
    assert set(MeterValue.objects.values_list("digest", flat=True)) == {same, other}
    assert MeterValue.objects.count() == 2


def test_rows_of_a_model_are_inserted_by_one_statement(charge_point: ChargePoint) -> None:
    with CaptureQueriesContext(connection) as captured:
        bulk.insert([message_of(charge_point, raw=str(number)) for number in range(64)])
    assert len(captured) == 1
    assert Message.objects.count() == 64


def test_reserved_ids_are_given_to_nobody_else(charge_point: ChargePoint) -> None:
    reserved = [*bulk.reserve_ids(Transaction, 3), *bulk.reserve_ids(Transaction, 1)]
    assert len(set(reserved)) == 4
    later = transaction_at(charge_point)
    assert later.pk > max(reserved)
    assert bulk.reserve_ids(Transaction, 1)[0] > later.pk


def test_several_models_are_written_in_one_go(charge_point: ChargePoint) -> None:
    connector = Connector.objects.create(charge_point=charge_point, number=1)
    (number,) = bulk.reserve_ids(Transaction, 1)
    row = Transaction(
        pk=number,
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=connector,
        started_at=NOW,
        start_received_at=NOW,
        meter_start_wh=0,
    )
    value = meter_value(connector, uuid.uuid4())
    value.transaction = row
    connector.status = "Charging"
    with CaptureQueriesContext(connection) as captured:
        writes = bulk.Writes()
        writes.insert([row])
        writes.insert([value], ignore_conflicts=True)
        writes.update([connector], ["status"])
        writes.run()
    assert len(captured) == 3  # in one round trip when nobody looks on
    assert MeterValue.objects.get().transaction == Transaction.objects.get(pk=number)
    connector.refresh_from_db()
    assert connector.status == "Charging"


def test_no_rows_are_no_statement() -> None:
    with CaptureQueriesContext(connection) as captured:
        bulk.insert([])
        bulk.update([], ["status"])
        bulk.upsert([], "charge_point", ["due_at"])
    assert len(captured) == 0
