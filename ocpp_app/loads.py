"""What a batch reads, in SQL whose text never changes, made into model instances at once.

Building the same few queries with the ORM again for every batch, and their rows into instances one field at a time,
took two thirds of a worker's CPU time. What comes out is what the ORM gives (``tests/ocpp_app/test_loads.py``). A list
is one parameter, however long: an array on PostgreSQL, JSON on SQLite.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from django.db import DEFAULT_DB_ALIAS, connection, models

from ocpp_app import rows
from ocpp_app.models import (
    OPEN_RESERVATION_STATES,
    UPGRADING,
    ChargePoint,
    Command,
    CommandState,
    Connector,
    Direction,
    Gateway,
    IdTag,
    Message,
    MeterValue,
    RegistrationStatus,
    Reservation,
    SecurityProfile,
    SecurityUpgrade,
    Session,
    Site,
    Tariff,
    Transaction,
)
from ocpp_app.round_trips import Query, Rows, Statement, on_sqlite

Row = TypeVar("Row", bound=models.Model)


def charge_points(identities: Iterable[str]) -> Query[list[ChargePoint]]:
    """The charge points with these identities, locked in the order of their keys."""
    return _load(ChargePoint, _charge_points_sql(), [_texts(identities)])


@cache
def _charge_points_sql() -> str:
    return f"{_select(ChargePoint)} WHERE {_any_of('identity', 'varchar')} ORDER BY id {_for_update()}"


def messages(relay_ids: Iterable[uuid.UUID]) -> Query[list[Message]]:
    """The frames that came with these relay ids."""
    return _load(Message, _messages_sql(), [_uuids(relay_ids)])


@cache
def _messages_sql() -> str:
    return f"{_select(Message)} WHERE {_any_of('relay_id', 'uuid')}"


def connectors(charge_point_ids: Iterable[int]) -> Query[list[Connector]]:
    """All connectors of these charge points."""
    return _load(Connector, _connectors_sql(), [_numbers(charge_point_ids)])


@cache
def _connectors_sql() -> str:
    return f"{_select(Connector)} WHERE {_any_of('charge_point_id', 'bigint')}"


def reservations(charge_point_ids: Iterable[int]) -> Query[list[Reservation]]:
    """The reservations of these charge points that hold a connector, or are asked for, in the order of their keys."""
    return _load(Reservation, _reservations_sql(), [_numbers(charge_point_ids)])


@cache
def _reservations_sql() -> str:
    states = ", ".join(f"'{state.value}'" for state in OPEN_RESERVATION_STATES)
    return f"{_select(Reservation)} WHERE {_any_of('charge_point_id', 'bigint')} AND status IN ({states}) ORDER BY id"


def limited_tags(organisation_ids: Iterable[int | None], keys: Iterable[str]) -> Query[None]:
    """Lock those of the tags that have a limit of concurrent transactions, in the order of their keys."""
    parameters = [_numbers(organisation_ids), _texts(keys)]
    return Query(Statement(_limited_tags_sql(), parameters), lambda rows: None)


@cache
def _limited_tags_sql() -> str:
    limited = f"{_is_wanted_tag()} AND concurrent_limit IS NOT NULL"
    return f"SELECT 1 FROM {_table(IdTag)} WHERE {limited} ORDER BY key, id {_for_update()}"


def tags(organisation_ids: Iterable[int | None], keys: Iterable[str]) -> Query[list[IdTag]]:
    """The tags with these keys, with ``parent`` loaded and ``is_restricted`` set: whether they are for groups only."""
    instances = _maker(IdTag)

    def make(found: Rows) -> list[IdTag]:
        loaded = instances([row[:-1] for row in found])
        for tag, row in zip(loaded, found, strict=True):
            tag.is_restricted = bool(row[-1])  # type: ignore[attr-defined]
        if any(tag.parent_id for tag in loaded):
            models.prefetch_related_objects(loaded, "parent")
        return loaded

    return Query(Statement(_tags_sql(), [_numbers(organisation_ids), _texts(keys)]), make)


@cache
def _tags_sql() -> str:
    groups = connection.ops.quote_name(IdTag.groups.through._meta.db_table)
    restricted = f"EXISTS (SELECT 1 FROM {groups} WHERE idtag_id = {_table(IdTag)}.id)"
    return f"{_select(IdTag, restricted)} WHERE {_is_wanted_tag()}"


def _is_wanted_tag() -> str:
    """Whether a tag has one of the organisations in a parameter from ``_numbers``, and a key in one from ``_texts``."""
    if on_sqlite():
        return f"{_any_of('organisation_id', 'bigint')} AND {_any_of('key', 'varchar')}"
    # Each looked up by itself: given both lists, the index may be read through for the first alone.
    one = f"SELECT id FROM {_table(IdTag)} WHERE organisation_id = o.number AND key = k.word"
    return _among("id", f"SELECT ({one}) FROM unnest(%s::bigint[]) AS o(number), unnest(%s::varchar[]) AS k(word)")


def transactions(
    *,
    ids: Iterable[int],
    open_at: Iterable[int],
    open_of: tuple[Iterable[int | None], Iterable[str]],
    started: Iterable[tuple[int, datetime]],
) -> Query[list[Transaction]]:
    """The transactions with these ids, those open at these charge points or of the limited ones of these tags (their
    organisations and keys), and those that began at a charge point at its time; oldest first."""
    starts, tags = list(started), list(open_of[1])
    is_starting = bool(starts or tags)
    parameters = [_numbers(ids), _numbers(open_at)]
    if is_starting:
        parameters += (_numbers(open_of[0]), _texts(tags))
        parameters += (_numbers(number for number, _at in starts), _times(at for _number, at in starts))
    return _load(Transaction, _transactions_sql(is_starting=is_starting), parameters)


@cache
def _transactions_sql(*, is_starting: bool) -> str:
    """``is_starting``: with what only a start asks for, which takes half of the time."""
    counted = f"SELECT id FROM {_table(IdTag)} WHERE {_is_wanted_tag()} AND concurrent_limit IS NOT NULL"
    # Their keys first, each kind by its own index: an OR of all this would be looked at once more for each row.
    keys = [
        "SELECT value FROM json_each(%s)" if on_sqlite() else "SELECT unnest(%s::integer[])",
        f"SELECT id FROM {_table(Transaction)} WHERE is_active AND {_any_of('charge_point_id', 'bigint')}",
    ]
    of_starts = [
        f"SELECT id FROM {_table(Transaction)} WHERE is_active AND {_among('tag_id', counted)}",
        _started(),
    ]
    keys += of_starts if is_starting else []
    return f"{_select(Transaction)} WHERE {_among('id', ' UNION ALL '.join(keys))} ORDER BY id"


def _started() -> str:
    """The ids of the transactions that began at a charge point in a parameter from ``_numbers``, at its time in one
    from ``_times``."""
    table = _table(Transaction)
    if on_sqlite():
        pairs = "SELECT n.value AS number, a.value AS at FROM json_each(%s) AS n JOIN json_each(%s) AS a USING (key)"
        began = "t.charge_point_id = p.number AND t.start_timestamp = p.at"
        return f"SELECT t.id FROM ({pairs}) AS p JOIN {table} AS t ON {began}"
    # Looked up by itself, as tags are. The order tells the planner which of the indexes that begin with the charge
    # point is meant: while its statistics are those of a few rows, one is as good as another to it.
    began = "charge_point_id = p.number AND start_timestamp BETWEEN p.at AND p.at ORDER BY start_timestamp"
    each = f"SELECT id FROM {table} WHERE {began}"
    return f"SELECT unnest(ARRAY({each})) FROM unnest(%s::bigint[], %s::timestamptz[]) AS p(number, at)"


class Reading(NamedTuple):
    """What a stored meter value says of its transaction; Wh and W."""

    transaction_id: int
    at: datetime
    power_w: float | None
    energy_wh: float | None


def readings(transaction_ids: Iterable[int]) -> Query[list[Reading]]:
    """The stored meter values of these transactions, in the order in which they came."""
    convert = _converter(MeterValue._meta.get_field("timestamp")) or _as_it_is

    def make(found: Rows) -> list[Reading]:
        return [Reading(number, convert(at), power_w, energy_wh) for number, at, power_w, energy_wh in found]

    return Query(Statement(_readings_sql(), [_numbers(transaction_ids)]), make)


@cache
def _readings_sql() -> str:
    fields = [MeterValue._meta.get_field(name) for name in ("transaction", "timestamp", "power_w", "energy_wh")]
    columns = ", ".join(map(_column, fields))
    return f"SELECT {columns} FROM {_table(MeterValue)} WHERE {_any_of('transaction_id', 'bigint')} ORDER BY id"


def calls(charge_point_id: int, action: str, since: datetime) -> Query[bool]:
    """Whether a charge point has sent a CALL of this action since then."""
    at = _time(since)
    return Query(Statement(_calls_sql(), [charge_point_id, at, action, Direction.INBOUND.value]), bool)


@cache
def _calls_sql() -> str:
    condition = "charge_point_id = %s AND at >= %s AND action = %s AND direction = %s"
    return f"SELECT 1 FROM {_table(Message)} WHERE {condition} LIMIT 1"


def last_calls(charge_point_ids: Iterable[int], action: str, since: datetime) -> Query[dict[int, datetime | None]]:
    """When each of these charge points sent its last CALL of this action; None: not since then."""
    at = _time(since)
    convert = _converter(Message._meta.get_field("at")) or _as_it_is

    def make(found: Rows) -> dict[int, datetime | None]:
        return {number: convert(last) for number, last in found}

    parameters = [at, action, Direction.INBOUND.value, _numbers(charge_point_ids)]
    return Query(Statement(_last_calls_sql(), parameters), make)


@cache
def _last_calls_sql() -> str:
    at = _column(Message._meta.get_field("at"))
    own = "charge_point_id = c.value AND at >= %s AND action = %s AND direction = %s"
    last = f"SELECT {at} FROM {_table(Message)} WHERE {own} ORDER BY at DESC LIMIT 1"
    ids = "json_each(%s)" if on_sqlite() else "unnest(%s::bigint[])"
    return f"SELECT c.value, ({last}) FROM {ids} AS c{'' if on_sqlite() else '(value)'}"


def tariff_ids(charge_point_ids: Iterable[int]) -> Query[dict[int, tuple[int | None, ...]]]:
    """The tariffs of each of these charge points, of its site, and of its organisation (the default one), by id."""

    def make(found: Rows) -> dict[int, tuple[int | None, ...]]:
        return {number: tuple(tariffs) for number, *tariffs in found}

    return Query(Statement(_tariff_ids_sql(), [_numbers(charge_point_ids)]), make)


@cache
def _tariff_ids_sql() -> str:
    default = f"SELECT id FROM {_table(Tariff)} WHERE organisation_id = c.organisation_id AND is_default"
    return (
        f"SELECT c.id, c.tariff_id, s.tariff_id, ({default}) FROM {_table(ChargePoint)} AS c "
        f"LEFT JOIN {_table(Site)} AS s ON s.id = c.site_id WHERE {_any_of('c.id', 'bigint')}"
    )


def sessions(ids: Iterable[uuid.UUID]) -> Query[list[Session]]:
    """The sessions with these ids."""
    return _load(Session, _sessions_sql(), [_uuids(ids)])


@cache
def _sessions_sql() -> str:
    return f"{_select(Session)} WHERE {_any_of('id', 'uuid')}"


def gateways(names: Iterable[str], session_ids: Iterable[uuid.UUID]) -> Query[list[Gateway]]:
    """The gateways with these names, and those of these sessions."""
    return _load(Gateway, _gateways_sql(), [_texts(names), _uuids(session_ids)])


@cache
def _gateways_sql() -> str:
    of_sessions = f"SELECT gateway_id FROM {_table(Session)} WHERE {_any_of('id', 'uuid')}"
    return f"{_select(Gateway)} WHERE {_any_of('name', 'varchar')} OR {_among('id', of_sessions)}"


def security_upgrades(charge_point_ids: Iterable[int]) -> Query[list[SecurityUpgrade]]:
    """What these charge points are just being given: a key, or a higher profile."""
    return _load(SecurityUpgrade, _security_upgrades_sql(), [_numbers(charge_point_ids)])


@cache
def _security_upgrades_sql() -> str:
    states = ", ".join(f"'{state.value}'" for state in UPGRADING)
    return f"{_select(SecurityUpgrade)} WHERE {_any_of('charge_point_id', 'bigint')} AND state IN ({states})"


def with_queued_commands(charge_point_ids: Iterable[int]) -> Query[set[int]]:
    """Those of these charge points that have commands which were not sent yet."""
    statement = Statement(_with_queued_commands_sql(), [_numbers(charge_point_ids)])
    return Query(statement, lambda found: {number for (number,) in found})


@cache
def _with_queued_commands_sql() -> str:
    condition = f"{_any_of('charge_point_id', 'bigint')} AND state = '{CommandState.QUEUED.value}'"
    return f"SELECT DISTINCT charge_point_id FROM {_table(Command)} WHERE {condition}"


def proven(session_ids: Iterable[uuid.UUID]) -> Query[set[int]]:
    """The charge points of those of these sessions that have a password or a certificate."""
    parameters = [_uuids(session_ids), int(SecurityProfile.BASIC)]
    return Query(Statement(_proven_sql(), parameters), lambda found: {number for (number,) in found})


@cache
def _proven_sql() -> str:
    condition = f"{_any_of('id', 'uuid')} AND security_profile >= %s"
    return f"SELECT charge_point_id FROM {_table(Session)} WHERE {condition}"


class Named(NamedTuple):
    """What a charge point is called in certificates."""

    pk: int
    identity: str
    """Empty while it waits for approval: then it has chosen it itself."""
    serial: str


WORDS = r"regexp_split_to_array(identity || ' ' || registered_serial_number, '[^0-9A-Za-z]+')"
"""The words in the names of a charge point, as PostgreSQL has them in an index (``ocpp_point_words``)."""


def named(serials: Iterable[str], words: Iterable[Iterable[str]]) -> Query[list[Named]]:
    """The charge points with one of these registered serial numbers, and those that have all words of one of these
    groups in their names; on SQLite, where a site has few, all."""
    groups = [] if on_sqlite() else [_texts(serials), _texts(_texts(group) for group in words)]
    return Query(Statement(_named_sql(), groups), lambda found: [Named(*row) for row in found])


@cache
def _named_sql() -> str:
    identity = f"CASE WHEN registration_status = '{RegistrationStatus.PENDING.value}' THEN '' ELSE identity END"
    select = f"SELECT id, {identity}, registered_serial_number FROM {_table(ChargePoint)}"
    if on_sqlite():
        return select
    has_serial = _any_of("registered_serial_number", "varchar")
    return (
        f"{select} WHERE {has_serial} UNION {select}, unnest(%s::text[]) AS g(words) WHERE {WORDS} @> g.words::text[]"
    )


# -- rows ----------------------------------------------------------------------------------------------------

Converter = Callable[[Any], Any]


def _load(model: type[Row], sql: str, parameters: list[Any]) -> Query[list[Row]]:
    return Query(Statement(sql, parameters), _maker(model))


def _as_it_is(value: Any) -> Any:
    return value


def _maker(model: type[Row]) -> Callable[[Rows], list[Row]]:
    """What makes instances of whole rows."""
    names, converters = _fields(model)

    def make(found: Rows) -> list[Row]:
        alias, is_plain = DEFAULT_DB_ALIAS, rows.is_plain(model)
        made = []
        for row in found:
            values = dict(zip(names, row, strict=True))
            for name, convert in converters:
                values[name] = convert(values[name])
            made.append(rows.loaded(model, values, alias) if is_plain else model.from_db(alias, names, values.values()))
        return made

    return make


@cache
def _fields(model: type[models.Model]) -> tuple[list[str], list[tuple[str, Converter]]]:
    """The names of all fields, and what makes Python values of those that need it."""
    fields = model._meta.concrete_fields
    converters = [(field.attname, _converter(field)) for field in fields]
    return [field.attname for field in fields], [(name, convert) for name, convert in converters if convert is not None]


@cache
def _converter(field: Any) -> Converter | None:
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


def _select(model: type[models.Model], *more: str) -> str:
    return f"SELECT {', '.join([*map(_column, model._meta.concrete_fields), *more])} FROM {_table(model)}"


def _column(field: Any) -> str:
    return connection.ops.quote_name(field.column)


@cache
def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _for_update() -> str:
    return "" if on_sqlite() else "FOR NO KEY UPDATE"


def _any_of(column: str, kind: str) -> str:
    """Whether a column has one of the values in a parameter from ``_numbers`` or ``_texts``."""
    if on_sqlite():
        return f"{column} IN (SELECT value FROM json_each(%s))"
    return f"{column} = ANY(%s::{kind}[])"


def _among(column: str, select: str) -> str:
    """Whether a column has one of the values that a SELECT finds, first of all: one that an index can look for."""
    return f"{column} IN ({select})" if on_sqlite() else f"{column} = ANY(ARRAY({select}))"


def _numbers(values: Iterable[int | None]) -> str:
    listed = ",".join([str(value) for value in values if value is not None])
    return f"[{listed}]" if on_sqlite() else f"{{{listed}}}"


def _time(at: datetime) -> str:
    return str(connection.ops.adapt_datetimefield_value(at))


def _times(values: Iterable[datetime]) -> str:
    return _texts(map(_time, values))


def _uuids(values: Iterable[uuid.UUID]) -> str:
    return _texts([value.hex for value in values])


def _texts(values: Iterable[str]) -> str:
    listed = list(values)
    if on_sqlite():
        return msgspec.json.encode(listed).decode()
    if not listed:
        return "{}"
    joined = '","'.join(listed)
    if "\\" in joined or joined.count('"') != 2 * len(listed) - 2:  # something in them has to be escaped
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in listed)
    return f'{{"{joined}"}}'
