"""Which indexes there are: enough that every parent's rows are found, and none that another one makes needless."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import triggers
from ocpp_app.models import (
    ChargePoint,
    Command,
    Event,
    Message,
    MeterValue,
    Session,
    StatusHistory,
    Transaction,
    WebhookDelivery,
)
from ocppj.ordered import put_time_first

pytestmark = pytest.mark.django_db

MODELS = list(apps.get_app_config("ocpp_app").get_models())
PARTIAL = re.compile(r"\bWHERE\b(.*)", re.DOTALL)
LIKE = "_like"
"""PostgreSQL only: for LIKE, beside an index for the rest."""


@dataclass(frozen=True)
class Found:
    """An index as the database has it."""

    name: str
    columns: tuple[str, ...]
    condition: str
    is_unique: bool
    falls: bool

    @property
    def has_all_that_are_not_null(self) -> bool:
        return not self.condition or self.condition == f"{self.columns[0]} IS NOT NULL"


def indexes(model: type[models.Model]) -> Iterator[Found]:
    """The B-trees of a model's table."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        constraints: Any = connection.introspection.get_constraints(cursor, table)
        if connection.vendor == "postgresql":
            cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table])
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = %s", [table])
        definitions = dict(cursor.fetchall())
    for name, one in constraints.items():
        is_unique = one["unique"] or one["primary_key"]
        if (one["index"] or is_unique) and one.get("type") in (None, "idx") and all(one["columns"] or [None]):
            condition = PARTIAL.search(definitions.get(name) or "")
            where = re.sub(r'[()"]', "", condition[1]).strip() if condition else ""
            yield Found(name, tuple(one["columns"]), where, is_unique, "DESC" in (one.get("orders") or ()))


@pytest.mark.parametrize("model", MODELS)
def test_no_index_is_the_beginning_of_another(model: type[models.Model]) -> None:
    found = [index for index in indexes(model) if not index.name.endswith(LIKE)]
    needless = [
        (index.name, other.name)
        for index in found
        for other in found
        if not index.is_unique and index != other and index.condition == other.condition
        if index.columns == other.columns[: len(index.columns)]
    ]
    assert needless == []


@pytest.mark.parametrize(
    "model", [Command, Event, Message, MeterValue, Session, StatusHistory, Transaction, WebhookDelivery]
)
def test_whole_indexes_of_tables_that_grow_rise_with_time(model: type[models.Model]) -> None:
    assert [index.name for index in indexes(model) if index.falls and not index.condition] == []


@pytest.mark.parametrize("model", MODELS)
def test_the_rows_of_every_parent_are_found_by_an_index(model: type[models.Model]) -> None:
    """Or who deletes the parent looks through them all."""
    led = {index.columns[0] for index in indexes(model) if index.has_all_that_are_not_null}
    parents = {field.column for field in model._meta.local_fields if isinstance(field, models.ForeignKey)}
    assert parents <= led


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (Transaction.objects.filter(owner=5), "ocpp_tx_owner"),
        (Transaction.objects.filter(owner__in=[5, 6]), "ocpp_tx_owner"),
        (Transaction.objects.filter(closed_by_user=5), "ocpp_tx_closed_by"),
        (Transaction.objects.filter(tariff=5), "ocpp_tx_tariff"),
        (ChargePoint.objects.filter(site=5), "ocpp_point_site"),
        (ChargePoint.objects.filter(tariff=5), "ocpp_point_tariff"),
    ],
)
def test_an_index_of_those_that_are_not_empty_leads_to_them(rows: Any, name: str) -> None:
    _use_indexes()
    assert name in rows.order_by().values("pk").explain()


@pytest.mark.skipif("connection.vendor != 'postgresql'")
@pytest.mark.parametrize("column", ["owner_id", "closed_by_user_id", "tariff_id"])
def test_postgresql_looks_for_the_rows_of_a_deleted_parent_by_such_an_index(column: str) -> None:
    """Its own check is a prepared statement with a plan for any value."""
    _use_indexes()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        check = f"SELECT 1 FROM ONLY ocpp_app_transaction x WHERE {column} OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x"
        cursor.execute(f"PREPARE of_parent (integer) AS {check}")
        cursor.execute("EXPLAIN EXECUTE of_parent (5)")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE of_parent")
    assert f"Index Cond: ({column} = $1)" in plan, plan


def _use_indexes() -> None:
    if connection.vendor == "postgresql":  # so few rows would be read without one
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


@pytest.mark.skipif("connection.vendor != 'sqlite'")
@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (Transaction.objects.filter(organisation=5, is_active=True).order_by("-pk")[:50], "ocpp_tx_active_here"),
        (Transaction.objects.filter(organisation=5, has_anomaly=True).order_by("-pk")[:50], "ocpp_tx_odd_here"),
        (Transaction.objects.filter(has_anomaly=True).order_by("-pk")[:50], "ocpp_tx_odd"),
    ],
)
def test_sqlite_takes_the_index_of_few_rows(rows: Any, name: str) -> None:
    """It has no statistics, and takes the newer one of two that look alike to it."""
    assert name in rows.explain()


def test_who_waits_for_a_triggered_message_looks_at_the_newest_ones_of_its_charge_point() -> None:
    charge_point, other = (ChargePoint.objects.create(identity=identity) for identity in ("CP001", "CP002"))
    now = timezone.now()
    Message.objects.bulk_create(Message(charge_point=other, direction="in", raw="[]", at=now) for _number in range(500))
    if connection.vendor == "postgresql":  # of a table that was empty when it was last looked at any index would do
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE ocpp_app_message")
    _use_indexes()
    with CaptureQueriesContext(connection) as captured:
        assert triggers._candidates(charge_point, "Heartbeat", 0) == []
    (query,) = captured.captured_queries
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_indexscan = on; SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(explain + query["sql"])
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "ocpp_message_log" in plan, plan
    assert "at >=" in plan or "at>?" in plan, plan


def test_a_command_is_in_one_message_at_most() -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    command = Command.objects.create(
        charge_point=charge_point, action="Reset", payload={}, timeout_s=30, created_at=charge_point.created_at
    )
    fields = {"charge_point": charge_point, "direction": "out", "raw": "[]", "at": charge_point.created_at}
    Message.objects.create(command=command, **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(command=command, **fields)
    Message.objects.bulk_create(Message(**fields) for _ in range(2))
    _use_indexes()
    if connection.vendor == "postgresql":
        assert "ocpp_message_command" in Message.objects.filter(command__in=[command]).order_by().explain()


def test_the_database_has_the_order_of_time_of_what_begins_with_it() -> None:
    times = [0.0, 1.0, 1_700_000_000.0, 1_700_000_000.001, 4_000_000_000.0]
    charge_point = ChargePoint.objects.create(identity="CP001")
    connector = charge_point.connectors.create(number=1)
    for number, at in enumerate(reversed(times)):
        digest = put_time_first(at, bytes([number] * 16))
        connector.meter_values.create(
            timestamp=charge_point.created_at, received_at=charge_point.created_at, digest=digest, sampled_values=[]
        )
    assert list(MeterValue.objects.order_by("digest").values_list("pk", flat=True)) == list(
        MeterValue.objects.order_by("-pk").values_list("pk", flat=True)
    )
