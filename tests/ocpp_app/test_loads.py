"""What a batch reads in one go equals what the ORM reads."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.signals import post_init

from ocpp_app import loads, round_trips
from ocpp_app.models import (
    ChargePoint,
    ChargePointGroup,
    Command,
    Connector,
    Direction,
    Gateway,
    IdTag,
    Message,
    Organisation,
    Reservation,
    ReservationState,
    SecurityUpgrade,
    Session,
    Site,
    Tariff,
    Transaction,
    UpgradeState,
)
from ocpp_app.round_trips import Query, Statement

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
HARD = "Ä\n'\"%s\\ {,}"


@pytest.fixture
def charge_points() -> list[ChargePoint]:
    return [
        ChargePoint.objects.create(identity=identity, last_seen_at=NOW, auto_remote_start=None, is_strict=True)
        for identity in ("CP002", HARD, "CP001")
    ]


def connector_of(charge_point: ChargePoint, number: int = 1) -> Connector:
    return Connector.objects.create(charge_point=charge_point, number=number, status_at=NOW if number else None)


def transaction_at(connector: Connector, **fields: Any) -> Transaction:
    return Transaction.objects.create(
        organisation=connector.charge_point.organisation,
        charge_point=connector.charge_point,
        connector=connector,
        started_at=NOW,
        start_received_at=NOW,
        meter_start_wh=1,
        **fields,
    )


def values_of(row: models.Model) -> dict[str, Any]:
    return {name: value for name, value in row.__dict__.items() if name != "_state"}


def assert_same(found: Iterable[models.Model], expected: Iterable[models.Model]) -> None:
    found = list(found)
    assert [values_of(row) for row in found] == [values_of(row) for row in expected]
    for row in found:
        assert (row._state.adding, row._state.db) == (False, "default")
        row.save()
        row.refresh_from_db()


def test_charge_points_in_the_order_of_their_keys(charge_points: list[ChargePoint]) -> None:
    found = loads.charge_points([HARD, "CP001", "nobody"]).fetch()
    assert_same(found, ChargePoint.objects.filter(identity__in=[HARD, "CP001"]).order_by("pk"))


def test_nothing_is_asked_for(charge_points: list[ChargePoint]) -> None:
    assert loads.charge_points([]).fetch() == []
    assert loads.connectors([]).fetch() == []
    assert loads.sessions([]).fetch() == []
    assert loads.gateways([], []).fetch() == []
    assert loads.security_upgrades([]).fetch() == []
    assert loads.proven([]).fetch() == set()
    assert loads.with_queued_commands([]).fetch() == set()
    assert loads.tags([], []).fetch() == []
    assert loads.transactions(ids=[], open_at=[], open_of=([], []), started=[]).fetch() == []
    assert loads.messages([]).fetch() == []
    assert loads.reservations([]).fetch() == []
    assert loads.last_calls([], "Authorize", NOW).fetch() == {}


def test_a_listener_to_new_instances_hears_of_them(charge_points: list[ChargePoint]) -> None:
    heard = []

    def listen(instance: ChargePoint, **_: Any) -> None:
        heard.append(instance.identity)

    post_init.connect(listen, sender=ChargePoint)
    try:
        found = loads.charge_points(["CP001"]).fetch()
    finally:
        post_init.disconnect(listen, sender=ChargePoint)
    assert heard == ["CP001"]
    assert_same(found, ChargePoint.objects.filter(identity="CP001"))


def test_connectors(charge_points: list[ChargePoint]) -> None:
    for charge_point in charge_points:
        connector_of(charge_point, 0)
        connector_of(charge_point, 1)
    wanted = [charge_points[0].pk, charge_points[2].pk]
    found = sorted(loads.connectors(wanted).fetch(), key=lambda row: row.pk)
    assert_same(found, Connector.objects.filter(charge_point__in=wanted).order_by("pk"))


def test_sessions_with_their_gateways(charge_points: list[ChargePoint]) -> None:
    here, there, elsewhere = (Gateway.objects.create(name=name, queue=HARD) for name in ("here", "there", HARD))
    first, second, third = (
        Session.objects.create(charge_point=charge_point, gateway=gateway, connected_at=NOW)
        for charge_point, gateway in zip(charge_points, (there, None, elsewhere), strict=True)
    )
    wanted = [first.pk, second.pk, uuid.uuid4()]
    found = sorted(loads.sessions(wanted).fetch(), key=lambda row: row.pk)
    assert_same(found, Session.objects.filter(pk__in=wanted).order_by("pk"))
    gateways = sorted(loads.gateways(["here", "nowhere"], wanted).fetch(), key=lambda row: row.pk)
    assert_same(gateways, [here, there])
    assert sorted(row.name for row in loads.gateways([HARD], []).fetch()) == [HARD]
    Session.objects.filter(pk__in=[first.pk, third.pk]).update(security_profile=1)
    assert loads.proven(wanted).fetch() == {first.charge_point_id}


def test_security_upgrades_that_have_not_ended(charge_points: list[ChargePoint]) -> None:
    for charge_point, state in zip(charge_points, (UpgradeState.WAITING, UpgradeState.DONE, "key_sent"), strict=True):
        SecurityUpgrade.objects.create(charge_point=charge_point, state=state, deadline=NOW, target=1)
    found = loads.security_upgrades([row.pk for row in charge_points[:2]]).fetch()
    assert_same(found, SecurityUpgrade.objects.filter(charge_point=charge_points[0]))


def test_charge_points_with_queued_commands(charge_points: list[ChargePoint]) -> None:
    for charge_point, state in zip(charge_points, ("queued", "sent", "queued"), strict=True):
        for _ in range(2):
            Command.objects.create(charge_point=charge_point, state=state, payload={}, timeout_s=1, created_at=NOW)
    wanted = [row.pk for row in charge_points[:2]]
    assert loads.with_queued_commands(wanted).fetch() == {charge_points[0].pk}


def test_tags_with_parent_and_restriction(charge_points: list[ChargePoint]) -> None:
    organisation = charge_points[0].organisation
    parent = IdTag.objects.create(id_tag="PARENT")
    child = IdTag.objects.create(id_tag="child", parent=parent, expires_at=NOW)
    restricted = IdTag.objects.create(id_tag='A"\\B')
    restricted.groups.add(ChargePointGroup.objects.create(name="one"), ChargePointGroup.objects.create(name="two"))
    loads.limited_tags([organisation.pk], ["CHILD", 'A"\\B']).fetch()
    found = {tag.id_tag: tag for tag in loads.tags([organisation.pk, None], ["CHILD", 'A"\\B', "UNKNOWN"]).fetch()}
    assert found.keys() == {"child", 'A"\\B'}
    assert found["child"].parent == parent
    assert found["child"].expires_at == child.expires_at
    assert [found[name].is_restricted for name in ("child", 'A"\\B')] == [False, True]  # type: ignore[attr-defined]
    assert loads.tags([organisation.pk + 1], ["CHILD"]).fetch() == []


def test_transactions_by_id_open_ones_and_repeated_starts(charge_points: list[ChargePoint]) -> None:
    one, two, three = (connector_of(charge_point) for charge_point in charge_points)
    tag = IdTag.objects.create(id_tag="TAG1", concurrent_limit=1)
    unlimited = IdTag.objects.create(id_tag="TAG2", concurrent_limit=None)
    earlier, later = NOW - timedelta(hours=1), NOW + timedelta(microseconds=1)
    stopped = {"is_active": False, "stopped_at": NOW}
    named = transaction_at(two, **stopped)
    open_here = transaction_at(one, start_timestamp=NOW)
    open_elsewhere = transaction_at(three, tag=tag)
    same_start = transaction_at(one, start_timestamp=earlier, **stopped)
    transaction_at(one, start_timestamp=later, **stopped)
    transaction_at(two, tag=tag, start_timestamp=earlier, **stopped)
    transaction_at(two, tag=unlimited)
    found = loads.transactions(
        ids=[named.pk, 2**31 - 1],
        open_at=[one.charge_point_id],
        open_of=([tag.organisation_id], ["TAG1", "TAG2"]),
        started=[(one.charge_point_id, earlier), (one.charge_point_id, NOW), (two.charge_point_id, later)],
    ).fetch()
    expected = [named.pk, open_here.pk, open_elsewhere.pk, same_start.pk]
    assert_same(found, Transaction.objects.filter(pk__in=expected).order_by("pk"))


def test_calls_since(charge_points: list[ChargePoint]) -> None:
    sender, other = charge_points[:2]
    for direction, action, at in (
        (Direction.INBOUND, "Authorize", NOW),
        (Direction.OUTBOUND, "Reset", NOW),
    ):
        Message.objects.create(charge_point=sender, direction=direction, action=action, at=at, raw="")
    assert loads.calls(sender.pk, "Authorize", NOW).fetch()
    assert not loads.calls(sender.pk, "Authorize", NOW + timedelta(microseconds=1)).fetch()
    assert not loads.calls(sender.pk, "Reset", NOW - timedelta(hours=1)).fetch()
    assert not loads.calls(other.pk, "Authorize", NOW - timedelta(hours=1)).fetch()


def test_tariffs_of_charge_point_site_and_organisation(charge_points: list[ChargePoint]) -> None:
    organisation = charge_points[0].organisation
    own, of_site, default = (
        Tariff.objects.create(organisation=organisation, name=name, is_default=name == "default")
        for name in ("own", "site", "default")
    )
    first, second, _ = charge_points
    first.tariff, first.site = own, Site.objects.create(organisation=organisation, name="depot", tariff=of_site)
    first.save()
    assert loads.tariff_ids([first.pk, second.pk]).fetch() == {
        first.pk: (own.pk, of_site.pk, default.pk),
        second.pk: (None, None, default.pk),
    }


def test_the_last_call_of_each_charge_point(charge_points: list[ChargePoint]) -> None:
    often, once, never = charge_points
    for sender, action, at in (
        (often, "Authorize", NOW),
        (often, "Authorize", NOW + timedelta(microseconds=1)),
        (often, "Heartbeat", NOW + timedelta(seconds=1)),
        (once, "Authorize", NOW - timedelta(seconds=1)),
    ):
        Message.objects.create(charge_point=sender, direction=Direction.INBOUND, action=action, at=at, raw="")
    found = loads.last_calls([row.pk for row in charge_points], "Authorize", NOW).fetch()
    assert found == {often.pk: NOW + timedelta(microseconds=1), once.pk: None, never.pk: None}


def test_frames_by_their_relay_ids(charge_points: list[ChargePoint]) -> None:
    ids = [uuid.uuid4() for _ in range(3)]
    for number in ids:
        Message.objects.create(
            charge_point=charge_points[0],
            direction=Direction.INBOUND,
            action="Heartbeat",
            at=NOW,
            raw="",
            relay_id=number,
        )
    found = sorted(loads.messages([*ids[:2], uuid.uuid4()]).fetch(), key=lambda row: row.pk)
    assert_same(found, Message.objects.filter(relay_id__in=ids[:2]).order_by("pk"))


@pytest.mark.parametrize(
    "identities", [[], ['a","b'], ["plain", '","', '"', '"b'], ["\\", "a\\"], ["", "NULL", "{}", "a,b"]]
)
def test_list_of_texts_is_read_as_it_is(identities: list[str]) -> None:
    for identity in (*identities, "a", "b"):
        ChargePoint.objects.create(identity=identity)
    assert sorted(row.identity for row in loads.charge_points(identities).fetch()) == sorted(identities)


def test_open_reservations(charge_points: list[ChargePoint]) -> None:
    for charge_point in charge_points[:2]:
        connector = connector_of(charge_point)
        for status in (ReservationState.ACCEPTED, ReservationState.REQUESTED, ReservationState.EXPIRED):
            Reservation.objects.create(
                organisation=charge_point.organisation,
                charge_point=charge_point,
                connector=connector,
                id_tag="TAG1",
                expires_at=NOW,
                status=status,
                status_at=NOW,
                created_at=NOW,
            )
    found = loads.reservations([charge_points[0].pk]).fetch()
    expected = Reservation.objects.filter(charge_point=charge_points[0]).exclude(status=ReservationState.EXPIRED)
    assert_same(found, expected.order_by("pk"))


# -- what a look-up reads, however small its table was when PostgreSQL last looked at it ---------------------


def most_rows_read(query: Query[Any], model: type[models.Model]) -> float:
    """The most rows of a model's table that a step of the plan reads, those that it throws away among them; how other
    tables are read depends on their own statistics."""
    explain = Statement(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.statement.sql}", query.statement.parameters)
    *_ahead, plan = round_trips.fetch([*round_trips.by_index(), Query(explain, lambda rows: rows[0][0])])

    def steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from steps(child)

    thrown_away = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return max(
        (step["Actual Rows"] + sum(step.get(name, 0) for name in thrown_away)) * step["Actual Loops"]
        for step in steps(plan[0]["Plan"])
        if step.get("Relation Name") == model._meta.db_table
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such statistics")
def test_tags_are_looked_up_one_by_one_in_a_table_that_has_just_grown() -> None:
    organisation = Organisation.default()
    IdTag.objects.create(organisation=organisation, id_tag="FIRST")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ocpp_app_idtag")
    names = [f"TAG{number:03}" for number in range(500)]
    IdTag.objects.bulk_create(IdTag(organisation=organisation, id_tag=name, key=name) for name in names)
    wanted, organisations = names[:10], [organisation.pk]
    starting = loads.transactions(ids=[], open_at=[], open_of=(organisations, wanted), started=[(1, NOW)])
    for query in (loads.tags(organisations, wanted), loads.limited_tags(organisations, wanted), starting):
        assert most_rows_read(query, IdTag) < 50, query  # of 500


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such statistics")
def test_repeated_starts_are_looked_up_one_by_one_in_a_table_that_has_just_grown() -> None:
    connectors = [connector_of(ChargePoint.objects.create(identity=f"CP{number}")) for number in range(100)]
    transaction_at(connectors[0], start_timestamp=NOW)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ocpp_app_transaction")
    for connector in connectors[1:]:
        transaction_at(connector, start_timestamp=NOW, is_active=False)
    starts = [(connector.charge_point_id, NOW) for connector in connectors[:5]]
    query = loads.transactions(ids=[], open_at=[], open_of=([], []), started=starts)
    assert len(query.fetch()) == 5
    assert most_rows_read(query, Transaction) < 50  # of 100, for each of the five


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such statistics")
def test_repeated_start_is_not_looked_for_among_all_of_its_charge_point() -> None:
    connector = connector_of(ChargePoint.objects.create(identity="CP001"))
    transaction_at(connector, start_timestamp=NOW)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ocpp_app_transaction")
    for number in range(1, 100):
        transaction_at(connector, start_timestamp=NOW + timedelta(minutes=number), is_active=False)
    starts = [(connector.charge_point_id, NOW + timedelta(minutes=50))]
    query = loads.transactions(ids=[], open_at=[], open_of=([], []), started=starts)
    assert len(query.fetch()) == 1
    assert most_rows_read(query, Transaction) < 10


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such statistics")
def test_last_authorize_is_not_looked_for_among_all_messages_of_the_charge_point() -> None:
    """As it was while each had a few, and none of them was one."""
    charge_points = [ChargePoint.objects.create(identity=f"CP{number:03}") for number in range(50)]

    def send(sender: ChargePoint, minutes: int, action: str) -> Message:
        at = NOW + timedelta(minutes=minutes)
        return Message(charge_point=sender, direction=Direction.INBOUND, action=action, at=at, raw=" " * 500)

    Message.objects.bulk_create(send(sender, minutes, "Heartbeat") for minutes in range(36) for sender in charge_points)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ocpp_app_message")
    first = charge_points[0]
    Message.objects.bulk_create(send(first, minutes, "Authorize") for minutes in range(36, 150))
    query = loads.last_calls([first.pk], "Authorize", NOW)
    assert query.fetch() == {first.pk: NOW + timedelta(minutes=149)}
    assert most_rows_read(query, Message) < 10
