"""Two workers at once: nothing is done twice, no limit is overrun, nobody waits for the other for ever."""

import json
import random
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ocpp_app import first_contact
from ocpp_app.command_batches import cancel_batch, issue_command_to_many
from ocpp_app.models import (
    ChargePoint,
    Command,
    Connector,
    FailedMessage,
    IdTag,
    Inquiry,
    Message,
    MeterValue,
    Session,
    Transaction,
    WebhookSubscription,
)
from ocpp_app.rpc.command_care import dispatch_queued_commands
from ocppj import envelope
from ocppj.v16 import ChangeConfigurationRequest
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.site import WITHIN_S
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire, ago, result

pytestmark = commits

ROUNDS = 8


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run these functions in threads that start together; their results."""
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        try:
            barrier.wait(WITHIN_S)
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(WITHIN_S) for future in [pool.submit(run, function) for function in functions]]


def worker(gateway: GatewayEnd, *requests: envelope.Request) -> Callable[[], list[Any]]:
    """A worker of its own that gets these requests as one batch; the replies to them."""
    backend = Backend()

    def handle() -> list[Any]:
        backend.process(gateway.pack(*requests))
        return [backend.reply_to(request) for request in requests]

    return handle


def start(wire: Wire, connector: int = 1, id_tag: str = "TAG1", at: str = "") -> envelope.Frame:
    payload = {"connectorId": connector, "idTag": id_tag, "meterStart": 0, "timestamp": at or ago()}
    return wire.frame(json.dumps([2, uuid.uuid4().hex, "StartTransaction", payload]))


def answer(reply: envelope.FrameReply) -> dict[str, Any]:
    return result(None if reply.raw is None else reply.raw.decode())


def test_a_request_that_two_workers_have_is_carried_out_once(connect: Connect, gateway: GatewayEnd, tag: IdTag) -> None:
    wire = connect()
    for number in range(ROUNDS):
        request = start(wire)
        one, other = at_once(worker(gateway, request), worker(gateway, request))
        assert one[0].raw == other[0].raw is not None
        assert (Transaction.objects.count(), Message.objects.count()) == (number + 1, number + 1)


def test_a_start_that_two_workers_have_is_one_transaction(connect: Connect, gateway: GatewayEnd, tag: IdTag) -> None:
    """Repeated on a new connection while the first is still on its way."""
    old = connect()
    new = connect()
    for number in range(ROUNDS):
        at = ago(seconds=100 - number)
        one, other = at_once(worker(gateway, start(old, at=at)), worker(gateway, start(new, at=at)))
        assert answer(one[0]) == answer(other[0])
        assert answer(one[0])["idTagInfo"]["status"] == "Accepted"
    assert Transaction.objects.count() == ROUNDS
    assert Transaction.objects.filter(is_active=True).count() == 1


@pytest.mark.parametrize("limit", [1, 3])
def test_limit_of_a_tag_holds_across_workers(limit: int, connect: Connect, gateway: GatewayEnd, tag: IdTag) -> None:
    IdTag.objects.update(concurrent_limit=limit)
    wires = [connect(f"CP{number}") for number in range(8)]
    for _round in range(ROUNDS // 2):
        workers = [worker(gateway, *(start(wire) for wire in wires[index::4])) for index in range(4)]
        statuses = [answer(reply)["idTagInfo"]["status"] for replies in at_once(*workers) for reply in replies]
        assert sorted(statuses) == ["Accepted"] * limit + ["ConcurrentTx"] * (8 - limit)
        Transaction.objects.update(is_active=False)


def deadlocks() -> int:
    """How many deadlocks PostgreSQL has broken in this database."""
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def test_overlapping_batches_in_any_order_do_not_deadlock(connect: Connect, gateway: GatewayEnd) -> None:
    before = deadlocks()
    for number in range(4):
        IdTag.objects.create(id_tag=f"TAG{number}")
    wires = [connect(f"CP{number}") for number in range(6)]
    order = random.Random(1).sample

    def batch(number: int) -> list[envelope.Request]:
        frames: list[envelope.Request] = []
        for wire in wires:
            value = {"timestamp": ago(seconds=number), "sampledValue": [{"value": str(number)}]}
            meter = {"connectorId": number % 5, "meterValue": [value]}
            status = {"connectorId": number % 7, "errorCode": "NoError", "status": "Charging"}
            frames += [
                start(wire, connector=number % 3 + 1, id_tag=f"TAG{number % 4}"),
                wire.frame(json.dumps([2, "m", "MeterValues", meter])),
                wire.frame(json.dumps([2, "s", "StatusNotification", status])),
            ]
        frames.append(envelope.Announce(uuid.uuid4(), 0.0, number))
        return order(frames, len(frames))

    for number in range(ROUNDS):
        at_once(*(worker(gateway, *batch(3 * number + index)) for index in range(3)))
    assert Message.objects.count() == ROUNDS * 3 * 18
    assert MeterValue.objects.count() == ROUNDS * 3 * 6
    assert not FailedMessage.objects.exists()
    assert Connector.objects.count() == 6 * 7
    assert deadlocks() == before


def test_what_concerns_many_charge_points_at_once_does_not_deadlock(connect: Connect, gateway: GatewayEnd) -> None:
    before = deadlocks()
    subscription = WebhookSubscription.objects.create(name="hook", url="https://example.com/hook", events=["*"])
    wires = [connect(f"CP{number}") for number in reversed(range(20))]  # their names rise as their keys fall
    identities = sorted(wire.charge_point.identity for wire in wires)

    def new_keys() -> None:
        message = ChangeConfigurationRequest(key="AuthorizationKey", value=uuid.uuid4().hex)
        cancel_batch(issue_command_to_many(identities, message, expires_at=timezone.now() + timedelta(hours=1)))

    for _round in range(ROUNDS):
        at_once(
            new_keys,
            new_keys,
            partial(first_contact.look_at_all_of, subscription.organisation_id),
            worker(gateway, *(start(wire, at=ago()) for wire in wires)),
        )
    assert Inquiry.objects.exclude(due_at=None).count() == 20
    assert deadlocks() == before


def test_an_unknown_charge_point_that_two_workers_meet_is_registered_once(gateway: GatewayEnd) -> None:
    for number in range(ROUNDS):
        identity = f"NEW{number}"
        first, second = Wire(gateway, identity), Wire(gateway, identity)
        replies = at_once(worker(gateway, first.connect()), worker(gateway, second.connect()))
        assert [reply[0].accepted for reply in replies] == [True, True]
        charge_point = ChargePoint.objects.get(identity=identity)
        open_sessions = Session.objects.filter(charge_point=charge_point, ended_at=None)
        assert [session.pk for session in open_sessions] == [charge_point.session_id]


def test_a_queued_command_leaves_once(connect: Connect) -> None:
    wire = connect()
    ids = []
    for _number in range(20):
        command = Command.objects.create(
            charge_point=wire.charge_point, action="Reset", payload={}, timeout_s=30, created_at=timezone.now()
        )
        ids.append(str(command.pk))
    published = at_once(*[dispatch_queued_commands] * 3)
    left = [item.unique_id for items in published for some in items.values() for item in some]
    assert sorted(left) == sorted(ids)


def test_connection_and_frames_of_a_charge_point_at_two_workers(connect: Connect, gateway: GatewayEnd) -> None:
    for number in range(ROUNDS):  # another one each time: two devices that push each other out would have to wait
        old = connect(f"CP{number}")
        new = Wire(gateway, f"CP{number}")
        status = '[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]'
        at_once(worker(gateway, new.connect()), worker(gateway, old.frame(status), old.disconnect()))
        assert new.charge_point.session_id == new.session
        assert list(Session.objects.filter(ended_at=None).values_list("pk", flat=True)) == [new.session]
        new.close()
