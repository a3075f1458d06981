"""Our own code, or a user's, fails: the charge point is not punished, nothing is lost, and it can be done again."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from ocpp_app.commands import issue_command
from ocpp_app.management.commands.replay import replay
from ocpp_app.middleware import (
    AuthorizeMiddleware,
    MeterValuesMiddleware,
    OCPPMiddleware,
    OCPPRequest,
    OCPPResponse,
    OrphanedTransactionMiddleware,
    StartTransactionMiddleware,
    StopTransactionMiddleware,
)
from ocpp_app.models import (
    AnomalyKind,
    ChargePoint,
    ClosedBy,
    Command,
    CommandState,
    FailedMessage,
    Message,
    MeterValue,
    RegistrationStatus,
    Transaction,
)
from ocpp_app.signals import message_failed, transaction_stopped
from ocppj.frames import MessageType
from ocppj.v16 import Action, ResetRequest, ResetType
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, error, result

pytestmark = pytest.mark.django_db

START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000}
STOP = {"meterStop": 6000}


class Broken(OCPPMiddleware):
    """A user's middleware with a bug; the test mends it with ``mended = True``."""

    mended = False

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if not type(self).mended:
            raise ZeroDivisionError("the user's bug")
        return response


@pytest.fixture
def broken(settings: Any) -> Iterator[type[Broken]]:
    """Starts, stops and meter values run into a bug until it is mended."""
    settings.OCPP_MIDDLEWARE = {
        (Action.StartTransaction, MessageType.call): [
            Broken,
            OrphanedTransactionMiddleware,
            StartTransactionMiddleware,
        ],
        (Action.StopTransaction, MessageType.call): [Broken, StopTransactionMiddleware],
        (Action.MeterValues, MessageType.call): [Broken, MeterValuesMiddleware],
        (Action.Authorize, MessageType.call): [Broken, AuthorizeMiddleware],
    }
    yield Broken
    Broken.mended = False


def start(wire: Wire, **fields: Any) -> dict[str, Any]:
    return wire.ask("StartTransaction", {**START, "timestamp": ago(hours=1), **fields})


def meter_values(transaction_id: int, register: int) -> dict[str, Any]:
    value = {"timestamp": ago(minutes=30), "sampledValue": [{"value": str(register)}]}
    return {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}


def replay_all(*arguments: str) -> str:
    output = StringIO()
    call_command("replay", *arguments, stdout=output, stderr=output)
    return output.getvalue()


# -- what the charge point hears ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "answer", "is_kept"),
    [
        pytest.param('[2,"1","StopTransaction",{"transactionId":1,"meterStop":5}]', '[3,"1",{}]', True, id="stop"),
        pytest.param('[2,"1","MeterValues",{"connectorId":1,"meterValue":[]}]', '[3,"1",{}]', True, id="meter values"),
        pytest.param(f'[2,"1","StartTransaction",{json.dumps(START)}]', '[4,"1","InternalError"', True, id="start"),
        pytest.param('[2,"1","Authorize",{"idTag":"TAG1"}]', '[4,"1","InternalError"', False, id="anything else"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "3.7.1")
def test_answer_to_what_we_failed_on(raw: str, answer: str, is_kept: bool, broken: type[Broken], wire: Wire) -> None:
    told: list[FailedMessage] = []

    def note(failed_message: FailedMessage, **_kwargs: Any) -> None:
        told.append(failed_message)

    message_failed.connect(note)
    given = wire.call(raw)
    assert given is not None
    assert given.startswith(answer)
    assert (Message.objects.get().raw, Message.objects.get().answer) == (raw, given)
    kept = list(FailedMessage.objects.all())
    assert len(kept) == is_kept
    assert [failed.pk for failed in told] == [failed.pk for failed in kept]
    for failed in kept:
        assert (failed.raw, failed.answered_with, failed.session_id) == (raw, given, wire.session)
        assert (failed.charge_point, failed.action) == (wire.charge_point, json.loads(raw)[2])
        assert "ZeroDivisionError: the user's bug" in failed.error
    assert not Transaction.objects.exists()  # what the chain did before it failed is rolled back
    assert not MeterValue.objects.exists()


def test_redelivered_failed_message_is_answered_from_the_log(
    broken: type[Broken], wire: Wire, gateway: GatewayEnd
) -> None:
    request = wire.frame('[2,"1","StopTransaction",{"transactionId":1,"meterStop":5}]')
    first, second = gateway.send(request)[0], gateway.send(request)[0]
    assert first.raw == second.raw == b'[3,"1",{}]'
    assert FailedMessage.objects.count() == 1


def test_failed_connect_is_refused_for_now(settings: Any, gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", authorization_key="md5$old$format")
    reply = Wire(gateway, "CP001").open(username="CP001", password=b"secret")
    assert (reply.accepted, reply.status) == (False, 503)


# -- answers to our commands -------------------------------------------------------------------------------------------


def reset(wire: Wire) -> Command:
    command = issue_command(wire.identity, ResetRequest(type=ResetType.Soft))
    wire.tell(str(command.pk), "sent")
    return command


def test_command_is_answered_although_the_chain_of_its_answer_fails(settings: Any, wire: Wire) -> None:
    settings.OCPP_MIDDLEWARE = {(Action.Reset, MessageType.call_result): [Broken]}
    command = reset(wire)
    assert wire.call(f'[3,"{command.pk}",{{"status":"Accepted"}}]') is None
    command.refresh_from_db()
    assert (command.state, command.response) == (CommandState.ANSWERED, {"status": "Accepted"})


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param('{"status":"Acc\\u0000epted"}', id="NUL"),
        pytest.param('{"status":"Accepted","extra":"\\u0000"}', id="NUL in an extra field"),
        pytest.param('{"status":"Accepted","extra":1e999}', id="a number beyond all numbers"),
        pytest.param('{"status":"Accepted","extra":%s}' % ("9" * 400), id="400 digits"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
    ],
)
@pytest.mark.parametrize("frame", ['[3,"%s",%s]', '[4,"%s","GenericError","",%s]'])
def test_no_answer_of_a_charge_point_fails_us(frame: str, payload: str, wire: Wire) -> None:
    command = reset(wire)
    assert wire.call(frame % (command.pk, payload)) is None
    command.refresh_from_db()
    assert command.state in (CommandState.ANSWERED, CommandState.ERROR)
    assert result(wire.call('[2,"h","Heartbeat",{}]'))


UNREADABLE = {
    "no UTF-8": b'{"status":"\xff"}',
    "half a surrogate pair": b'{"status":"\\ud800"}',
    "nested deeply": b"[" * 3000 + b"]" * 3000,
}


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_answer_does_not_fail_us(payload: bytes, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Its command ends with its timeout at the gateway."""
    command = reset(wire)
    assert wire.call(b'[3,"%s",%s]' % (str(command.pk).encode(), payload)) is None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# -- replay ------------------------------------------------------------------------------------------------------------


def test_stop_and_meter_values_are_replayed_with_the_time_of_their_receipt(broken: type[Broken], wire: Wire) -> None:
    broken.mended = True
    transaction_id = start(wire)["transactionId"]
    broken.mended = False
    wire.ask("MeterValues", meter_values(transaction_id, 3000))
    stop = {**STOP, "transactionId": transaction_id, "timestamp": ago(minutes=5), "reason": "Remote"}
    wire.ask("StopTransaction", stop)
    assert Transaction.objects.get().is_active
    assert "failed again: ZeroDivisionError" in replay_all()
    assert Transaction.objects.get().is_active

    stopped: list[int] = []

    def note(transaction: Transaction, **_kwargs: Any) -> None:
        stopped.append(transaction.pk)

    transaction_stopped.connect(note)
    broken.mended = True
    output = replay_all()
    assert output.count("  replayed\n") == 2
    row = Transaction.objects.get()
    assert (row.is_active, row.energy_wh, row.stop_reason) == (False, 5000, "Remote")
    assert row.stopped_at == row.stop_timestamp
    assert row.stop_received_at == FailedMessage.objects.get(action="StopTransaction").received_at
    assert MeterValue.objects.get().transaction == row
    assert stopped == [row.pk]
    assert not FailedMessage.objects.filter(replayed_at=None).exists()
    assert "Nothing waits to be replayed." in replay_all()


def test_repeated_failed_starts_are_replayed_as_one_transaction(broken: type[Broken], wire: Wire) -> None:
    at = ago(hours=1)
    for _attempt in range(3):
        raw = json.dumps([2, "1", "StartTransaction", {**START, "timestamp": at}])
        assert error(wire.call(raw)) == "InternalError"
    broken.mended = True
    assert replay_all().count("  replayed\n") == 3
    assert Transaction.objects.get().start_received_at == FailedMessage.objects.earliest("pk").received_at


def test_failed_start_that_was_repeated_with_success_is_not_doubled_by_its_replay(
    broken: type[Broken], wire: Wire
) -> None:
    at = ago(hours=1)
    raw = json.dumps([2, "1", "StartTransaction", {**START, "timestamp": at}])
    wire.call(raw)
    broken.mended = True
    transaction_id = result(wire.call(raw))["transactionId"]
    wire.ask("StopTransaction", {**STOP, "transactionId": transaction_id, "timestamp": ago()})
    replay_all()
    row = Transaction.objects.get()
    assert (row.pk, row.energy_wh, row.is_active) == (transaction_id, 5000, False)


def test_replayed_start_does_not_end_the_transaction_that_runs_now(broken: type[Broken], wire: Wire) -> None:
    raw = json.dumps([2, "1", "StartTransaction", {**START, "timestamp": ago(hours=5)}])
    assert error(wire.call(raw)) == "InternalError"
    broken.mended = True
    running = start(wire, timestamp=ago(minutes=10), meterStart=8000)["transactionId"]
    replay_all()
    old = Transaction.objects.exclude(pk=running).get()
    assert Transaction.objects.get(pk=running).is_active
    assert (old.is_active, old.closed_by, old.energy_wh) == (False, ClosedBy.ORPHANED, 0)
    assert [anomaly.kind for anomaly in old.anomalies.all()] == [AnomalyKind.ORPHANED]


def test_replayed_start_is_open_when_nothing_came_after_it(broken: type[Broken], wire: Wire) -> None:
    wire.call(json.dumps([2, "1", "StartTransaction", {**START, "timestamp": ago(hours=5)}]))
    broken.mended = True
    replay_all()
    assert Transaction.objects.get().is_active


def test_replay_of_some_and_dry_run(broken: type[Broken], wire: Wire) -> None:
    for number in (1, 2):
        wire.call(f'[2,"{number}","StopTransaction",{{"transactionId":{number},"meterStop":5,"timestamp":"{ago()}"}}]')
    first, second = FailedMessage.objects.order_by("pk")
    broken.mended = True
    assert replay_all("--dry-run").count("  waits\n") == 2
    assert Transaction.objects.count() == 0
    replay_all(str(second.pk))
    assert list(FailedMessage.objects.filter(replayed_at=None)) == [first]
    assert Transaction.objects.count() == 1


def test_replay_that_is_refused_changes_nothing_and_says_why(broken: type[Broken], connect: Connect) -> None:
    wire = connect()
    wire.call(json.dumps([2, "1", "StartTransaction", {**START, "timestamp": ago()}]))
    ChargePoint.objects.update(registration_status=RegistrationStatus.REJECTED)
    broken.mended = True
    assert "SecurityError" in replay_all()
    failed = FailedMessage.objects.get()
    assert failed.replayed_at is None
    assert "SecurityError" in failed.error
    assert not Transaction.objects.exists()


@commits
def test_a_failing_hook_does_not_make_a_replay_failed(broken: type[Broken], settings: Any, connect: Connect) -> None:
    class FailingHook(OCPPMiddleware):
        def handle(self, request: OCPPRequest) -> OCPPResponse:
            transaction.on_commit(lambda: 1 / 0)
            return self.next.handle(request)

    wire = connect()
    wire.call(json.dumps([2, "1", "StopTransaction", {**STOP, "transactionId": 7, "timestamp": ago()}]))
    settings.OCPP_MIDDLEWARE = {(Action.StopTransaction, MessageType.call): [FailingHook, StopTransactionMiddleware]}
    failed = FailedMessage.objects.get()
    assert replay(failed) is None
    failed.refresh_from_db()
    assert failed.replayed_at is not None
    assert Transaction.objects.count() == 1
