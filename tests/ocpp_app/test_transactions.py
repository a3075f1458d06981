"""Starts, meter values and stops that somebody can be billed for, in every order in which charge points send them."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import Anomaly, AnomalyKind, ChargePoint, ClosedBy, FailedMessage, IdTag, MeterValue, Transaction
from ocpp_app.signals import transaction_started, transaction_stopped
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, result

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

LARGE = 2**63 - 1
"""The largest integer that a message can carry."""


def start(wire: Wire, **fields: Any) -> int:
    """Start a transaction an hour ago at 1000 Wh; the transactionId."""
    payload = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": ago(hours=1), **fields}
    return result(wire.call(json.dumps([2, "start", "StartTransaction", payload])))["transactionId"]


def stop(wire: Wire, transaction_id: int | None, **fields: Any) -> dict[str, Any]:
    """Stop a transaction now at 6000 Wh; the payload of the answer."""
    payload = {"transactionId": transaction_id, "meterStop": 6000, "timestamp": ago(), **fields}
    return result(wire.call(json.dumps([2, "stop", "StopTransaction", payload])))


def sampled(value: object, **fields: str) -> dict[str, str]:
    return {"value": str(value), **fields}


def meter(wire: Wire, *values: dict[str, str], at: str | None = None, **fields: Any) -> None:
    """One MeterValue of connector 1 with these sampled values, now unless ``at`` says otherwise."""
    value = {"timestamp": at or ago(), "sampledValue": values}
    payload = {"connectorId": 1, "meterValue": [value], **fields}
    assert result(wire.call(json.dumps([2, "meter", "MeterValues", payload]))) == {}


def the(transaction_id: int) -> Transaction:
    return Transaction.objects.get(pk=transaction_id)


def kinds(transaction: Transaction | int) -> list[str]:
    """The kinds of the transaction's anomalies."""
    return sorted(Anomaly.objects.filter(transaction=transaction).values_list("kind", flat=True))


@pytest.fixture(autouse=True)
def nothing_fails(db: None) -> Iterator[None]:
    """Neither of the answers above is that of a message which failed and was kept for replay."""
    yield
    assert not FailedMessage.objects.exists()


# -- start -------------------------------------------------------------------------------------------------------------


def test_start_is_recorded_with_both_clocks(wire: Wire, tag: IdTag) -> None:
    began = timezone.now()
    row = the(start(wire, timestamp="2020-02-03T04:05:06+01:00", reservationId=17))
    assert (row.charge_point, row.connector.number, row.tag) == (wire.charge_point, 1, tag)
    assert (row.id_tag, row.id_tag_status, row.reservation_id, row.meter_start_wh) == ("TAG1", "Accepted", 17, 1000)
    assert (row.is_active, row.energy_wh, row.last_register_wh, row.closed_by) == (True, 0, 1000, "")
    assert row.start_timestamp == datetime(2020, 2, 3, 3, 5, 6, tzinfo=UTC)
    assert began - timedelta(seconds=1) < row.start_received_at == row.started_at  # no clock is six years behind


def test_start_that_was_queued_while_offline_counts_from_the_chargers_clock(wire: Wire) -> None:
    row = the(start(wire, timestamp=ago(days=20)))
    assert row.started_at == row.start_timestamp
    assert timedelta(days=19) < row.start_received_at - row.started_at < timedelta(days=21)
    assert kinds(row) == []


@pytest.mark.parametrize(
    ("again", "is_the_same"),
    [
        pytest.param({}, True, id="the same"),
        pytest.param({"idTag": "tag1"}, True, id="the tag in lower case"),
        pytest.param({"reservationId": 5}, True, id="what does not make a start"),
        pytest.param({"connectorId": 2}, False, id="another connector"),
        pytest.param({"idTag": "TAG2"}, False, id="another tag"),
        pytest.param({"meterStart": 1001}, False, id="another register"),
        pytest.param({"timestamp": ago(hours=2)}, False, id="another time"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "3.7.1")
def test_repeated_start_is_the_same_transaction(again: dict[str, Any], is_the_same: bool, wire: Wire) -> None:
    fields = {"timestamp": ago(hours=1), "reservationId": 4}
    first = start(wire, **fields)
    second = start(wire, **{**fields, **again})
    assert (first == second) == is_the_same
    assert Transaction.objects.count() == (1 if is_the_same else 2)


def test_start_is_repeated_on_a_new_connection(wire: Wire, connect: Connect) -> None:
    at = ago(minutes=5)
    first = start(wire, timestamp=at)
    assert start(connect(), timestamp=at) == first


def test_start_repeated_in_one_batch_is_one_transaction(wire: Wire, gateway: GatewayEnd) -> None:
    payload = f'{{"connectorId":1,"idTag":"TAG1","meterStart":1,"timestamp":"{ago()}"}}'
    replies = gateway.send(*(wire.frame(f'[2,"{number}","StartTransaction",{payload}]') for number in range(3)))
    (transaction_id,) = {result(reply.raw.decode())["transactionId"] for reply in replies}
    assert the(transaction_id).is_active


def test_equal_start_of_another_charge_point_is_another_transaction(wire: Wire, connect: Connect) -> None:
    at = ago(minutes=5)
    assert start(wire, timestamp=at) != start(connect("CP002"), timestamp=at)


@pytest.mark.parametrize(
    ("timestamp", "same_while_open", "same_afterwards"),
    [
        pytest.param(ago(hours=1), True, True, id="a clock that can be true"),
        pytest.param("1970-01-01T00:00:07Z", True, False, id="1970"),
        pytest.param("0001-01-01T00:00:00Z", True, False, id="year 1"),
        pytest.param("2099-01-01T00:00:00Z", True, False, id="2099"),
        pytest.param("9999-12-31T23:59:59.999999Z", True, False, id="the end of time"),
        pytest.param("yesterday", True, False, id="unreadable"),
    ],
)
def test_equal_start_is_a_repetition_of_what(
    timestamp: str, same_while_open: bool, same_afterwards: bool, wire: Wire
) -> None:
    """A charge point with a wrong clock may say the same twice and mean two."""
    first = start(wire, timestamp=timestamp)
    assert (start(wire, timestamp=timestamp) == first) == same_while_open
    stop(wire, first)
    afterwards = start(wire, timestamp=timestamp)
    assert (afterwards == first) == same_afterwards
    assert the(first).energy_wh == 5000
    assert the(afterwards).is_active != same_afterwards


@pytest.mark.parametrize("timestamp", ["1970-01-01T00:00:07Z", "0001-01-01T00:00:00Z", "2099-01-01T00:00:00Z", ""])
def test_implausible_clock_is_noted_and_not_believed(timestamp: str, wire: Wire) -> None:
    row = the(start(wire, timestamp=timestamp))
    assert row.started_at == row.start_received_at
    assert kinds(row) == [AnomalyKind.IMPLAUSIBLE_CLOCK]
    stop(wire, row.pk, timestamp=timestamp)
    row.refresh_from_db()
    assert row.stopped_at == row.stop_received_at
    assert (row.energy_wh, kinds(row)) == (5000, [AnomalyKind.IMPLAUSIBLE_CLOCK] * 2)


@pytest.mark.parametrize(
    ("tag_fields", "status"),
    [
        ({"is_blocked": True}, "Blocked"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "Expired"),
        ({"concurrent_limit": 0}, "ConcurrentTx"),
        (None, "Invalid"),
    ],
)
def test_start_with_a_tag_that_is_not_accepted_is_recorded_all_the_same(
    tag_fields: dict[str, Any] | None, status: str, wire: Wire, tag: IdTag
) -> None:
    """The charge point may have started offline, and what it delivered has to be found somewhere."""
    if tag_fields is None:
        tag.delete()
    else:
        IdTag.objects.filter(pk=tag.pk).update(**tag_fields)
    row = the(start(wire))
    assert (row.id_tag_status, row.id_tag, row.tag_id) == (status, "TAG1", tag.pk)
    stop(wire, row.pk, reason="DeAuthorized")
    row.refresh_from_db()
    assert (row.energy_wh, row.stop_reason) == (5000, "DeAuthorized")


# -- orphans -----------------------------------------------------------------------------------------------------------


def test_start_closes_an_older_transaction_on_the_same_connector_with_its_last_register(wire: Wire) -> None:
    old = start(wire)
    meter(wire, sampled(4000), at=ago(minutes=30), transactionId=old)
    new = start(wire, timestamp=ago(), meterStart=4200)
    row = the(old)
    assert (row.is_active, row.closed_by, row.energy_wh, row.meter_stop_wh) == (False, ClosedBy.ORPHANED, 3000, 4000)
    assert row.stopped_at == row.last_meter_at
    assert (kinds(old), kinds(new)) == ([AnomalyKind.ORPHANED], [])
    assert the(new).is_active


def test_orphan_without_meter_values_has_no_energy(wire: Wire) -> None:
    old = start(wire)
    start(wire, timestamp=ago())
    row = the(old)
    assert (row.energy_wh, row.meter_stop_wh, row.stopped_at) == (0, 1000, row.stop_received_at)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda wire, connect: start(wire, connectorId=2, timestamp=ago()), id="another connector"),
        pytest.param(lambda wire, connect: start(connect("CP002"), timestamp=ago()), id="another charge point"),
        pytest.param(lambda wire, connect: stop(wire, 4711), id="a stop of something else"),
    ],
)
def test_nothing_else_orphans_a_transaction(
    other: Callable[[Wire, Connect], Any], wire: Wire, connect: Connect, tag: IdTag
) -> None:
    IdTag.objects.update(concurrent_limit=None)
    transaction_id = start(wire)
    other(wire, connect)
    assert the(transaction_id).is_active
    assert kinds(transaction_id) == []


def test_start_of_a_replaced_connection_that_comes_late_ends_nothing_newer(wire: Wire, connect: Connect) -> None:
    """Two workers may take the frames of two connections in any order."""
    IdTag.objects.update(concurrent_limit=None)
    began = time.time()
    newer = connect()
    running = start(newer, timestamp=ago(minutes=1), meterStart=6000)
    payload = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": ago(minutes=9)}
    late = wire.ask("StartTransaction", payload, at=began)["transactionId"]
    assert the(running).is_active
    assert (the(late).is_active, the(late).closed_by, kinds(late)) == (False, ClosedBy.ORPHANED, [AnomalyKind.ORPHANED])


def test_repeated_start_orphans_nobody(wire: Wire) -> None:
    at = ago(hours=1)
    old = start(wire, timestamp=at)
    stop(wire, old)
    new = start(wire, timestamp=ago(), meterStart=6000)
    assert start(wire, timestamp=at) == old
    assert the(new).is_active


@pytest.mark.parametrize("closed_by", [ClosedBy.ORPHANED, ClosedBy.BACK_OFFICE])
def test_true_stop_replaces_our_own_estimate(closed_by: ClosedBy, wire: Wire) -> None:
    transaction_id = start(wire)
    meter(wire, sampled(4000), transactionId=transaction_id, at=ago(minutes=30))
    start(wire, timestamp=ago(minutes=5), meterStart=6000)
    Transaction.objects.filter(pk=transaction_id).update(closed_by=closed_by)
    assert the(transaction_id).energy_wh == 3000
    stop(wire, transaction_id, timestamp=ago(minutes=10), reason="EVDisconnected")
    row = the(transaction_id)
    assert (row.closed_by, row.energy_wh, row.meter_stop_wh) == (ClosedBy.CHARGE_POINT, 5000, 6000)
    assert (row.stop_reason, row.stopped_at) == ("EVDisconnected", row.stop_timestamp)
    assert kinds(row) == [AnomalyKind.ORPHANED]


# -- stop --------------------------------------------------------------------------------------------------------------


def test_stop_is_recorded_with_both_clocks(wire: Wire) -> None:
    transaction_id = start(wire)
    meter(wire, sampled(3000, measurand="Power.Active.Import"), transactionId=transaction_id)
    assert stop(wire, transaction_id, timestamp=ago(minutes=3), idTag="TAG1", reason="Remote") == {
        "idTagInfo": {"status": "Accepted"}
    }
    row = the(transaction_id)
    assert (row.is_active, row.closed_by, row.stop_reason, row.stop_id_tag) == (False, "charge_point", "Remote", "TAG1")
    assert (row.meter_stop_wh, row.energy_wh, row.last_register_wh, row.last_power_w) == (6000, 5000, 6000, 0.0)
    assert row.stopped_at == row.stop_timestamp
    assert row.stop_received_at is not None
    assert row.stopped_at is not None
    assert timedelta(minutes=2) < row.stop_received_at - row.stopped_at < timedelta(minutes=4)
    assert kinds(row) == []


@pytest.mark.spec("OCPP 1.6", "6.49")
def test_stop_without_a_tag_or_a_reason_is_local_and_answered_without_idtaginfo(wire: Wire) -> None:
    transaction_id = start(wire)
    assert stop(wire, transaction_id) == {}
    assert the(transaction_id).stop_reason == "Local"


@pytest.mark.parametrize("reason", ["PowerLoss", "HardReset", "Reboot", "EmergencyStop", "Acid rain"])
def test_every_reason_is_kept(reason: str, wire: Wire) -> None:
    transaction_id = start(wire)
    stop(wire, transaction_id, reason=reason)
    assert (the(transaction_id).stop_reason, the(transaction_id).energy_wh) == (reason, 5000)


@pytest.mark.parametrize(
    ("fields", "energy_wh", "kind"),
    [
        pytest.param({"meterStop": 1000}, 0, None, id="nothing delivered"),
        pytest.param({"meterStop": 999}, None, AnomalyKind.LOWER_METER, id="lower than the start"),
        pytest.param({"meterStop": -1}, None, AnomalyKind.LOWER_METER, id="negative"),
        pytest.param({"meterStop": 2_000_000}, 1_999_000, None, id="a megawatt for two hours: a rough clock"),
        pytest.param({"meterStop": 2_100_000}, None, AnomalyKind.ABSURD_ENERGY, id="more than a megawatt"),
        pytest.param({"meterStop": LARGE}, None, AnomalyKind.ABSURD_ENERGY, id="the largest integer"),
        pytest.param({"meterStop": -LARGE - 1}, None, AnomalyKind.LOWER_METER, id="the smallest integer"),
        pytest.param({"meterStop": "6000"}, 5000, None, id="a number as a string"),
        pytest.param({"meterStop": 6000.4}, 5000, None, id="a fraction of a Wh"),
    ],
)
def test_energy_is_from_the_registers_or_flagged(
    fields: dict[str, Any], energy_wh: int | None, kind: str | None, wire: Wire
) -> None:
    transaction_id = start(wire)
    stop(wire, transaction_id, **fields)
    row = the(transaction_id)
    assert (row.is_active, row.energy_wh, row.meter_stop_wh) == (
        False,
        energy_wh,
        round(float(fields["meterStop"])) if not isinstance(fields["meterStop"], int) else fields["meterStop"],
    )
    assert kinds(row) == ([] if kind is None else [kind])


def test_extreme_registers_do_not_break_anything(wire: Wire) -> None:
    transaction_id = start(wire, meterStart=-LARGE - 1)
    meter(wire, sampled(999_999_999_999), transactionId=transaction_id)
    stop(wire, transaction_id, meterStop=LARGE)
    row = the(transaction_id)
    assert (row.meter_start_wh, row.meter_stop_wh, row.energy_wh) == (-LARGE - 1, LARGE, None)
    assert AnomalyKind.ABSURD_ENERGY in kinds(row)
    orphan = start(wire, meterStart=-LARGE - 1, timestamp=ago(minutes=9))
    meter(wire, sampled(999_999_999_999), transactionId=orphan)
    start(wire, timestamp=ago(minutes=1))
    assert the(orphan).closed_by == ClosedBy.ORPHANED


def test_stop_before_its_start_lasts_no_time(wire: Wire) -> None:
    """The clock was set back while the car was charging."""
    transaction_id = start(wire, timestamp=ago(minutes=10))
    stop(wire, transaction_id, timestamp=ago(minutes=50))
    row = the(transaction_id)
    assert row.stopped_at == row.started_at
    assert row.energy_wh == 5000


def test_repeated_stop_changes_nothing(wire: Wire, connect: Connect) -> None:
    transaction_id = start(wire)
    at = ago()
    answers = [
        stop(wire, transaction_id, timestamp=at, idTag="TAG1"),
        stop(connect(), transaction_id, timestamp=at, idTag="TAG1"),
    ]
    assert answers[0] == answers[1]
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (5000, [])
    assert Transaction.objects.count() == 1


def test_second_different_stop_is_an_anomaly_and_does_not_bill(wire: Wire) -> None:
    transaction_id = start(wire)
    stop(wire, transaction_id, timestamp=ago(minutes=5))
    assert stop(wire, transaction_id, meterStop=9000) == {}
    row = the(transaction_id)
    assert (row.energy_wh, row.meter_stop_wh, kinds(row)) == (5000, 6000, [AnomalyKind.REPEATED_STOP])
    anomaly = Anomaly.objects.get()
    assert '"meterStop": 9000' in anomaly.raw
    assert "9000 Wh" in anomaly.detail


@pytest.mark.parametrize(
    "transaction_id",
    [
        pytest.param(4711, id="unknown"),
        pytest.param(0, id="0"),
        pytest.param(-1, id="-1"),
        pytest.param(-17, id="negative"),
        pytest.param(None, id="null"),
        pytest.param(2**31, id="beyond 32 bits"),
        pytest.param(LARGE, id="the largest integer"),
        pytest.param(-LARGE - 1, id="the smallest integer"),
    ],
)
@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_stop_of_no_transaction_is_kept_and_answered(transaction_id: int | None, wire: Wire, tag: IdTag) -> None:
    at = ago(minutes=2)
    assert stop(wire, transaction_id, idTag="TAG1", timestamp=at) == {"idTagInfo": {"status": "Accepted"}}
    row = Transaction.objects.get()
    assert (row.is_active, row.energy_wh, row.meter_stop_wh, row.stop_id_tag) == (False, None, 6000, "TAG1")
    assert (row.charge_point, row.started_at, kinds(row)) == (
        wire.charge_point,
        row.stopped_at,
        [AnomalyKind.UNKNOWN_STOP],
    )
    assert stop(wire, transaction_id, idTag="TAG1", timestamp=at) == {"idTagInfo": {"status": "Accepted"}}
    assert (Transaction.objects.count(), Anomaly.objects.count()) == (1, 1)


def test_stop_without_a_transaction_id_at_all_is_kept(wire: Wire) -> None:
    assert result(wire.call(f'[2,"1","StopTransaction",{{"meterStop":5,"timestamp":"{ago()}"}}]')) == {}
    assert kinds(Transaction.objects.get()) == [AnomalyKind.UNKNOWN_STOP]


def test_different_unknown_stops_are_different_transactions(wire: Wire) -> None:
    at = ago(minutes=2)
    for fields in ({}, {"meterStop": 7000}, {"timestamp": ago()}, {"idTag": "TAG1"}):
        stop(wire, -1, **{"timestamp": at, **fields})
    assert Transaction.objects.count() == 4


def test_foreign_stop_does_not_touch_the_other_charge_points_transaction(wire: Wire, connect: Connect) -> None:
    owner = connect("CP002")
    transaction_id = start(owner)
    assert stop(wire, transaction_id, idTag="TAG1") == {"idTagInfo": {"status": "Accepted"}}
    assert the(transaction_id).is_active
    kept = Transaction.objects.get(charge_point=wire.charge_point)
    assert (kept.is_active, kinds(kept)) == (False, [AnomalyKind.FOREIGN_STOP])
    stop(owner, transaction_id)
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (5000, [])


# -- stops of transactions whose id was never learnt (errata 3.18) -----------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "closes"),
    [
        pytest.param({}, True, id="no tag"),
        pytest.param({"idTag": "TAG1"}, True, id="the same tag"),
        pytest.param({"idTag": "tag1"}, True, id="the same tag in lower case"),
        pytest.param({"idTag": "SIBLING"}, True, id="a tag of the same parent"),
        pytest.param({"idTag": "STRANGER"}, False, id="another tag"),
        pytest.param({"meterStop": 999}, False, id="a lower register"),
        pytest.param({"timestamp": ago(hours=2)}, False, id="before the start"),
        pytest.param({"timestamp": "never"}, True, id="no time"),
    ],
)
@pytest.mark.parametrize("transaction_id", [-1, 0])
@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_stop_without_a_known_id_closes_the_matching_open_transaction(
    transaction_id: int, fields: dict[str, Any], closes: bool, wire: Wire, tag: IdTag
) -> None:
    tag.parent = IdTag.objects.create(id_tag="FAMILY")
    tag.save()
    IdTag.objects.create(id_tag="SIBLING", parent=tag.parent)
    IdTag.objects.create(id_tag="STRANGER")
    open_id = start(wire)
    stop(wire, transaction_id, **fields)
    row = the(open_id)
    assert row.is_active != closes
    assert Transaction.objects.count() == (1 if closes else 2)
    assert row.energy_wh == (5000 if closes else 0)


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_repeated_stop_without_a_known_id_closes_nothing_more(wire: Wire) -> None:
    IdTag.objects.update(concurrent_limit=None)
    first, second = start(wire, connectorId=1), start(wire, connectorId=2)
    at = ago()
    stop(wire, -1, timestamp=at)
    stop(wire, -1, timestamp=at)
    assert [the(first).is_active, the(second).is_active] == [True, False]
    assert Transaction.objects.count() == 2


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_two_stops_without_a_known_id_in_the_same_second_close_two(wire: Wire) -> None:
    """An emergency stop of a charge point without a meter: all at once, all registers 0."""
    IdTag.objects.create(id_tag="TAG2")
    first, second = start(wire, meterStart=0), start(wire, connectorId=2, idTag="TAG2", meterStart=0)
    at = ago()
    for id_tag in ("TAG1", "TAG2"):
        stop(wire, -1, meterStop=0, timestamp=at, idTag=id_tag, reason="EmergencyStop")
    assert [the(first).is_active, the(second).is_active] == [False, False]


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_stop_without_a_known_id_is_not_of_a_transaction_whose_id_the_charge_point_has_named(wire: Wire) -> None:
    transaction_id = start(wire)
    value = {"timestamp": ago(), "sampledValue": [{"value": "1500"}]}
    wire.ask("MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]})
    stop(wire, -1)
    assert the(transaction_id).is_active
    assert kinds(Transaction.objects.exclude(pk=transaction_id).get()) == [AnomalyKind.UNKNOWN_STOP]


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_stop_that_was_taken_for_anothers_is_set_apart_when_that_ones_own_stop_comes(wire: Wire) -> None:
    transaction_id = start(wire)
    at = ago(seconds=30)
    stop(wire, -1, meterStop=9000, timestamp=at)
    assert (the(transaction_id).energy_wh, the(transaction_id).is_stop_guessed) == (8000, True)
    stop(wire, transaction_id)
    stop(wire, -1, meterStop=9000, timestamp=at)
    row, other = the(transaction_id), Transaction.objects.exclude(pk=transaction_id).get()
    assert (row.energy_wh, row.is_stop_guessed, kinds(row)) == (5000, False, [])
    assert (other.meter_stop_wh, other.energy_wh, kinds(other)) == (9000, None, [AnomalyKind.UNKNOWN_STOP])


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_guessed_stop_that_comes_again_with_its_id_was_right(wire: Wire) -> None:
    transaction_id = start(wire)
    at = ago()
    stop(wire, -1, timestamp=at)
    stop(wire, transaction_id, timestamp=at)
    assert (the(transaction_id).is_stop_guessed, kinds(transaction_id)) == (False, [])
    assert Transaction.objects.count() == 1


def test_stop_of_an_unknown_positive_id_closes_nothing(wire: Wire) -> None:
    transaction_id = start(wire)
    stop(wire, transaction_id + 4711)
    assert the(transaction_id).is_active


# -- who may stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_tag", "anomalies"),
    [("tag1", []), ("SIBLING", []), ("STRANGER", ["foreign_stop_tag"]), ("UNKNOWN", ["foreign_stop_tag"])],
)
@pytest.mark.spec("OCPP 1.6", "4.10")
def test_stop_by_another_tag(id_tag: str, anomalies: list[str], wire: Wire, tag: IdTag) -> None:
    """The charge point has decided; we bill, and say that it should not have."""
    tag.parent = IdTag.objects.create(id_tag="FAMILY")
    tag.save()
    IdTag.objects.create(id_tag="SIBLING", parent=tag.parent)
    IdTag.objects.create(id_tag="STRANGER")
    transaction_id = start(wire)
    stop(wire, transaction_id, idTag=id_tag)
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (5000, anomalies)


# -- meter values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([sampled(3500)], {"energy_wh": 2500, "last_register_wh": 3500}, id="Wh by default"),
        pytest.param([sampled("3.5", unit="kWh")], {"energy_wh": 2500}, id="kWh"),
        pytest.param(
            [sampled(1000, phase="L1"), sampled(1000, phase="L2"), sampled("1500.4", phase="L3")],
            {"energy_wh": 2500},
            id="phases",
        ),
        pytest.param([sampled(3500, context="Transaction.Begin")], {"energy_wh": 0}, id="a begin sets no energy"),
        pytest.param([sampled(900, context="Transaction.Begin")], {"energy_wh": 0}, id="not even a lower one"),
        pytest.param(
            [sampled(3500), sampled(250, measurand="Energy.Active.Import.Interval")],
            {"energy_wh": 2500},
            id="an interval beside the register",
        ),
        pytest.param(
            [
                sampled("7.2", measurand="Power.Active.Import", unit="kW"),
                sampled(61, measurand="SoC", unit="Percent", location="EV"),
            ],
            {"energy_wh": 0, "last_power_w": 7200.0, "last_soc_percent": 61.0},
            id="power and state of charge",
        ),
    ],
)
def test_open_transaction_follows_its_meter_values(
    values: list[dict[str, str]], expected: dict[str, Any], wire: Wire
) -> None:
    transaction_id = start(wire)
    at = ago(minutes=1)
    meter(wire, *values, transactionId=transaction_id, at=at)
    row = the(transaction_id)
    assert {name: getattr(row, name) for name in expected} == expected
    assert kinds(row) == []
    stored = MeterValue.objects.get()
    assert (stored.transaction, stored.connector, stored.timestamp) == (row, row.connector, row.last_meter_at)
    assert stored.sampled_values == values


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_meter_values_that_come_again_are_kept_once(in_one_batch: bool, wire: Wire, gateway: GatewayEnd) -> None:
    transaction_id = start(wire)
    payload = {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": ago(minutes=minutes), "sampledValue": [sampled(2000)]} for minutes in (2, 1)],
    }
    frames = [wire.frame(json.dumps([2, str(number), "MeterValues", payload])) for number in range(3)]
    for some in [frames] if in_one_batch else [[frame] for frame in frames]:
        assert {reply.raw[:2] for reply in gateway.send(*some)} == {b"[3"}
    assert MeterValue.objects.count() == 2
    assert the(transaction_id).energy_wh == 1000


@pytest.mark.parametrize(
    ("transaction_id", "connector", "belongs"),
    [
        pytest.param("own", 1, True, id="its own id"),
        pytest.param("own", 2, True, id="its own id, another connector"),
        pytest.param(None, 1, True, id="no id, on its connector"),
        pytest.param(-1, 1, True, id="-1, on its connector"),
        pytest.param(0, 1, True, id="0, on its connector"),
        pytest.param(None, 2, False, id="no id, on another connector"),
        pytest.param(None, 0, False, id="the main meter"),
        pytest.param(4711, 1, False, id="an unknown id"),
        pytest.param("foreign", 1, False, id="another charge point's id"),
        pytest.param(LARGE, 1, False, id="the largest integer"),
    ],
)
def test_meter_values_belong_to_which_transaction(
    transaction_id: Any, connector: int, belongs: bool, wire: Wire, connect: Connect
) -> None:
    IdTag.objects.update(concurrent_limit=None)
    ids = {"own": start(wire), "foreign": start(connect("CP002"))}
    meter(wire, sampled(3000), connectorId=connector, transactionId=ids.get(transaction_id, transaction_id))
    assert (the(ids["own"]).energy_wh, the(ids["foreign"]).energy_wh) == (2000 if belongs else 0, 0)
    stored = MeterValue.objects.get()
    assert (stored.transaction_id, stored.connector.number) == (ids["own"] if belongs else None, connector)
    assert stored.connector.charge_point == wire.charge_point


def test_meter_values_after_the_stop_are_kept_and_change_nothing(wire: Wire) -> None:
    transaction_id = start(wire)
    stop(wire, transaction_id)
    meter(wire, sampled(9000), transactionId=transaction_id)
    assert (the(transaction_id).energy_wh, MeterValue.objects.get().transaction_id) == (5000, transaction_id)


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_meter_values_out_of_order_do_not_set_the_energy_back(
    in_one_batch: bool, wire: Wire, gateway: GatewayEnd
) -> None:
    transaction_id = start(wire)
    value = '{"timestamp":"%s","sampledValue":[{"value":"%d"}]}'
    raw = f'[2,"m","MeterValues",{{"connectorId":1,"transactionId":{transaction_id},"meterValue":[{value}]}}]'
    frames = [
        wire.frame(raw % (ago(minutes=minutes), register)) for minutes, register in ((5, 3000), (1, 4000), (3, 3500))
    ]
    for some in [frames] if in_one_batch else [[frame] for frame in frames]:
        gateway.send(*some)
    row = the(transaction_id)
    assert (row.energy_wh, kinds(row), MeterValue.objects.count()) == (3000, [], 3)


@pytest.mark.parametrize(
    ("registers", "energy_wh", "anomalies"),
    [
        pytest.param([2000, 3000, 3000], 2000, [], id="steady"),
        pytest.param([3000, 2500], 1500, ["register_backwards"], id="runs backwards"),
        pytest.param([3000, 2500, 2400, 2600], 1600, ["register_backwards"], id="runs backwards, told once"),
        pytest.param([3000, 0, 100], 2000, ["register_backwards"], id="reset: below the start tells nothing"),
        pytest.param([500], 0, ["register_backwards"], id="below the start"),
        pytest.param([3000, 900_000_000], 2000, ["absurd_energy"], id="absurd: more than a megawatt"),
        pytest.param([900_000_000, 900_000_100], 0, ["absurd_energy"], id="absurd, told once"),
        pytest.param([-5], 0, ["register_backwards"], id="negative"),
    ],
)
def test_register_that_does_not_only_grow(
    registers: list[int], energy_wh: int, anomalies: list[str], wire: Wire
) -> None:
    transaction_id = start(wire)
    for number, register in enumerate(registers):
        meter(wire, sampled(register), transactionId=transaction_id, at=ago(minutes=10 - number))
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (energy_wh, anomalies)
    assert MeterValue.objects.count() == len(registers)


@pytest.mark.parametrize(
    "meter_value",
    [
        '[{"timestamp":"%s","sampledValue":[]}]',
        '[{"timestamp":"%s","sampledValue":null}]',
        '[{"timestamp":"%s","sampledValue":[{"value":""},{"value":"1e999999999"},{"value":"NaN"}]}]',
        "[]",
        "null",
    ],
)
def test_meter_values_without_a_value_are_answered(meter_value: str, wire: Wire) -> None:
    transaction_id = start(wire)
    frame = f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":{transaction_id},"meterValue":%s}}]'
    assert result(wire.call(frame % meter_value.replace("%s", ago()))) == {}
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (0, [])


def test_meter_values_of_a_lying_clock_follow_the_time_of_receipt(wire: Wire) -> None:
    transaction_id = start(wire)
    for number, year in enumerate((1970, 2099, 1, 2000)):
        meter(wire, sampled(2000 + number), transactionId=transaction_id, at=f"{year:04}-01-01T00:00:00Z")
    row = the(transaction_id)
    assert (row.energy_wh, MeterValue.objects.count()) == (1003, 4)
    assert row.last_meter_at is not None
    assert abs(row.last_meter_at.timestamp() - time.time()) < 60


# -- transactionData ---------------------------------------------------------------------------------------------------

DATA = [
    {"timestamp": ago(hours=1), "sampledValue": [sampled(1000, context="Transaction.Begin")]},
    {"timestamp": ago(minutes=30), "sampledValue": [sampled(3500, context="Sample.Clock")]},
    {"timestamp": ago(), "sampledValue": [sampled(6000, context="Transaction.End")]},
]


@pytest.mark.spec("OCPP 1.6", "4.10")
def test_transaction_data_is_kept_as_meter_values_of_the_transaction(wire: Wire) -> None:
    transaction_id = start(wire, connectorId=2)
    at = ago()
    for _repetition in range(2):
        stop(wire, transaction_id, timestamp=at, transactionData=DATA)
    stored = MeterValue.objects.filter(transaction=transaction_id, connector__number=2).order_by("timestamp")
    assert [row.energy_wh for row in stored] == [1000.0, 3500.0, 6000.0]
    assert MeterValue.objects.count() == 3
    assert (the(transaction_id).energy_wh, kinds(transaction_id)) == (5000, [])


def test_stop_that_its_transaction_data_contradicts_does_not_bill(wire: Wire) -> None:
    transaction_id = start(wire)
    data = [{"timestamp": ago(), "sampledValue": [sampled(99000, context="Transaction.End")]}]
    stop(wire, transaction_id, transactionData=data)
    row = the(transaction_id)
    assert (row.energy_wh, row.doubtful_wh, kinds(row)) == (None, 98_000, ["meter_disagrees"])


def test_transaction_data_of_an_unknown_transaction_is_kept_with_it(wire: Wire) -> None:
    stop(wire, 4711, transactionData=DATA)
    assert set(MeterValue.objects.values_list("transaction", flat=True)) == {Transaction.objects.get().pk}
    assert MeterValue.objects.count() == 3


# -- everything in one batch -------------------------------------------------------------------------------------------


def test_a_whole_transaction_in_one_batch(wire: Wire, gateway: GatewayEnd) -> None:
    """What a charge point delivers when it has been offline; it does not know its transactionId yet."""
    frames = [
        ("StartTransaction", {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": ago(hours=3)}),
        ("MeterValues", {"connectorId": 1, "transactionId": -1, "meterValue": DATA[:2]}),
        ("StopTransaction", {"transactionId": -1, "meterStop": 6000, "timestamp": ago(hours=2), "idTag": "TAG1"}),
        ("StartTransaction", {"connectorId": 1, "idTag": "TAG1", "meterStart": 6000, "timestamp": ago(hours=1)}),
    ]
    replies = gateway.send(*(wire.frame(json.dumps([2, "1", action, payload])) for action, payload in frames))
    answers = [result(reply.raw.decode()) for reply in replies]
    first, second = answers[0]["transactionId"], answers[3]["transactionId"]
    assert [answer.get("idTagInfo") for answer in answers] == [
        {"status": "Accepted"},
        None,
        *[{"status": "Accepted"}] * 2,
    ]
    assert (the(first).is_active, the(first).energy_wh, kinds(first)) == (False, 5000, [])
    assert (the(second).is_active, the(second).meter_start_wh, kinds(second)) == (True, 6000, [])
    assert MeterValue.objects.filter(transaction=first).count() == 2


def test_signals_tell_once_of_start_and_stop(wire: Wire) -> None:
    told: list[Any] = []

    def note(signal: Any, transaction: Transaction, charge_point: ChargePoint, **_kwargs: Any) -> None:
        told.append((signal is transaction_started, transaction.pk, charge_point.identity))

    transaction_started.connect(note)
    transaction_stopped.connect(note)
    at = ago(), ago()
    transaction_id = [start(wire, timestamp=at[0]), start(wire, timestamp=at[0])][0]
    for _repetition in range(2):
        stop(wire, transaction_id, timestamp=at[1])
    assert told == [(True, transaction_id, "CP001"), (False, transaction_id, "CP001")]
