"""One command to many charge points: each has its own result, whatever becomes of the others."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import commands, outbound
from ocpp_app.command_batches import cancel_batch, follow, issue_command_to_many
from ocpp_app.errors import IdempotencyKeyReused, UnknownChargePoint, WaitNotPossible
from ocpp_app.models import ChargePoint, Command, CommandBatch, CommandState, Organisation, RegistrationStatus
from ocpp_app.signals import command_finished
from ocppj.errors import PayloadError
from ocppj.v16 import ChangeConfigurationRequest, ClearCacheRequest, RemoteStartTransactionRequest
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_command_lifecycle import ACCEPTED, REFUSED, Gateways, answered, later
from tests.ocpp_app.wire import GatewayEnd

pytestmark = pytest.mark.django_db

CLEAR = ClearCacheRequest()


@pytest.fixture
def gateways(settings: Any) -> Iterator[Gateways]:
    settings.OCPP_RELAY = "memory"
    relay = Gateways()
    commands.use_memory_relay(relay)
    yield relay
    commands.forget_memory_relay(relay)


def leave() -> None:
    """Let everything leave that leaves after COMMIT."""
    hooks, connection.run_on_commit = connection.run_on_commit, []
    for hook in hooks:
        hook[1]()


def issue(charge_points: Any, message: Any = CLEAR, **options: Any) -> CommandBatch:
    batch = issue_command_to_many(charge_points, message, **options)
    leave()
    return CommandBatch.objects.get(pk=batch.pk)


def results(batch: CommandBatch) -> dict[str, tuple[str, str, str]]:
    rows = Command.objects.filter(batch=batch)
    return {row[0]: row[1:] for row in rows.values_list("charge_point__identity", "state", "status", "reason")}


def test_each_charge_point_has_a_result_of_its_own(connect: Connect, gateways: Gateways) -> None:
    wires = [connect(f"CP{number}") for number in range(3)]
    connect("PENDING", registration_status=RegistrationStatus.PENDING)
    ChargePoint.objects.create(identity="OFFLINE")
    batch = issue(ChargePoint.objects.all(), RemoteStartTransactionRequest(id_tag="TAG1"), source="test")
    assert batch.states == {"dispatched": 3, "expired": 2}
    ids = {item.identity: item.unique_id for item in gateways.items}
    wires[0].call(ACCEPTED.replace("%s", ids["CP0"]))
    wires[1].call(REFUSED.replace("%s", ids["CP1"]))
    wires[2].tell(ids["CP2"], "timed_out")
    assert results(batch) == {
        "CP0": ("answered", "Accepted", ""),
        "CP1": ("error", "", ""),
        "CP2": ("timed_out", "", ""),
        "OFFLINE": ("expired", "", "is not connected; give expires_at to let the command wait for it."),
        "PENDING": (
            "expired",
            "",
            "is Pending, which does not allow RemoteStartTransaction; accept the charge point first.",
        ),
    }
    batch = CommandBatch.objects.get()
    assert batch.states == {"answered": 1, "error": 1, "expired": 2, "timed_out": 1}
    assert (batch.statuses, batch.size, batch.organisation) == ({"Accepted": 1}, 5, Organisation.default())
    assert set(Command.objects.values_list("source", flat=True)) == {"test"}


def test_who_is_offline_gets_it_later_where_it_may_wait(connect: Connect, gateways: Gateways) -> None:
    connect("CP0")
    ChargePoint.objects.create(identity="CP1", security_profile=0)
    batch = issue(["CP1", "CP0"], expires_at=later(600))
    assert {row: state for row, (state, *_rest) in results(batch).items()} == {"CP0": "dispatched", "CP1": "queued"}
    assert [call.unique_id for call in connect("CP1").commands] == [
        str(Command.objects.get(charge_point__identity="CP1").pk)
    ]


def test_number_of_queries_does_not_grow_with_the_number_of_charge_points(connect: Connect, gateways: Gateways) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            issue(ChargePoint.objects.all())
        return len(queries)

    for number in range(3):
        connect(f"CP{number}")
    ChargePoint.objects.create(identity="OFFLINE0")
    few = count()
    for number in range(3, 40):
        connect(f"CP{number}")
        ChargePoint.objects.create(identity=f"OFFLINE{number}")
    gateways.items.clear()
    inserts = 80 // 20 if connection.vendor == "sqlite" else 0  # Django splits an INSERT there at 999 values
    assert count() <= few + inserts
    assert Counter(item.identity for item in gateways.items) == {f"CP{number}": 1 for number in range(40)}


def test_more_than_leave_at_once_all_leave(
    connect: Connect, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "CLAIMED_AT_ONCE", 3)
    for number in range(8):
        connect(f"CP{number}")
    batch = issue(ChargePoint.objects.all())
    assert batch.states == {"dispatched": 8}
    assert sorted(item.identity for item in gateways.items) == [f"CP{number}" for number in range(8)]


def test_gateway_that_is_gone_costs_only_its_own_charge_points(
    connect: Connect, gateway: GatewayEnd, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("CP0", at=gateway)
    connect("CP1", at=GatewayEnd(gateway.backend, "gateway-2"))
    send = gateways.send
    monkeypatch.setattr(gateways, "send", lambda queue, items: queue != gateway.queue and send(queue, items))
    batch = issue(["CP0", "CP1"])
    assert {row: state for row, (state, *_rest) in results(batch).items()} == {"CP0": "expired", "CP1": "dispatched"}


def test_unknown_charge_points_are_named_and_nothing_is_sent() -> None:
    ChargePoint.objects.create(identity="CP0")
    with pytest.raises(UnknownChargePoint, match="No charge point has the identity 'CP8', 'CP9'"):
        issue_command_to_many(["CP9", "CP0", "CP8"], CLEAR)
    with pytest.raises(UnknownChargePoint, match=f"{'.*'.join(['X'] * 20)}.* and 5 more"):
        issue_command_to_many([f"X{number}" for number in range(25)], CLEAR)
    with pytest.raises(UnknownChargePoint, match="No charge point is selected"):
        issue_command_to_many(ChargePoint.objects.filter(model="M9"), CLEAR)
    assert not CommandBatch.objects.exists()


def test_message_that_breaks_its_type_is_refused_naming_the_field() -> None:
    ChargePoint.objects.create(identity="CP0")
    with pytest.raises(PayloadError, match="key"):
        issue_command_to_many(["CP0"], ChangeConfigurationRequest(key="k" * 51, value=""))
    assert not CommandBatch.objects.exists()


def test_repeated_idempotency_key_is_the_same_batch(connect: Connect, gateways: Gateways) -> None:
    connect("CP0")
    chosen: dict[str, Any] = {"idempotency_key": "k", "selection": {"model": ""}}
    first = issue(ChargePoint.objects.filter(model=""), **chosen)
    connect("CP1")
    assert issue(ChargePoint.objects.filter(model=""), **chosen) == first
    assert len(gateways.items) == 1
    with pytest.raises(IdempotencyKeyReused, match="belongs to another batch"):
        issue(["CP0"], idempotency_key="k")
    abroad = ChargePoint.objects.create(
        identity="CP2", organisation=Organisation.objects.create(name="Other", slug="other")
    )
    assert issue([abroad], **chosen, expires_at=later(9)) != first  # a key is the organisation's own


def test_batch_over_several_organisations_belongs_to_none() -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    ChargePoint.objects.create(identity="CP0")
    ChargePoint.objects.create(identity="CP1", organisation=other)
    everybody = ChargePoint.objects.all()
    batch = issue(everybody, idempotency_key="k")
    assert batch.organisation is None
    assert issue(everybody, idempotency_key="k") == batch


def test_end_is_told_also_where_it_could_not_begin() -> None:
    told: list[str] = []

    def note(command: Command, charge_point: ChargePoint, **_kwargs: Any) -> None:
        told.append(f"{charge_point.identity} {command.state}")

    command_finished.connect(note)
    ChargePoint.objects.create(identity="CP0")
    issue(["CP0"])
    assert told == ["CP0 expired"]


def test_batch_can_be_taken_back(connect: Connect, gateways: Gateways) -> None:
    told: list[str] = []

    def note(command: Command, **_kwargs: Any) -> None:
        told.append(command.state)

    command_finished.connect(note)
    at_gateway, sent = connect("CP0"), connect("CP1")
    for number in range(2, 5):
        ChargePoint.objects.create(identity=f"CP{number}")
    batch = issue(ChargePoint.objects.all(), expires_at=later(600))
    ids = {item.identity: item.unique_id for item in gateways.items}
    sent.tell(ids["CP1"], "sent")
    gateways.items.clear()
    cancel_batch(batch, reason="wrong model")
    leave()
    assert [(item.unique_id, item.cancel) for item in gateways.items] == [(ids["CP0"], True)]
    assert {row: state for row, (state, *_rest) in results(batch).items()} == {
        "CP0": "dispatched",
        "CP1": "sent",
        **{f"CP{number}": "cancelled" for number in range(2, 5)},
    }
    at_gateway.tell(ids["CP0"], "unsent")
    assert {(state, reason) for _row, (state, _status, reason) in results(batch).items()} == {
        ("cancelled", "wrong model"),
        ("sent", ""),
    }
    assert told == ["cancelled"] * 4


def test_authorization_key_to_many_is_kept_as_a_hash_alone(connect: Connect, gateways: Gateways) -> None:
    wire = connect("CP0")
    ChargePoint.objects.create(identity="CP1")
    message = ChangeConfigurationRequest(key="AuthorizationKey", value="do-not-keep-this")
    batch = issue(["CP0", "CP1"], message, idempotency_key="k")
    assert issue(["CP0", "CP1"], message, idempotency_key="k") == batch
    (item,) = gateways.items
    assert json.loads(item.raw)[3]["value"] == "do-not-keep-this"
    wire.call(answered(ACCEPTED, Command.objects.get(pk=item.unique_id)))
    kept = [str(row) for row in (*Command.objects.values(), *CommandBatch.objects.values())]
    assert not [row for row in kept if "do-not-keep-this" in row]


def test_following_ends_when_time_is_over_and_what_waits_lives_on(
    connect: Connect, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "check_that_waiting_ends", lambda: None)  # the test itself is in a transaction
    wire = connect("CP0")
    ChargePoint.objects.create(identity="CP1")
    batch = issue(["CP0", "CP1"], expires_at=timezone.now() + timedelta(minutes=1))
    wire.call(ACCEPTED.replace("%s", gateways.items[0].unique_id))
    assert [str(command.charge_point) for command in follow(batch, timeout=0)] == ["CP0"]
    assert Command.objects.get(charge_point__identity="CP1").state == CommandState.QUEUED


def test_following_inside_a_transaction_is_refused() -> None:
    ChargePoint.objects.create(identity="CP0")
    batch = issue(["CP0"])
    with pytest.raises(WaitNotPossible):
        next(follow(batch, timeout=1))
