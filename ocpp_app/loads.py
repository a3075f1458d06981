"""What a batch reads, in SQL whose text never changes, made into model instances at once.

Building the same few queries with the ORM again for every batch, and their rows into instances one field at a time,
took two thirds of a worker's CPU time. What comes out is what the ORM gives (``tests/ocpp_app/test_loads.py``). A list
is one parameter, however long: an array on PostgreSQL, JSON on SQLite.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
from django.db import connection, models
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

from ocpp_app.models import ChargePoint, Connector, Direction, IdTag, Message, Site, Tariff, Transaction

Row = TypeVar("Row", bound=models.Model)


def lock_charge_points(identities: Iterable[str]) -> list[ChargePoint]:
    """The charge points with these identities, locked in the order of their keys."""
    return _load(ChargePoint, _charge_points_sql(), [_texts(identities)])


@cache
def _charge_points_sql() -> str:
    return f"{_select(ChargePoint)} WHERE {_any_of('identity', 'varchar')} ORDER BY id {_for_update()}"


def connectors(charge_point_ids: Iterable[int]) -> list[Connector]:
    """All connectors of these charge points."""
    return _load(Connector, _connectors_sql(), [_numbers(charge_point_ids)])


@cache
def _connectors_sql() -> str:
    return f"{_select(Connector)} WHERE {_any_of('charge_point_id', 'bigint')}"


def lock_limited_tags(organisation_ids: Iterable[int | None], keys: Iterable[str]) -> None:
    """Lock those of the tags that have a limit of concurrent transactions, in the order of their keys."""
    if connection.vendor != "sqlite":  # there a batch holds the one write lock that there is
        _fetch(_lock_limited_tags_sql(), [_numbers(organisation_ids), _texts(keys)])


@cache
def _lock_limited_tags_sql() -> str:
    limited = f"{_tags_condition()} AND concurrent_limit IS NOT NULL"
    return f"SELECT 1 FROM {_table(IdTag)} WHERE {limited} ORDER BY key, id {_for_update()}"


def tags(organisation_ids: Iterable[int | None], keys: Iterable[str]) -> list[IdTag]:
    """The tags with these keys, with ``parent`` loaded and ``is_restricted`` set: whether they are for groups only."""
    found = _load(IdTag, _tags_sql(), [_numbers(organisation_ids), _texts(keys)])
    restricted = {number for (number,) in _fetch(_restricted_sql(), [_numbers(tag.pk for tag in found)])}
    for tag in found:
        tag.is_restricted = tag.pk in restricted  # type: ignore[attr-defined]
    if any(tag.parent_id for tag in found):
        models.prefetch_related_objects(found, "parent")
    return found


@cache
def _tags_sql() -> str:
    return f"{_select(IdTag)} WHERE {_tags_condition()}"


@cache
def _restricted_sql() -> str:
    groups = connection.ops.quote_name(IdTag.groups.through._meta.db_table)
    return f"SELECT DISTINCT idtag_id FROM {groups} WHERE {_any_of('idtag_id', 'bigint')}"


def _tags_condition() -> str:
    return f"{_any_of('organisation_id', 'bigint')} AND {_any_of('key', 'varchar')}"


def transactions(
    *,
    ids: Iterable[int],
    open_on: Iterable[int],
    open_of: Iterable[int],
    started: tuple[Iterable[int], Iterable[datetime]],
) -> list[Transaction]:
    """The transactions with these ids, those open on these connectors or of these tags, and those that began at these
    charge points at one of these charger times; oldest first."""
    times = _texts(str(connection.ops.adapt_datetimefield_value(at)) for at in started[1])
    parameters = [_numbers(ids), _numbers(open_on), _numbers(open_of), _numbers(started[0]), times]
    return _load(Transaction, _transactions_sql(), parameters)


@cache
def _transactions_sql() -> str:
    conditions = [
        _any_of("id", "integer"),
        f"(is_active AND {_any_of('connector_id', 'bigint')})",
        f"(is_active AND {_any_of('tag_id', 'bigint')})",
        f"({_any_of('charge_point_id', 'bigint')} AND {_any_of('start_timestamp', 'timestamptz')})",
    ]
    return f"{_select(Transaction)} WHERE {' OR '.join(conditions)} ORDER BY id"


def has_call(charge_point_id: int, action: str, since: datetime) -> bool:
    """Whether a charge point has sent a CALL of this action since then."""
    at = connection.ops.adapt_datetimefield_value(since)
    return bool(_fetch(_has_call_sql(), [charge_point_id, at, action, Direction.INBOUND.value]))


@cache
def _has_call_sql() -> str:
    condition = "charge_point_id = %s AND at >= %s AND action = %s AND direction = %s"
    return f"SELECT 1 FROM {_table(Message)} WHERE {condition} LIMIT 1"


def tariff_ids(charge_point_ids: Iterable[int]) -> dict[int, tuple[int | None, ...]]:
    """The tariffs of each of these charge points, of its site, and of its organisation (the default one), by id."""
    rows = _fetch(_tariff_ids_sql(), [_numbers(charge_point_ids)])
    return {number: tuple(tariffs) for number, *tariffs in rows}


@cache
def _tariff_ids_sql() -> str:
    default = f"SELECT id FROM {_table(Tariff)} WHERE organisation_id = c.organisation_id AND is_default"
    return (
        f"SELECT c.id, c.tariff_id, s.tariff_id, ({default}) FROM {_table(ChargePoint)} AS c "
        f"LEFT JOIN {_table(Site)} AS s ON s.id = c.site_id WHERE {_any_of('c.id', 'bigint')}"
    )


# -- rows ----------------------------------------------------------------------------------------------------

Converter = Callable[[Any], Any]


def _load(model: type[Row], sql: str, parameters: list[Any]) -> list[Row]:
    names, converters = _fields(model)
    alias, is_plain = connection.alias, _is_plain(model)
    found = []
    for row in _fetch(sql, parameters):
        values = dict(zip(names, row, strict=True))
        for name, convert in converters:
            values[name] = convert(values[name])
        found.append(_instance(model, values, alias) if is_plain else model.from_db(alias, names, values.values()))
    return found


def _instance(model: type[Row], values: dict[str, Any], alias: str) -> Row:
    """What ``Model.from_db`` makes of a whole row, without setting one field after the other."""
    instance = model.__new__(model)
    instance.__dict__.update(values)
    state = instance._state = ModelState()
    state.adding, state.db = False, alias
    return instance


def _is_plain(model: type[models.Model]) -> bool:
    """Whether nobody looks on, or has a say, while an instance is made."""
    is_own = model.__init__ is not models.Model.__init__ or model.from_db.__func__ is not models.Model.from_db.__func__  # type: ignore[attr-defined]
    return not (is_own or pre_init.has_listeners(model) or post_init.has_listeners(model))


def _fetch(sql: str, parameters: list[Any]) -> list[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


@cache
def _fields(model: type[models.Model]) -> tuple[list[str], list[tuple[str, Converter]]]:
    """The names of all fields, and what makes Python values of those that need it."""
    fields = model._meta.concrete_fields
    converters = [(field.attname, _converter(field)) for field in fields]
    return [field.attname for field in fields], [(name, convert) for name, convert in converters if convert is not None]


@cache
def _converter(field: Any) -> Converter | None:
    if connection.vendor == "postgresql" and isinstance(field, models.DateTimeField):
        return lambda value: None if value is None else datetime.fromisoformat(value)
    column = field.get_col(field.model._meta.db_table)
    converters = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    if not converters:
        return None

    def convert(value: Any) -> Any:
        for converter in converters:
            value = converter(value, column, connection)
        return value

    return convert


# -- SQL -----------------------------------------------------------------------------------------------------


def _select(model: type[models.Model]) -> str:
    return f"SELECT {', '.join(_read(field) for field in model._meta.concrete_fields)} FROM {_table(model)}"


def _read(field: Any) -> str:
    column = connection.ops.quote_name(field.column)
    if connection.vendor == "postgresql" and isinstance(field, models.DateTimeField):
        return f"{column}::text"  # Django's loader for timestamps takes ten times as long as fromisoformat
    return column


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _for_update() -> str:
    return "" if connection.vendor == "sqlite" else "FOR NO KEY UPDATE"


def _any_of(column: str, kind: str) -> str:
    """Whether a column has one of the values in a parameter from ``_numbers`` or ``_texts``."""
    if connection.vendor == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(%s))"
    return f"{column} = ANY(%s::{kind}[])"


def _numbers(values: Iterable[int | None]) -> str:
    listed = ",".join([str(value) for value in values if value is not None])
    return f"[{listed}]" if connection.vendor == "sqlite" else f"{{{listed}}}"


def _texts(values: Iterable[str]) -> str:
    if connection.vendor == "sqlite":
        return msgspec.json.encode(list(values)).decode()
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return f"{{{','.join(quoted)}}}"
