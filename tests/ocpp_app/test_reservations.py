"""Reservations are what the charge point, the starts, the statuses and the clock make of them."""

import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app import reservation_rules
from ocpp_app.dispatch import commit
from ocpp_app.errors import ChargePointOffline, UnknownChargePoint
from ocpp_app.models import Command, CommandState, Connector, IdTag, Organisation, Reservation, Transaction
from ocpp_app.outbound import raw_call
from ocpp_app.reservations import cancel_reservation, reserve
from ocpp_app.signals import reservation_changed
from ocppj.errors import PayloadError
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]


def later(minutes: float = 60) -> datetime:
    return timezone.now() + timedelta(minutes=minutes)


def answer(wire: Wire, payload: str | None, error: str = "InternalError") -> Command:
    """The charge point's answer to the newest command: this payload, or a CALLERROR."""
    command = Command.objects.latest("created_at")
    frame = f'[4,"{command.pk}","{error}","No.",{{}}]' if payload is None else f'[3,"{command.pk}",{payload}]'
    assert wire.call(frame) is None
    return command


def reserved(wire: Wire, connector: int = 1, id_tag: str = "TAG1", minutes: float = 60, **fields: Any) -> Reservation:
    """A reservation that the charge point has accepted."""
    row = reserve(wire.identity, connector, id_tag, later(minutes))
    answer(wire, '{"status":"Accepted"}')
    if fields:
        Reservation.objects.filter(pk=row.pk).update(**fields)
    return row


def state(row: Reservation) -> str:
    row.refresh_from_db()
    return row.status


def start(wire: Wire, connector: int = 1, id_tag: str = "TAG1", **fields: Any) -> Transaction:
    """A start now."""
    timestamp = timezone.now().isoformat().replace("+00:00", "Z")
    return Charging(wire, connector=connector, id_tag=id_tag).start(timestamp=timestamp, **fields).row


def status(wire: Wire, status: str, connector: int = 1, **fields: Any) -> None:
    wire.ask("StatusNotification", {"connectorId": connector, "errorCode": "NoError", "status": status}, **fields)


# -- reserve -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.13")
def test_reservation_is_asked_for_with_an_id_of_ours(wire: Wire, tag: IdTag, admin_user: Any) -> None:
    IdTag.objects.filter(pk=tag.pk).update(parent=IdTag.objects.create(id_tag="FAMILY"))
    expires_at = later().replace(microsecond=0)
    row = reserve("CP001", 2, "tag1", expires_at, requested_by=admin_user)
    assert (row.status, row.connector.number, row.tag, row.parent_id_tag) == ("Requested", 2, tag, "FAMILY")
    assert (row.expires_at, row.requested_by) == (expires_at, admin_user)
    command = Command.objects.get()
    assert (row.command, command.requested_by) == (command, admin_user)
    action, payload = json.loads(raw_call(command))[2:]
    assert action == "ReserveNow"
    assert payload == {
        "connectorId": 2,
        "expiryDate": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "idTag": "tag1",
        "reservationId": row.pk,
        "parentIdTag": "FAMILY",
    }


@pytest.mark.parametrize(
    ("payload", "expected", "detail"),
    [
        *(
            (f'{{"status":"{word}"}}', word, "")
            for word in ("Accepted", "Faulted", "Occupied", "Rejected", "Unavailable")
        ),
        pytest.param('{"status":"Maybe"}', "Rejected", "", id="an unknown word is no yes"),
        pytest.param(None, "Rejected", "InternalError No.", id="CALLERROR"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "7.40")
def test_answer_becomes_the_status(payload: str | None, expected: str, detail: str, wire: Wire) -> None:
    row = reserve("CP001", 1, "TAG1", later())
    command = answer(wire, payload)
    assert state(row) == expected
    assert (row.detail, row.command) == (detail, command)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("CP404", 1, "TAG1", later()), UnknownChargePoint, id="unknown charge point"),
        pytest.param(("CP002", 1, "TAG1", later()), ChargePointOffline, id="not connected"),
        pytest.param(("CP001", 1, "TAG1", later(-1)), ValueError, id="expired already"),
        pytest.param(("CP001", -1, "TAG1", later()), PayloadError, id="no connector"),
        pytest.param(("CP001", 1, "T" * 21, later()), PayloadError, id="no idTag"),
    ],
)
def test_what_cannot_be_asked_for_leaves_nothing_behind(
    arguments: Any, error: type[Exception], wire: Wire, connect: Connect
) -> None:
    connect("CP002").close()
    with pytest.raises(error):
        reserve(*arguments)
    assert not Reservation.objects.exists()
    assert not Command.objects.exists()


def test_reservation_waits_for_the_connection_when_it_may(connect: Connect) -> None:
    wire = connect("CP002")
    wire.close()
    row = reserve("CP002", 1, "TAG1", later(), queue=True)
    assert row.status == "Requested"
    assert row.command is not None
    assert row.command.expires_at == row.expires_at
    again = connect("CP002")
    assert [json.loads(item.raw)[2] for item in again.commands] == ["ReserveNow"]
    answer(again, '{"status":"Accepted"}')
    assert state(row) == "Accepted"


def test_answer_for_another_charge_points_reservation_changes_nothing(wire: Wire, connect: Connect) -> None:
    row = reserve("CP001", 1, "TAG1", later())
    other = connect("CP002")
    assert other.call(f'[3,"{row.command_id}",{{"status":"Accepted"}}]') is None
    assert state(row) == "Requested"
    Command.objects.update(payload={"reservationId": row.pk}, charge_point=other.charge_point)
    assert other.call(f'[3,"{row.command_id}",{{"status":"Accepted"}}]') is None
    assert state(row) == "Requested"


@pytest.mark.parametrize("reservation_id", [4711, -1, 0, 2**40, "x", None])
def test_answer_to_a_reservation_that_is_not_ours_is_ignored(reservation_id: Any, wire: Wire) -> None:
    row = reserve("CP001", 1, "TAG1", later())
    Command.objects.update(payload={"reservationId": reservation_id})
    answer(wire, '{"status":"Accepted"}')
    assert state(row) == "Requested"


@pytest.mark.django_db(transaction=True)
def test_every_change_is_told(wire: Wire) -> None:
    told: list[str] = []

    def note(reservation: Reservation, **_kwargs: Any) -> None:
        told.append(reservation.status)

    reservation_changed.connect(note)
    reserved(wire)
    start(wire)
    assert told == ["Accepted", "Used"]


# -- cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param('{"status":"Accepted"}', "Cancelled", id="Accepted"),
        pytest.param('{"status":"Rejected"}', "Cancelled", id="Rejected: it has none"),
        pytest.param(None, "Accepted", id="CALLERROR: nobody knows"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "5.1")
def test_cancel(payload: str | None, expected: str, wire: Wire) -> None:
    row = reserved(wire)
    assert cancel_reservation(row).status == "Accepted"
    command = answer(wire, payload)
    assert (command.action, command.payload) == ("CancelReservation", {"reservationId": row.pk})
    assert state(row) == expected


@pytest.mark.parametrize("ended", ["Cancelled", "Expired", "Used", "Rejected", "Occupied", "Faulted", "Unavailable"])
def test_what_has_ended_is_not_cancelled(ended: str, wire: Wire) -> None:
    row = reserved(wire, status=ended)
    assert cancel_reservation(row).status == ended
    assert Command.objects.count() == 1


def test_answer_to_a_cancel_comes_after_its_use(wire: Wire) -> None:
    row = reserved(wire)
    cancel_reservation(row)
    start(wire, reservationId=row.pk)
    answer(wire, '{"status":"Rejected"}')
    assert state(row) == "Used"


# -- use ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def family(tag: IdTag) -> IdTag:
    """A parent of TAG1 and SIBLING."""
    parent = IdTag.objects.create(id_tag="FAMILY")
    IdTag.objects.filter(pk=tag.pk).update(parent=parent)
    IdTag.objects.create(id_tag="SIBLING", parent=parent)
    IdTag.objects.create(id_tag="STRANGER", parent=IdTag.objects.create(id_tag="OTHERS"))
    return parent


@pytest.mark.parametrize(
    ("held", "used", "is_used"),
    [
        pytest.param({}, {}, True, id="the same tag"),
        pytest.param({}, {"id_tag": "tag1"}, True, id="the same tag in lower case"),
        pytest.param({}, {"id_tag": "SIBLING"}, True, id="by the parent"),
        pytest.param({}, {"id_tag": "STRANGER"}, False, id="by another parent"),
        pytest.param({}, {"id_tag": "NOBODY"}, False, id="by a tag that nobody knows"),
        pytest.param({}, {"connector": 2}, False, id="another connector"),
        pytest.param({"connector": 0}, {"connector": 2}, True, id="any connector"),
        pytest.param({"status": "Requested"}, {}, False, id="not answered yet"),
        pytest.param({"status": "Cancelled"}, {}, False, id="cancelled"),
        pytest.param({"minutes_left": -30}, {}, False, id="expired, not yet noticed"),
        pytest.param({"minutes_left": -2}, {}, True, id="expired by our clock, just now"),
    ],
)
@pytest.mark.usefixtures("family")
@pytest.mark.spec("OCPP 1.6", "5.13")
def test_start_without_a_reservation_id_uses_what_fits(
    held: dict[str, Any], used: dict[str, Any], is_used: bool, wire: Wire
) -> None:
    fields = {name: value for name, value in held.items() if name != "minutes_left"}
    if "minutes_left" in held:
        fields["expires_at"] = later(held["minutes_left"])
    row = reserved(wire, **fields)
    transaction = start(wire, **used)
    assert (state(row) == "Used") == is_used
    assert row.transaction == (transaction if is_used else None)
    transaction.refresh_from_db()
    assert transaction.reservation_id == (row.pk if is_used else None)


def test_tag_without_a_parent_does_not_use_the_reservation_of_another(wire: Wire) -> None:
    row = reserved(wire, id_tag="ALONE")
    start(wire, id_tag="TAG1")
    assert state(row) == "Accepted"


@pytest.mark.parametrize("before", ["Requested", "Accepted", "Cancelled", "Expired", "Faulted", "Rejected"])
def test_start_that_names_its_reservation_has_used_it(before: str, wire: Wire) -> None:
    """Its word is newer than ours: the answer was lost, or it began before its expiry, offline."""
    row = reserved(wire, status=before)
    transaction = start(wire, connector=2, id_tag="ANY", reservationId=row.pk)
    assert state(row) == "Used"
    assert row.transaction == transaction


@pytest.mark.parametrize("reservation_id", [4711, -1, 0, 2**31, 2**63 - 1])
def test_start_that_names_an_unknown_reservation_uses_none(reservation_id: int, wire: Wire) -> None:
    row = reserved(wire)
    assert start(wire, reservationId=reservation_id).reservation_id == reservation_id
    assert state(row) == "Accepted"


def test_start_that_names_another_charge_points_reservation_uses_none(wire: Wire, connect: Connect) -> None:
    row = reserved(wire)
    start(connect("CP002"), reservationId=row.pk)
    assert state(row) == "Accepted"


def test_repeated_start_uses_no_second_reservation(wire: Wire) -> None:
    first, second = reserved(wire, connector=0), reserved(wire, connector=0)
    charging = Charging(wire)
    timestamp = timezone.now().isoformat().replace("+00:00", "Z")
    for _repetition in range(2):
        charging.start(timestamp=timestamp)
    assert [state(first), state(second)] == ["Used", "Accepted"]


def test_second_start_does_not_take_the_reservation_from_the_first(wire: Wire) -> None:
    row = reserved(wire)
    first = start(wire, reservationId=row.pk)
    start(wire, connector=2, reservationId=row.pk)
    assert state(row) == "Used"
    assert row.transaction == first


def test_the_very_connectors_reservation_is_used_before_that_of_any(wire: Wire) -> None:
    rows = [reserved(wire, connector=0, minutes=10), reserved(wire, minutes=60), reserved(wire, minutes=30)]
    start(wire)
    assert [state(row) for row in rows] == ["Accepted", "Accepted", "Used"]


# -- statuses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held_on", "statuses", "connector", "expected"),
    [
        pytest.param(1, ["Reserved"], 1, "Accepted", id="Reserved"),
        pytest.param(1, ["Reserved", "Preparing"], 1, "Accepted", id="the tag was shown"),
        pytest.param(1, ["Reserved", "Faulted"], 1, "Faulted", id="Faulted"),
        pytest.param(1, ["Unavailable"], 1, "Unavailable", id="Unavailable"),
        pytest.param(1, ["Faulted"], 2, "Accepted", id="another connector Faulted"),
        pytest.param(1, ["Faulted"], 0, "Faulted", id="the charge point Faulted"),
        pytest.param(0, ["Unavailable"], 0, "Unavailable", id="any connector, the charge point Unavailable"),
        pytest.param(0, ["Faulted"], 1, "Accepted", id="any connector, one of them Faulted"),
        pytest.param(1, ["Available"], 1, "Accepted", id="Available as it was"),
        pytest.param(1, ["Reserved", "Available"], 1, "Cancelled", id="released before its time"),
        pytest.param(1, ["Reserved", "Available"], 2, "Accepted", id="another connector released"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "5.13")
def test_statuses_end_reservations(
    held_on: int, statuses: list[str], connector: int, expected: str, wire: Wire
) -> None:
    row = reserved(wire, connector=held_on)
    for word in statuses:
        status(wire, word, connector)
    assert state(row) == expected


def test_connector_that_is_released_when_it_is_time_has_expired(wire: Wire) -> None:
    row = reserved(wire, expires_at=later(1))
    status(wire, "Reserved")
    status(wire, "Available")
    assert state(row) == "Expired"


def test_status_that_is_older_than_what_is_known_ends_nothing(wire: Wire) -> None:
    row = reserved(wire)
    status(wire, "Reserved")
    status(wire, "Faulted", at=timezone.now().timestamp() - 10)
    assert state(row) == "Accepted"


def test_status_of_a_replaced_connection_ends_nothing(wire: Wire, connect: Connect) -> None:
    row = reserved(wire)
    connect("CP001")  # a new socket
    status(wire, "Faulted")
    assert state(row) == "Accepted"


# -- time --------------------------------------------------------------------------------------------------------------


def expire_overdue() -> None:
    rows = reservation_rules.overdue(timezone.now())
    _nothing, after = commit(lambda batch: reservation_rules.expire(batch, rows))
    after.run()


@pytest.mark.parametrize(
    ("before", "fields", "expected"),
    [
        pytest.param("Accepted", {"expires_at": later(-1)}, "Expired", id="accepted, over"),
        pytest.param("Requested", {"expires_at": later(-1)}, "Expired", id="never answered, over"),
        pytest.param("Accepted", {}, "Accepted", id="not over"),
        pytest.param("Used", {"expires_at": later(-1)}, "Used", id="used"),
        pytest.param("Cancelled", {"expires_at": later(-1)}, "Cancelled", id="cancelled"),
    ],
)
def test_reservations_end_by_time(before: str, fields: dict[str, Any], expected: str, wire: Wire) -> None:
    row = reserved(wire, status=before, **fields)
    expire_overdue()
    assert state(row) == expected


@pytest.mark.parametrize(
    ("command_state", "expected"),
    [
        (CommandState.EXPIRED, "Cancelled"),
        (CommandState.CANCELLED, "Cancelled"),
        (CommandState.QUEUED, "Requested"),
        (CommandState.LOST, "Requested"),
        (CommandState.TIMED_OUT, "Requested"),
    ],
)
def test_reservation_that_was_never_sent_holds_nothing(command_state: str, expected: str, wire: Wire) -> None:
    row = reserve("CP001", 1, "TAG1", later())
    Command.objects.update(state=command_state)
    expire_overdue()
    assert state(row) == expected


def test_what_was_used_meanwhile_does_not_expire(wire: Wire) -> None:
    row = reserved(wire, expires_at=later(-1))
    rows = reservation_rules.overdue(timezone.now())
    Reservation.objects.filter(pk=row.pk).update(status="Used")
    commit(lambda batch: reservation_rules.expire(batch, rows))
    assert state(row) == "Used"


# -- organisations -----------------------------------------------------------------------------------------------------


def test_tag_of_another_organisation_is_not_the_one(connect: Connect) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    wire = connect("CP009", organisation=other)
    row = reserve("CP009", 1, "TAG1", later())
    assert (row.organisation, row.tag) == (other, None)
    assert Connector.objects.filter(charge_point=wire.charge_point, number=1).exists()


# -- in batches --------------------------------------------------------------------------------------------------------


def test_everything_of_a_reservation_in_one_batch(wire: Wire, gateway: Any) -> None:
    """Answer, statuses and start may come in one message of the relay."""
    row = reserve("CP001", 1, "TAG1", later())
    frames: list[Callable[[], str]] = [
        lambda: f'[3,"{row.command_id}",{{"status":"Accepted"}}]',
        lambda: _call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Reserved"}),
        lambda: _call(
            "StartTransaction",
            {
                "connectorId": 1,
                "idTag": "TAG1",
                "meterStart": 5,
                "timestamp": timezone.now().isoformat().replace("+00:00", "Z"),
            },
        ),
        lambda: _call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    ]
    gateway.send(*(wire.frame(frame()) for frame in frames))
    assert state(row) == "Used"
    assert row.transaction == Transaction.objects.get()


def _call(action: str, payload: dict[str, Any]) -> str:
    return json.dumps([2, uuid.uuid4().hex, action, payload])
