"""Set-based writes: one statement per table (on SQLite it is executed for each row), and text that fits its column."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models

from ocpp_app import fast_rows, round_trips
from ocpp_app.round_trips import Meanwhile, Query, Statement, on_sqlite

MAX_PARAMETERS = 30_000
"""Parameters of one statement: SQLite takes 32 766, PostgreSQL 65 535."""

SENT_AT_ROWS = 16
"""With fewer it takes longer to wake the database up for them than to wait for the others."""


def fit(row: models.Model) -> None:
    """Make the row's text storable: no NUL characters (PostgreSQL refuses them), nothing longer than its column.

    What charge points send is kept whole in the frame log; a column that is too short for it must not cost the message.
    """
    texts, jsons = _fitted_fields(type(row))
    for name in texts:
        value = getattr(row, name)
        if isinstance(value, str) and "\x00" in value:
            setattr(row, name, fit_text(value, None))
    for name in jsons:
        setattr(row, name, fit_json(getattr(row, name)))
    _shorten(row)


def _shorten(row: models.Model) -> None:
    values = row.__dict__
    for name, max_length in _limited_fields(type(row)):
        value = values.get(name)
        if isinstance(value, str) and len(value) > max_length:
            values[name] = value[:max_length]


@cache
def _fitted_fields(model: type[models.Model]) -> tuple[list[str], list[str]]:
    """The text fields and the JSON fields."""
    jsons = [field.attname for field in model._meta.concrete_fields if isinstance(field, models.JSONField)]
    return [field.attname for field in _text_fields(model)], jsons


@cache
def _limited_fields(model: type[models.Model]) -> list[tuple[str, int]]:
    """The text fields that have a length."""
    return [(field.attname, field.max_length) for field in _text_fields(model) if field.max_length is not None]


def _text_fields(model: type[models.Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if isinstance(field, models.CharField | models.TextField)]


def fit_text(value: str, max_length: int | None) -> str:
    """The text without NUL characters, cut to ``max_length`` where there is one."""
    if "\x00" in value:
        value = value.replace("\x00", "\\x00")
    return value if max_length is None or len(value) <= max_length else value[:max_length]


def fit_json(value: Any) -> Any:
    """The value without NUL characters in its strings and keys."""
    if isinstance(value, str):
        return fit_text(value, None)
    if isinstance(value, list):
        return [fit_json(item) for item in value]
    if isinstance(value, dict):
        return {fit_text(key, None): fit_json(item) for key, item in value.items()}
    return value


def insert(rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> None:
    """Insert rows of one model now; see ``Writes.insert``."""
    writes = Writes()
    writes.insert(rows, ignore_conflicts=ignore_conflicts)
    writes.run()


def update(rows: Sequence[models.Model], field_names: Iterable[str]) -> None:
    """Update the named fields of rows of one model now; see ``Writes.update``."""
    writes = Writes()
    writes.update(rows, field_names)
    writes.run()


def upsert(rows: Sequence[models.Model], unique: str, field_names: Sequence[str]) -> None:
    """Insert or update rows of one model now; see ``Writes.upsert``."""
    writes = Writes()
    writes.upsert(rows, unique, field_names)
    writes.run()


class Writes:
    """INSERTs and UPDATEs of a batch; they are done when ``run`` has returned.

    The database begins with the first of many rows while the next ones are made ready.
    """

    def __init__(self) -> None:
        self._statements: list[Statement] = []
        self._rows = 0
        """So many are in these statements."""

    def insert(self, rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> None:
        """Insert rows of one model, if any; no signals, and their primary keys are not read back."""
        if not rows:
            return
        statement = _fitting(rows, partial(fast_rows.insert, rows, ignore_conflicts=ignore_conflicts))
        if statement is None:
            self.run()
            type(rows[0])._default_manager.bulk_create(rows, ignore_conflicts=ignore_conflicts)
            return
        self._inserted(rows, statement)

    def upsert(self, rows: Sequence[models.Model], unique: str, field_names: Sequence[str]) -> None:
        """Insert rows of one model; where there is one with the same ``unique`` field, update the named fields of it.

        No two of the rows may have the same.
        """
        if not rows:
            return
        statement = _fitting(rows, partial(fast_rows.upsert, rows, unique, field_names))
        if statement is None:
            self.run()
            type(rows[0])._default_manager.bulk_create(
                rows, update_conflicts=True, unique_fields=[unique], update_fields=field_names
            )
            return
        self._inserted(rows, statement)

    def _inserted(self, rows: Sequence[models.Model], statement: Statement) -> None:
        self._add(statement, len(rows))
        for row in rows:
            row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS

    def update(self, rows: Sequence[models.Model], field_names: Iterable[str]) -> None:
        """Update the named fields of rows of one model, if any, in one statement."""
        if not rows:
            return
        names = sorted(field_names)
        statement = _fitting(rows, partial(fast_rows.update, rows, names))
        if statement is None:
            self.run()
            _update(rows, names)
        else:
            self._add(statement, len(rows))

    def _add(self, statement: Statement, rows: int) -> None:
        self._statements.append(statement)
        self._rows += rows
        if self._rows >= SENT_AT_ROWS:
            self.send()

    def add(self, statement: Statement) -> None:
        """Any other statement, behind those that were added before."""
        self._statements.append(statement)

    def send(self) -> None:
        """Execute what has not been executed yet, before anything else is; see ``round_trips.send``."""
        round_trips.send(self._taken())

    def fetch_ahead(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """The results of the queries, ahead of what has not been executed yet; see ``round_trips.fetch_ahead``."""
        return round_trips.fetch_ahead(queries, self._taken())

    def run(
        self, queries: Sequence[Query[Any]] = (), *, and_commit: bool = False, meanwhile: Meanwhile | None = None
    ) -> list[Any]:
        """Execute what has not been executed yet, and return the results of the queries behind it; see
        ``round_trips.run``."""
        return round_trips.run(self._taken(), queries, and_commit=and_commit, meanwhile=meanwhile)

    def _taken(self) -> list[Statement]:
        statements, self._statements, self._rows = self._statements, [], 0
        return statements


def _fitting(rows: Sequence[models.Model], as_fast_rows: Callable[[], Statement | None]) -> Statement | None:
    """The statement with the rows, made to fit; None where the plain path has to do it."""
    is_fast = on_sqlite() or round_trips.are_together()
    if is_fast:
        for row in rows:
            _shorten(row)
        statement = as_fast_rows()
        if statement is not None:
            return statement
    for row in rows:
        fit(row)  # there may be NUL characters
    return as_fast_rows() if is_fast else None


def _update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    meta = type(rows[0])._meta
    pk = meta.pk
    assert pk is not None
    fields = [meta.get_field(name) for name in names]
    per_statement = max(1, MAX_PARAMETERS // (len(fields) + 1))
    for start in range(0, len(rows), per_statement):
        _update_some(meta, pk, fields, rows[start : start + per_statement])


def _update_some(meta: Any, pk: Any, fields: list[Any], rows: Sequence[models.Model]) -> None:
    quote = connection.ops.quote_name
    columns = [pk, *fields]
    parameters: list[Any] = []
    for row in rows:
        parameters.extend(field.get_db_prep_save(getattr(row, field.attname), connection) for field in columns)
    types = [_cast(field) for field in columns]
    first = f"({', '.join(types)})"  # the casts of the first row type the whole list
    others = f"({', '.join('%s' for _ in columns)})" if on_sqlite() else first
    values = ", ".join([first] + [others] * (len(rows) - 1))
    assignments = ", ".join(f"{quote(field.column)} = v.c{index}" for index, field in enumerate(fields, start=1))
    names = ", ".join(f"c{index}" for index in range(len(columns)))
    table = quote(meta.db_table)
    sql = (
        f"WITH v ({names}) AS (VALUES {values}) "
        f"UPDATE {table} SET {assignments} FROM v WHERE {table}.{quote(pk.column)} = v.c0"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def _cast(field: Any) -> str:
    if on_sqlite():
        return "%s"
    # In parentheses: a negative number is written into the statement, and a cast binds closer than its minus.
    return f"(%s)::{field.rel_db_type(connection) if field.is_relation else field.cast_db_type(connection)}"


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """So many primary keys that no other row will get; those that are not used leave a gap."""
    if (query := ids_query(model, count)) is not None:
        return query.fetch()
    meta = model._meta
    with connection.cursor() as cursor:
        # SQLite's AUTOINCREMENT counts in a table of its own; whoever runs a batch holds the only write lock.
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [meta.db_table])
        found = cursor.fetchone()
        last = found[0] if found else 0
        if found:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last + count, meta.db_table])
        else:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [meta.db_table, count])
        return list(range(last + 1, last + count + 1))


def advance_ids(model: type[models.Model], count: int) -> int:
    """Let so many primary keys be given to no row; the next that will be."""
    meta = model._meta
    assert meta.pk is not None
    (first,) = reserve_ids(model, 1)
    if not on_sqlite():
        with connection.cursor() as cursor:
            sql = "SELECT setval(pg_get_serial_sequence(%s, %s), %s)"
            cursor.execute(sql, [connection.ops.quote_name(meta.db_table), meta.pk.column, first + count - 1])
    else:
        reserve_ids(model, count - 1)
    return first + count


def ids_query(model: type[models.Model], count: int) -> Query[list[int]] | None:
    """What reserves primary keys in a round trip with other queries; None where the database has no sequences."""
    if on_sqlite():
        return None
    assert model._meta.pk is not None
    table = connection.ops.quote_name(model._meta.db_table)
    statement = Statement(_NEXT_IDS, [table, model._meta.pk.column, count])
    return Query(statement, lambda found: [number for (number,) in found])


_NEXT_IDS = (  # the sequence is looked up once, not for each of them
    "WITH found AS MATERIALIZED (SELECT pg_get_serial_sequence(%s::text, %s::text)::regclass AS sequence)"
    " SELECT nextval(sequence) FROM found, generate_series(1, %s)"
)
