"""Several statements in one round trip to the database: what a worker waits for is not their work but their number.

On PostgreSQL they go out together (``pipeline``), prepared once for each connection where its ``prepare_threshold``
allows that; each still has a snapshot of its own. Elsewhere, and where somebody looks on at the queries (Django's
query log, ``execute_wrapper``), they are executed one after the other and do the same.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection, connections

Result = TypeVar("Result")
Rows = Sequence[Sequence[Any]]


@cache
def on_sqlite() -> bool:
    """Whether this is SQLite; otherwise it is PostgreSQL (to ask the connection takes longer than one would think)."""
    return connection.vendor == "sqlite"


class Statement(NamedTuple):
    """SQL with its parameters."""

    sql: str
    parameters: list[Any]


class Query(NamedTuple, Generic[Result]):
    """A SELECT, and what its rows are made into."""

    statement: Statement
    make: Callable[[Rows], Result]

    def fetch(self) -> Result:
        """The result of this one."""
        (rows,) = _execute([self.statement])
        return self.make(rows)


def by_index() -> list[Query[None]]:
    """Ahead of a transaction's queries: let its plans look rows up by index, however small a table is now, and be made
    once, whatever the parameters. They are kept for the connection, and one that was made while a table was empty would
    read all of it later."""
    if on_sqlite():
        return []
    return [Query(Statement(_BY_INDEX, []), lambda rows: None)]


_COMMIT = Statement("COMMIT", [])
"""Django's own finds nothing left to commit then."""
_BY_INDEX = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)" + "".join(
    f", set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin")
)
"""A join that is neither hashed nor merged looks up each row; the others read a whole table or index, small as it may
have been."""


def fetch(queries: Sequence[Query[Any]]) -> list[Any]:
    """The results of these queries, in their order."""
    return run((), queries)


def run(statements: Sequence[Statement], queries: Sequence[Query[Any]] = (), *, and_commit: bool = False) -> list[Any]:
    """Execute the statements in their order; returns the results of the queries behind them. ``and_commit``: they are
    the last of their transaction, whose COMMIT goes with them where that saves a round trip."""
    found = _execute([*statements, *(query.statement for query in queries)], and_commit=and_commit)
    return [query.make(rows) for query, rows in zip(queries, found[len(statements) :], strict=True)]


def _execute(statements: Sequence[Statement], *, and_commit: bool = False) -> Sequence[Rows]:
    if not statements:
        return []
    database = connections[connection.alias]  # once: the proxy takes its time for each attribute
    if _are_together(database):
        return _execute_together(database, [*statements, _COMMIT] if and_commit else statements)[: len(statements)]
    found: list[Rows] = []
    with database.cursor() as cursor:
        for statement in statements:
            cursor.execute(*statement)
            found.append(cursor.fetchall() if cursor.description else [])
    return found


def are_together() -> bool:
    """Whether statements go out together now; only then may their parameters be bytes (``pipeline``)."""
    return _are_together(connections[connection.alias])


def _are_together(database: Any) -> bool:
    return database.vendor == "postgresql" and not database.queries_logged and not database.execute_wrappers


def _execute_together(database: Any, statements: Sequence[Statement]) -> Sequence[Rows]:
    from ocpp_app import pipeline  # psycopg is there only where it is needed

    database.ensure_connection()
    with database.wrap_database_errors:
        return pipeline.execute(database.connection, statements)
