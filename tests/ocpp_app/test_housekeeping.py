"""What nobody asks for: gateways that fell silent, commands that were forgotten; by one worker at a time."""

from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import first_contact, outbound, sessions, upgrades, upkeep
from ocpp_app.models import ChargePoint, Command, CommandState, Gateway, Lease, RegistrationStatus, Session
from ocpp_app.rpc import command_care, gateway_care, housekeeping
from ocpp_app.rpc.command_care import dispatch_queued_commands, give_up_overdue_commands, send_again
from ocpp_app.rpc.gateway_care import close_silent_gateways
from ocpp_app.rpc.housekeeping import REST, REST_AT_MOST_S, Housekeeping
from ocpp_app.signals import charge_point_disconnected
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that goes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def last_announced(gateway: str, seconds_ago: float) -> None:
    silence = timedelta(seconds=seconds_ago)
    Gateway.objects.filter(name=gateway).update(last_announced_at=Now() - silence)


def open_sessions() -> set[Any]:
    return set(Session.objects.filter(ended_at=None).values_list("pk", flat=True))


def command_for(wire: Wire, state: CommandState, *, seconds_ago: float = 0, **fields: Any) -> Command:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    values: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}, "timeout_s": 30, "created_at": at}
    if state != "queued":
        values |= {"session_id": wire.session, "dispatched_at": at}
    if state == "sent":
        values["sent_at"] = at
    return Command.objects.create(charge_point=wire.charge_point, state=state, **{**values, **fields})


def states() -> list[str]:
    return list(Command.objects.order_by("created_at", "pk").values_list("state", flat=True))


# -- silent gateways ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_silent"), [(25, False), (31, True), (3600, True)])
def test_gateway_that_does_not_announce_itself_is_gone(
    seconds: float, is_silent: bool, connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    silent, other = connect("CP001"), connect("CP002", at=GatewayEnd(backend, "gateway-2"))
    command = command_for(silent, CommandState.SENT)
    told: list[Any] = []

    def note(charge_point: ChargePoint, session_id: Any, **_kwargs: Any) -> None:
        told.append((charge_point.identity, session_id))

    charge_point_disconnected.connect(note)
    last_announced("gateway-1", seconds)
    close_silent_gateways()
    assert open_sessions() == ({other.session} if is_silent else {silent.session, other.session})
    assert silent.charge_point.is_connected != is_silent
    command.refresh_from_db()
    assert command.state == (CommandState.LOST if is_silent else CommandState.SENT)
    assert (Gateway.objects.get(name="gateway-1").gone_at is not None) == is_silent
    assert told == ([("CP001", silent.session)] if is_silent else [])


def test_gateway_that_died_before_it_announced_itself_is_gone(wire: Wire) -> None:
    """It is known by the connections alone that it brought."""
    last_announced("gateway-1", 31)
    assert Gateway.objects.get().connections == 0
    close_silent_gateways()
    assert not wire.charge_point.is_connected


def test_session_of_a_gateway_that_is_gone_is_closed(wire: Wire) -> None:
    Gateway.objects.update(gone_at=Now())
    close_silent_gateways()
    session = Session.objects.get()
    assert (session.close_reason, session.close_code) == (sessions.GATEWAY_SILENT, None)


def test_newer_session_elsewhere_stays(wire: Wire, connect: Connect, backend: Backend) -> None:
    newer = connect(at=GatewayEnd(backend, "gateway-2"))
    last_announced("gateway-1", 60)
    close_silent_gateways()
    assert newer.charge_point.session_id == newer.session


def test_many_sessions_are_closed_in_portions(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_care, "SESSIONS_AT_ONCE", 3)
    for number in range(8):
        connect(f"CP{number}")
    last_announced("gateway-1", 60)
    close_silent_gateways()
    assert open_sessions() == set()
    assert not ChargePoint.objects.filter(session__isnull=False).exists()


# -- who does it, and when ---------------------------------------------------------------------------------------------


def test_one_worker_at_a_time(wire: Wire, clock: Clock) -> None:
    command_for(wire, CommandState.QUEUED)
    first, second = Housekeeping("worker-1", clock), Housekeeping("worker-2", clock)
    assert first.run_when_due().keys() == {"queue-of-gateway-1"}
    command_for(wire, CommandState.QUEUED)
    assert second.run_when_due() == {}
    clock.now += 3
    assert first.run_when_due().keys() == {"queue-of-gateway-1"}
    assert states() == ["dispatched", "dispatched"]


def test_another_worker_takes_over_when_the_lease_has_run_out(wire: Wire, clock: Clock) -> None:
    Housekeeping("worker-1", clock).run_when_due()
    lease = Lease.objects.get()
    assert lease.holder == "worker-1"
    assert lease.expires_at is not None
    assert timedelta(seconds=5) < lease.expires_at - timezone.now() < timedelta(seconds=20)
    Lease.objects.update(expires_at=Now() - timedelta(seconds=1))
    command_for(wire, CommandState.QUEUED)
    assert Housekeeping("worker-2", clock).run_when_due().keys() == {"queue-of-gateway-1"}
    assert Lease.objects.get().holder == "worker-2"


@pytest.mark.parametrize("holds_the_lease", [True, False])
def test_a_busy_worker_asks_the_database_seldom(holds_the_lease: bool, clock: Clock) -> None:
    """Its loop turns hundreds of times a second."""
    keeper = Housekeeping("worker-1", clock)
    if not holds_the_lease:
        Housekeeping("worker-2", clock).run_when_due()
    clock.now += 60
    keeper.run_when_due()
    with CaptureQueriesContext(connection) as captured:
        for _turn in range(100):
            clock.now += 0.001
            assert keeper.run_when_due() == {}
    assert len(captured) == 0


@pytest.mark.parametrize(
    ("note", "closes"),
    [(None, True), (Housekeeping.note_outage, False), (Housekeeping.note_backlog, False)],
    ids=["calm", "after an outage", "after a backlog"],
)
def test_nobody_is_declared_dead_while_the_announcements_may_be_waiting(
    note: Any, closes: bool, wire: Wire, clock: Clock
) -> None:
    keeper = Housekeeping("worker-1", clock)
    last_announced("gateway-1", 60)
    clock.now += 29
    keeper.run_when_due()
    assert wire.charge_point.is_connected  # this worker has just started
    if note is not None:
        note(keeper)
    clock.now += 6
    keeper.run_when_due()
    assert wire.charge_point.is_connected != closes
    clock.now += 30
    keeper.run_when_due()
    assert not wire.charge_point.is_connected


@commits
def test_outage_of_the_database_is_survived(connect: Connect, clock: Clock) -> None:
    connect()
    keeper = Housekeeping("worker-1", clock)
    last_announced("gateway-1", 60)
    clock.now += 60
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ocpp_app_lease RENAME TO ocpp_app_lease_away")
    try:
        assert keeper.run_when_due() == {}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ocpp_app_lease_away RENAME TO ocpp_app_lease")
    clock.now += 10
    keeper.run_when_due()
    assert open_sessions() != set()  # what seems silent may have spoken during the outage
    clock.now += 30
    keeper.run_when_due()
    assert open_sessions() == set()


@commits
def test_task_that_fails_keeps_nothing_else_from_being_done(wire: Wire, clock: Clock) -> None:
    keeper = Housekeeping("worker-1", clock)
    last_announced("gateway-1", 60)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ocpp_app_firmwarecampaign RENAME TO ocpp_app_firmwarecampaign_away")
    try:
        command_for(wire, CommandState.QUEUED)
        clock.now += 29
        assert keeper.run_when_due().keys() == {"queue-of-gateway-1"}
        clock.now += 6
        keeper.run_when_due()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ocpp_app_firmwarecampaign_away RENAME TO ocpp_app_firmwarecampaign")
    assert open_sessions() == set()  # nor is it taken for an outage


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "seconds_ago", "session_is_open", "expected"),
    [
        ("sent", 39, True, "sent"),
        ("sent", 41, True, "timed_out"),
        ("sent", 41, False, "timed_out"),
        ("dispatched", 61, True, "dispatched"),
        ("dispatched", 39, False, "dispatched"),
        ("dispatched", 41, False, "lost"),
        ("queued", 9999, True, "queued"),
        ("answered", 9999, True, "answered"),
    ],
)
def test_commands_that_nobody_reports_are_given_up(
    state: str, seconds_ago: float, session_is_open: bool, expected: str, wire: Wire
) -> None:
    command = command_for(wire, CommandState(state), seconds_ago=seconds_ago)
    if not session_is_open:
        Session.objects.update(ended_at=Now())
    give_up_overdue_commands()
    assert states() == [expected]
    command.refresh_from_db()
    assert (command.finished_at is not None) == (expected != state)


def test_delay_counts_before_a_command_is_given_up(wire: Wire) -> None:
    command_for(wire, CommandState.DISPATCHED, seconds_ago=65, delay_s=60)
    Session.objects.update(ended_at=Now())
    give_up_overdue_commands()
    assert states() == ["dispatched"]


@pytest.mark.parametrize(
    ("seconds_ago", "expires_in", "expected"),
    [
        pytest.param(1, None, "dispatched", id="of a process without a relay"),
        pytest.param(31, None, "expired", id="forgotten: whoever asked has long given up"),
        pytest.param(9999, 60, "dispatched", id="may wait"),
        pytest.param(1, -1, "expired", id="too old"),
    ],
)
def test_queued_commands(seconds_ago: float, expires_in: float | None, expected: str, wire: Wire) -> None:
    expires_at = None if expires_in is None else timezone.now() + timedelta(seconds=expires_in)
    command = command_for(wire, CommandState.QUEUED, seconds_ago=seconds_ago, expires_at=expires_at)
    items = dispatch_queued_commands()
    assert states() == [expected]
    assert list(items) == (["queue-of-gateway-1"] if expected == "dispatched" else [])
    command.refresh_from_db()
    assert command.session_id == (wire.session if expected == "dispatched" else None)


def test_commands_that_may_not_leave_do_not_keep_others_waiting(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "CLAIMED_AT_ONCE", 2)
    monkeypatch.setattr(command_care, "AT_ONCE", 2)
    rejected = connect("CP001", registration_status=RegistrationStatus.REJECTED)
    pending = connect("CP002", registration_status=RegistrationStatus.PENDING)
    accepted = connect("CP003")
    later = {"expires_at": timezone.now() + timedelta(days=1)}
    for number, wire in enumerate((rejected, rejected, pending, pending)):
        command_for(wire, CommandState.QUEUED, seconds_ago=100 - number, action="RemoteStartTransaction", **later)
    command_for(pending, CommandState.QUEUED, seconds_ago=2, **later)
    command_for(accepted, CommandState.QUEUED, seconds_ago=1, action="RemoteStartTransaction", **later)
    ((_queue, items),) = dispatch_queued_commands().items()
    assert [item.identity for item in items] == ["CP002", "CP003"]  # type: ignore[union-attr]
    assert states() == ["queued"] * 4 + ["dispatched"] * 2


def test_command_whose_message_died_with_the_broker_is_sent_again(wire: Wire) -> None:
    """The gateway ignores it when it has it."""
    silent = command_for(wire, CommandState.DISPATCHED, seconds_ago=16)
    command_for(wire, CommandState.DISPATCHED, seconds_ago=14)
    command_for(wire, CommandState.SENT, seconds_ago=20)
    ((queue, (item,)),) = send_again().items()
    assert (queue, item.unique_id, item.session) == ("queue-of-gateway-1", str(silent.pk), wire.session)  # type: ignore[union-attr]
    assert send_again() == {}  # not before its time


def test_gateway_is_asked_for_a_command_of_a_session_that_is_over(wire: Wire, connect: Connect) -> None:
    """It says that the command was never written; until then nobody knows."""
    command_for(wire, CommandState.DISPATCHED, seconds_ago=60)
    connect()
    ((_queue, (item,)),) = send_again().items()
    assert item.session == wire.session  # type: ignore[union-attr]


def test_frames_wait_for_one_task_and_not_for_all(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def review() -> bool:
        done.append("review")
        return done.count("review") < 3

    for name in ("expire_reservations", "end_tasks"):
        monkeypatch.setattr(upkeep, name, partial(done.append, name))
    monkeypatch.setattr(first_contact, "review", review)
    keeper = Housekeeping("worker-1", clock)
    keeper.run_when_due()
    done.clear()
    clock.now += 60
    turns = []
    for _turn in range(100):
        before = len(done)
        keeper.run_next_due()
        turns.append(len(done) - before)
    assert max(turns) == 1
    assert done == ["expire_reservations", "end_tasks", "review", "review", "review"]
    clock.now += 60
    done.clear()
    keeper.run_when_due()
    assert done == ["expire_reservations", "end_tasks", "review", "review", "review"]


@pytest.mark.parametrize(("takes_s", "rest_s"), [(0.010, REST * 0.010), (1.0, REST_AT_MOST_S)])
def test_frames_that_waited_for_a_task_do_not_wait_for_the_next_as_well(
    takes_s: float, rest_s: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[float] = []

    def end_tasks() -> bool:
        done.append(clock.now)
        clock.now += takes_s
        return True  # there is more, always

    keeper = Housekeeping("worker-1", clock)
    keeper.run_when_due()
    monkeypatch.setattr(upkeep, "end_tasks", end_tasks)
    clock.now += 60
    began = clock.now
    while len(done) < 5:
        assert clock.now < began + 60
        clock.now += 0.001  # a batch
        keeper.run_next_due()
    pauses = [after - before for before, after in pairwise(done)]
    assert min(pauses) == pytest.approx(takes_s + rest_s, abs=0.003)
    assert max(pauses) < takes_s + rest_s + 0.030  # the others come in between, one with each batch


def test_a_task_that_an_outage_interrupts_is_done_afterwards(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fail_once() -> None:
        done.append("review")
        if len(done) == 1:
            raise OperationalError("the connection was lost")

    keeper = Housekeeping("worker-1", clock)
    keeper.run_when_due()
    monkeypatch.setattr(upgrades, "review", fail_once)
    monkeypatch.setattr(upkeep, "end_tasks", lambda: done.append("tasks"))
    monkeypatch.setattr(housekeeping, "is_unavailable", lambda error: True)
    clock.now += 60
    keeper.run_when_due()
    assert done == ["review"]
    keeper.run_when_due()  # it rests
    assert done == ["review"]
    clock.now += 5
    keeper.run_when_due()
    assert done == ["review", "review", "tasks"]
