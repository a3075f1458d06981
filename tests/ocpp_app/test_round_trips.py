"""Statements in one round trip do what they do one by one."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from ocpp_app import round_trips
from ocpp_app.batch import Batch
from ocpp_app.bulk import SENT_AT_ROWS
from ocpp_app.dispatch import commit
from ocpp_app.models import ChargePoint, Direction, Message
from ocpp_app.round_trips import Query, Statement
from tests.ocpp_app.conftest import commits

pytestmark = pytest.mark.django_db


def select(value: object) -> Query[Any]:
    return Query(Statement("SELECT CAST(%s AS text), 1", [value]), lambda rows: rows[0][0])


def test_results_come_in_the_order_of_the_queries() -> None:
    assert round_trips.fetch([select("one"), select("two"), select("Ä'\"%s\\")]) == ["one", "two", "Ä'\"%s\\"]
    assert round_trips.fetch([]) == []
    assert select("alone").fetch() == "alone"


def test_a_later_statement_sees_what_an_earlier_one_wrote() -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    table = connection.ops.quote_name(ChargePoint._meta.db_table)
    for name in ("first", "second"):
        update = Statement(f"UPDATE {table} SET name = %s WHERE id = %s", [name, charge_point.pk])
        round_trips.run([update])
        read = Query(Statement(f"SELECT name FROM {table} WHERE id = %s", [charge_point.pk]), lambda rows: rows[0][0])
        assert round_trips.fetch([read, read]) == [name, name]


def test_an_error_is_djangos_and_the_transaction_can_be_rolled_back() -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    table = connection.ops.quote_name(ChargePoint._meta.db_table)
    update = Statement(f"UPDATE {table} SET name = 'changed' WHERE id = %s", [charge_point.pk])
    wrong = Statement(f"UPDATE {table} SET identity = NULL WHERE id = %s", [charge_point.pk])
    with pytest.raises(IntegrityError), transaction.atomic():
        round_trips.run([update, wrong, update])
    charge_point.refresh_from_db()
    assert charge_point.name == ""
    assert select("usable").fetch() == "usable"


@commits
def test_nothing_of_a_transaction_is_kept_whose_error_somebody_swallowed() -> None:
    """Else a frame would be answered of which nothing is stored."""

    def handle(batch: Batch) -> str:
        batch.lock_charge_points(["CP001"])
        with suppress(IntegrityError):  # a user's, in a middleware
            ChargePoint.objects.create(identity="CP001")
        batch.change(batch.charge_points["CP001"], name="changed")
        return "answer"

    charge_point = ChargePoint.objects.create(identity="CP001")
    with pytest.raises(DatabaseError):
        commit(handle)
    charge_point.refresh_from_db()
    assert charge_point.name == ""


def test_signs_of_sql_are_not_taken_for_parameters() -> None:
    like = Query(Statement("SELECT 'a%%b%%s' || CAST(%s AS text), 7 %% 4", ["%s?"]), lambda rows: tuple(rows[0]))
    assert like.fetch() == ("a%b%s%s?", 3)


def test_who_looks_on_sees_each_statement() -> None:
    seen = []

    def look(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        seen.append(parameters)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(look):
        assert round_trips.fetch([select("one"), select("two")]) == ["one", "two"]
    assert seen == [["one"], ["two"]]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL prepares")
def test_a_statement_is_prepared_once() -> None:
    for number in range(5):
        assert round_trips.fetch([select(str(number))]) == [str(number)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT CAST($1 AS text), 1'")
        assert cursor.fetchone() == (1,)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL keeps plans")
def test_a_plan_of_an_empty_table_is_one_for_a_large_table(transactional_db: None) -> None:
    scans = Query(
        Statement("EXPLAIN SELECT * FROM ocpp_app_connector WHERE charge_point_id = ANY(%s::bigint[])", ["{1,2}"]),
        lambda rows: [line for (line,) in rows if "Scan" in line],
    )
    with transaction.atomic():
        *_ahead, found = round_trips.fetch([*round_trips.by_index(), scans])
    assert found
    assert not [line for line in found if "Seq Scan" in line]
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL keeps plans")
def test_a_join_looks_each_row_up_however_small_the_table_is(transactional_db: None) -> None:
    ChargePoint.objects.bulk_create(ChargePoint(identity=f"CP{number}") for number in range(50))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ocpp_app_chargepoint")
    wanted = "(SELECT unnest(%s::bigint[]) AS id) AS v"
    plan = Query(
        Statement(f"EXPLAIN SELECT 1 FROM ocpp_app_chargepoint AS c JOIN {wanted} ON c.id = v.id", ["{1,2}"]),
        lambda rows: "\n".join(line for (line,) in rows),
    )
    with transaction.atomic():
        *_ahead, found = round_trips.fetch([*round_trips.by_index(), plan])
    assert "Nested Loop" in found


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL compiles")
def test_a_query_that_no_index_helps_is_not_compiled(transactional_db: None) -> None:
    """What is discouraged counts as dear, and what is dear would be compiled; not every project's settings say no."""
    ChargePoint.objects.create(identity="CP001", name="x")
    statement = Statement("EXPLAIN (ANALYZE) SELECT * FROM ocpp_app_chargepoint WHERE name = %s", ["x"])
    explain = Query(statement, lambda rows: "\n".join(line for (line,) in rows))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = on")
        *_ahead, found = round_trips.fetch([*round_trips.by_index(), explain])
    assert "Seq Scan" in found
    assert "JIT" not in found


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL's COMMIT is a round trip")
def test_the_commit_travels_with_the_last_statements(transactional_db: None) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    update = Statement("UPDATE ocpp_app_chargepoint SET name = 'kept' WHERE id = %s", [charge_point.pk])
    with transaction.atomic():
        assert round_trips.run([update], [select("one")], and_commit=True) == ["one"]
        assert connection.connection.info.transaction_status == connection.connection.info.transaction_status.IDLE
    charge_point.refresh_from_db()
    assert charge_point.name == "kept"


def test_a_commit_within_another_transaction_is_that_ones(transactional_db: None) -> None:
    with transaction.atomic():
        commit(lambda batch: batch.add(ChargePoint(identity="CP001")))
        assert ChargePoint.objects.exists()
        transaction.set_rollback(True)
    assert not ChargePoint.objects.exists()


# -- sent ahead ----------------------------------------------------------------------------------------------


def renamed(charge_point: ChargePoint, name: str | None) -> Statement:
    table = connection.ops.quote_name(ChargePoint._meta.db_table)
    return Statement(f"UPDATE {table} SET name = %s WHERE id = %s", [name, charge_point.pk])


def name_of(charge_point: ChargePoint) -> Query[Any]:
    table = connection.ops.quote_name(ChargePoint._meta.db_table)
    return Query(Statement(f"SELECT name FROM {table} WHERE id = %s", [charge_point.pk]), lambda rows: rows[0][0])


def test_what_was_sent_is_done_before_whatever_comes_next(transactional_db: None) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")
    with transaction.atomic():
        round_trips.send([renamed(charge_point, "sent")])
        assert round_trips.fetch_ahead([name_of(charge_point)], [renamed(charge_point, "behind")]) == ["sent"]
        assert ChargePoint.objects.get().name == "behind"  # by the ORM
        round_trips.send([renamed(charge_point, "again")])
        assert round_trips.fetch([name_of(charge_point)]) == ["again"]
        round_trips.send([renamed(charge_point, "last")])
        round_trips.settle()
        round_trips.settle()  # there is nothing to wait for
    charge_point.refresh_from_db()
    assert charge_point.name == "last"
    assert connection.execute_wrappers == []


def test_an_error_of_what_was_sent_comes_with_whatever_is_next(transactional_db: None) -> None:
    charge_point = ChargePoint.objects.create(identity="CP001")

    @transaction.atomic
    def rename() -> None:
        round_trips.send([renamed(charge_point, None)])
        ChargePoint.objects.get()

    with pytest.raises(IntegrityError):
        rename()
    charge_point.refresh_from_db()
    assert charge_point.name == ""
    assert connection.execute_wrappers == []


def test_rows_that_are_sent_ahead_are_those_of_the_batch(transactional_db: None) -> None:
    """At the end of a batch its rows can be queried, by whatever way; an error in one of many leaves none behind."""

    def add(batch: Batch, count: int) -> None:
        for number in range(count):
            batch.add(ChargePoint(identity=f"CP{number}"))
            batch.add(Message(charge_point=charge_point, direction=Direction.INBOUND, raw="[]", at=batch.now))
        batch.at_end(seen, None)

    def seen(batch: Batch, _items: list[None]) -> None:
        counts.append((ChargePoint.objects.count(), Message.objects.count()))
        batch.add(ChargePoint(identity="late"))

    charge_point = ChargePoint.objects.create(identity="first")
    counts: list[tuple[int, int]] = []
    commit(lambda batch: add(batch, 2 * SENT_AT_ROWS))
    assert counts == [(2 * SENT_AT_ROWS + 1, 2 * SENT_AT_ROWS)]
    assert ChargePoint.objects.filter(identity="late").exists()
    with pytest.raises(IntegrityError):
        commit(lambda batch: add(batch, 2 * SENT_AT_ROWS))  # they are here
    assert Message.objects.count() == 2 * SENT_AT_ROWS
    assert connection.execute_wrappers == []
