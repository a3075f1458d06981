"""What an idTag may do: exactly the status that the specification has for it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app.models import ChargePoint, ChargePointGroup, IdTag, Organisation, Transaction
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, result

pytestmark = pytest.mark.django_db

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def authorize(wire: Wire, id_tag: str = "TAG1") -> dict[str, Any]:
    """The IdTagInfo of Authorize.conf."""
    return wire.ask("Authorize", {"idTag": id_tag})["idTagInfo"]


def start(wire: Wire, connector: int = 1, id_tag: str = "TAG1", at: str | None = None) -> dict[str, Any]:
    """StartTransaction.conf."""
    payload = {"connectorId": connector, "idTag": id_tag, "meterStart": 0, "timestamp": at or ago()}
    return wire.ask("StartTransaction", payload)


def status_of_start(wire: Wire, connector: int = 1, id_tag: str = "TAG1", at: str | None = None) -> str:
    return start(wire, connector, id_tag, at)["idTagInfo"]["status"]


def stop(wire: Wire, transaction_id: int) -> None:
    wire.ask("StopTransaction", {"transactionId": transaction_id, "meterStop": 5, "timestamp": ago()})


# -- one tag -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({}, "Accepted", id="registered"),
        pytest.param({"expires_at": FUTURE}, "Accepted", id="not expired yet"),
        pytest.param({"concurrent_limit": None}, "Accepted", id="no limit"),
        pytest.param({"is_blocked": True}, "Blocked", id="blocked"),
        pytest.param({"expires_at": PAST}, "Expired", id="expired"),
        pytest.param({"is_blocked": True, "expires_at": PAST}, "Blocked", id="blocked and expired"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "7.2")
def test_status_of_a_tag(fields: dict[str, Any], status: str, wire: Wire, tag: IdTag) -> None:
    IdTag.objects.update(**fields)
    assert authorize(wire)["status"] == status
    assert status_of_start(wire) == status
    answer = wire.ask("StopTransaction", {"transactionId": -1, "meterStop": 5, "timestamp": ago(), "idTag": "TAG1"})
    assert answer["idTagInfo"]["status"] == status


@pytest.mark.spec("OCPP 1.6", "7.27")
def test_answer_carries_expiry_and_parent(wire: Wire, tag: IdTag) -> None:
    tag.parent, tag.expires_at = IdTag.objects.create(id_tag="Family"), FUTURE
    tag.save()
    expected = {"status": "Accepted", "expiryDate": "2099-01-01T00:00:00Z", "parentIdTag": "Family"}
    assert authorize(wire) == expected
    assert start(wire)["idTagInfo"] == expected


@pytest.mark.parametrize("id_tag", ["Tag1", "tag1", "TAG1"])
@pytest.mark.spec("OCPP 1.6", "7.28")
def test_case_does_not_matter(id_tag: str, wire: Wire, tag: IdTag) -> None:
    assert authorize(wire, id_tag)["status"] == "Accepted"
    assert status_of_start(wire, id_tag=id_tag) == "Accepted"
    assert Transaction.objects.get().tag == tag


@pytest.mark.parametrize(
    "id_tag", ["TAG", "TAG11", " TAG1", "", "TAG1\x00" * 9, "T" * 3000, "'; DROP TABLE x; --", "ẞtraße"]
)
def test_anything_else_is_unknown(id_tag: str, wire: Wire, tag: IdTag) -> None:
    assert authorize(wire, id_tag) == {"status": "Invalid"}
    assert status_of_start(wire, id_tag=id_tag) == "Invalid"
    assert Transaction.objects.get().tag is None


def test_tag_is_found_again_after_it_was_renamed(wire: Wire, tag: IdTag) -> None:
    tag.id_tag = "new1"
    tag.save(update_fields=["id_tag"])
    assert (authorize(wire)["status"], authorize(wire, "NEW1")["status"]) == ("Invalid", "Accepted")


def test_tag_of_another_organisation_is_unknown(wire: Wire, connect: Connect) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    IdTag.objects.create(id_tag="TAG1", organisation=other, is_blocked=True)
    there = connect("CP002", organisation=other)
    assert (authorize(wire)["status"], authorize(there)["status"]) == ("Invalid", "Blocked")


# -- unknown tags ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "own", "status"),
    [
        ("reject", "", "Invalid"),
        ("accept", "", "Accepted"),
        ("reject", "accept", "Accepted"),
        ("accept", "reject", "Invalid"),
    ],
)
def test_policy_for_unknown_tags(setting: str, own: str, status: str, settings: Any, connect: Connect) -> None:
    settings.OCPP_UNKNOWN_ID_TAG = setting
    wire = connect(unknown_id_tag=own)
    assert authorize(wire) == {"status": status}
    assert status_of_start(wire) == status
    assert not IdTag.objects.filter(id_tag="TAG1").exists()


def test_a_blocked_tag_stays_blocked_where_unknown_ones_may_charge(settings: Any, wire: Wire, tag: IdTag) -> None:
    settings.OCPP_UNKNOWN_ID_TAG = "accept"
    IdTag.objects.update(is_blocked=True)
    assert authorize(wire)["status"] == "Blocked"


# -- groups ------------------------------------------------------------------------------------------------------------


def test_tag_that_is_restricted_to_groups(connect: Connect, tag: IdTag) -> None:
    inside, outside = connect("CP001"), connect("CP002")
    tag.groups.add(group := ChargePointGroup.objects.create(name="Depot"), ChargePointGroup.objects.create(name="Yard"))
    inside.charge_point.groups.add(group)
    assert (authorize(inside)["status"], authorize(outside)["status"]) == ("Accepted", "Invalid")
    assert (status_of_start(inside), status_of_start(outside)) == ("Accepted", "Invalid")


# -- concurrent transactions -------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "7.2")
def test_concurrent_tx_only_in_start_transaction(wire: Wire, connect: Connect, tag: IdTag) -> None:
    first = start(wire)["transactionId"]
    elsewhere = connect("CP002")
    assert status_of_start(wire, connector=2) == "ConcurrentTx"
    assert status_of_start(elsewhere) == "ConcurrentTx"
    assert authorize(elsewhere)["status"] == "Accepted"
    for transaction_id in Transaction.objects.exclude(pk=first).values_list("pk", flat=True):
        stop(wire, transaction_id)
        stop(elsewhere, transaction_id)
    stop(wire, first)
    assert status_of_start(elsewhere) == "Accepted"


@pytest.mark.parametrize(("limit", "accepted"), [(1, 1), (2, 2), (None, 4), (0, 0)])
def test_limit_of_concurrent_transactions(limit: int | None, accepted: int, wire: Wire, tag: IdTag) -> None:
    IdTag.objects.update(concurrent_limit=limit)
    statuses = [status_of_start(wire, connector) for connector in (1, 2, 3, 4)]
    assert statuses == ["Accepted"] * accepted + ["ConcurrentTx"] * (4 - accepted)


def test_limit_holds_within_one_batch(connect: Connect, gateway: GatewayEnd, tag: IdTag) -> None:
    wires = [connect(f"CP{number}") for number in range(4)]
    payload = {"connectorId": 1, "idTag": "tag1", "meterStart": 0, "timestamp": ago()}
    replies = gateway.send(*(wire.frame(json.dumps([2, "1", "StartTransaction", payload])) for wire in wires))
    statuses = [result(reply.raw.decode())["idTagInfo"]["status"] for reply in replies]
    assert statuses == ["Accepted", "ConcurrentTx", "ConcurrentTx", "ConcurrentTx"]


def test_start_after_a_stop_in_the_same_batch_is_accepted(wire: Wire, gateway: GatewayEnd, tag: IdTag) -> None:
    first = start(wire)["transactionId"]
    stop_payload = {"transactionId": first, "meterStop": 5, "timestamp": ago()}
    start_payload = {"connectorId": 2, "idTag": "TAG1", "meterStart": 0, "timestamp": ago()}
    replies = gateway.send(
        wire.frame(json.dumps([2, "1", "StopTransaction", stop_payload])),
        wire.frame(json.dumps([2, "2", "StartTransaction", start_payload])),
    )
    assert result(replies[1].raw.decode())["idTagInfo"]["status"] == "Accepted"


def test_retried_start_is_not_concurrent_with_itself(wire: Wire, connect: Connect, tag: IdTag) -> None:
    at = ago()
    first = start(wire, at=at)
    assert start(connect(), at=at) == first
    assert first["idTagInfo"]["status"] == "Accepted"


def test_retried_start_stays_accepted_whatever_was_refused_meanwhile(wire: Wire, connect: Connect, tag: IdTag) -> None:
    """The answer to the first was lost; the driver tried another charge point, then the first came again."""
    at = ago(minutes=2)
    start(wire, at=at)
    assert status_of_start(connect("CP002")) == "ConcurrentTx"
    assert status_of_start(wire, at=at) == "Accepted"


def test_retried_start_that_was_refused_stays_refused(wire: Wire, connect: Connect, tag: IdTag) -> None:
    start(wire)
    elsewhere, at = connect("CP002"), ago()
    assert [status_of_start(elsewhere, at=at) for _repetition in range(2)] == ["ConcurrentTx"] * 2


def test_a_refused_start_that_is_never_stopped_does_not_lock_its_tag_out(
    wire: Wire, connect: Connect, tag: IdTag
) -> None:
    """A charge point that never began to charge sends no stop."""
    first = start(wire)["transactionId"]
    elsewhere = connect("CP002")
    assert status_of_start(elsewhere) == "ConcurrentTx"
    stop(wire, first)
    assert status_of_start(wire) == "Accepted"


def test_new_start_on_the_same_connector_replaces_the_old_one_and_is_accepted(wire: Wire, tag: IdTag) -> None:
    start(wire, at=ago(minutes=5))
    assert status_of_start(wire) == "Accepted"


def test_concurrent_transactions_of_other_tags_do_not_count(wire: Wire, connect: Connect, tag: IdTag) -> None:
    IdTag.objects.create(id_tag="TAG2", parent=tag)
    start(connect("CP002"), id_tag="TAG2")
    assert status_of_start(wire) == "Accepted"


def test_tags_are_loaded_once_for_a_batch(connect: Connect, gateway: GatewayEnd, tag: IdTag) -> None:
    IdTag.objects.update(concurrent_limit=None)
    wires = [connect(f"CP{number}") for number in range(6)]
    for wire in wires:
        authorize(wire)
    frames = [wire.frame(f'[2,"1","Authorize",{{"idTag":"TAG{number}"}}]') for wire in wires for number in range(8)]
    with CaptureQueriesContext(connection) as captured:
        gateway.send(*frames)
    assert sum('FROM "ocpp_app_idtag"' in query["sql"] for query in captured) == 1


# -- time -------------------------------------------------------------------------------------------------------------


def test_tag_expires_at_its_time(wire: Wire, tag: IdTag) -> None:
    IdTag.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert authorize(wire)["status"] == "Accepted"
    IdTag.objects.update(expires_at=timezone.now())
    assert authorize(wire)["status"] == "Expired"


def test_deleting_a_tag_keeps_its_transactions(wire: Wire, tag: IdTag) -> None:
    transaction_id = start(wire)["transactionId"]
    tag.delete()
    stop(wire, transaction_id)
    row = Transaction.objects.get()
    assert (row.tag, row.id_tag, row.energy_wh, row.is_active) == (None, "TAG1", 5, False)
    assert ChargePoint.objects.count() == 1
