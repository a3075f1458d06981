"""How rows of the fast path travel on SQLite: one by one, as values of a statement that the connection has prepared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, index, itemgetter
from typing import Any

from django.db import connection, models

from ocpp_app.round_trips import ForEach, Statement


def _text(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError
    if "\x00" in value:
        raise ValueError
    return value


def _truth(value: bool) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _json(value: Any) -> Any:
    data = connection.ops.adapt_json_value(value, None)
    if "\\u0000" in data:
        raise ValueError
    return data


def _time(value: datetime) -> Any:
    if value.utcoffset() is None:
        raise TypeError  # Django makes something of it, and says so
    return connection.ops.adapt_datetimefield_value(value)


Kind = Callable[[Any], Any]
"""What makes SQLite's of a value, as Django does. Raises where it is not of its field's kind, or has a NUL character,
which PostgreSQL refuses: then the plain path is taken."""

KINDS: dict[type, Kind] = {
    **dict.fromkeys((models.CharField, models.SlugField, models.TextField), _text),
    **dict.fromkeys((models.SmallIntegerField, models.PositiveSmallIntegerField), index),
    **dict.fromkeys((models.AutoField, models.IntegerField, models.PositiveIntegerField), index),
    **dict.fromkeys((models.BigAutoField, models.BigIntegerField), index),
    models.BooleanField: _truth,
    models.FloatField: float,
    models.DateTimeField: _time,
    models.UUIDField: attrgetter("hex"),
    models.JSONField: _json,
}
"""How the kinds of fields travel; others are left to the plain path."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a table: what writes them, and how their values are read from rows."""

    _insert: str
    _update: str
    _read: Callable[[dict[str, Any]], tuple[Any, ...]]
    _kinds: tuple[Kind, ...]

    def insert(self, rows: Sequence[models.Model], on_conflict: str) -> Statement | None:
        """What inserts these rows; None when a value is not loaded, not of its column's kind, or has a NUL
        character."""
        values = self._values(rows)
        return None if values is None else _statement(self._insert + on_conflict, values)

    def update(self, rows: Sequence[models.Model]) -> Statement | None:
        """What updates all but the first column, in the rows with the same one."""
        values = self._values(rows)
        return None if values is None else _statement(self._update, [[*changed, key] for key, *changed in values])

    def _values(self, rows: Sequence[models.Model]) -> list[list[Any]] | None:
        kinds = self._kinds
        try:
            # Not by attribute: that of a foreign key takes several times as long.
            return [
                [None if value is None else kind(value) for kind, value in zip(kinds, values, strict=True)]
                for values in [self._read(row.__dict__) for row in rows]
            ]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return None


def _statement(sql: str, rows: list[list[Any]]) -> Statement:
    return Statement(sql, rows[0]) if len(rows) == 1 else ForEach(sql, rows)


def columns(table: str, names: Sequence[str], attributes: Sequence[str], kinds: Sequence[Kind]) -> Columns:
    """These columns of the table, by their quoted names, with the rows' attributes for them."""
    key, *changed = names
    return Columns(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('%s' for _ in names)})",
        f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in changed)} WHERE {key} = %s",
        itemgetter(*attributes),
        tuple(kinds),
    )
