"""A command's state is always true: the table of transitions, every end, order, cancelling, repeating."""

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from ocpp_app import commands, outbound
from ocpp_app.commands import cancel_command, dispatch, issue_command
from ocpp_app.credentials import verify_key
from ocpp_app.errors import DeliveryUnknown, IdempotencyKeyReused, RelayUnavailable
from ocpp_app.middleware import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import (
    ALIVE_STATES,
    TRANSITIONS,
    ChargePoint,
    Command,
    CommandState,
    Gateway,
    Message,
    RegistrationStatus,
    Session,
)
from ocpp_app.relay.memory import MemoryRelay
from ocpp_app.rpc.command_care import dispatch_queued_commands, give_up_overdue_commands, send_again
from ocpp_app.rpc.gateway_care import close_sessions_of
from ocpp_app.signals import command_finished
from ocppj import envelope
from ocppj.frames import MessageType
from ocppj.v16 import (
    Action,
    ChangeConfigurationRequest,
    ChargingProfile,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RemoteStartTransactionRequest,
    ResetRequest,
    ResetType,
    SetChargingProfileRequest,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = pytest.mark.django_db

RESET = ResetRequest(type=ResetType.Soft)
ACCEPTED = '[3,"%s",{"status":"Accepted"}]'
REFUSED = '[4,"%s","NotSupported","",{}]'
QUEUED, DISPATCHED, SENT = ALIVE_STATES


def later(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def change(number: object) -> ChangeConfigurationRequest:
    return ChangeConfigurationRequest(key=f"key{number}", value="1")


def key_of(item: envelope.Command) -> str:
    return str(json.loads(item.raw)[3]["key"])


class Gateways(MemoryRelay):
    """What leaves this process for the gateways; ``fail`` is raised instead."""

    def __init__(self) -> None:
        super().__init__(lambda data: self.items.extend(envelope.decode_to_gateway(data).items))
        self.items: list[Any] = []
        self.fail: Exception | None = None
        self.exists = True

    def send(self, queue: str, items: Any) -> bool:
        if self.fail is not None:
            raise self.fail
        return super().send(queue, items) if self.exists else False

    @property
    def keys(self) -> list[str]:
        return [key_of(item) for item in self.items]


@pytest.fixture
def gateways(settings: Any) -> Iterator[Gateways]:
    settings.OCPP_RELAY = "memory"
    relay = Gateways()
    commands.use_memory_relay(relay)
    yield relay
    commands.forget_memory_relay(relay)


def issue(message: Any = RESET, identity: str = "CP001", **options: Any) -> Command:
    """Issue a command and let it leave, as after COMMIT."""
    command = issue_command(identity, message, **options)
    connection.run_on_commit.clear()
    dispatch(command)
    command.refresh_from_db()
    return command


def the(command: Command) -> Command:
    return Command.objects.get(pk=command.pk)


def answered(raw: str, command: Command) -> str:
    return raw.replace("%s", str(command.pk))


# -- the table -----------------------------------------------------------------------------------------------


def test_table_has_every_state_and_no_way_back_from_an_end() -> None:
    assert set(TRANSITIONS) == set(CommandState)
    ends = set(CommandState) - set(ALIVE_STATES)
    for state in ends:
        assert TRANSITIONS[state] <= {CommandState.ANSWERED, CommandState.ERROR}
    assert {state for state in ends if TRANSITIONS[state]} == {CommandState.TIMED_OUT, CommandState.LOST}
    for state in ALIVE_STATES:
        assert TRANSITIONS[state] & ends
        assert state not in TRANSITIONS[state]


AUDIT = {
    "sqlite": [
        "CREATE TEMP TABLE audit (old text, new text)",
        "CREATE TEMP TRIGGER audit_states AFTER UPDATE OF state ON ocpp_app_command WHEN OLD.state <> NEW.state "
        "BEGIN INSERT INTO audit VALUES (OLD.state, NEW.state); END",
    ],
    "postgresql": [
        "CREATE TEMP TABLE audit (old text, new text)",
        "CREATE FUNCTION pg_temp.audit_states() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO audit VALUES (OLD.state, NEW.state); RETURN NULL; END$$",
        "CREATE TRIGGER audit_states AFTER UPDATE ON ocpp_app_command FOR EACH ROW "
        "WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION pg_temp.audit_states()",
    ],
}
UNDO_AUDIT = {
    "sqlite": ["DROP TRIGGER audit_states", "DROP TABLE audit"],
    "postgresql": ["DROP TRIGGER audit_states ON ocpp_app_command", "DROP TABLE audit"],
}


@pytest.fixture
def audit(db: None) -> Iterator[Callable[[], set[tuple[str, str]]]]:
    """Every change of a command's state, written down by the database itself."""

    def seen() -> set[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT old, new FROM audit")
            return {(row[0], row[1]) for row in cursor.fetchall()}

    with connection.cursor() as cursor:
        for statement in AUDIT[connection.vendor]:
            cursor.execute(statement)
    yield seen
    with connection.cursor() as cursor:
        for statement in UNDO_AUDIT[connection.vendor]:
            cursor.execute(statement)


class Life:
    """Everything that can happen to the commands of one charge point, in any order."""

    def __init__(self, gateway: GatewayEnd, seed: int) -> None:
        self.gateway = gateway
        self.random = random.Random(seed)
        ChargePoint.objects.get_or_create(identity="CP001", security_profile=0)
        self.wire = Wire(gateway, "CP001")
        self.wire.open()
        self.sessions = [self.wire]

    def step(self) -> None:
        happens = self.random.choice(
            (self.issue, self.issue, self.report, self.report, self.answer, self.cancel, self.keep_house)
            + ((self.reconnect, self.fall_silent) if self.random.random() < 0.3 else ())
        )
        happens()

    def issue(self) -> None:
        expires_at = self.random.choice((None, later(-1), later(1000)))
        if expires_at is not None or ChargePoint.objects.get().is_connected:
            command = issue_command("CP001", RESET, expires_at=expires_at)
            connection.run_on_commit.clear()
            if self.random.random() < 0.8:
                dispatch(command)

    def _any(self) -> str:
        ids = list(Command.objects.order_by("-created_at").values_list("pk", flat=True)[:6])
        return str(self.random.choice(ids or [uuid.uuid4()]))

    def report(self) -> None:
        wire = self.random.choice(self.sessions[-2:])
        wire.tell(self._any(), self.random.choice(("sent", "sent", "timed_out", "expired", "unsent")))

    def answer(self) -> None:
        raw = self.random.choice((ACCEPTED, REFUSED))
        self.wire.call(raw.replace("%s", self._any()), latency_s=0.01)

    def cancel(self) -> None:
        command = Command.objects.filter(pk=self._any()).first()
        if command is not None:
            cancel_command(command)
            connection.run_on_commit.clear()

    def keep_house(self) -> None:
        care = self.random.choice((dispatch_queued_commands, give_up_overdue_commands, send_again))
        care(later(self.random.choice((0, 0, 45, 2000))))

    def reconnect(self) -> None:
        ids = [str(pk) for pk in Command.objects.filter(session=self.wire.session).values_list("pk", flat=True)[:4]]
        cut = self.random.randrange(len(ids) + 1)
        self.wire.close(unsent=tuple(ids[:cut]), unanswered=tuple(ids[cut:]))
        self.wire = Wire(self.gateway, "CP001")
        self.wire.open()
        self.sessions.append(self.wire)

    def fall_silent(self) -> None:
        close_sessions_of(Gateway.objects.get())
        self.wire = Wire(self.gateway, "CP001")
        self.wire.open()
        self.sessions.append(self.wire)


def test_nothing_happens_that_is_not_in_the_table(
    audit: Callable[[], set[tuple[str, str]]], gateway: GatewayEnd, gateways: Gateways
) -> None:
    life = Life(gateway, seed=5)
    for _ in range(600):
        life.step()
    allowed = {(str(old), str(new)) for old, targets in TRANSITIONS.items() for new in targets}
    assert audit() <= allowed
    assert {new for _old, new in audit()} == set(map(str, CommandState))  # it was a full life


# -- the course of a command -----------------------------------------------------------------------------------


def test_times_of_a_command(wire: Wire, gateways: Gateways) -> None:
    command = issue(requested_by=None, api_token="billing (ocpp_abc…)", source="test")
    wire.tell(str(command.pk), "sent")
    wire.call(answered(ACCEPTED, command), latency_s=0.25)
    row = the(command)
    assert (row.state, row.latency_s, row.api_token, row.source) == ("answered", 0.25, "billing (ocpp_abc…)", "test")
    assert row.dispatched_at is not None
    assert row.sent_at is not None
    assert row.finished_at is not None
    assert row.created_at <= row.dispatched_at <= row.sent_at <= row.finished_at
    assert (row.waited, row.took) == (row.sent_at - row.created_at, row.finished_at - row.created_at)


def test_times_make_sense_although_the_gateways_clock_is_wrong(wire: Wire, gateways: Gateways) -> None:
    for clock in (-3600.0, 3600.0):
        command = issue()
        wire.tell(str(command.pk), "sent", at=timezone.now().timestamp() + clock)
        row = the(command)
        assert row.dispatched_at is not None
        assert row.sent_at is not None
        assert timedelta(0) <= row.sent_at - row.dispatched_at < timedelta(minutes=1)


def test_frame_is_kept_byte_for_byte(wire: Wire, gateways: Gateways) -> None:
    schedule = ChargingSchedule(
        charging_rate_unit=ChargingRateUnitType.A,
        charging_schedule_period=[ChargingSchedulePeriod(start_period=0, limit=16)],
        duration=3600,
    )
    profile = ChargingProfile(
        charging_profile_id=7,
        stack_level=0,
        charging_profile_purpose=ChargingProfilePurposeType.TxDefaultProfile,
        charging_profile_kind=ChargingProfileKindType.Relative,
        charging_schedule=schedule,
    )
    command = issue(SetChargingProfileRequest(connector_id=1, cs_charging_profiles=profile))
    wire.tell(str(command.pk), "sent")
    raw = '[3, "%s",  {"status": "Accepted"} ]'
    wire.call(answered(raw, command))
    message = Message.objects.get(command=command)
    assert (message.raw.encode(), message.answer) == (gateways.items[0].raw, answered(raw, command))
    dispatch_queued_commands()
    assert outbound.raw_call(the(command)) == gateways.items[0].raw  # also from a database that sorts JSON


def test_report_that_comes_after_the_timeout_still_tells_when_it_was_sent(wire: Wire, gateways: Gateways) -> None:
    command = issue()
    wire.tell(str(command.pk), "timed_out")
    wire.tell(str(command.pk), "sent")
    row = the(command)
    assert (row.state, row.sent_at is not None, Message.objects.get().command) == ("timed_out", True, command)


def test_every_end_is_told(connect: Connect, gateway: GatewayEnd, gateways: Gateways) -> None:
    told: list[str] = []

    def note(command: Command, charge_point: ChargePoint, **_kwargs: Any) -> None:
        assert charge_point.pk == command.charge_point_id
        told.append(command.state)

    command_finished.connect(note)
    wire = connect()
    with_answer, with_error, without, expired, lost = (issue() for _ in range(5))
    wire.call(answered(ACCEPTED, with_answer))
    wire.call(answered(REFUSED, with_error))
    wire.tell(str(without.pk), "timed_out")
    wire.tell(str(expired.pk), "expired")
    wire.close(unanswered=(str(lost.pk),))
    cancel_command(issue(expires_at=later(60)))
    wire = connect()
    silent = issue()
    close_sessions_of(Gateway.objects.get())
    for hook in connection.run_on_commit:
        hook[1]()
    assert sorted(told) == sorted(["answered", "error", "timed_out", "expired", "lost", "cancelled", "lost"])
    assert (the(lost).reason, the(silent).reason) == (
        "its connection ended before the answer",
        "its gateway fell silent",
    )


# -- what was not answered -------------------------------------------------------------------------------------


def test_sent_command_that_nobody_reported_is_given_up_after_its_timeout_and_the_grace(
    wire: Wire, gateways: Gateways, settings: Any
) -> None:
    settings.OCPP_COMMAND_GRACE = 5
    command = issue()
    wire.tell(str(command.pk), "sent")
    give_up_overdue_commands(later(command.timeout_s + 4))
    assert the(command).state == SENT
    give_up_overdue_commands(later(command.timeout_s + 6))
    assert (the(command).state, the(command).reason) == ("timed_out", "nobody reported an answer")
    wire.call(answered(ACCEPTED, command))
    assert (the(command).state, the(command).is_late, the(command).reason) == ("answered", True, "")


def test_dispatched_command_whose_session_has_ended_is_lost_unless_its_gateway_speaks(
    wire: Wire, gateways: Gateways
) -> None:
    command = issue(expires_at=later(1000))
    wire.close()
    give_up_overdue_commands(later(command.timeout_s + 9))
    assert the(command).state == DISPATCHED
    give_up_overdue_commands(later(command.timeout_s + 11))
    assert the(command).state == CommandState.LOST


def test_dispatched_command_behind_others_has_as_long_as_they_may_take(wire: Wire, gateways: Gateways) -> None:
    waiting = [issue() for _ in range(3)]
    give_up_overdue_commands(later(3 * 30 + 69))
    assert [the(command).state for command in waiting] == [DISPATCHED] * 3
    give_up_overdue_commands(later(3 * 30 + 71))
    assert [the(command).state for command in waiting] == [CommandState.LOST] * 3


def test_waiter_of_a_command_that_is_given_up_is_woken(wire: Wire, gateways: Gateways) -> None:
    command = issue()
    Command.objects.update(reply_to="web")
    wire.tell(str(command.pk), "sent")
    assert give_up_overdue_commands(later(60)) == {"web": [envelope.CommandFinished(str(command.pk))]}


@pytest.mark.parametrize(("expires_in_s", "state"), [(None, "expired"), (20.0, "expired"), (4000.0, "queued")])
def test_queued_command_that_cannot_leave_ends_in_time(
    expires_in_s: float | None, state: str, wire: Wire, settings: Any
) -> None:
    command = issue_command("CP001", RESET, expires_at=None if expires_in_s is None else later(expires_in_s))
    wire.close()
    dispatch_queued_commands(later(10))
    assert the(command).state == QUEUED
    dispatch_queued_commands(later(40))
    assert the(command).state == state


def test_command_that_is_due_later_waits_until_then(wire: Wire, gateways: Gateways) -> None:
    command = issue_command("CP001", RESET)
    Command.objects.update(not_before=later(100))
    dispatch(command)
    dispatch_queued_commands(later(90))
    assert the(command).state == QUEUED
    assert dispatch_queued_commands() == {}
    ((_queue, (item,)),) = dispatch_queued_commands(later(101)).items()
    assert item.unique_id == str(command.pk)  # type: ignore[union-attr]


# -- lost on the way to the gateway ----------------------------------------------------------------------------


def test_dispatched_command_of_which_its_gateway_says_nothing_is_published_again(
    wire: Wire, gateways: Gateways
) -> None:
    command = issue()
    (first,) = gateways.items
    rounds = []
    for second in range(0, 50, 5):
        items = send_again(later(second))
        rounds += [second] * sum(map(len, items.values()))
        assert all(some == [first] for some in items.values())
    assert rounds == [15, 30, 45]
    wire.tell(str(command.pk), "sent")
    assert send_again(later(1000)) == {}


def test_command_of_an_ended_session_is_asked_for_until_its_gateway_says_that_it_never_wrote_it(
    wire: Wire, connect: Connect, gateways: Gateways
) -> None:
    command = issue(expires_at=later(1000))
    wire.close()
    assert list(send_again(later(16))) == ["queue-of-gateway-1"]
    wire.tell(str(command.pk), "unsent")
    assert the(command).state == QUEUED
    assert [item.unique_id for item in connect().commands] == [str(command.pk)]


def test_nothing_is_published_again_to_a_gateway_that_is_gone(wire: Wire, gateways: Gateways) -> None:
    issue()
    Gateway.objects.update(gone_at=timezone.now())
    assert send_again(later(1000)) == {}


def test_command_whose_gateway_has_no_queue_any_more_waits_if_it_may(wire: Wire, gateways: Gateways) -> None:
    gateways.exists = False
    command, waiting = issue(), issue(expires_at=later(1000))
    assert (command.state, command.reason) == (CommandState.EXPIRED, "its gateway could not be reached")
    assert (waiting.state, waiting.session_id) == (QUEUED, None)
    ((_queue, (item,)),) = dispatch_queued_commands().items()
    assert item.unique_id == str(waiting.pk)  # type: ignore[union-attr]


def test_command_is_tried_again_when_the_broker_is_back(wire: Wire, gateways: Gateways) -> None:
    gateways.fail = RelayUnavailable("no broker")
    command, forgotten = issue(), issue()
    Command.objects.filter(pk=forgotten.pk).update(created_at=later(-31))
    assert the(command).state == QUEUED
    ((_queue, (item,)),) = dispatch_queued_commands().items()
    assert item.unique_id == str(command.pk)  # type: ignore[union-attr]
    assert the(forgotten).state == CommandState.EXPIRED


def test_command_that_may_have_arrived_is_not_taken_back(wire: Wire, gateways: Gateways) -> None:
    gateways.fail = DeliveryUnknown("the broker went away")
    assert issue(expires_at=later(1000)).state == DISPATCHED


def test_what_comes_back_when_it_was_published_again_proves_nothing(wire: Wire, gateways: Gateways) -> None:
    command = issue(expires_at=later(1000))
    (item,) = gateways.items
    send_again(later(16))
    outbound.give_back_undelivered([item], timezone.now())
    assert the(command).state == DISPATCHED
    Command.objects.update(repeated_at=None)
    outbound.give_back_undelivered([item], timezone.now())
    assert the(command).state == QUEUED


# -- in order --------------------------------------------------------------------------------------------------


def test_queue_leaves_in_order_in_several_portions(
    gateway: GatewayEnd, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "CLAIMED_AT_ONCE", 4)
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    for number in range(10):
        issue_command("CP001", change(number), expires_at=later(60))
    connection.run_on_commit.clear()
    wire = Wire(gateway, "CP001")
    wire.open()
    assert [key_of(item) for item in wire.commands] == [f"key{number}" for number in range(4)]
    (portion,) = dispatch_queued_commands().values()
    assert [key_of(item) for item in portion] == [f"key{number}" for number in range(4, 8)]  # type: ignore[arg-type]
    issue(change(10))  # a new one leaves behind those that waited
    assert gateways.keys == ["key8", "key9", "key10"]


class ChangeTwice(OCPPMiddleware):
    """Two commands to the charge point with each heartbeat."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        response.add_command(change("first"))
        response.add_command(change("second"), source="doorman")
        return response


@pytest.fixture
def changes_twice(settings: Any) -> None:
    chain = [ChangeTwice, "ocpp_app.middleware.HeartbeatMiddleware"]
    settings.OCPP_MIDDLEWARE = {(Action.Heartbeat, MessageType.call): chain}


def test_commands_of_a_middleware_leave_behind_those_that_wait(
    changes_twice: None, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "CLAIMED_AT_ONCE", 2)
    for number in range(3):
        issue_command("CP001", change(number), expires_at=later(60))
    connection.run_on_commit.clear()
    wire.ask("Heartbeat")
    assert [key_of(item) for item in wire.commands] == ["key0", "key1"]
    rest = [key_of(item) for _ in range(2) for some in dispatch_queued_commands().values() for item in some]  # type: ignore[arg-type]
    assert rest == ["key2", "keyfirst", "keysecond"]
    assert list(Command.objects.filter(source="doorman").values_list("payload__key", flat=True)) == ["keysecond"]


def test_what_a_batch_gives_back_leaves_first_with_the_connection_of_the_same_batch(
    wire: Wire, gateway: GatewayEnd, gateways: Gateways
) -> None:
    first = issue(change(1), expires_at=later(60))
    issue_command("CP001", change(2), expires_at=later(60))
    connection.run_on_commit.clear()
    again = Wire(gateway, "CP001")
    gateway.send(wire.disconnect(unsent=(str(first.pk),)), again.connect())
    assert [key_of(item) for item in again.commands] == ["key1", "key2"]
    assert set(Command.objects.values_list("state", "session")) == {("dispatched", again.session)}


def test_remote_start_that_may_not_leave_holds_up_nobody(connect: Connect, gateways: Gateways) -> None:
    connect(registration_status=RegistrationStatus.PENDING)
    start = issue(RemoteStartTransactionRequest(id_tag="TAG1"), expires_at=later(60))
    assert (start.state, issue(change(1)).state) == (QUEUED, DISPATCHED)


# -- cancelled -------------------------------------------------------------------------------------------------


def test_queued_command_is_cancelled_at_once(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001")
    command = issue_command("CP001", RESET, expires_at=later(60))
    cancelled = cancel_command(command, reason="cancelled by alice")
    assert (cancelled.state, cancelled.reason, cancelled.finished_at is None) == (
        "cancelled",
        "cancelled by alice",
        False,
    )
    wire = Wire(gateway, "CP001")
    wire.open()
    assert wire.commands == []


def test_dispatched_command_is_cancelled_by_its_gateway(wire: Wire, gateways: Gateways) -> None:
    command = issue(expires_at=later(60))
    connection.run_on_commit.clear()
    assert cancel_command(command, reason="alice").state == DISPATCHED
    connection.run_on_commit.pop()[1]()
    request = gateways.items[-1]
    assert (request.unique_id, request.session, request.cancel) == (str(command.pk), wire.session, True)
    wire.tell(str(command.pk), "unsent")
    assert (the(command).state, the(command).reason) == (CommandState.CANCELLED, "alice")


@pytest.mark.parametrize("report", ["expired", "unsent"])
def test_old_gateway_that_expires_what_it_should_cancel(report: str, wire: Wire, gateways: Gateways) -> None:
    command = issue(expires_at=later(60))
    cancel_command(command)
    wire.tell(str(command.pk), report)
    assert the(command).state == CommandState.CANCELLED


def test_command_that_was_too_quick_to_be_cancelled_completes(wire: Wire, gateways: Gateways) -> None:
    command = issue()
    cancel_command(command, reason="alice")
    wire.tell(str(command.pk), "sent")
    assert cancel_command(command).state == SENT
    wire.call(answered(ACCEPTED, command))
    assert (cancel_command(command).state, the(command).reason) == (CommandState.ANSWERED, "")


def test_cancelled_command_does_not_come_back_with_the_next_connection(
    wire: Wire, connect: Connect, gateways: Gateways
) -> None:
    command = issue(expires_at=later(60))
    cancel_command(command)
    wire.close(unsent=(str(command.pk),))
    assert connect().commands == []
    assert the(command).state == CommandState.CANCELLED


def test_cancellation_that_got_lost_is_asked_for_again(wire: Wire, gateways: Gateways) -> None:
    command = issue()
    gateways.fail = RelayUnavailable("no broker")
    cancel_command(command)
    ((_queue, (item,)),) = send_again(later(16)).items()
    assert item.cancel  # type: ignore[union-attr]


# -- asked for twice -------------------------------------------------------------------------------------------


def test_repeated_idempotency_key_gets_the_same_command(wire: Wire, connect: Connect, gateways: Gateways) -> None:
    first = issue(idempotency_key="order 4711")
    wire.call(answered(ACCEPTED, first))
    wire.close()
    again = issue_command("CP001", RESET, idempotency_key="order 4711")  # also when it is offline by now
    assert (again.pk, again.state) == (first.pk, CommandState.ANSWERED)
    assert len(gateways.items) == 1
    connect("CP002")
    assert issue(identity="CP002", idempotency_key="order 4711").pk != first.pk


@pytest.mark.parametrize("message", [ResetRequest(type=ResetType.Hard), change(1)])
def test_idempotency_key_of_another_command_is_refused(message: Any, wire: Wire, gateways: Gateways) -> None:
    first = issue(idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused, match="'k' belongs to another command: Reset") as caught:
        issue_command("CP001", message, idempotency_key="k")
    assert caught.value.command == first


@pytest.mark.django_db(transaction=True)
def test_one_command_although_many_ask_with_one_key_at_once(connect: Connect, gateways: Gateways) -> None:
    connect()
    made: list[uuid.UUID] = []
    start = threading.Barrier(6)

    def ask() -> None:
        try:
            start.wait(10)
            made.append(issue_command("CP001", RESET, idempotency_key="k").pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 6
    assert len(set(made)) == Command.objects.count() == len(gateways.items) == 1


# -- secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("Security whitepaper", "A01.FR.08")
def test_authorization_key_is_readable_nowhere_once_its_command_has_ended(wire: Wire, gateways: Gateways) -> None:
    secret = "a-very-secret-key-1234"
    command = issue(ChangeConfigurationRequest(key="authorizationKey", value=secret))
    assert json.loads(gateways.items[0].raw)[3] == {"key": "authorizationKey", "value": secret}
    wire.tell(str(command.pk), "sent")
    assert secret not in Message.objects.get().raw
    wire.tell(str(command.pk), "timed_out")
    row = the(command)
    assert secret not in row.frame + json.dumps(row.payload)
    assert verify_key(secret.encode(), row.payload["value"])
    assert Session.objects.count() == 1
