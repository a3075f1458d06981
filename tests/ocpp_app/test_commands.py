"""CALLs of ours: who may send them, where they wait, how they end, and whoever waits for the answer."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from ocpp_app import commands
from ocpp_app.commands import aissue_command, dispatch, issue_command
from ocpp_app.errors import (
    ChargePointOffline,
    CommandFailed,
    CommandNotDelivered,
    CommandTimedOut,
    UnknownChargePoint,
    WaitNotPossible,
)
from ocpp_app.middleware import HeartbeatMiddleware, OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import ChargePoint, Command, CommandState, Direction, Message, RegistrationStatus
from ocpp_app.relay.base import Items
from ocpp_app.relay.memory import WEB_QUEUE, MemoryRelay
from ocpp_app.rpc.command_care import dispatch_queued_commands
from ocpp_app.signals import command_finished
from ocppj import envelope
from ocppj.frames import MessageType
from ocppj.v16 import (
    Action,
    ChangeConfigurationRequest,
    ConfigurationStatus,
    GetConfigurationRequest,
    GetConfigurationResponse,
    RemoteStartStopStatus,
    RemoteStartTransactionRequest,
    RemoteStopTransactionRequest,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    ResetType,
)
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.site import Site, call_of, sends
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = pytest.mark.django_db

RESET = ResetRequest(type=ResetType.Soft)
REMOTE_START = RemoteStartTransactionRequest(id_tag="TAG1", connector_id=1)
ACCEPTED = '[3,"%s",{"status":"Accepted"}]'


def soon(seconds: float = 3600) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def sent() -> Iterator[list[envelope.Command]]:
    """What leaves this process for the gateways."""
    items: list[Any] = []
    relay = MemoryRelay(lambda data: items.extend(envelope.decode_to_gateway(data).items))
    commands.use_memory_relay(relay)
    yield items
    commands.forget_memory_relay(relay)


def issue(*arguments: Any, **fields: Any) -> Command:
    """``issue_command`` as outside of the transaction that a plain test is: it leaves at once."""
    command = issue_command(*arguments, **fields)
    assert isinstance(command, Command)
    connection.run_on_commit.clear()
    dispatch(command)
    return command


def the(command: Command) -> Command:
    return Command.objects.get(pk=command.pk)


def state_of(command: Command) -> str:
    return the(command).state


# -- who may be sent what ----------------------------------------------------------------------------------------------


def test_command_to_nobody() -> None:
    with pytest.raises(UnknownChargePoint, match="'CP404'"):
        issue_command("CP404", RESET)


@pytest.mark.parametrize("wait", [True, False])
def test_command_to_an_offline_charge_point_is_refused_at_once(wait: bool, settings: Any) -> None:
    ChargePoint.objects.create(identity="CP001")
    assert commands.why_it_cannot_leave(ChargePoint.objects.get(), "Reset").startswith("is not connected; give exp")
    with pytest.raises((ChargePointOffline, WaitNotPossible)):
        issue_command("CP001", RESET, wait=wait)  # type: ignore[call-overload]
    assert not Command.objects.exists()


def test_command_that_may_wait_is_queued() -> None:
    ChargePoint.objects.create(identity="CP001")
    command = issue_command("CP001", RESET, expires_at=soon())
    assert (state_of(command), command.session_id) == (CommandState.QUEUED, None)


@pytest.mark.parametrize(
    ("status", "message", "leaves"),
    [
        (RegistrationStatus.ACCEPTED, REMOTE_START, True),
        (RegistrationStatus.PENDING, RESET, True),
        (RegistrationStatus.PENDING, REMOTE_START, False),
        (RegistrationStatus.PENDING, RemoteStopTransactionRequest(transaction_id=1), False),
        (RegistrationStatus.REJECTED, RESET, False),
    ],
)
@pytest.mark.spec("OCPP 1.6", "4.2")
def test_registration_status_decides_what_may_leave(
    status: str, message: Any, leaves: bool, connect: Connect, sent: list[Any]
) -> None:
    connect(registration_status=status)
    waiting = issue("CP001", message, expires_at=soon())
    assert state_of(waiting) == (CommandState.DISPATCHED if leaves else CommandState.QUEUED)
    if leaves:
        assert issue_command("CP001", message).state == CommandState.QUEUED
    else:
        with pytest.raises(ChargePointOffline, match=f"CP001 is {status}, which does not allow {message.action}"):
            issue_command("CP001", message)


def test_row_tells_everything(wire: Wire, sent: list[Any]) -> None:
    user = get_user_model().objects.create(username="operator")
    expires_at = soon()
    command = issue(wire.charge_point, RESET, expires_at=expires_at, delay_s=1.5, requested_by=user, source="test")
    row = the(command)
    assert (row.charge_point, row.action, row.payload) == (wire.charge_point, "Reset", {"type": "Soft"})
    assert (row.state, row.session_id, row.requested_by, row.source) == ("dispatched", wire.session, user, "test")
    assert (row.timeout_s, row.delay_s, row.expires_at, row.dispatched_at is None) == (30.0, 1.5, expires_at, False)
    (item,) = sent
    assert (item.session, item.identity, item.unique_id) == (wire.session, "CP001", str(row.pk))
    assert (item.timeout_s, item.delay_s, item.expires_at) == (30.0, 1.5, expires_at.timestamp())
    assert call_of(item) == ("Reset", {"type": "Soft"})


@pytest.mark.parametrize(("own", "expected"), [(None, 12.0), (45, 45.0)])
def test_time_to_answer(own: int | None, expected: float, settings: Any, connect: Connect) -> None:
    settings.OCPP_CALL_TIMEOUT = 12
    connect(call_timeout_s=own)
    assert issue_command("CP001", RESET).timeout_s == expected


# -- transactions ------------------------------------------------------------------------------------------------------


@commits
def test_command_leaves_after_commit_and_not_at_all_after_a_rollback(connect: Connect, sent: list[Any]) -> None:
    connect()
    with transaction.atomic():
        command = issue_command("CP001", RESET)
        assert sent == []
    assert [item.unique_id for item in sent] == [str(command.pk)]
    with transaction.atomic():
        issue_command("CP001", RESET)
        transaction.set_rollback(True)
    assert len(sent) == Command.objects.count() == 1


def test_waiting_inside_a_transaction_is_refused_at_once(wire: Wire) -> None:
    with pytest.raises(WaitNotPossible, match="inside a database transaction would wait for ever"):
        issue_command("CP001", RESET, wait=True)
    assert not Command.objects.exists()


def test_one_dispatcher_wins(wire: Wire, sent: list[Any]) -> None:
    command = issue("CP001", RESET)
    dispatch(command)
    assert len(sent) == 1
    assert dispatch_queued_commands() == {}


def test_process_without_a_relay_leaves_its_commands_to_the_one_that_has_it(wire: Wire) -> None:
    command = issue("CP001", RESET)
    assert state_of(command) == CommandState.QUEUED
    ((queue, (item,)),) = dispatch_queued_commands().items()
    assert (queue, item.unique_id) == ("queue-of-gateway-1", str(command.pk))  # type: ignore[union-attr]
    assert state_of(command) == CommandState.DISPATCHED


# -- how a command ends (reports and answers through the front door) ---------------------------------------------------


@pytest.fixture
def command(wire: Wire, sent: list[Any]) -> Command:
    """A Reset on its way to CP001."""
    return issue("CP001", RESET)


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        (["sent"], CommandState.SENT),
        (["sent", "timed_out"], CommandState.TIMED_OUT),
        (["timed_out"], CommandState.TIMED_OUT),
        (["expired"], CommandState.EXPIRED),
        (["sent", "expired"], CommandState.SENT),
        (["sent", "unsent"], CommandState.SENT),
        (["unsent"], CommandState.EXPIRED),
        (["timed_out", "sent"], CommandState.TIMED_OUT),
        (["something new"], CommandState.DISPATCHED),
    ],
)
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_reports_of_the_gateway(
    reports: list[str], state: str, in_one_batch: bool, command: Command, wire: Wire, gateway: GatewayEnd
) -> None:
    requests = [wire.report(str(command.pk), report) for report in reports]
    for some in [requests] if in_one_batch else [[request] for request in requests]:
        gateway.send(*some)
    row = the(command)
    assert (row.state, row.finished_at is None) == (state, state in ("sent", "dispatched"))


def test_unwritten_command_that_may_wait_is_queued_again(wire: Wire, sent: list[Any]) -> None:
    command = issue("CP001", RESET, expires_at=soon())
    wire.tell(str(command.pk), "unsent")
    assert (state_of(command), the(command).session_id) == (CommandState.QUEUED, None)


def test_late_report_of_another_session_does_not_take_a_command_back(command: Command, gateway: GatewayEnd) -> None:
    Wire(gateway, "CP001").tell(str(command.pk), "unsent")
    assert state_of(command) == CommandState.DISPATCHED


@pytest.mark.parametrize("unique_id", ["", "no uuid", "f97fe910-82b7-4be5-a744-2dc3d535dc01"])
def test_report_of_a_command_we_never_had_is_done(unique_id: str, wire: Wire, gateway: GatewayEnd) -> None:
    assert gateway.send(request := wire.report(unique_id, "sent")) == [envelope.Done(request.relay_id)]


@pytest.mark.parametrize(
    ("raw", "state", "fields"),
    [
        (ACCEPTED, "answered", {"status": "Accepted", "response": {"status": "Accepted"}, "error_code": ""}),
        ('[3,"%s",{"status":"Maybe"}]', "answered", {"status": "Maybe"}),
        ('[3,"%s",{"status":"Accepted","more":1}]', "answered", {"response": {"status": "Accepted", "more": 1}}),
        ('[3,"%s",{}]', "error", {"error_code": "OccurenceConstraintViolation", "response": {}}),
        ('[3,"%s"]', "error", {"error_code": "OccurenceConstraintViolation"}),
        ('[4,"%s","NotSupported","no",{"a":[1]}]', "error", {"error_description": "no", "error_details": {"a": [1]}}),
        ('[4,"%s","Own\\u0000Code"]', "error", {"error_code": "Own\\x00Code", "error_details": {}}),
        ('[4,"%s",' + '"E"' + ',"' + "d" * 3000 + '",null]', "error", {"error_code": "E", "error_details": None}),
    ],
)
def test_answer(raw: str, state: str, fields: dict[str, Any], command: Command, wire: Wire) -> None:
    finished: list[Any] = []

    def note(command: Command, **_kwargs: Any) -> None:
        finished.append(command.pk)

    command_finished.connect(note)
    wire.tell(str(command.pk), "sent")
    assert wire.call(raw.replace("%s", str(command.pk))) is None
    row = the(command)
    assert (row.state, row.is_late, finished) == (state, False, [command.pk])
    assert {name: getattr(row, name) for name in fields} == fields


def test_exchange_is_one_row_of_the_frame_log(command: Command, wire: Wire) -> None:
    wire.tell(str(command.pk), "sent")
    wire.call(answer := ACCEPTED.replace("%s", str(command.pk)))
    row = Message.objects.get()
    assert (row.direction, row.action, row.unique_id) == (Direction.OUTBOUND, "Reset", str(command.pk))
    assert (row.raw, row.answer) == (f'[2,"{command.pk}","Reset",{{"type":"Soft"}}]', answer)
    assert (row.answer_type, row.command, row.session_id) == (3, command, wire.session)


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_answer_that_overtakes_its_report(
    in_one_batch: bool, command: Command, wire: Wire, gateway: GatewayEnd
) -> None:
    requests = [wire.frame(ACCEPTED.replace("%s", str(command.pk))), wire.report(str(command.pk), "sent")]
    for some in [requests] if in_one_batch else [[request] for request in requests]:
        gateway.send(*some)
    assert state_of(command) == CommandState.ANSWERED
    assert (Message.objects.get().answer_type, Message.objects.get().command) == (3, command)


def test_report_and_answer_in_one_batch(command: Command, wire: Wire, gateway: GatewayEnd) -> None:
    gateway.send(wire.report(str(command.pk), "sent"), wire.frame(ACCEPTED.replace("%s", str(command.pk))))
    row = the(command)
    assert (row.state, row.sent_at is None) == (CommandState.ANSWERED, False)
    assert (Message.objects.get().answer_type, Message.objects.get().command) == (3, command)


@pytest.mark.parametrize(
    ("ended", "late"),
    [("timed_out", False), ("timed_out", True), ("lost", False)],
)
def test_late_answer_still_completes_the_row(ended: str, late: bool, command: Command, wire: Wire) -> None:
    Command.objects.update(state=ended, finished_at=timezone.now())
    wire.call(ACCEPTED.replace("%s", str(command.pk)), late=late)
    row = the(command)
    assert (row.state, row.status, row.is_late) == (CommandState.ANSWERED, "Accepted", True)


@pytest.mark.parametrize("state", ["answered", "error", "expired", "cancelled"])
def test_second_answer_changes_nothing(state: str, command: Command, wire: Wire) -> None:
    Command.objects.update(state=state, status="first", finished_at=timezone.now())
    wire.call('[3,"%s",{"status":"Rejected"}]'.replace("%s", str(command.pk)))
    assert (state_of(command), the(command).status) == (state, "first")
    assert Message.objects.get().direction == Direction.INBOUND


def test_answer_of_another_charge_point_changes_nothing(command: Command, connect: Connect) -> None:
    connect("CP002").call(ACCEPTED.replace("%s", str(command.pk)))
    assert state_of(command) == CommandState.DISPATCHED


# -- waiting for the charge point --------------------------------------------------------------------------------------


def test_queued_commands_leave_in_order_with_the_connection_they_waited_for(
    gateway: GatewayEnd, connect: Connect
) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    queued = [issue("CP001", ChangeConfigurationRequest(key=key, value="1"), expires_at=soon()) for key in "abc"]
    Command.objects.filter(pk=queued[1].pk).update(expires_at=soon(-1))
    wire = Wire(gateway, "CP001")
    request = wire.connect()
    gateway.backend.process(gateway.pack(request))
    items = [item for _queue, item in gateway.backend.published]
    assert [type(item) for item in items] == [envelope.ConnectReply, envelope.Command, envelope.Command]
    assert [call_of(command)[1]["key"] for command in wire.commands] == ["a", "c"]
    assert [state_of(command) for command in queued] == ["dispatched", "queued", "dispatched"]
    assert the(queued[0]).session_id == wire.session


def test_queued_command_waits_for_approval_and_leaves_with_the_housekeeping(connect: Connect) -> None:
    wire = connect(registration_status=RegistrationStatus.PENDING)
    command = issue("CP001", REMOTE_START, expires_at=soon())
    assert dispatch_queued_commands() == {}
    ChargePoint.objects.update(registration_status=RegistrationStatus.ACCEPTED)
    ((_queue, (item,)),) = dispatch_queued_commands().items()
    assert (item.unique_id, item.session) == (str(command.pk), wire.session)  # type: ignore[union-attr]


def test_command_given_back_by_a_disconnect_leaves_with_the_next_connection(
    wire: Wire, connect: Connect, sent: list[Any]
) -> None:
    command = issue("CP001", RESET, expires_at=soon())
    wire.close(unsent=(str(command.pk),))
    again = connect()
    assert [item.unique_id for item in again.commands] == [str(command.pk)]
    assert the(command).session_id == again.session


# -- waiting for the answer: a real worker behind the memory relay -----------------------------------------------------


@pytest.fixture
def site(db: None, settings: Any) -> Iterator[Site]:
    settings.OCPP_RELAY = "memory"
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with Site() as site:
        yield site


@commits
def test_wait_returns_the_typed_response(site: Site) -> None:
    wire = site.connect()
    site.answer = sends(wire, '[3,"%s",{"configurationKey":[{"key":"k","readonly":false,"value":"v"}]}]')
    response = issue_command("CP001", GetConfigurationRequest(key=["k"]), wait=True)
    assert isinstance(response, GetConfigurationResponse)
    assert response.configuration_key is not None
    assert response.configuration_key[0].value == "v"
    assert state_of(Command.objects.get()) == CommandState.ANSWERED


@commits
def test_waiter_is_woken_by_the_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "READ_ROW_EVERY_S", 50.0)
    site.answer = sends(site.connect(), ACCEPTED)
    started = time.monotonic()
    assert issue_command("CP001", RESET, wait=True, timeout=50) == ResetResponse(status=ResetStatus.Accepted)
    assert time.monotonic() - started < 25


class Deaf(MemoryRelay):
    """Loses every wake-up."""

    def publish(self, items: Items) -> None:
        super().publish({queue: some for queue, some in items.items() if queue != WEB_QUEUE})


@commits
def test_waiter_reads_the_row_when_the_wake_up_is_lost(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OCPP_RELAY = "memory"
    monkeypatch.setattr(commands, "READ_ROW_EVERY_S", 0.05)
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with Site(Deaf()) as site:
        site.answer = sends(site.connect(), ACCEPTED)
        assert issue_command("CP001", RESET, wait=True) == ResetResponse(status=ResetStatus.Accepted)


@commits
def test_several_wait_at_once(site: Site) -> None:
    wire = site.connect()
    site.answer = lambda command: (
        wire.frame(f'[3,"{command.unique_id}",{{"status":"{call_of(command)[1]["key"]}"}}]'),
    )

    async def change_all() -> list[Any]:
        requests = [ChangeConfigurationRequest(key=status, value="1") for status in ConfigurationStatus]
        return await asyncio.gather(*(aissue_command("CP001", request, wait=True) for request in requests))

    assert [response.status for response in asyncio.run(change_all())] == list(ConfigurationStatus)


@commits
@pytest.mark.parametrize(
    ("frames", "reported", "raised", "state", "text"),
    [
        (['[4,"%s","NotSupported","not here",{"a":1}]'], "sent", CommandFailed, "error", "NotSupported not here"),
        (['[3,"%s",{}]'], "sent", CommandFailed, "error", "Reset: OccurenceConstraintViolation .*breaks the message"),
        ([], "timed_out", CommandTimedOut, "timed_out", "did not answer within 30 s"),
        ([], "expired", CommandNotDelivered, "expired", "expired"),
        ([], "unsent", CommandNotDelivered, "expired", "expired"),
    ],
)
def test_wait_raises_what_happened(
    frames: list[str], reported: str, raised: type[Exception], state: str, text: str, site: Site
) -> None:
    site.answer = sends(site.connect(), *frames, reported=reported)
    with pytest.raises(raised, match=text) as caught:
        issue_command("CP001", RESET, wait=True)
    failed: Any = caught.value
    assert failed.command.state == state
    if raised is CommandFailed and frames[0].startswith("[4"):
        assert (failed.code, failed.description, failed.details) == ("NotSupported", "not here", {"a": 1})


@commits
def test_wait_ends_when_the_connection_does(site: Site) -> None:
    wire = site.connect()
    site.answer = lambda command: (
        wire.report(command.unique_id, "sent"),
        wire.disconnect(unanswered=(command.unique_id,)),
    )
    with pytest.raises(CommandNotDelivered, match="lost"):
        issue_command("CP001", RESET, wait=True)


@commits
def test_caller_gives_up_and_the_command_lives_on(site: Site) -> None:
    wire = site.connect()
    with pytest.raises(CommandTimedOut, match=r"no answer within 0\.05 s; the command lives on") as caught:
        issue_command("CP001", RESET, wait=True, timeout=0.05)
    command = caught.value.command
    assert command is not None
    assert command.state == CommandState.DISPATCHED
    site.ask(wire.frame(ACCEPTED.replace("%s", str(command.pk))))
    row = the(command)
    assert (row.state, row.is_late) == (CommandState.ANSWERED, False)


@commits
def test_answer_after_the_gateways_timeout_completes_the_row_marked_late(site: Site) -> None:
    wire = site.connect()
    site.answer = sends(wire, reported="timed_out")
    with pytest.raises(CommandTimedOut) as caught:
        issue_command("CP001", RESET, wait=True)
    assert caught.value.command is not None
    site.ask(wire.frame(ACCEPTED.replace("%s", str(caught.value.command.pk)), late=True))
    row = the(caught.value.command)
    assert (row.state, row.status, row.is_late) == (CommandState.ANSWERED, "Accepted", True)


@commits
def test_wait_for_a_charge_point_that_comes_later(site: Site) -> None:
    site.answer = lambda command: (Wire(site.gateway, "CP001").frame(ACCEPTED.replace("%s", command.unique_id)),)

    async def start_then_connect() -> Any:
        waiting = asyncio.ensure_future(aissue_command("CP001", RESET, wait=True, expires_at=soon()))
        await asyncio.to_thread(site.connect)
        return await waiting

    assert asyncio.run(start_then_connect()) == ResetResponse(status=ResetStatus.Accepted)


class WaitInHook(OCPPMiddleware):
    """Waits where nobody could ever answer: in the worker that would have to take the answer."""

    raised: list[Exception] = []

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        self.wait()
        transaction.on_commit(self.wait)
        return self.next.handle(request)

    def wait(self) -> None:
        try:
            issue_command("CP001", RESET, wait=True, timeout=0.1)
        except WaitNotPossible as error:
            self.raised.append(error)


@commits
def test_waiting_inside_a_worker_is_refused_at_once(site: Site, settings: Any) -> None:
    settings.OCPP_MIDDLEWARE = {(Action.Heartbeat, MessageType.call): [WaitInHook, HeartbeatMiddleware]}
    WaitInHook.raised.clear()
    wire = site.connect()
    for _twice in range(2):  # the hooks of the first have run when the second is answered
        site.ask(wire.frame('[2,"1","Heartbeat",{}]'))
    assert ["transaction" in str(error) for error in WaitInHook.raised[:2]] == [True, False]
    assert "inside a worker" in str(WaitInHook.raised[1])
    assert not Command.objects.exists()


@commits
def test_remote_start_from_a_shell(site: Site) -> None:
    site.answer = sends(site.connect(), '[3,"%s",{"status":"Rejected"}]')
    response: Any = issue_command("CP001", REMOTE_START, wait=True)
    assert response.status == RemoteStartStopStatus.Rejected
