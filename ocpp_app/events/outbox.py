"""The outbox: events become rows in the transaction of what caused them, one statement for a batch.

Without a subscription nothing is written, and nothing is asked. The sequence number is found by the INSERT itself: the
charge point's row is locked meanwhile, so nobody else counts on.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

import msgspec
from django.db import connection, models, transaction
from django.dispatch import Signal
from django.utils import timezone

from ocpp_app.events import catalogue
from ocpp_app.events.catalogue import ConnectorOf, EventType
from ocpp_app.events.subscriptions import known
from ocpp_app.models import ChargePoint, Connector, Event, Transaction
from ocpp_app.round_trips import Statement
from ocppj.ordered import RANDOM_BITS, uuid7

Said = tuple[Signal, dict[str, Any]]
"""A signal with the arguments that it is sent with."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Heard:
    """An event that somebody wants to hear of."""

    type: EventType
    said: dict[str, Any]
    exchange_due: bool
    webhooks_due: bool

    @property
    def charge_point(self) -> ChargePoint:
        charge_point: ChargePoint = self.said["charge_point"]
        return charge_point


def is_wanted(signal: Signal, **said: Any) -> bool:
    """Whether somebody has subscribed to this event of this charge point."""
    return bool(_heard([(signal, said)]))


def statement(
    events: Sequence[Said], now: datetime, *, locked: Iterable[int], connector_of: ConnectorOf
) -> Statement | None:
    """What writes the rows of those of the events that somebody wants; None where nobody does.

    Charge points that are not among the ``locked`` ones are locked now. Execute it in the same transaction.
    """
    heard = _heard(events)
    if not heard:
        return None
    lock({one.charge_point.pk for one in heard} - set(locked))
    counted: Counter[int] = Counter()
    rows = []
    for number, one in enumerate(heard):
        charge_point = one.charge_point
        counted[charge_point.pk] += 1
        rows.append(
            {
                "n": number,
                "ahead": counted[charge_point.pk],
                "uid": uuid7(now.timestamp(), random.getrandbits(RANDOM_BITS)).hex,
                "type": one.type.name,
                "organisation_id": charge_point.organisation_id,
                "charge_point_id": charge_point.pk,
                "at": str(connection.ops.adapt_datetimefield_value(now)),
                "data": _encode(one.type.render(one.said, connector_of)).decode(),
                "exchange_due": one.exchange_due,
                "webhooks_due": one.webhooks_due,
            }
        )
    return Statement(_insert_sql(), [_encode(rows).decode()])


def tell(signal: Signal, sender: type[models.Model], **said: Any) -> None:
    """Outside of a batch: write the event with the present transaction, and send the signal after COMMIT."""
    tell_all(signal, sender, [said])


def tell_all(signal: Signal, sender: type[models.Model], many: Iterable[dict[str, Any]]) -> None:
    """The same of many events of one kind, in one statement."""
    events = [(signal, said) for said in many]
    with transaction.atomic():
        written = statement(events, timezone.now(), locked=(), connector_of=_connector_of)
        if written is not None:
            with connection.cursor() as cursor:
                cursor.execute(*written)
        for _signal, said in events:
            transaction.on_commit(partial(signal.send_robust, sender, **said))


def lock(charge_point_ids: Iterable[int]) -> None:
    """Lock charge points, in the order of their keys; they come before all other locks."""
    ids = sorted(charge_point_ids)
    if ids and connection.vendor != "sqlite":  # there a transaction that writes holds the one lock that there is
        list(ChargePoint.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))


# -- inside ----------------------------------------------------------------------------------------------------


def _heard(events: Sequence[Said]) -> list[_Heard]:
    """Those of the events that somebody wants, in their order."""
    if not events:
        return []
    wanted = known.wanted()
    if wanted.is_nothing:
        return []
    heard: list[_Heard] = []
    told: set[tuple[str, int]] = set()
    for signal, said in reversed(events):
        kind = catalogue.type_of(signal, said)
        if kind is None:
            continue
        by_webhooks = kind.name in wanted.by_webhooks(said["charge_point"].organisation_id)
        if not (wanted.on_exchange or by_webhooks) or (kind.is_coalesced and _is_told(kind, said, told)):
            continue
        heard.append(_Heard(kind, said, wanted.on_exchange, by_webhooks))
    heard.reverse()
    return heard


def _is_told(kind: EventType, said: dict[str, Any], told: set[tuple[str, int]]) -> bool:
    """Whether a later event of the batch says the same of this transaction."""
    key = (kind.name, said["transaction"].pk)
    if key in told:
        return True
    told.add(key)
    return False


def _connector_of(row: Transaction) -> Connector:
    return row.connector


COLUMNS: dict[str, str] = {
    "uid": "uuid",
    "type": "varchar",
    "organisation_id": "bigint",
    "charge_point_id": "bigint",
    "at": "timestamptz",
    "data": "text",
    "exchange_due": "boolean",
    "webhooks_due": "boolean",
}


@cache
def _insert_sql() -> str:
    """All rows from one parameter, in their order: keys of a charge point's events rise as its sequence does."""
    quote = connection.ops.quote_name
    table = quote(Event._meta.db_table)
    columns = ", ".join(quote(name) for name in COLUMNS)
    if connection.vendor == "postgresql":
        types = ", ".join(f"{quote(name)} {kind}" for name, kind in COLUMNS.items())
        values = ", ".join(f"r.{quote(name)}" for name in COLUMNS)
        source = f"json_to_recordset(%s::json) AS r(n integer, ahead integer, {types})"
        ahead, charge_point, order = "r.ahead", "r.charge_point_id", "r.n"
    else:
        values = ", ".join(f"json_extract(r.value, '$.{name}')" for name in COLUMNS)
        source = "json_each(%s) AS r"
        ahead, charge_point, order = (
            f"json_extract(r.value, '$.{name}')" for name in ("ahead", "charge_point_id", "n")
        )
    last = f"SELECT max(e.sequence) FROM {table} AS e WHERE e.charge_point_id = {charge_point}"
    return (
        f"INSERT INTO {table} ({columns}, sequence) "
        f"SELECT {values}, {ahead} + COALESCE(({last}), 0) FROM {source} ORDER BY {order}"
    )
