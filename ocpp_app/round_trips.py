"""Several statements in one round trip to the database: what a worker waits for is not their work but their number.

On PostgreSQL they go out together (``pipeline``), prepared once for each connection where its ``prepare_threshold``
allows that; each still has a snapshot of its own. Elsewhere, and where somebody looks on at the queries (Django's
query log, ``execute_wrapper``), they are executed one after the other and do the same.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

if TYPE_CHECKING:
    from ocpp_app.pipeline import Trip

Result = TypeVar("Result")
Rows = Sequence[Sequence[Any]]
Meanwhile = Callable[[], None]
"""What is done while the database works; it neither raises nor uses the database."""


MADE_STATEMENTS = 1_000
"""The texts of statements are few; of those that somebody makes anew each time no more than this are kept."""


@cache
def on_sqlite() -> bool:
    """Whether this is SQLite; otherwise it is PostgreSQL (to ask the connection takes longer than one would think)."""
    return connection.vendor == "sqlite"


class Statement(NamedTuple):
    """SQL with its parameters."""

    sql: str
    parameters: list[Any]


class ForEach(Statement):
    """SQL that is executed for each of its ``parameters``, which are rows; on SQLite alone."""

    __slots__ = ()


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
    read all of it later. Until ``with_bitmaps``, rows are looked up in the order of the index as well."""
    return [] if on_sqlite() else [Query(Statement(_BY_INDEX, []), lambda rows: None)]


def with_bitmaps() -> list[Query[None]]:
    """Behind the transaction's own look-ups: let plans collect rows before they read them, as indexes of lists and
    words (GIN) need it."""
    return [] if on_sqlite() else [Query(Statement(_WITH_BITMAPS, []), lambda rows: None)]


_COMMIT = Statement("COMMIT", [])
"""Django's own finds nothing left to commit then."""
_BY_INDEX = "SELECT set_config('plan_cache_mode', 'force_generic_plan', true)" + "".join(
    f", set_config('{way}', 'off', true)"
    for way in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit")
)
"""A join that is neither hashed nor merged looks up each row; the others read a whole table or index, small as it may
have been. Where there is no other way (a query of a user's that no index helps), that counts as so dear that PostgreSQL
would compile it, if the connection lets it: 20 ms and more, for a look at a few rows. A bitmap forgets the order of the
index: the last message of a charge point would be looked for among all that there are. Nor does it mark what is dead in
an index, and all ended transactions would be visited until the next VACUUM."""
_WITH_BITMAPS = "SELECT set_config('enable_bitmapscan', 'on', true)"


def fetch(queries: Sequence[Query[Any]], *, meanwhile: Meanwhile | None = None) -> list[Any]:
    """The results of these queries, in their order; see ``run``."""
    return run((), queries, meanwhile=meanwhile)


def look_up(queries: Sequence[Query[Any]], *, meanwhile: Meanwhile | None = None) -> list[Any]:
    """``fetch`` between ``by_index`` and ``with_bitmaps``."""
    by = by_index()
    found = fetch([*by, *queries, *with_bitmaps()], meanwhile=meanwhile)
    return found[len(by) : len(by) + len(queries)]


def run(
    statements: Sequence[Statement],
    queries: Sequence[Query[Any]] = (),
    *,
    and_commit: bool = False,
    meanwhile: Meanwhile | None = None,
) -> list[Any]:
    """Execute the statements in their order; returns the results of the queries behind them. ``and_commit``: they are
    the last of their transaction, whose COMMIT goes with them where that saves a round trip. ``meanwhile`` is called
    while the database works, if it does so by itself."""
    found = _execute([*statements, *(query.statement for query in queries)], and_commit=and_commit, meanwhile=meanwhile)
    return [query.make(rows) for query, rows in zip(queries, found[len(statements) :], strict=True)]


def send(statements: Sequence[Statement]) -> None:
    """Execute the statements; on PostgreSQL nobody waits for that: whatever is executed next, by whomever, comes behind
    them and has their errors, too. The transaction must not end before ``settle``."""
    database = _database()
    if _are_together(database):
        if statements:
            with database.wrap_database_errors:
                _trip(database).send(statements)
    else:
        _execute(statements)


def fetch_ahead(queries: Sequence[Query[Any]], statements: Sequence[Statement]) -> list[Any]:
    """The results of the queries, and then the statements; see ``send``."""
    database = _database()
    if not _are_together(database):
        found = fetch(queries)
        send(statements)
        return found
    with database.wrap_database_errors:
        rows = _trip(database).fetch([query.statement for query in queries], statements)
    return [query.make(some) for query, some in zip(queries, rows, strict=True)]


def settle() -> None:
    """Wait for what was sent."""
    database = _database()
    if database in _under_way:
        with database.wrap_database_errors:
            _ended(database).finish(())


def _database() -> Any:
    return connections[DEFAULT_DB_ALIAS]  # once: the proxy takes its time for each attribute


def _execute(
    statements: Sequence[Statement], *, and_commit: bool = False, meanwhile: Meanwhile | None = None
) -> Sequence[Rows]:
    database = _database()
    if not statements and database not in _under_way:
        return []
    if _are_together(database):
        sent = [*statements, _COMMIT] if and_commit else statements
        with database.wrap_database_errors:
            return _ended(database).finish(sent, meanwhile)[: len(statements)]
    if database in _under_way:  # somebody looks on since they were sent
        settle()
    is_looked_on = database.queries_logged or database.execute_wrappers
    execute = _execute_directly if on_sqlite() and not is_looked_on else _execute_one
    with transaction.mark_for_rollback_on_error(DEFAULT_DB_ALIAS):  # whoever swallows it, nothing is half done
        return [execute(database, statement) for statement in statements]


def _execute_one(database: Any, statement: Statement) -> Rows:
    with database.cursor() as cursor:
        if isinstance(statement, ForEach):
            with transaction.atomic(savepoint=False):  # all of its rows or none
                cursor.executemany(*statement)
        else:
            cursor.execute(*statement)
        return cursor.fetchall() if cursor.description else []


def _execute_directly(database: Any, statement: Statement) -> Rows:
    """On SQLite: past Django's cursor, which looks at the text of each statement again and again."""
    database.ensure_connection()
    database.validate_no_broken_transaction()
    sql = _with_question_marks(statement.sql)
    if not isinstance(statement, ForEach):
        with database.wrap_database_errors:
            found: Rows = database.connection.execute(sql, statement.parameters).fetchall()
            return found
    with transaction.atomic(savepoint=False), database.wrap_database_errors:
        database.connection.executemany(sql, statement.parameters)
    return []


@lru_cache(maxsize=MADE_STATEMENTS)
def _with_question_marks(sql: str) -> str:
    """The text as SQLite's own module takes it."""
    return sql.replace("%%", "\x00").replace("%s", "?").replace("\x00", "%")


def are_together() -> bool:
    """Whether statements go out together now; only then may their parameters be bytes (``pipeline``)."""
    return _are_together(_database())


def _are_together(database: Any) -> bool:
    if database.vendor != "postgresql" or database.queries_logged:
        return False
    return not database.execute_wrappers or (len(database.execute_wrappers) == 1 and database in _under_way)


# -- on PostgreSQL -------------------------------------------------------------------------------------------

_under_way: "WeakKeyDictionary[Any, Trip]" = WeakKeyDictionary()
"""The trip of each connection on which statements were sent and nobody has waited for them yet."""


def _trip(database: Any) -> "Trip":
    """The trip under way on this connection, or a new one. Who uses the connection otherwise settles it first."""
    trip = _under_way.get(database)
    if trip is None:
        trip = _under_way[database] = _new_trip(database)
        database.execute_wrappers.append(_settle_first)
    return trip


def _ended(database: Any) -> "Trip":
    """The trip under way, or a new one, to be finished now."""
    trip = _under_way.pop(database, None)
    if trip is None:
        return _new_trip(database)
    database.execute_wrappers.remove(_settle_first)
    return trip


def _new_trip(database: Any) -> "Trip":
    from ocpp_app.pipeline import Trip  # psycopg is there only where it is needed

    database.ensure_connection()
    return Trip(database.connection)


def _settle_first(execute: Any, sql: Any, parameters: Any, many: Any, context: Any) -> Any:
    """A wrapper of Django's queries."""
    settle()
    return execute(sql, parameters, many, context)
