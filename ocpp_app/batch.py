"""What one database transaction works on: everything loaded once, everything written at its end.

Rows are locked charge points first, then idTags, each by key, so that two workers cannot deadlock. Rows handed to
``add`` and ``change`` are written by ``flush``, one statement per table: until then they cannot be queried, and they
send no ``post_save``.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import Error, models
from django.dispatch import Signal

from ocpp_app import bulk, loads, round_trips
from ocpp_app.errors import CallRefused
from ocpp_app.events import outbox
from ocpp_app.habits import Notes
from ocpp_app.known_transactions import KnownTransactions
from ocpp_app.models import (
    Anomaly,
    ChargePoint,
    Command,
    Connector,
    IdTag,
    Message,
    MeterValue,
    Reservation,
    SecurityUpgrade,
    Session,
    StatusHistory,
    Tariff,
    Transaction,
    key_of,
)
from ocpp_app.round_trips import Meanwhile, Query, Statement, on_sqlite
from ocpp_app.rows import new as new_row
from ocppj.errors import ErrorCode
from ocppj.v16 import Action, MessageTriggerEnumType, TriggerMessageStatus

INSERT_ORDER: tuple[type[models.Model], ...] = (
    Connector,
    Session,
    Command,
    Transaction,
    StatusHistory,
    MeterValue,
    Anomaly,
)
"""Parents before children; models that are not named come behind, in the order in which they were first used, and
messages last: nobody asks for them."""

IGNORE_CONFLICTS = frozenset({MeterValue})
"""The digest makes a meter value that came before no second row."""

TRIGGERS = frozenset({Action.TriggerMessage, Action.ExtendedTriggerMessage})
TRIGGERED_BY: dict[str, tuple[str, ...]] = {
    Action.SignCertificate: (MessageTriggerEnumType.SignChargePointCertificate,),
    Action.SignedFirmwareStatusNotification: (MessageTriggerEnumType.FirmwareStatusNotification,),
}
"""Messages that are triggered under another name than their own (security whitepaper §6.14)."""
REFUSED = frozenset({TriggerMessageStatus.Rejected, TriggerMessageStatus.NotImplemented})

AUTHORIZED_WITHIN = timedelta(minutes=5)
"""How far back the last Authorize is looked for beforehand."""
MAX_CONNECTORS = 256
"""A charge point that goes on inventing connectors does not fill a table."""

AtEnd = Callable[..., None]
QueryAtEnd = Callable[["Batch", list[Any]], Query[Any] | None]


class Batch:
    """The unit of work of one or more requests; see the module."""

    def __init__(self, now: datetime, meanwhile: Meanwhile | None = None) -> None:
        """``meanwhile``: what is done while the database commits; see ``round_trips``."""
        self.now = now
        self._meanwhile = meanwhile
        self.charge_points: dict[str, ChargePoint] = {}
        self.events: list[tuple[Signal, dict[str, Any]]] = []
        self.notes = Notes()
        self._added: dict[type[models.Model], list[models.Model]] = defaultdict(list)
        self._changed: dict[type[models.Model], dict[Any, tuple[models.Model, set[str]]]] = defaultdict(dict)
        self._upserts: dict[tuple[type[models.Model], str, tuple[str, ...]], dict[Any, models.Model]] = {}
        self._at_end: dict[AtEnd, list[Any]] = defaultdict(list)
        self._queries_at_end: dict[AtEnd, QueryAtEnd] = {}
        self._commands: dict[uuid.UUID, Command] = {}
        self._tariffs: dict[int, Tariff] = {}
        self._tariff_ids: dict[int, tuple[int | None, ...]] = {}
        self._wanted_tags: set[str] = set()
        self._limited_tags: set[str] = set()
        self._wanted_transactions: set[int] = set()
        self._wanted_starts: set[tuple[int, datetime]] = set()
        self._expected_starts = 0
        self._ending: set[int] = set()
        self._readings_ahead: dict[int, list[loads.Reading]] = {}
        self._messages_by_charge_point: dict[int, list[Any]] = defaultdict(list)
        self._messages_sorted = 0
        """So many of the added ones are among them."""
        self._expects_connectors = False
        self._wanted_connectors: set[tuple[int, int]] = set()
        self._wanted_calls: set[int] = set()
        self._last_calls: dict[int, datetime | None] = {}
        self._free_transaction_ids: list[int] = []
        self._free_connector_ids: list[int] = []
        self.security_upgrades: dict[int, SecurityUpgrade | None] = {}
        """By charge point; see ``upgrades.under_way``."""
        self.to_close: dict[uuid.UUID, str] = {}
        """Sessions that are closed after COMMIT, and why; see ``close_session``."""

    # -- loading ---------------------------------------------------------------------------------------------

    def lock_charge_points(self, identities: Iterable[str]) -> None:
        """Load and lock the charge points with these identities; nothing else may be read before."""
        (found,) = round_trips.look_up([loads.charge_points(set(identities))])
        self.charge_points = {row.identity: row for row in found}

    def expect_connectors(self) -> None:
        """Say beforehand that messages are about connectors: then they, their transactions and their reservations are
        read in one go."""
        self._expects_connectors = True

    def expect_connector(self, charge_point: ChargePoint, number: int) -> None:
        """Say beforehand which connector a message is about."""
        self.expect_connectors()
        self._wanted_connectors.add((charge_point.id, number))

    def expect_tag(self, id_tag: str, *, locked: bool) -> None:
        """Say beforehand which tag a message will ask for; ``locked`` for one whose transactions will be counted."""
        self._wanted_tags.add(key_of(id_tag))
        if locked:
            self._limited_tags.add(key_of(id_tag))

    def expect_transaction(self, transaction_id: int) -> None:
        """Say beforehand which transaction a message will ask for."""
        self._wanted_transactions.add(transaction_id)

    def expect_stop(self, transaction_id: int) -> None:
        """Say beforehand which transaction a message ends: then its stored meter values are read with the rest."""
        self._ending.add(transaction_id)

    def expect_start(self, charge_point: ChargePoint, timestamp: datetime) -> None:
        """Say beforehand at which charger time a transaction starts, to find it where it is already here."""
        self._wanted_starts.add((charge_point.id, timestamp))
        self._expected_starts += 1

    def expect_authorize(self, charge_point: ChargePoint) -> None:
        """Say beforehand that a message will ask when this charge point has sent its last Authorize."""
        self._wanted_calls.add(charge_point.id)

    def lock_and_read(
        self, known: Mapping[str, ChargePoint], relay_ids: Iterable[uuid.UUID], meanwhile: Meanwhile | None = None
    ) -> list[Message]:
        """``lock_charge_points`` and ``read`` in one round trip; ``known``: the charge points as they were last seen,
        with which the locked ones are to be compared then. ``meanwhile``: what is done while the database reads."""
        self.charge_points = dict(known)
        return self.read(relay_ids, loads.charge_points(set(known)), meanwhile)

    def read(
        self,
        relay_ids: Iterable[uuid.UUID],
        locks: Query[list[ChargePoint]] | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> list[Message]:
        """Read in one round trip what the messages have said that they will ask for (``expect_…``), and the frames
        that came before with these relay ids, which are returned. ``locks``: what locks the charge points, unless they
        are locked already."""
        queries: list[Query[Any]] = [*([locks] if locks else []), loads.messages(relay_ids)]
        ids = bulk.ids_query(Transaction, self._expected_starts) if self._expected_starts else None
        tag_queries = self._tag_queries(self._wanted_tags) if self._wanted_tags else []
        queries += tag_queries
        if self._expects_connectors:
            queries += (loads.connectors(self._charge_point_ids), loads.reservations(self._charge_point_ids))
            queries.append(self._transactions_query())
        if self._expected_starts:
            queries.append(loads.tariff_ids({number for number, _at in self._wanted_starts}))
            queries += [ids] if ids is not None else []
        if self._wanted_calls:
            queries.append(loads.last_calls(self._wanted_calls, Action.Authorize, self.now - AUTHORIZED_WITHIN))
        if self._ending:
            queries.append(loads.readings(_ids(self._ending)))
        found = iter(round_trips.look_up(queries, meanwhile=meanwhile))
        if locks is not None:
            self.charge_points = {row.identity: row for row in next(found)}
        earlier: list[Message] = next(found)
        if tag_queries:
            *_locks, tags = (next(found) for _ in tag_queries)
            self._tags = _by_key(tags)
        if self._expects_connectors:
            self._connectors = self._by_number(next(found))
            self._reservations = self._by_charge_point(next(found))
            self._transactions = KnownTransactions(next(found))
        if self._expected_starts:
            self._tariff_ids = next(found)
            self._free_transaction_ids = next(found) if ids is not None else []
        if self._wanted_calls:
            self._last_calls = next(found)
        if self._ending:
            self._readings_ahead = {number: [] for number in self._ending}
            for reading in next(found):
                self._readings_ahead[reading.transaction_id].append(reading)
        return earlier

    @cached_property
    def _charge_point_ids(self) -> list[int]:
        return [row.id for row in self.charge_points.values()]

    def connector(self, charge_point: ChargePoint, number: int) -> Connector:
        """The charge point's connector with this number, made when first heard of."""
        connector = self._connectors.get((charge_point.id, number))
        if connector is None:
            if self._connectors_of[charge_point.pk] >= MAX_CONNECTORS:
                raise CallRefused(
                    ErrorCode.PropertyConstraintViolation,
                    f"connectorId: {number} is new, and this charge point has {MAX_CONNECTORS} connectors already.",
                )
            connector = self._create_connector(charge_point, number)
        return connector

    def _create_connector(self, charge_point: ChargePoint, number: int) -> Connector:
        """A new one, with its id, to which others refer; should somebody else insert it meanwhile, the batch is run
        again."""
        if not self._free_connector_ids:
            new = self._wanted_connectors - self._connectors.keys()
            self._free_connector_ids = bulk.reserve_ids(Connector, max(1, len(new)))
        connector = new_row(Connector, id=self._free_connector_ids.pop(0), charge_point=charge_point, number=number)
        self._connectors[charge_point.pk, number] = self._connectors_by_id[connector.pk] = connector
        self._connectors_of[charge_point.pk] += 1
        self.add(connector)
        return connector

    @cached_property
    def _connectors_of(self) -> Counter[int]:
        """How many connectors each charge point has."""
        return Counter(charge_point_id for charge_point_id, _number in self._connectors)

    @cached_property
    def _connectors(self) -> dict[tuple[int, int], Connector]:
        return self._by_number(loads.connectors(self._charge_point_ids).fetch())

    def _by_number(self, found: Iterable[Connector]) -> dict[tuple[int, int], Connector]:
        by_id = {row.id: row for row in self.charge_points.values()}
        connectors = {}
        for connector in found:
            number = connector.__dict__["charge_point_id"]  # as the property, in a fraction of its time
            connector._state.fields_cache["charge_point"] = by_id[number]
            connectors[number, connector.number] = connector
        return connectors

    def connector_of(self, transaction: Transaction) -> Connector:
        """The transaction's connector, loaded with all the others."""
        connector = self._connectors_by_id.get(transaction.connector_id)
        return transaction.connector if connector is None else connector

    @cached_property
    def _connectors_by_id(self) -> dict[int, Connector]:
        return {row.id: row for row in self._connectors.values()}

    def tag(self, organisation_id: int | None, id_tag: str) -> IdTag | None:
        """The organisation's idTag, with ``parent`` and ``is_restricted`` (to groups) loaded; None when nobody
        registered it."""
        key = key_of(id_tag)
        if key not in self._wanted_tags:
            self._wanted_tags.add(key)
            self._tags.update(self._load_tags({key}))
        return self._tags.get((organisation_id, key))

    @cached_property
    def _tags(self) -> dict[tuple[int | None, str], IdTag]:
        return self._load_tags(self._wanted_tags)

    def _load_tags(self, keys: set[str]) -> dict[tuple[int | None, str], IdTag]:
        *_locks, tags = round_trips.fetch(self._tag_queries(keys)) if keys else [[]]
        return _by_key(tags)

    def _tag_queries(self, keys: set[str]) -> list[Query[Any]]:
        """What locks those of the tags of which somebody will count the transactions, and what reads them all."""
        queries: list[Query[Any]] = []
        limited = keys & self._limited_tags
        if limited and not on_sqlite():  # there a batch holds the one write lock that there is
            # Locked, so that two charge points cannot both start the last transaction that a tag may have; without a
            # limit nobody waits.
            queries.append(loads.limited_tags(self._organisations, limited))
        return [*queries, loads.tags(self._organisations, keys)]

    @cached_property
    def _organisations(self) -> set[int | None]:
        return {row.organisation_id for row in self.charge_points.values()}

    def tariff(self, charge_point: ChargePoint, tag: IdTag | None) -> Tariff | None:
        """What charging costs here with this tag: the tariff of the tag, of its parent, of the charge point, of its
        site, or the organisation's default, whichever is the first that there is."""
        parent = None if tag is None or tag.parent_id is None else tag.parent
        of_tag = [row.tariff_id for row in (tag, parent) if row is not None]
        for tariff_id in (*of_tag, *self._tariffs_of(charge_point)):
            if tariff_id is not None:
                return self._load_tariff(tariff_id)
        return None

    def _tariffs_of(self, charge_point: ChargePoint) -> tuple[int | None, ...]:
        """The tariffs of the charge point, of its site, and of its organisation."""
        if charge_point.id not in self._tariff_ids:
            self._tariff_ids |= loads.tariff_ids(self._charge_point_ids).fetch()
        return self._tariff_ids[charge_point.id]

    def _load_tariff(self, tariff_id: int) -> Tariff:
        if tariff_id not in self._tariffs:
            wanted = {row.tariff_id for tag in self._tags.values() for row in (tag, tag.parent) if row is not None}
            wanted.update(*self._tariff_ids.values(), (tariff_id,))
            self._tariffs = Tariff.objects.prefetch_related("windows").in_bulk(wanted - {None})
        return self._tariffs[tariff_id]

    def transaction(self, charge_point: ChargePoint, transaction_id: int) -> Transaction | None:
        """The transaction with this id, whoever's it is: compare ``charge_point_id``."""
        if transaction_id not in self._transactions.by_id and transaction_id not in self._wanted_transactions:
            self._wanted_transactions.add(transaction_id)
            self._transactions.remember(Transaction.objects.filter(pk=transaction_id))
        return self._transactions.by_id.get(transaction_id)

    @cached_property
    def _transactions(self) -> KnownTransactions:
        """What the messages ask for, in one query: transactions by id, open ones, those with the same start."""
        return KnownTransactions(self._transactions_query().fetch())

    def _transactions_query(self) -> Query[list[Transaction]]:
        return loads.transactions(
            ids=_ids(self._wanted_transactions),
            open_at=self._charge_point_ids,
            open_of=(self._organisations, self._limited_tags),
            started=self._wanted_starts,
        )

    def readings_ahead(self, transaction: Transaction) -> list[loads.Reading] | None:
        """At the end of the batch: the stored meter values of a transaction, in the order in which they came; None
        where they were not read ahead, or this batch has brought more of them."""
        return self._readings_ahead.get(transaction.id)

    def active_transactions(self, charge_point: ChargePoint) -> list[Transaction]:
        """The open transactions of a charge point, oldest first."""
        return [row for row in self._transactions.by_charge_point[charge_point.id] if row.is_active]

    def active_transactions_of(self, tag: IdTag) -> list[Transaction]:
        """The open transactions of a tag, at any charge point."""
        if tag.pk not in self._counted_tags:
            self._counted_tags.add(tag.pk)
            self._transactions.remember(Transaction.objects.filter(tag=tag, is_active=True).order_by("pk"))
        return [row for row in self._transactions.by_tag[tag.pk] if row.is_active]

    @cached_property
    def _counted_tags(self) -> set[int]:
        """The tags of which all open transactions are known."""
        limited = [row for row in self._tags.values() if row.concurrent_limit is not None]
        return {row.pk for row in limited if row.key in self._limited_tags}

    def transactions_started_at(self, charge_point: ChargePoint, timestamp: datetime) -> list[Transaction]:
        """The transactions of a charge point that started at this charger time."""
        start = (charge_point.pk, timestamp)
        if start not in self._wanted_starts:
            self._wanted_starts.add(start)
            started = Transaction.objects.filter(charge_point=charge_point, start_timestamp=timestamp)
            self._transactions.remember(started.order_by("pk"))
        own = self._transactions.by_charge_point[charge_point.id]
        return [row for row in own if row.start_timestamp == timestamp]

    def find_stop(
        self, charge_point: ChargePoint, timestamp: datetime, meter_stop_wh: int, id_tag: str
    ) -> Transaction | None:
        """The transaction that this charge point stopped at this charger time with this register and this tag."""
        stop = (timestamp, meter_stop_wh, id_tag)
        own = self._transactions.by_charge_point[charge_point.id]  # what this batch has stopped is not written yet
        for row in own:
            if (row.stop_timestamp, row.meter_stop_wh, row.stop_id_tag) == stop:
                return row
        found = Transaction.objects.filter(
            charge_point=charge_point, stop_timestamp=timestamp, meter_stop_wh=meter_stop_wh, stop_id_tag=id_tag
        )
        rows = self._transactions.remember(found.order_by("pk")[:1])
        return rows[0] if rows else None

    def has_anomaly(self, transaction: Transaction, kind: str) -> bool:
        """Whether an anomaly of this kind is known of this transaction."""
        for row in self._added[Anomaly]:
            if isinstance(row, Anomaly) and row.transaction_id == transaction.pk and row.kind == kind:
                return True
        return Anomaly.objects.filter(transaction=transaction, kind=kind).exists()

    def open_reservations(self, charge_point: ChargePoint) -> list[Reservation]:
        """The reservations of a charge point that hold a connector, or are asked for."""
        return [row for row in self._reservations[charge_point.pk] if row.is_open]

    def reservation(self, charge_point: ChargePoint, reservation_id: int) -> Reservation | None:
        """The charge point's reservation with this id, also one that has ended."""
        known = self._reservations[charge_point.pk]
        if all(row.pk != reservation_id for row in known):
            ended = Reservation.objects.filter(pk=reservation_id, charge_point=charge_point)
            known.extend(ended.select_related("connector", "charge_point"))
        return next((row for row in known if row.pk == reservation_id), None)

    @cached_property
    def _reservations(self) -> dict[int, list[Reservation]]:
        return self._by_charge_point(loads.reservations(self._charge_point_ids).fetch())

    def _by_charge_point(self, found: Iterable[Reservation]) -> dict[int, list[Reservation]]:
        charge_points = {row.id: row for row in self.charge_points.values()}
        connectors = self._connectors_by_id
        by_charge_point: dict[int, list[Reservation]] = defaultdict(list)
        for row in found:
            row.charge_point = charge_points[row.charge_point_id]
            row.connector = connectors[row.connector_id]
            by_charge_point[row.charge_point_id].append(row)
        return by_charge_point

    def commands_by_id(self, command_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Command]:
        """The commands with these ids, locked."""
        found = Command.objects.select_for_update(no_key=True).order_by("pk").in_bulk(list(command_ids))
        self._commands.update(found)
        return found

    def has_triggered(self, charge_point: ChargePoint, action: str, since: datetime) -> bool:
        """Whether we have asked this charge point for a message of this action since then."""
        requested = TRIGGERED_BY.get(action, (action,))
        for row in self._commands.values():  # one that was sent in this batch is not written yet
            is_trigger = row.charge_point_id == charge_point.pk and row.action in TRIGGERS
            was_sent = row.sent_at is not None and row.sent_at >= since and row.status not in REFUSED
            if is_trigger and was_sent and row.payload.get("requestedMessage") in requested:
                return True
        triggers = Command.objects.filter(charge_point=charge_point, action__in=TRIGGERS, sent_at__gte=since)
        return triggers.filter(payload__requestedMessage__in=requested).exclude(status__in=REFUSED).exists()

    def has_message(self, charge_point: ChargePoint, action: str, since: datetime) -> bool:
        """Whether this charge point has sent a CALL of this action since then."""
        number = charge_point.pk
        if any(row.action == action and row.at >= since for row in self._messages_of(number)):
            return True
        if action == Action.Authorize and number in self._last_calls and since >= self.now - AUTHORIZED_WITHIN:
            last = self._last_calls[number]
            return last is not None and last >= since
        return loads.calls(number, action, since).fetch()

    def _messages_of(self, charge_point_id: int) -> list[Any]:
        """The frames of a charge point in this batch; each frame is put to its charge point once."""
        added = self._added[Message]
        for row in added[self._messages_sorted :]:
            self._messages_by_charge_point[row.__dict__["charge_point_id"]].append(row)
        self._messages_sorted = len(added)
        return self._messages_by_charge_point[charge_point_id]

    def message_of(self, command: Command) -> Message | None:
        """The row of the frame log that has this command's CALL; None while nobody has reported it sent."""
        for row in self._added[Message]:
            if isinstance(row, Message) and row.command_id == command.pk:
                return row
        return self._messages_of_commands.get(command.pk)

    @cached_property
    def _messages_of_commands(self) -> dict[uuid.UUID, Message]:
        found = Message.objects.filter(command__in=self._commands) if self._commands else ()
        return {row.command_id: row for row in found if row.command_id is not None}

    # -- writing ---------------------------------------------------------------------------------------------

    def create_transaction(self, row: Transaction) -> Transaction:
        """Give a new transaction its id, because that goes into the answer; insert it at the end of the batch."""
        known = self._transactions  # read before it is among them
        if not self._free_transaction_ids:
            self._free_transaction_ids = bulk.reserve_ids(Transaction, max(1, self._expected_starts))
        row.pk = self._free_transaction_ids.pop(0)
        known.remember([row])
        self.add(row)
        return row

    def add(self, row: models.Model) -> None:
        """Insert the row at the end of the batch."""
        self._added[type(row)].append(row)

    def add_with_key(self, row: models.Model) -> None:
        """``add`` for a row that a signal names: it has its primary key at once, for receivers that refer to it."""
        (row.pk,) = bulk.reserve_ids(type(row), 1)
        self.add(row)

    def is_new(self, row: models.Model) -> bool:
        """Whether a row is yet to be inserted, whole, at the end of the batch."""
        return row._state.adding

    def change(self, row: models.Model, **values: Any) -> None:
        """Set fields of a loaded row now, and write them at the end of the batch."""
        for name, value in values.items():
            setattr(row, name, value)
        if self.is_new(row):
            return
        self._changed[type(row)].setdefault(row.pk, (row, set()))[1].update(values)

    def upsert(self, row: models.Model, unique: str, field_names: tuple[str, ...]) -> None:
        """Insert the row at the end of the batch, or update these fields where there is one with the same unique key;
        of several with the same, the last."""
        key = row.serializable_value(unique)
        self._upserts.setdefault((type(row), unique, field_names), {})[key] = row

    def send(self, signal: Signal, sender: type[models.Model], **arguments: Any) -> None:
        """Send a domain event after COMMIT."""
        self.events.append((signal, {"sender": sender, **arguments}))

    def at_end(self, function: AtEnd, item: Any, query: QueryAtEnd | None = None) -> None:
        """Call ``function(batch, items)`` once with all the items that were handed over with it.

        At the end of the batch, when added rows can be queried and changed ones are not written yet: what it adds and
        changes is written with them. The result of ``query(batch, items)``, which is made together with what is written
        before, is a third argument of the function, unless it is None: there is nothing to be asked.
        """
        self._at_end[function].append(item)
        if query is not None:
            self._queries_at_end[function] = query

    def close_session(self, charge_point: ChargePoint, reason: str) -> None:
        """Have its websocket closed after COMMIT, so that it connects anew."""
        if charge_point.session_id is not None:
            self.to_close[charge_point.session_id] = reason

    def flush(self, *, and_commit: bool = False) -> None:
        """Write all that was added and changed; ``and_commit``: nothing more comes in this transaction."""
        try:
            self._flush(and_commit=and_commit)
        except BaseException:
            with suppress(Error):  # what failed is known already
                round_trips.settle()
            raise

    def _flush(self, *, and_commit: bool) -> None:
        self.notes.write(self.now)
        writes = bulk.Writes()
        while self._at_end:
            function, items = self._at_end.popitem()
            self._insert(writes)
            writes.send()
            self._insert_messages(writes)
            make_query = self._queries_at_end.get(function)
            query = None if make_query is None else make_query(self, items)
            if query is None:
                writes.send()
                function(self, items)
            else:
                function(self, items, *writes.fetch_ahead([query]))
        self._insert(writes)
        self._insert_messages(writes)
        self._update(writes)
        writes.run(and_commit=and_commit, meanwhile=self._meanwhile)

    def _insert(self, writes: bulk.Writes) -> None:
        rest = [model for model in self._added if model not in INSERT_ORDER and model is not Message]
        for model in (*INSERT_ORDER, *rest):
            if rows := self._added.pop(model, None):
                if model is MeterValue:
                    self._forget_readings(rows)
                writes.insert(rows, ignore_conflicts=model in IGNORE_CONFLICTS)

    def _forget_readings(self, added: Iterable[Any]) -> None:
        """More has come than was read ahead; which of it is new, only the database can tell."""
        if self._readings_ahead:
            for row in added:
                self._readings_ahead.pop(row.transaction_id, None)

    def _insert_messages(self, writes: bulk.Writes) -> None:
        writes.insert(self._added.pop(Message, []))
        self._messages_sorted = 0

    def _update(self, writes: bulk.Writes) -> None:
        for model in sorted(self._changed, key=lambda model: model._meta.label):
            by_fields: dict[frozenset[str], list[models.Model]] = defaultdict(list)
            for row, fields in self._changed[model].values():
                by_fields[frozenset(fields)].append(row)
            for names, rows in by_fields.items():
                writes.update(rows, names)
        for (_model, unique, field_names), by_key in self._upserts.items():
            writes.upsert([by_key[key] for key in sorted(by_key)], unique, field_names)
        if told := self._told():
            writes.add(told)
        self._changed.clear()
        self._upserts.clear()

    def _told(self) -> Statement | None:
        """What writes the events that somebody has subscribed to, as everything is by now."""
        locked = [row.id for row in self.charge_points.values()]
        return outbox.statement(self.events, self.now, locked=locked, connector_of=self.connector_of)


def _ids(numbers: Iterable[int]) -> list[int]:
    """Those that can be the id of a transaction."""
    return [number for number in numbers if 0 < number < 2**31]


def _by_key(tags: Iterable[IdTag]) -> dict[tuple[int | None, str], IdTag]:
    return {(tag.organisation_id, tag.key): tag for tag in tags}
