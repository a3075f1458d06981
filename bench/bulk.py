"""Rows by the million, made by the database itself: what Django would take an hour for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def inserter(connection: Any) -> Callable[..., None]:
    """``run(model, source, column=SQL …)`` inserts; what is not named has its default."""

    def run(model: Any, source: str, **columns: str) -> None:
        values = {field.column: columns.get(field.column) or _default(field) for field in model._meta.concrete_fields}
        if missing := set(columns) - set(values):
            raise ValueError(f"{model.__name__} has no {', '.join(sorted(missing))}.")
        chosen = {name: value for name, value in values.items() if value is not None}
        names = ", ".join(f'"{name}"' for name in chosen)
        with connection.cursor() as cursor:
            sql = f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {", ".join(chosen.values())} FROM {source}'
            cursor.execute(sql)

    return run


def _default(field: Any) -> str | None:
    """What a column has that nobody names, in SQL; None: the database knows by itself."""
    from django.db import models

    if field.null or field.primary_key or field.has_db_default():
        return None
    value = field.get_default()
    if isinstance(field, models.BooleanField):
        return str(bool(value))
    if isinstance(field, models.CharField | models.TextField):
        return "'" + str(value or "").replace("'", "''") + "'"
    if isinstance(field, models.IntegerField | models.FloatField):
        return str(value or 0)
    raise ValueError(f"{field} needs a value.")


@contextmanager
def without_indexes(connection: Any, model: Any) -> Iterator[None]:
    """Meanwhile the table has neither constraints nor indexes, and writes no log: that comes once, for all rows."""
    table = model._meta.db_table
    constraints = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %s::regclass AND contype IN ('f', 'u')"
    )
    indexes = (
        "SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.tablename = %s "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"
    )
    with connection.cursor() as cursor:
        cursor.execute(constraints, [table])
        found = cursor.fetchall()
        for name, _definition in found:
            cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
        cursor.execute(indexes, [table])
        built = cursor.fetchall()
        for name, _definition in built:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        cursor.execute("SET maintenance_work_mem = '256MB'")
        for _name, definition in built:
            cursor.execute(definition)
        for name, definition in found:
            cursor.execute(f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {definition}')


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
