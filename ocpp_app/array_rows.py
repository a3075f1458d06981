"""How rows of the fast path travel on PostgreSQL: as one array for each column, in binary form.

``unnest`` makes rows of them again. The text of a statement is the same for any number of rows, so it is built and
planned once, and the server has nothing to parse: as JSON, rows took more of its time than all their indexes.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from django.db import models

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

    _insert: str
    """``INSERT INTO … (…) SELECT * FROM``; a source of rows follows."""
    _update: str
    """``UPDATE … SET … FROM``; a source of rows follows."""
    _where: str
    """Which row of the source is for which of the table."""
    _many: str
    """``(SELECT unnest(…), …) AS v``; its parameters are what ``_source`` gives."""
    _one: str
    """``(SELECT …, …) AS v``, for a single row: that takes the server half the time."""
    _read: Callable[[dict[str, Any]], tuple[Any, ...]]
    _kinds: tuple[Kind, ...]

    def insert(self, rows: Sequence[models.Model], on_conflict: str) -> Statement | None:
        """What inserts these rows; None when a value is not loaded, not of its column's kind, or has a NUL
        character."""
        source = self._source(rows)
        return source and Statement(f"{self._insert} {source.sql}{on_conflict}", source.parameters)

    def update(self, rows: Sequence[models.Model]) -> Statement | None:
        """What updates all but the first column, in the rows with the same one."""
        source = self._source(rows)
        return source and Statement(f"{self._update} {source.sql} {self._where}", source.parameters)

    def _source(self, rows: Sequence[models.Model]) -> Statement | None:
        """What SELECTs the rows, as ``v``."""
        try:
            if len(rows) == 1:
                values = self._read(rows[0].__dict__)
                return Statement(
                    self._one, [kind.value(value) for kind, value in zip(self._kinds, values, strict=True)]
                )
            # Not by attribute: that of a foreign key takes several times as long.
            columns = zip(*[self._read(row.__dict__) for row in rows], strict=True)
            arrays = [kind.array(values) for kind, values in zip(self._kinds, columns, strict=True)]
            return Statement(self._many, arrays)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, struct.error):
            return None


def columns(table: str, names: Sequence[str], attributes: Sequence[str], kinds: Sequence[Kind]) -> Columns:
    """These columns of the table, by their quoted names, with the rows' attributes for them."""
    key, *changed = names
    # In the list of columns: as one unnest of all arrays, each of them would be written to a store of its own first.
    arrays = [f"unnest(%s::{kind.sql}[]) AS {name}" for name, kind in zip(names, kinds, strict=True)]
    values = [f"%s::{kind.sql} AS {name}" for name, kind in zip(names, kinds, strict=True)]
    return Columns(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM",
        f"UPDATE {table} SET {', '.join(f'{name} = v.{name}' for name in changed)} FROM",
        f"WHERE {table}.{key} = v.{key}",
        f"(SELECT {', '.join(arrays)}) AS v",
        f"(SELECT {', '.join(values)}) AS v",
        itemgetter(*attributes),
        tuple(kinds),
    )
