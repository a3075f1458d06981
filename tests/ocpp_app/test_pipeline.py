"""Statements in one packet: what they give, how they fail, and what is left of the connection then."""

import ipaddress
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection as django_connection

if django_connection.vendor != "postgresql":
    pytest.skip("only PostgreSQL has a pipeline mode", allow_module_level=True)

import psycopg
from psycopg import IsolationLevel, errors, pq

from ocpp_app import pipeline

pytestmark = pytest.mark.django_db

Connection = psycopg.Connection[Any]


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection of our own to the test database."""
    parameters = {**django_connection.get_connection_params(), "prepare_threshold": 1}
    parameters = {name: value for name, value in parameters.items() if name not in ("cursor_factory", "context")}
    with psycopg.connect(**parameters) as connected:
        connected.execute("CREATE TEMPORARY TABLE pg_temp.things (id int PRIMARY KEY, name text)")
        connected.commit()
        yield connected


def names(connection: Connection) -> list[str]:
    (rows,) = pipeline.execute(connection, [("SELECT name FROM things ORDER BY id", [])])
    return [name for (name,) in rows]


def prepared(connection: Connection) -> int:
    found = connection.execute(
        "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_ocpp%%' AND statement <> 'BEGIN'", []
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_each_statement_has_its_rows(connection: Connection) -> None:
    first, second, third, fourth = pipeline.execute(
        connection,
        [
            ("SELECT %s::text, '100 %%'", ["Ä'\"%s\\"]),
            ("INSERT INTO things VALUES (%s, %s), (2, NULL)", [1, "one"]),
            ("SELECT id, name FROM things ORDER BY id", []),
            ("SELECT 1 WHERE false", []),
        ],
    )
    assert first == [("Ä'\"%s\\", "100 %")]
    assert second == []
    assert third == [(1, "one"), (2, None)]
    assert fourth == []
    assert pipeline.execute(connection, []) == []


def test_values_come_out_as_django_has_them(connection: Connection) -> None:
    at = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    number = uuid.uuid4()
    sql = (
        "SELECT %s::timestamptz, %s::uuid, %s::jsonb, %s::inet, %s::cidr, %s::bigint, %s::float8, %s::boolean, "
        "'0001-01-01 00:00+00'::timestamptz, '9999-12-31 23:59:59.999999+00'::timestamptz"
    )
    values = [str(at), number.hex, '{"a": [1, "Ä"]}', "10.0.0.1", "10.0.0.0/8", -(2**62), "0.1", "true"]
    ((row,),) = pipeline.execute(connection, [(sql, values)])
    assert row == (
        at, number, '{"a": [1, "Ä"]}', "10.0.0.1", "10.0.0.0/8", -(2**62), 0.1, True,
        datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("value", [1.5, True, ["list"], ipaddress.ip_address("::1")])
def test_a_parameter_of_another_kind_is_refused(connection: Connection, value: object) -> None:
    with pytest.raises(TypeError, match="convert the"):
        pipeline.execute(connection, [("SELECT %s::text", [value])])


def test_bytes_are_values_in_binary_form(connection: Connection) -> None:
    query = ("SELECT %s::bigint, %s::text", [(2**40).to_bytes(8), "text"])
    for threshold in (1, None):
        connection.prepare_threshold = threshold
        assert pipeline.execute(connection, [query]) == [[(2**40, "text")]]


def test_a_transaction_begins_and_stays_open(connection: Connection) -> None:
    pipeline.execute(connection, [("INSERT INTO things VALUES (1, 'one')", [])])
    assert connection.pgconn.transaction_status == pq.TransactionStatus.INTRANS
    connection.rollback()
    assert names(connection) == []
    connection.rollback()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    assert pipeline.execute(connection, [("SHOW transaction_isolation", [])]) == [[("repeatable read",)]]


def test_a_commit_among_the_statements_ends_it(connection: Connection) -> None:
    pipeline.execute(connection, [("INSERT INTO things VALUES (1, 'one')", []), ("COMMIT", [])])
    assert connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
    connection.rollback()
    assert names(connection) == ["one"]


def test_in_autocommit_there_is_no_transaction(connection: Connection) -> None:
    connection.autocommit = True
    pipeline.execute(connection, [("INSERT INTO things VALUES (1, 'one')", [])])
    assert connection.pgconn.transaction_status == pq.TransactionStatus.IDLE


def test_of_several_errors_the_first_is_raised_and_nothing_behind_it_is_done(connection: Connection) -> None:
    statements: list[tuple[str, list[Any]]] = [
        ("INSERT INTO things VALUES (1, 'one')", []),
        ("INSERT INTO things VALUES (1, 'again')", []),
        ("SELECT nothing FROM nowhere", []),
        ("COMMIT", []),
    ]
    with pytest.raises(errors.UniqueViolation):
        pipeline.execute(connection, statements)
    assert connection.pgconn.transaction_status == pq.TransactionStatus.INERROR
    connection.rollback()
    assert names(connection) == []


def test_a_statement_that_could_not_be_prepared_is_prepared_when_it_can(connection: Connection) -> None:
    with pytest.raises(errors.UndefinedTable):
        pipeline.execute(connection, [("SELECT 1 FROM later", [])])
    connection.rollback()
    connection.execute("CREATE TEMPORARY TABLE later ()")
    assert pipeline.execute(connection, [("SELECT 1 FROM later", [])]) == [[]]


def test_statements_are_prepared_once(connection: Connection) -> None:
    for number in range(3):
        query = ("SELECT %s::int", [number])
        assert pipeline.execute(connection, [query, query]) == [[(number,)], [(number,)]]
    assert prepared(connection) == 1


def test_without_a_threshold_nothing_is_prepared(connection: Connection) -> None:
    connection.prepare_threshold = None  # as behind a PgBouncer that does not know prepared statements
    assert pipeline.execute(connection, [("SELECT %s::int", [1])]) == [[(1,)]]
    assert prepared(connection) == 0


def test_after_a_migration_a_statement_is_prepared_anew(connection: Connection) -> None:
    everything: list[tuple[str, list[Any]]] = [("SELECT * FROM things", [])]
    pipeline.execute(connection, everything)
    connection.execute("ALTER TABLE things ADD colour text")
    connection.commit()
    with pytest.raises(errors.FeatureNotSupported, match="cached plan"):
        pipeline.execute(connection, everything)
    connection.rollback()
    assert pipeline.execute(connection, everything) == [[]]


def test_statements_that_somebody_threw_away_are_prepared_anew(connection: Connection) -> None:
    names(connection)
    connection.execute("DEALLOCATE ALL")
    connection.commit()
    with pytest.raises(errors.InvalidSqlStatementName):
        names(connection)
    connection.rollback()
    assert names(connection) == []


def test_more_than_the_socket_takes_goes_both_ways(connection: Connection) -> None:
    text = "x" * 3_000_000
    statements = [("SELECT %s::text", [text])] * 5
    assert pipeline.execute(connection, statements) == [[(text,)]] * 5


def test_a_lost_connection_is_an_error_and_not_a_wait(connection: Connection) -> None:
    killer = threading.Timer(0.1, _end, [connection.info.backend_pid])
    killer.start()
    with pytest.raises(psycopg.OperationalError, match="The connection to the database was lost: "):
        pipeline.execute(connection, [("SELECT pg_sleep(60)", []), ("SELECT 1", [])])
    killer.join()
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        pipeline.execute(connection, [("SELECT 1", [])])


def insert(number: int, name: str) -> tuple[str, list[Any]]:
    return ("INSERT INTO things VALUES (%s, %s)", [number, name])


ALL = ("SELECT id, name FROM things ORDER BY id", list[Any]())


def test_what_was_sent_comes_before_and_what_stands_behind_after(connection: Connection) -> None:
    trip = pipeline.Trip(connection)
    trip.send([insert(1, "sent")])
    trip.send([insert(2, "sent, too")])
    assert trip.fetch([ALL, ("SELECT 'second'", [])], [insert(3, "behind")]) == [
        [(1, "sent"), (2, "sent, too")],
        [("second",)],
    ]
    assert trip.fetch([ALL], []) == [[(1, "sent"), (2, "sent, too"), (3, "behind")]]
    trip.send([insert(4, "sent again")])
    ((*_others, last),) = trip.finish([ALL])
    assert last == (4, "sent again")
    assert not trip.is_under_way
    connection.rollback()
    assert names(connection) == []


def test_the_server_begins_with_what_was_sent_before_anybody_waits(connection: Connection) -> None:
    trip = pipeline.Trip(connection)
    trip.send([("SELECT pg_advisory_lock(4711)", [])])
    given = django_connection.get_connection_params()
    parameters = {name: given[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**parameters, autocommit=True) as other:
        deadline, is_free = time.monotonic() + 10, True
        while is_free and time.monotonic() < deadline:
            (is_free,) = other.execute("SELECT pg_try_advisory_lock(4711)").fetchone() or (False,)
            if is_free:
                other.execute("SELECT pg_advisory_unlock(4711)")
        assert not is_free
    trip.finish([("SELECT pg_advisory_unlock(4711)", [])])


@pytest.mark.parametrize("place", ["sent", "fetched", "behind", "finished"])
def test_an_error_ends_the_trip_wherever_it_happens(connection: Connection, place: str) -> None:
    wrong = ("INSERT INTO things VALUES (NULL, 'wrong')", list[Any]())
    trip = pipeline.Trip(connection)

    def travel() -> None:
        trip.send([wrong] if place == "sent" else [insert(1, "sent")])
        trip.fetch([wrong] if place == "fetched" else [ALL], [wrong] if place == "behind" else [insert(2, "behind")])
        trip.finish([wrong] if place == "finished" else [ALL])

    with pytest.raises(errors.NotNullViolation):
        travel()
    assert not trip.is_under_way
    assert connection.pgconn.pipeline_status == pq.PipelineStatus.OFF
    assert connection.pgconn.transaction_status == pq.TransactionStatus.INERROR
    connection.rollback()
    assert names(connection) == []


def test_something_else_is_done_while_the_server_works(connection: Connection) -> None:
    states = []
    statements = [("SELECT pg_sleep(0.05)", list[Any]()), ("SELECT 1", [])]
    found = pipeline.execute(connection, statements, lambda: states.append(connection.pgconn.transaction_status))
    assert found[1] == [(1,)]
    assert states == [pq.TransactionStatus.ACTIVE]


def _end(pid: int) -> None:
    given = django_connection.get_connection_params()
    parameters = {name: given[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
