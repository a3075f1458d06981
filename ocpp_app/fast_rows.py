"""The fast path of ``bulk``: statements whose text is made once for each table, and rows that travel without Django
looking at each of their values several times.

How they travel is the database's own: arrays on PostgreSQL (``array_rows``), row by row on SQLite (``value_rows``). It
writes the same as the plain path (``tests/ocpp_app/test_fast_rows.py``) and leaves to that one what it cannot carry;
primary keys are not read back, and a conflict that is ignored is that of a unique column and no other.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models
from django.utils import timezone

from ocpp_app import array_rows, value_rows
from ocpp_app.round_trips import Statement, on_sqlite


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
    if columns is None or _waits_for_parent(model, rows):
        return None
    return columns.insert(rows, on_conflict)


def update(rows: Sequence[models.Model], names: Sequence[str]) -> Statement | None:
    """What updates the named fields of rows of one model; None where the plain path has to do it."""
    model = type(rows[0])
    assert model._meta.pk is not None
    columns = _columns(model, (model._meta.pk.name, *names))
    return None if columns is None else columns.update(rows)


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return connection.ops.quote_name(field.column)


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
def _columns(model: type[models.Model], names: tuple[str, ...]) -> array_rows.Columns | value_rows.Columns | None:
    """How these fields travel; None when one of them is of a kind that does not."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    targets = [_target(field) for field in fields]
    kinds: dict[type, Any] = value_rows.KINDS if on_sqlite() else array_rows.KINDS
    # Not where Django fills in the value again and again; one that the database fills in is no value yet, and is found
    # when it is to travel.
    is_carried = all(type(target) in kinds and not getattr(target, "auto_now", False) for target in targets)
    if model._meta.parents or len(fields) < 2 or not is_carried:
        return None
    quote = connection.ops.quote_name
    of_fields = value_rows.columns if on_sqlite() else array_rows.columns
    return of_fields(
        quote(model._meta.db_table),
        [quote(field.column) for field in fields],
        [field.attname for field in fields],
        [kinds[type(target)] for target in targets],
    )


def _target(field: Any) -> Any:
    """The field itself; for a foreign key the one that it points to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field
