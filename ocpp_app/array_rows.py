"""The fast path of ``bulk`` on PostgreSQL: the rows of a statement as one array for each column, in binary form.

``unnest`` makes rows of them again. The text of a statement is the same for any number of rows, so it is built and
planned once, and the server has nothing to parse: as JSON, rows took more of its time than all their indexes. It writes
the same as the plain path (``tests/ocpp_app/test_array_rows.py``) and leaves to that one what it cannot carry.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from django.db import connection, models
from django.utils import timezone

from ocpp_app.round_trips import Statement

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from here."""
NULL = struct.pack(">i", -1)

_length = struct.Struct(">i").pack
_head = struct.Struct(">iiiii").pack
_to_json = msgspec.json.Encoder().encode


def _text(value: str) -> bytes:
    data = value.encode()
    if b"\x00" in data:
        raise ValueError("PostgreSQL takes no NUL characters.")
    return _length(len(data)) + data


def _json(value: Any) -> bytes:
    data = _to_json(value)
    if b"\\u0000" in data:
        raise ValueError("PostgreSQL takes no NUL characters.")
    return _length(len(data) + 1) + b"\x01" + data  # the version of the format


def _uuid(value: Any) -> bytes:
    return b"\x00\x00\x00\x10" + bytes(value.bytes)


def _time(value: datetime) -> bytes:
    since = value - EPOCH
    return _microseconds((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


_microseconds = partial(struct.Struct(">iq").pack, 8)


class Kind(NamedTuple):
    """A type of PostgreSQL: its name, its number (``pg_type.oid``), and what packs a value with its length."""

    sql: str
    oid: int
    pack: Callable[[Any], bytes]

    def value(self, value: Any) -> bytes | None:
        """The value in PostgreSQL's binary form."""
        return None if value is None else self.pack(value)[4:]  # what follows its length

    def array(self, values: Sequence[Any]) -> bytes:
        """The values in PostgreSQL's binary form of an array (``array_recv``)."""
        pack = self.pack
        items = [NULL if value is None else pack(value) for value in values]
        return _head(1, None in values, self.oid, len(items), 1) + b"".join(items)


TEXT = Kind("text", 25, _text)
SMALLINT = Kind("smallint", 21, partial(struct.Struct(">ih").pack, 2))
INTEGER = Kind("integer", 23, partial(struct.Struct(">ii").pack, 4))
BIGINT = Kind("bigint", 20, partial(struct.Struct(">iq").pack, 8))

KINDS: dict[type, Kind] = {
    **dict.fromkeys((models.CharField, models.SlugField, models.TextField), TEXT),
    **dict.fromkeys((models.SmallIntegerField, models.PositiveSmallIntegerField), SMALLINT),
    **dict.fromkeys((models.AutoField, models.IntegerField, models.PositiveIntegerField), INTEGER),
    **dict.fromkeys((models.BigAutoField, models.BigIntegerField), BIGINT),
    models.BooleanField: Kind("boolean", 16, partial(struct.Struct(">i?").pack, 1)),
    models.FloatField: Kind("double precision", 701, partial(struct.Struct(">id").pack, 8)),
    models.DateTimeField: Kind("timestamptz", 1184, _time),
    models.UUIDField: Kind("uuid", 2950, _uuid),
    models.JSONField: Kind("jsonb", 3802, _json),
}
"""How the kinds of fields travel; others are left to the plain path."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a table: how their values are read from rows, and how PostgreSQL makes rows of them again."""

    names: tuple[str, ...]
    """Quoted, for SQL."""
    many: str
    """``(SELECT unnest(…), …) AS v``; its parameters are what ``encode`` gives."""
    one: str
    """``(SELECT …, …) AS v``, for a single row: that takes the server half the time."""
    _read: Callable[[dict[str, Any]], tuple[Any, ...]]
    _kinds: tuple[Kind, ...]

    def encode(self, rows: Sequence[models.Model]) -> Statement | None:
        """What SELECTs the rows, as ``v``; None when a value is not loaded, not of its column's kind, or has a NUL
        character."""
        try:
            if len(rows) == 1:
                values = self._read(rows[0].__dict__)
                return Statement(self.one, [kind.value(value) for kind, value in zip(self._kinds, values, strict=True)])
            # Not by attribute: that of a foreign key takes several times as long.
            columns = zip(*[self._read(row.__dict__) for row in rows], strict=True)
            arrays = [kind.array(values) for kind, values in zip(self._kinds, columns, strict=True)]
            return Statement(self.many, arrays)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, struct.error):
            return None


def insert(rows: Sequence[models.Model], *, ignore_conflicts: bool) -> Statement | None:
    """What inserts rows of one model; None where the plain path has to do it."""
    return _insert(rows, " ON CONFLICT DO NOTHING" if ignore_conflicts else "")


def upsert(rows: Sequence[models.Model], unique: str, names: Sequence[str]) -> Statement | None:
    """What inserts rows of one model, or updates the named fields where there is one with the same unique field."""
    column, *columns = [_column(type(rows[0]), name) for name in (unique, *names)]
    assignments = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
    return _insert(rows, f" ON CONFLICT ({column}) DO UPDATE SET {assignments}")


def _insert(rows: Sequence[models.Model], on_conflict: str) -> Statement | None:
    model = type(rows[0])
    for name in _stamped(model):
        now = timezone.now()
        for row in rows:
            setattr(row, name, now)
    columns = _columns(model, _inserted(model, rows))
    source = None if columns is None or _waits_for_parent(model, rows) else columns.encode(rows)
    if columns is None or source is None:
        return None
    names = ", ".join(columns.names)
    sql = f"INSERT INTO {_table(model)} ({names}) SELECT * FROM {source.sql}{on_conflict}"
    return Statement(sql, source.parameters)


def update(rows: Sequence[models.Model], names: Sequence[str]) -> Statement | None:
    """What updates the named fields of rows of one model; None where the plain path has to do it."""
    model = type(rows[0])
    assert model._meta.pk is not None
    columns = _columns(model, (model._meta.pk.name, *names))
    source = None if columns is None else columns.encode(rows)
    if columns is None or source is None:
        return None
    key, *changed = columns.names
    assignments = ", ".join(f"{name} = v.{name}" for name in changed)
    table = _table(model)
    sql = f"UPDATE {table} SET {assignments} FROM {source.sql} WHERE {table}.{key} = v.{key}"
    return Statement(sql, source.parameters)


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return connection.ops.quote_name(field.column)


@cache
def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _inserted(model: type[models.Model], rows: Sequence[models.Model]) -> tuple[str, ...]:
    """The names of the fields to insert: all, but not a primary key that the database counts up."""
    key = model._meta.pk
    is_counted = isinstance(key, models.AutoField) and all(row.__dict__.get(key.attname) is None for row in rows)
    return _field_names(model, with_key=not is_counted)


@cache
def _field_names(model: type[models.Model], *, with_key: bool) -> tuple[str, ...]:
    return tuple(field.name for field in model._meta.concrete_fields if with_key or not field.primary_key)


@cache
def _stamped(model: type[models.Model]) -> list[str]:
    """The fields that get the time at which a row is inserted."""
    return [field.attname for field in model._meta.concrete_fields if getattr(field, "auto_now_add", False)]


def _waits_for_parent(model: type[models.Model], rows: Sequence[models.Model]) -> bool:
    """Whether a row was given its parent before that one had a key; the plain path then looks it up."""
    return any(
        row.__dict__.get(field.attname) is None and field.get_cached_value(row, default=None) is not None
        for field in _parents(model)
        for row in rows
    )


@cache
def _parents(model: type[models.Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]


@cache
def _columns(model: type[models.Model], names: tuple[str, ...]) -> Columns | None:
    """How these fields travel; None when one of them is of a kind that does not."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    if model._meta.parents or len(fields) < 2 or not all(_is_carried(field) for field in fields):
        return None
    quoted = tuple(connection.ops.quote_name(field.column) for field in fields)
    kinds = tuple(KINDS[type(_target(field))] for field in fields)
    # In the list of columns: as one unnest of all arrays, each of them would be written to a store of its own first.
    arrays = [f"unnest(%s::{kind.sql}[]) AS {column}" for column, kind in zip(quoted, kinds, strict=True)]
    values = [f"%s::{kind.sql} AS {column}" for column, kind in zip(quoted, kinds, strict=True)]
    return Columns(
        quoted,
        f"(SELECT {', '.join(arrays)}) AS v",
        f"(SELECT {', '.join(values)}) AS v",
        itemgetter(*[field.attname for field in fields]),
        kinds,
    )


def _is_carried(field: "models.Field[Any, Any]") -> bool:
    """Not where Django fills in the value again and again; one that the database fills in is no value yet, and
    ``encode`` finds it."""
    return type(_target(field)) in KINDS and not getattr(field, "auto_now", False)


def _target(field: Any) -> Any:
    """The field itself; for a foreign key the one that it points to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field
