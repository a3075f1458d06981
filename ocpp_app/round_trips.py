"""Several statements in one round trip to the database: what a worker waits for is not their work but their number.

On PostgreSQL they go out together (pipeline mode), prepared once for each connection where its ``prepare_threshold``
allows that; each still has a snapshot of its own. Elsewhere, and where somebody looks on at the queries (Django's
query log, ``execute_wrapper``), they are executed one after the other and do the same.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection

Result = TypeVar("Result")
Rows = list[Sequence[Any]]


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
        (rows,) = _execute([self.statement], fetch=True)
        return self.make(rows)


def by_index() -> list[Query[None]]:
    """Ahead of a transaction's queries: let its plans look rows up by index, however small a table is now. They are
    kept for the connection, and one that was made while a table was empty would read all of it later."""
    if connection.vendor != "postgresql":
        return []
    return [Query(Statement("SELECT set_config('enable_seqscan', 'off', true)", []), lambda rows: None)]


def fetch(queries: Sequence[Query[Any]]) -> list[Any]:
    """The results of these queries, in their order."""
    found = _execute([query.statement for query in queries], fetch=True)
    return [query.make(rows) for query, rows in zip(queries, found, strict=True)]


def run(statements: Sequence[Statement]) -> None:
    """Execute the statements in their order."""
    _execute(statements, fetch=False)


def _execute(statements: Sequence[Statement], *, fetch: bool) -> list[Rows]:
    if not statements:
        return []
    if connection.vendor == "postgresql" and not connection.queries_logged and not connection.execute_wrappers:
        return _execute_together(statements, fetch=fetch)
    found: list[Rows] = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(*statement)
            if fetch:
                found.append(cursor.fetchall())
    return found


def _execute_together(statements: Sequence[Statement], *, fetch: bool) -> list[Rows]:
    from psycopg import Cursor

    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursors = []
        with connection.connection.pipeline():
            for statement in statements:
                cursor = Cursor(connection.connection)
                cursor.execute(*statement)
                cursors.append(cursor)
        return [cursor.fetchall() for cursor in cursors] if fetch else []
