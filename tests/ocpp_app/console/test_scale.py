"""Pages over 10 000 charge points and many messages: few queries, none that reads a big table to its end."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ocpp_app.models import (
    Anomaly,
    ChargePoint,
    Command,
    CommandBatch,
    Connector,
    Direction,
    Message,
    MeterValue,
    RegistrationStatus,
    Role,
    Session,
    Transaction,
)
from scripts.screenshots.pages import BUTTONS
from tests.ocpp_app.console.test_access import FOUNDS
from tests.ocpp_app.console.world import FREE, Tenant, addresses, person

CHARGE_POINTS = 10_000
BIG = ("message", "metervalue", "session", "transaction", "command", "statushistory", "auditentry", "anomaly")
"""Tables that grow with time: a query of theirs is led by an index, or ends after so many rows."""
MOST_QUERIES = 26


@pytest.fixture
def crowded(ours: Tenant) -> Tenant:
    """An organisation with 10 000 charge points, and one of them with much to tell."""
    now, organisation = datetime.now(UTC), ours.organisation
    made = ChargePoint.objects.bulk_create(
        ChargePoint(
            organisation=organisation,
            identity=f"CP{number:05}",
            registration_status=RegistrationStatus.PENDING if number % 100 == 0 else RegistrationStatus.ACCEPTED,
        )
        for number in range(CHARGE_POINTS)
    )
    Connector.objects.bulk_create(
        Connector(charge_point=one, number=1, status="Faulted" if number % 50 == 0 else "Available")
        for number, one in enumerate(made)
    )
    busy, connector = ours.charge_point, ours.charge_point.connectors.get(number=1)
    Message.objects.bulk_create(
        Message(
            charge_point=busy,
            direction=Direction.INBOUND,
            action="Heartbeat",
            raw="[]",
            at=now - timedelta(seconds=number),
        )
        for number in range(5000)
    )
    Session.objects.bulk_create(
        Session(
            charge_point=busy, connected_at=now - timedelta(hours=number + 1), ended_at=now - timedelta(hours=number)
        )
        for number in range(500)
    )
    batches = CommandBatch.objects.bulk_create(
        CommandBatch(organisation=organisation, action="Reset", payload={}, size=2, created_at=now) for _ in range(100)
    )
    Command.objects.bulk_create(
        Command(charge_point=busy, batch=batch, action="Reset", payload={}, timeout_s=30, created_at=now, state="lost")
        for batch in batches * 2
    )
    Transaction.objects.bulk_create(
        Transaction(
            organisation=organisation,
            charge_point=busy,
            connector=connector,
            id_tag="TAG1",
            id_tag_status="Accepted",
            started_at=now - timedelta(hours=number),
            start_received_at=now,
            stopped_at=now,
            meter_start_wh=0,
            is_active=False,
        )
        for number in range(1000)
    )
    MeterValue.objects.bulk_create(
        MeterValue(
            connector=connector,
            transaction=ours.transaction,
            timestamp=now - timedelta(seconds=number),
            received_at=now,
            digest=uuid.uuid4(),
            sampled_values=[],
            power_w=1000,
        )
        for number in range(500)
    )
    ended = Transaction.objects.filter(charge_point=busy, is_active=False)
    Anomaly.objects.bulk_create(
        Anomaly(transaction=one, kind="lower_meter", found_at=now, resolved_at=now, note="seen") for one in ended
    )
    if connection.vendor == "postgresql":  # does so by itself; nobody ever does it to SQLite
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return ours


@pytest.fixture
def index_scans(db: None) -> None:
    """PostgreSQL reads small tables whole; what it would do with a big one shows when it may not."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def unled(sql: str) -> list[str]:
    """The big tables that a query reads to their end, by the database's own plan."""
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(explain + sql.replace("%", "%%") if connection.vendor == "sqlite" else explain + sql)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    partial = r"(?! USING (?:COVERING )?INDEX (?:ocpp_tx_open|ocpp_anomaly_open|ocpp_failed_message_open))"
    scan = r"Seq Scan on ocpp_app_(\w+)" if connection.vendor == "postgresql" else rf"SCAN ocpp_app_(\w+)\b{partial}"
    found = {table for table in re.findall(scan, plan) if table in BIG}
    is_cut = " LIMIT " in sql and "TEMP B-TREE FOR ORDER BY" not in plan and "Sort" not in plan
    return [] if is_cut else [f"{table}: {plan}\n{sql}" for table in sorted(found)]


@pytest.mark.timeout(180)  # ten thousand rows, on a machine that may be busy
@pytest.mark.usefixtures("index_scans")
def test_pages_ask_few_bounded_questions(crowded: Tenant) -> None:
    named = addresses(crowded)
    wanted = [(person(crowded, Role.ADMIN), named[name]) for name in sorted(named.keys() - BUTTONS - FREE - FOUNDS)]
    filters = {
        "messages": "?action=Authorize&errors=1",
        "transactions": "?state=odd",
        "charge-points": "?state=faulted&q=CP0",
        "overview": "",
    }
    wanted += [(person(None, is_superuser=True), named[name] + query) for name, query in filters.items()]
    found: list[str] = []
    for client, address in wanted:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200, address
        statements = [one["sql"] for one in captured.captured_queries if one["sql"].startswith("SELECT")]
        assert len(statements) <= MOST_QUERIES, (address, statements)
        if not address.endswith((".csv", ".jsonl")):  # what streams has no end
            found += [f"{address} {line}" for sql in statements for line in unled(sql)]
    assert found == []


def test_the_number_of_queries_does_not_grow_with_the_rows(admin: Client, ours: Tenant) -> None:
    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(address).status_code == 200
        return len(captured)

    lists = ["/charge-points/", "/approval/", "/transactions/", f"/charge-points/{ours.charge_point.pk}/messages/", "/"]
    before = [count(address) for address in lists]
    for number in range(15):
        row = ChargePoint.objects.create(
            organisation=ours.organisation, identity=f"MORE{number}", registration_status="Pending"
        )
        connector = Connector.objects.create(charge_point=row, number=1, status="Faulted")
        Transaction.objects.create(
            organisation=ours.organisation,
            charge_point=row,
            connector=connector,
            id_tag="TAG1",
            started_at=datetime.now(UTC),
            start_received_at=datetime.now(UTC),
            meter_start_wh=0,
        ).anomalies.create(kind="lower_meter", found_at=datetime.now(UTC))
        Message.objects.create(
            charge_point=ours.charge_point, direction="in", action="Heartbeat", raw="[]", at=datetime.now(UTC)
        )
    assert [count(address) for address in lists] == before
