"""What goes with a charge point, also what a worker is just writing."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import connection, models
from django.db.models import ProtectedError

from ocpp_app.batch import Batch
from ocpp_app.dispatch import commit
from ocpp_app.models import ChargePoint, Connector, Message, MeterValue, StatusHistory, Transaction
from scripts.services.processes import wait_for

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WRITTEN: tuple[type[models.Model], ...] = (Message, MeterValue, StatusHistory)
"""What has no foreign key in the database."""

Delete = Callable[[ChargePoint], object]
DELETIONS: dict[str, Delete] = {
    "charge point": lambda row: row.delete(),
    "some charge points": lambda row: ChargePoint.objects.filter(identity__in=[row.identity]).delete(),
    "connector": lambda row: row.connectors.get().delete(),
    "some connectors": lambda row: row.connectors.all().delete(),
}


def write(connector: Connector, batch: Batch) -> None:
    charge_point = connector.charge_point
    batch.add(Message(charge_point=charge_point, direction="in", raw="[]", at=NOW))
    batch.add(MeterValue(connector=connector, timestamp=NOW, received_at=NOW, digest=uuid.uuid4(), sampled_values=[]))
    batch.add(StatusHistory(connector=connector, status="Available", error_code="NoError", received_at=NOW))


def is_waited_for() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time, and its own foreign keys"
)
@pytest.mark.parametrize("deletion", DELETIONS)
def test_what_a_worker_is_just_writing_goes_as_well(deletion: str) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    connector = Connector.objects.create(charge_point=charge_point, number=1)
    is_locked = threading.Event()

    def handle(batch: Batch) -> None:
        batch.lock_charge_points(["CP001"])
        is_locked.set()
        wait_for(is_waited_for, 10)
        write(connector, batch)

    def work() -> None:
        try:
            commit(handle)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert is_locked.wait(10)
    DELETIONS[deletion](charge_point)
    worker.join(10)
    assert not worker.is_alive()
    assert [model for model in (Connector, MeterValue, StatusHistory) if model._default_manager.exists()] == []
    assert Message.objects.exists() == ("connector" in deletion)


@pytest.mark.django_db
@pytest.mark.parametrize("deletion", DELETIONS)
def test_all_that_was_written_goes(deletion: str) -> None:
    for identity in ("CP001", "CP002"):
        connector = Connector.objects.create(charge_point=ChargePoint.objects.create(identity=identity), number=1)
        commit(partial(write, connector))
    DELETIONS[deletion](ChargePoint.objects.get(identity="CP001"))
    assert {row.connector.charge_point.identity for row in MeterValue.objects.all()} == {"CP002"}
    assert {row.connector.charge_point.identity for row in StatusHistory.objects.all()} == {"CP002"}
    assert Message.objects.filter(charge_point__identity="CP001").exists() == ("connector" in deletion)
    assert Message.objects.filter(charge_point__identity="CP002").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("deletion", DELETIONS)
def test_nothing_goes_that_has_charged(deletion: str) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    connector = Connector.objects.create(charge_point=charge_point, number=1)
    Transaction.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=connector,
        started_at=NOW,
        start_received_at=NOW,
        meter_start_wh=1,
    )
    with pytest.raises(ProtectedError):
        DELETIONS[deletion](charge_point)
    connector.refresh_from_db()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite a table would have to be copied")
def test_rows_of_every_frame_are_not_compared_one_by_one() -> None:
    with connection.cursor() as cursor:
        tables = [model._meta.db_table for model in WRITTEN]
        cursor.execute(
            "SELECT conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a"
            " ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
            " WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)",
            [tables],
        )
        assert set(cursor.fetchall()) == {("ocpp_app_message", "command_id"), ("ocpp_app_metervalue", "transaction_id")}
