"""Connections come and go: who is let in, which session is the live one, and what gateways say of them."""

import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app import sessions
from ocpp_app.credentials import hash_key
from ocpp_app.models import (
    ChargePoint,
    Command,
    CommandState,
    Connector,
    Gateway,
    Message,
    QuirkNote,
    RegistrationStatus,
    Session,
    StatusHistory,
    Transaction,
)
from ocpp_app.rpc.gateway_care import close_sessions_of
from ocpp_app.signals import charge_point_connected, charge_point_disconnected
from ocppj import envelope
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire, ago, error, result

pytestmark = pytest.mark.django_db

HEARTBEAT = '[2,"h","Heartbeat",{}]'
STATUS = '[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"%s"}]'
HEX_KEY = "00010203040506070809a0b0c0d0e0f0ffeeddcc"


def open_sessions() -> list[uuid.UUID]:
    return list(Session.objects.filter(ended_at=None).values_list("pk", flat=True))


# -- who is let in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "accepted", "http_status", "registered"),
    [
        ("pending", True, 101, RegistrationStatus.PENDING),
        ("accept", True, 101, RegistrationStatus.ACCEPTED),
        ("reject", False, 404, None),
    ],
)
def test_unknown_charge_point(
    policy: str, accepted: bool, http_status: int, registered: str | None, settings: Any, gateway: GatewayEnd
) -> None:
    settings.OCPP_UNKNOWN_CHARGE_POINT = policy
    reply = Wire(gateway, "NEW").open()
    assert (reply.accepted, reply.status) == (accepted, http_status)
    found = ChargePoint.objects.filter(identity="NEW").values_list("registration_status", flat=True)
    assert list(found) == ([] if registered is None else [registered])
    assert Session.objects.exists() == accepted


def test_unknown_charge_point_is_put_into_the_default_organisation(gateway: GatewayEnd) -> None:
    wire = Wire(gateway, "NEW")
    wire.open()
    assert wire.charge_point.organisation.is_default


def test_unknown_charge_point_that_connects_twice_at_once_is_registered_once(gateway: GatewayEnd) -> None:
    first, second = Wire(gateway, "NEW"), Wire(gateway, "NEW")
    assert [reply.accepted for reply in gateway.send(first.connect(), second.connect())] == [True, True]
    assert first.charge_point.session_id == second.session
    assert open_sessions() == [second.session]


@pytest.mark.parametrize(
    ("key", "username", "password", "accepted"),
    [
        pytest.param("secret", "CP001", b"secret", True, id="right"),
        pytest.param("secret", "CP001", b"Secret", False, id="wrong"),
        pytest.param("secret", "CP001", b"", False, id="empty"),
        pytest.param("secret", "CP002", b"secret", False, id="another's name"),
        pytest.param("secret", None, None, False, id="no credentials"),
        pytest.param("secret", "CP001", None, False, id="a name only"),
        pytest.param(HEX_KEY, "CP001", HEX_KEY.encode(), True, id="hex key as text"),
        pytest.param(HEX_KEY, "CP001", bytes.fromhex(HEX_KEY), True, id="hex key as its 20 bytes"),
        pytest.param(HEX_KEY.upper(), "CP001", bytes.fromhex(HEX_KEY), True, id="upper-case hex key as its 20 bytes"),
        pytest.param(HEX_KEY, "CP001", bytes.fromhex(HEX_KEY)[:-1], False, id="19 of the 20 bytes"),
        pytest.param("", None, None, True, id="a charge point of profile 0 needs none"),
        pytest.param("", "CP001", b"anything", True, id="and may present one"),
    ],
)
@pytest.mark.spec("OCPP-J 1.6", "6.2.2")
def test_basic_authentication(
    key: str, username: str | None, password: bytes | None, accepted: bool, gateway: GatewayEnd
) -> None:
    fields = {"authorization_key": hash_key(key)} if key else {"security_profile": 0}
    ChargePoint.objects.create(identity="CP001", **fields)
    reply = Wire(gateway, "CP001").open(username=username, password=password)
    assert (reply.accepted, reply.status) == ((True, 101) if accepted else (False, 401))
    assert list(Session.objects.values_list("authenticated", flat=True)) == ([bool(key)] if accepted else [])


def test_wrong_password_does_not_replace_the_connection_that_is_there(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", authorization_key=hash_key("secret"))
    owner, thief = Wire(gateway, "CP001"), Wire(gateway, "CP001")
    owner.open(username="CP001", password=b"secret")
    assert not thief.open(username="CP001", password=b"guess").accepted
    assert owner.charge_point.session_id == owner.session
    assert open_sessions() == [owner.session]


def test_what_the_handshake_told_is_kept(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    wire = Wire(gateway, "CP001")
    wire.open(remote_address="192.0.2.7:4711", path="/ocpp/" + "x" * 600, user_agent="Box\x00" + "y" * 300, secure=True)
    session = Session.objects.get()
    assert (session.pk, session.remote_address, session.secure) == (wire.session, "192.0.2.7:4711", True)
    assert (session.path, session.gateway and session.gateway.name) == ("/ocpp/" + "x" * 494, "gateway-1")
    assert len(session.user_agent) == 255


def test_missing_subprotocol_is_taken_as_ocpp_1_6_and_noted(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    wire = Wire(gateway, "CP001")
    wire.open(subprotocol="", user_agent="Box\x00 1.0")
    assert wire.charge_point.protocol == "ocpp1.6"
    assert QuirkNote.objects.get().code == "NoSubprotocol"
    assert result(wire.call(HEARTBEAT))


def test_no_pings_for_models_that_do_not_bear_them(connect: Connect, gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(
        identity="CP001", security_profile=0, vendor="United Chargers Inc.", model="Grizzl-E Smart"
    )
    assert Wire(gateway, "CP001").open().settings.ping_interval_s is None


@pytest.mark.parametrize(
    ("vendor", "own", "interval", "silence"),
    [
        ("United Chargers", None, 300, 900),
        ("United Chargers", 60, 60, 180),
        ("United Chargers", 0, 0, None),
        ("Acme", None, 3600, None),
    ],
)
def test_who_gets_no_pings_is_gone_after_three_missed_heartbeats(
    vendor: str, own: int | None, interval: int, silence: float | None, connect: Connect, gateway: GatewayEnd
) -> None:
    """Behind a proxy nothing else tells."""
    first = connect(heartbeat_interval_s=own)
    boot = first.call(f'[2,"b","BootNotification",{{"chargePointVendor":"{vendor}","chargePointModel":"M"}}]')
    assert result(boot)["interval"] == interval
    assert Wire(gateway, first.identity).open().settings.silence_timeout_s == silence


# -- one session is the live one ---------------------------------------------------------------------------------------


def test_second_connection_at_the_same_gateway_replaces_the_first(wire: Wire, connect: Connect) -> None:
    second = connect()
    assert wire.charge_point.session_id == second.session
    old = Session.objects.get(pk=wire.session)
    assert old.ended_at is not None
    assert old.close_reason == sessions.REPLACED
    assert wire.backend.published == []  # a gateway closes the old socket by itself


def test_second_connection_at_another_gateway_closes_the_first(wire: Wire, connect: Connect, backend: Backend) -> None:
    connect(at=GatewayEnd(backend, "gateway-2"))
    assert backend.published == [
        ("queue-of-gateway-1", envelope.CloseSession(wire.session, 1008, sessions.REPLACED)),
    ]


def test_late_disconnect_of_an_old_session_changes_nothing(wire: Wire, connect: Connect) -> None:
    second = connect()
    disconnected: list[Any] = []
    charge_point_disconnected.connect(receive := lambda **kwargs: disconnected.append(kwargs))
    wire.close(code=1006)
    assert second.charge_point.session_id == second.session
    assert open_sessions() == [second.session]
    assert disconnected == []
    del receive


def test_frames_of_a_replaced_session_are_executed_but_do_not_overwrite_live_state(
    wire: Wire, connect: Connect, gateway: GatewayEnd
) -> None:
    boot = '[2,"b","BootNotification",{"chargePointVendor":"%s","chargePointModel":"Box"}]'
    second = connect()
    second.call(STATUS % "Charging")
    second.call(boot % "New")
    second.call('[2,"f","FirmwareStatusNotification",{"status":"Installed"}]')
    second.call('[2,"d","DiagnosticsStatusNotification",{"status":"Uploaded"}]')
    before = second.charge_point

    start = f'{{"connectorId":2,"idTag":"TAG1","meterStart":0,"timestamp":"{ago()}"}}'
    assert result(wire.call(f'[2,"1","StartTransaction",{start}]'))["transactionId"] == Transaction.objects.get().pk
    assert result(wire.call(STATUS % "Available")) == {}
    assert result(wire.call(boot % "Old"))["status"] == "Accepted"
    assert result(wire.call('[2,"f","FirmwareStatusNotification",{"status":"Downloading"}]')) == {}
    assert result(wire.call('[2,"d","DiagnosticsStatusNotification",{"status":"Uploading"}]')) == {}
    wire.call(HEARTBEAT, at=time.time() + 3600)

    after = second.charge_point
    assert Connector.objects.get(number=1).status == "Charging"
    assert StatusHistory.objects.filter(status="Available").count() == 1
    assert (after.vendor, after.firmware_status, after.diagnostics_status) == ("New", "Installed", "Uploaded")
    assert (after.session_id, after.last_seen_at, after.last_boot_at) == (
        second.session,
        before.last_seen_at,
        before.last_boot_at,
    )


def test_two_connections_in_one_batch_leave_the_last_one_live(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    first, second = Wire(gateway, "CP001"), Wire(gateway, "CP001")
    gateway.send(first.connect(), second.connect(), first.disconnect())
    assert open_sessions() == [second.session]
    assert second.charge_point.session_id == second.session


def test_connect_and_disconnect_in_one_batch(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    wire = Wire(gateway, "CP001")
    gateway.send(wire.connect(), wire.disconnect(code=1001, reason="going away"))
    session = Session.objects.get()
    assert (session.close_code, session.close_reason) == (1001, "going away")
    assert session.ended_at is not None
    assert wire.charge_point.session_id is None


def test_connect_that_comes_again_is_answered_again(wire: Wire, gateway: GatewayEnd) -> None:
    (reply,) = gateway.send(request := wire.connect())
    assert reply.accepted
    assert reply.relay_id == request.relay_id
    assert open_sessions() == [wire.session]


def test_connect_redelivered_after_its_disconnect_is_not_let_in(wire: Wire) -> None:
    wire.close()
    reply = wire.open()
    assert (reply.accepted, reply.status) == (False, 503)
    assert wire.charge_point.session_id is None
    assert open_sessions() == []


def test_connect_that_comes_behind_its_disconnect_is_not_let_in(gateway: GatewayEnd) -> None:
    """The gateway gave up waiting for the answer; its connect was still on the way."""
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    wire = Wire(gateway, "CP001")
    wire.close()
    assert wire.open().status == 503
    assert wire.charge_point.session_id is None


def test_redelivered_disconnect_is_done_again(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.disconnect(code=1000, reason="bye")
    first = gateway.send(request)
    assert gateway.send(request) == first == [envelope.Done(request.relay_id)]
    assert Session.objects.get().close_reason == "bye"


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_frame_behind_the_disconnect_does_not_bring_the_session_back(
    in_one_batch: bool, wire: Wire, gateway: GatewayEnd
) -> None:
    """A frame that was published again, or taken by a slower worker."""
    requests = wire.disconnect(), wire.frame(HEARTBEAT)
    for some in [requests] if in_one_batch else [requests[:1], requests[1:]]:
        gateway.send(*some)
    assert wire.charge_point.session_id is None
    assert open_sessions() == []
    assert Message.objects.get().answer_type == 3


def test_frame_brings_back_a_session_whose_gateway_was_thought_dead(wire: Wire) -> None:
    close_sessions_of(Gateway.objects.get())
    assert wire.charge_point.session_id is None
    wire.call(HEARTBEAT)
    session = Session.objects.get()
    assert (session.ended_at, session.close_reason) == (None, "")
    assert wire.charge_point.session_id == wire.session


def test_frame_does_not_bring_back_a_session_when_there_is_a_newer_one(
    wire: Wire, connect: Connect, backend: Backend
) -> None:
    close_sessions_of(Gateway.objects.get())
    newer = connect(at=GatewayEnd(backend, "gateway-2"))
    wire.call(HEARTBEAT)
    assert newer.charge_point.session_id == newer.session
    newer.close()
    wire.call(HEARTBEAT)  # nor one that the newer one replaced
    assert newer.charge_point.session_id in (None, wire.session)


def test_a_replaced_session_does_not_come_back_when_its_successor_ends(wire: Wire, connect: Connect) -> None:
    connect().close()
    wire.call(HEARTBEAT)
    assert wire.charge_point.session_id is None
    assert open_sessions() == []


def test_signals_tell_of_connections_after_commit(gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    wire, seen = Wire(gateway, "CP001"), []

    def note(signal: Any, charge_point: ChargePoint, session_id: uuid.UUID, **_kwargs: Any) -> None:
        seen.append((signal is charge_point_connected, charge_point.identity, session_id))

    for signal in (charge_point_connected, charge_point_disconnected):
        signal.connect(note)
    wire.open()
    wire.close()
    assert seen == [(True, "CP001", wire.session), (False, "CP001", wire.session)]


def test_frame_of_a_deleted_charge_point_is_refused(wire: Wire) -> None:
    wire.charge_point.delete()
    assert error(wire.call(HEARTBEAT)) == "SecurityError"
    assert wire.call('[3,"1",{}]') is None


def test_frame_of_a_session_nobody_knows_is_executed(wire: Wire, gateway: GatewayEnd) -> None:
    stray = Wire(gateway, "CP001")
    assert result(stray.call(STATUS % "Faulted")) == {}
    assert wire.charge_point.session_id == wire.session
    assert Connector.objects.get().status == ""


# -- last seen ---------------------------------------------------------------------------------------------------------


def test_last_seen_is_written_every_30_seconds_at_most(wire: Wire) -> None:
    now = time.time()
    seen = []
    for seconds in (40, 50, 60, 75):
        wire.call(HEARTBEAT, at=now + seconds)
        last_seen_at = wire.charge_point.last_seen_at
        assert last_seen_at is not None
        seen.append(round(last_seen_at.timestamp() - now))
    assert seen == [40, 40, 40, 75]


def test_last_seen_follows_a_clock_that_is_set_back(wire: Wire) -> None:
    """Otherwise it would stand still until the clock has caught up, and a live charge point look dead."""
    now = time.time()
    wire.call(HEARTBEAT, at=now + 7200)
    wire.call(HEARTBEAT, at=now)
    last_seen_at = wire.charge_point.last_seen_at
    assert last_seen_at is not None
    assert last_seen_at.timestamp() == pytest.approx(now)


# -- commands on a connection that ends --------------------------------------------------------------------------------


def command_for(wire: Wire, state: CommandState, **fields: Any) -> Command:
    return Command.objects.create(
        **{
            "charge_point": wire.charge_point,
            "action": "Reset",
            "payload": {"type": "Soft"},
            "state": state,
            "session_id": wire.session,
            "timeout_s": 30,
            "created_at": timezone.now(),
            **fields,
        }
    )


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_command_that_was_written_without_an_answer_is_lost(
    in_one_batch: bool, wire: Wire, gateway: GatewayEnd
) -> None:
    command = command_for(wire, CommandState.DISPATCHED)
    requests = wire.report(str(command.pk), "sent"), wire.disconnect(unanswered=(str(command.pk),))
    for some in [requests] if in_one_batch else [requests[:1], requests[1:]]:
        gateway.send(*some)
    command.refresh_from_db()
    assert (command.state, command.sent_at is None, command.finished_at is None) == ("lost", False, False)


@pytest.mark.parametrize(
    ("expires_in_s", "state"), [(3600, CommandState.QUEUED), (-1, CommandState.EXPIRED), (None, CommandState.EXPIRED)]
)
def test_command_that_was_never_written_waits_only_if_it_may(expires_in_s: int | None, state: str, wire: Wire) -> None:
    expires_at = None if expires_in_s is None else timezone.now() + timedelta(seconds=expires_in_s)
    command = command_for(wire, CommandState.DISPATCHED, expires_at=expires_at)
    wire.close(unsent=(str(command.pk),))
    command.refresh_from_db()
    assert (command.state, command.session_id) == (state, None if state == "queued" else wire.session)


def test_disconnect_that_names_commands_we_never_had_is_done(wire: Wire) -> None:
    wire.close(unsent=("no uuid", str(uuid.uuid4())), unanswered=("", str(uuid.uuid4())))
    assert wire.charge_point.session_id is None


# -- gateways ----------------------------------------------------------------------------------------------------------


def test_announcement_notes_a_gateway_and_its_new_queue(gateway: GatewayEnd) -> None:
    gateway.announce(connections=7)
    gateway.queue = "queue after a reconnect"
    gateway.announce(connections=8)
    row = Gateway.objects.get()
    assert (row.name, row.queue, row.connections, row.gone_at) == ("gateway-1", "queue after a reconnect", 8, None)
    assert row.last_announced_at is not None


def test_gateway_that_was_thought_dead_is_asked_for_its_sessions_and_gets_them_back(
    connect: Connect, gateway: GatewayEnd
) -> None:
    held, gone = connect("CP001"), connect("CP002")
    close_sessions_of(Gateway.objects.get())
    assert gateway.announce().resend_sessions
    assert not gateway.announce(sessions=(held.session,)).resend_sessions
    assert open_sessions() == [held.session]
    assert held.charge_point.session_id == held.session
    assert gone.charge_point.session_id is None


def test_announced_sessions_end_what_the_gateway_no_longer_holds(
    connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    held, gone = connect("CP001"), connect("CP002")
    elsewhere = connect("CP003", at=GatewayEnd(backend, "gateway-2"))
    command = command_for(gone, CommandState.SENT)
    gateway.announce(sessions=(held.session,))
    assert set(open_sessions()) == {held.session, elsewhere.session}
    assert gone.charge_point.session_id is None
    command.refresh_from_db()
    assert command.state == CommandState.LOST


def test_announced_sessions_say_nothing_of_a_connection_that_is_younger(connect: Connect, gateway: GatewayEnd) -> None:
    before = time.time() - 5
    young = connect("CP001")
    gateway.announce(sessions=(), at=before)
    assert open_sessions() == [young.session]


def test_announced_session_does_not_come_back_when_there_is_a_newer_one(
    wire: Wire, connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    close_sessions_of(Gateway.objects.get())
    newer = connect(at=GatewayEnd(backend, "gateway-2"))
    gateway.announce(sessions=(wire.session,))
    assert newer.charge_point.session_id == newer.session
    assert open_sessions() == [newer.session]


def test_announced_session_that_said_good_bye_does_not_come_back(wire: Wire, gateway: GatewayEnd) -> None:
    wire.close()
    gateway.announce(sessions=(wire.session,))
    assert open_sessions() == []


def test_announced_sessions_are_reconciled_without_a_query_for_each(connect: Connect, gateway: GatewayEnd) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    wires = [connect(f"CP{number}") for number in range(8)]

    def queries(held: list[Wire]) -> int:
        with CaptureQueriesContext(connection) as captured:
            gateway.announce(sessions=tuple(wire.session for wire in held))
        return len(captured)

    assert queries(wires[1:]) == queries(wires[7:]) <= 14
    assert open_sessions() == [wires[7].session]


def test_gateway_that_leaves_is_gone_until_it_speaks_again(wire: Wire, gateway: GatewayEnd) -> None:
    assert not gateway.announce(leaving=True).resend_sessions
    assert Gateway.objects.get().gone_at is not None
    wire.close()
    assert gateway.announce().resend_sessions
    assert Gateway.objects.get().gone_at is None
