"""A batch in, replies out: one transaction, each message answered once, a bad one costs only itself."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ocpp_app.credentials import hash_key
from ocpp_app.errors import DatabaseUnavailable, RelayUnavailable
from ocpp_app.middleware import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import (
    ChargePoint,
    Connector,
    Direction,
    FailedMessage,
    Message,
    MeterValue,
    QuirkNote,
    Transaction,
)
from ocpp_app.signals import transaction_started
from ocppj import envelope
from ocppj.frames import MessageType
from ocppj.v16 import Action
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire, ago, error, result

pytestmark = pytest.mark.django_db

KEY = "0123456789abcdef"
HEARTBEAT = '[2,"h","Heartbeat",{}]'
START = '[2,"s","StartTransaction",{"connectorId":1,"idTag":"TAG1","meterStart":1000,"timestamp":"%s"}]'


def meter_values(number: int, connector: int = 1) -> str:
    value = f'{{"timestamp":"{ago(seconds=number)}","sampledValue":[{{"value":"{number}"}}]}}'
    return f'[2,"m{number}","MeterValues",{{"connectorId":{connector},"meterValue":[{value}]}}]'


class Behaviour(OCPPMiddleware):
    """Before the Heartbeat is answered, does what the test asks for."""

    before: Callable[[OCPPRequest], None] = staticmethod(lambda request: None)

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        type(self).before(request)
        return self.next.handle(request)


@pytest.fixture
def behave(settings: Any) -> Iterator[Callable[[Callable[[OCPPRequest], None]], None]]:
    """Lets every Heartbeat run this function first."""
    settings.OCPP_MIDDLEWARE = {
        (Action.Heartbeat, MessageType.call): [Behaviour, "ocpp_app.middleware.HeartbeatMiddleware"]
    }

    def use(function: Callable[[OCPPRequest], None]) -> None:
        Behaviour.before = staticmethod(function)

    yield use
    Behaviour.before = staticmethod(lambda request: None)


def raise_for(identity: str, failure: type[Exception] = RuntimeError) -> Callable[[OCPPRequest], None]:
    def before(request: OCPPRequest) -> None:
        if request.charge_point.identity == identity:
            raise failure("on purpose")

    return before


# -- one transaction for all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(lambda number: HEARTBEAT, id="Heartbeat"),
        pytest.param(meter_values, id="MeterValues"),
        pytest.param(
            lambda number: '[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]',
            id="StatusNotification",
        ),
        pytest.param(lambda number: f'[2,"a","Authorize",{{"idTag":"TAG{number}"}}]', id="Authorize"),
    ],
)
def test_number_of_queries_does_not_grow_with_the_batch(
    frame: Callable[[int], str], connect: Connect, gateway: GatewayEnd
) -> None:
    wires = [connect(f"CP{number}") for number in range(12)]
    for wire in wires:  # connectors are made when first heard of
        wire.call(meter_values(9999))

    def queries_of(chosen: list[Wire], each: int) -> int:
        requests = [wire.frame(frame(number)) for number in range(each) for wire in chosen]
        with CaptureQueriesContext(connection) as captured:
            replies = gateway.send(*requests)
        assert all(json.loads(reply.raw)[0] == 3 for reply in replies)
        return len(captured)

    few = queries_of(wires[:2], each=1)
    assert queries_of(wires, each=5) == few <= 13


@pytest.mark.parametrize("is_back", [False, True], ids=["first time", "again"])
def test_number_of_queries_does_not_grow_with_the_charge_points_that_connect(
    is_back: bool, gateway: GatewayEnd
) -> None:
    names = [f"CP{number:02}" for number in range(14)]
    for name in names:
        ChargePoint.objects.create(identity=name, authorization_key=hash_key(KEY))
    boot = '[2,"b","BootNotification",{"chargePointVendor":"A","chargePointModel":"B","chargePointSerialNumber":"%s"}]'
    status = '[2,"s","StatusNotification",{"connectorId":%d,"errorCode":"NoError","status":"Available"}]'

    def queries_of(chosen: list[str]) -> list[int]:
        wires = [Wire(gateway, name) for name in chosen]
        batches: list[list[Any]] = [
            [wire.connect(username=wire.identity, password=KEY.encode()) for wire in wires],
            [wire.frame(boot % f"SN-{wire.identity}") for wire in wires],
            [wire.frame(status % connector) for wire in wires for connector in (0, 1)],
        ]
        found = []
        for requests in batches:
            with CaptureQueriesContext(connection) as captured:
                replies = gateway.send(*requests)
            assert all(reply.accepted if hasattr(reply, "accepted") else reply.raw for reply in replies)
            found.append(len(captured))
        return found

    if is_back:
        queries_of(names)
    else:
        queries_of(names[12:])  # the gateway is known from now on
    few = queries_of(names[:2])
    assert queries_of(names[2:12]) == few
    assert max(few) <= 22
    assert ChargePoint.objects.get(identity="CP05").registered_serial_number == "SN-CP05"
    assert Connector.objects.filter(status="Available", status_at__isnull=False).count() >= 20


@commits
def test_a_batch_is_one_transaction(connect: Connect, gateway: GatewayEnd) -> None:
    wires = [connect(f"CP{number}") for number in range(3)]
    with CaptureQueriesContext(connection) as captured:
        gateway.send(*(wire.frame(raw) for wire in wires for raw in (HEARTBEAT, START % ago(), meter_values(1))))
    statements = [query["sql"].split()[0] for query in captured]
    assert statements.count("BEGIN") == 1
    assert statements.count("COMMIT") == 1


def test_answers_come_in_the_order_of_the_requests(wire: Wire, gateway: GatewayEnd) -> None:
    requests = [wire.frame(f'[2,"{number}","Heartbeat",{{}}]') for number in range(5)]
    gateway.backend.process(gateway.pack(*requests[:3]), gateway.pack(*requests[3:]))
    assert [item.relay_id for _queue, item in gateway.backend.published] == [request.relay_id for request in requests]
    assert [json.loads(item.raw)[1] for _queue, item in gateway.backend.published] == ["0", "1", "2", "3", "4"]  # type: ignore[union-attr]


def test_each_gateway_gets_its_own_answers(connect: Connect, backend: Backend, gateway: GatewayEnd) -> None:
    other = GatewayEnd(backend, "gateway-2")
    here, there = connect("CP001"), connect("CP002", at=other)
    backend.process(gateway.pack(here.frame(HEARTBEAT)), other.pack(there.frame(HEARTBEAT)))
    assert sorted(queue for queue, _item in backend.published) == ["queue-of-gateway-1", "queue-of-gateway-2"]


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        pytest.param('[2,17,"Heartbeat",{}]', [3, 17], id="a number as unique id is repeated as a number"),
        pytest.param('[2,"1","Reset",{"type":"Soft"}]', [4, "1", "NotSupported"], id="an action of ours"),
        pytest.param('[2,"1","Fly",{}]', [4, "1", "NotImplemented"], id="an unknown action"),
        pytest.param('[2,"1","Authorize",{}]', [4, "1", "OccurenceConstraintViolation"], id="a missing field"),
        pytest.param('[2,"1","Authorize",{"idTag":', [4, "1", "FormationViolation"], id="JSON cut off"),
        pytest.param('[2,"1"]', [4, "1", "FormationViolation"], id="no action"),
    ],
)
@pytest.mark.spec("OCPP-J 1.6", "4.2")
def test_every_call_gets_an_answer(raw: str, answer: list[Any], wire: Wire) -> None:
    raw_answer = wire.call(raw)
    assert raw_answer is not None
    assert json.loads(raw_answer)[: len(answer)] == answer
    row = Message.objects.get()
    assert (row.raw, row.answer, row.answer_type) == (raw, raw_answer, answer[0])


@pytest.mark.parametrize(
    "raw", ["", " ", "{}", "[]", '[5,"1",{}]', '[3,"unknown",{}]', '[4,"x","E","",{}]', b"\xff\xfe"]
)
@pytest.mark.spec("OCPP-J 1.6", "4.1.3")
def test_what_is_no_call_gets_no_answer_but_is_kept(raw: str | bytes, wire: Wire) -> None:
    assert wire.call(raw) is None
    assert Message.objects.get().answer == ""
    assert QuirkNote.objects.filter(code__in=("MalformedFrame", "UnexpectedAnswer")).count() == 1


# -- a bad message costs only itself -----------------------------------------------------------------------------------


def test_a_bad_message_costs_only_itself(behave: Any, connect: Connect, gateway: GatewayEnd) -> None:
    behave(raise_for("CP002"))
    wires = [connect(f"CP00{number}") for number in range(1, 5)]
    replies = gateway.send(*(wire.frame(raw) for wire in wires for raw in (HEARTBEAT, meter_values(1))))
    answers = [json.loads(reply.raw) for reply in replies]
    assert [answer[0] for answer in answers] == [3, 3, 4, 3, 3, 3, 3, 3]
    assert answers[2][2] == "InternalError"
    assert MeterValue.objects.count() == 4
    assert Message.objects.count() == 8
    assert not FailedMessage.objects.exists()  # nobody is billed by a Heartbeat


def test_what_a_bad_message_wrote_is_rolled_back(behave: Any, wire: Wire, gateway: GatewayEnd) -> None:
    def write_then_fail(request: OCPPRequest) -> None:
        ChargePoint.objects.create(identity="half done")
        request.batch.change(request.charge_point, name="half done")
        raise RuntimeError("on purpose")

    behave(write_then_fail)
    assert error(wire.call(HEARTBEAT)) == "InternalError"
    assert not ChargePoint.objects.filter(identity="half done").exists()
    assert wire.charge_point.name == ""


def test_a_charge_point_and_action_that_failed_runs_alone_for_a_while(
    behave: Any, connect: Connect, gateway: GatewayEnd
) -> None:
    good, bad = connect("CP001"), connect("CP002")
    rounds = []

    def count(request: OCPPRequest) -> None:
        rounds.append(request.charge_point.identity)
        raise_for("CP002")(request)

    behave(count)
    gateway.send(good.frame(HEARTBEAT), bad.frame(HEARTBEAT))
    first = list(rounds)
    rounds.clear()
    gateway.send(good.frame(HEARTBEAT), bad.frame(HEARTBEAT), good.frame(HEARTBEAT))
    assert first == ["CP001", "CP002", "CP001", "CP002"]  # together, then each alone
    assert rounds == ["CP001", "CP002", "CP001"]  # nobody has to run twice because of it


def test_quarantine_is_for_the_action_alone(behave: Any, connect: Connect, gateway: GatewayEnd) -> None:
    bad, other = connect("CP002"), connect("CP001")
    behave(raise_for("CP002"))
    bad.call(HEARTBEAT)
    batches: list[int] = []
    gateway.backend.on_publish = lambda items: batches.append(sum(len(some) for some in items.values()))
    gateway.send(bad.frame(meter_values(1)), other.frame(HEARTBEAT), bad.frame(meter_values(2)))
    assert batches == [3]


@commits
def test_a_conflict_is_run_again_and_then_only_once_committed(behave: Any, connect: Connect) -> None:
    wire = connect()
    attempts = []

    def conflict_once(request: OCPPRequest) -> None:
        attempts.append(request.charge_point.identity)
        request.batch.add(
            Message(charge_point=request.charge_point, direction=Direction.INBOUND, at=request.received_at)
        )
        if len(attempts) == 1:
            raise IntegrityError("another worker was quicker")

    behave(conflict_once)
    assert result(wire.call(HEARTBEAT)).keys() == {"currentTime"}
    assert len(attempts) == 2
    assert Message.objects.count() == 2


def test_a_conflict_that_does_not_end_is_a_failure_of_its_message(
    behave: Any, connect: Connect, gateway: GatewayEnd
) -> None:
    wires = connect("CP001"), connect("CP002")
    behave(raise_for("CP002", IntegrityError))
    replies = gateway.send(*(wire.frame(HEARTBEAT) for wire in wires))
    assert [json.loads(reply.raw)[0] for reply in replies] == [3, 4]


# -- the same request again --------------------------------------------------------------------------------------------


def test_redelivered_start_is_answered_from_the_log(wire: Wire, gateway: GatewayEnd, tag: Any) -> None:
    request = wire.frame(START % ago())
    (first,) = gateway.send(request)
    (second,) = gateway.send(request)
    assert first.raw == second.raw
    assert Transaction.objects.count() == Message.objects.count() == 1


def test_same_relay_id_twice_in_a_batch_is_carried_out_once(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.frame('[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]')
    gateway.backend.process(gateway.pack(request, wire.frame(HEARTBEAT)), gateway.pack(request))
    raws = [item.raw for _queue, item in gateway.backend.published if item.relay_id == request.relay_id]  # type: ignore[union-attr]
    assert raws == [b'[3,"1",{}]'] * 2
    assert wire.charge_point.connectors.get(number=1).status_history.count() == 1
    assert Message.objects.count() == 2


def test_another_worker_answers_a_redelivered_request_from_the_log(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.frame(HEARTBEAT)
    (first,) = gateway.send(request)
    gateway.backend.dispatcher = Backend().dispatcher  # another process knows nothing but the database
    (second,) = gateway.send(request)
    assert first.raw == second.raw


def test_redelivered_answer_to_our_call_is_not_sent_back_to_the_charge_point(wire: Wire, gateway: GatewayEnd) -> None:
    """The frame log holds it beside our CALL, as the *charge point's* answer."""
    from ocpp_app.commands import issue_command
    from ocppj.v16 import ResetRequest, ResetType

    command = issue_command("CP001", ResetRequest(type=ResetType.Soft))
    wire.tell(str(command.pk), "sent")
    request = wire.frame(f'[3,"{command.pk}",{{"status":"Accepted"}}]')
    (first,) = gateway.send(request)
    (second,) = gateway.send(request)
    assert first.raw is None
    assert second.raw is None


def test_same_unique_id_of_a_charge_point_is_no_retry(wire: Wire) -> None:
    """Some charge points send the same unique id with everything."""
    start, stop = (
        START % ago(minutes=9),
        '[2,"s","StopTransaction",{"transactionId":%d,"meterStop":1500,"timestamp":"%s"}]',
    )
    transaction_id = result(wire.call(start))["transactionId"]
    wire.call(stop % (transaction_id, ago()))
    assert Transaction.objects.get().energy_wh == 500


# -- after COMMIT ------------------------------------------------------------------------------------------------------


@commits
def test_replies_leave_after_commit_and_before_the_hooks(behave: Any, connect: Connect, backend: Backend) -> None:
    wire = connect()
    order: list[str] = []
    behave(lambda request: transaction.on_commit(lambda: order.append("hook")))
    backend.on_publish = lambda items: order.append(f"reply, in a transaction: {connection.in_atomic_block}")
    wire.call(HEARTBEAT)
    assert order == ["reply, in a transaction: False", "hook"]


@commits
def test_a_failing_hook_or_receiver_rolls_nothing_back_and_stops_no_other(
    behave: Any, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    wire = connect()
    done: list[str] = []

    def fail(**_kwargs: Any) -> None:
        raise RuntimeError("on purpose")

    def add_hooks(request: OCPPRequest) -> None:
        transaction.on_commit(fail)
        transaction.on_commit(lambda: done.append(request.unique_id))

    behave(add_hooks)
    transaction_started.connect(fail)
    try:
        assert result(wire.call(HEARTBEAT))
        assert result(wire.call(START % ago()))
    finally:
        transaction_started.disconnect(fail)
    assert done == ["h"]
    assert Message.objects.count() == 2
    assert [record.message for record in caplog.records if record.name == "ocpp_app.dispatch"] == [
        "A hook after COMMIT failed; what was committed stays committed.",
        f"The receiver {fail!r} of a signal failed.",
    ]


@commits
def test_hooks_of_a_rolled_back_run_do_not_run(behave: Any, connect: Connect, gateway: GatewayEnd) -> None:
    good, bad = connect("CP001"), connect("CP002")
    hooks: list[str] = []

    def hook_then_fail(request: OCPPRequest) -> None:
        identity = request.charge_point.identity
        transaction.on_commit(lambda: hooks.append(identity))
        raise_for("CP002")(request)

    behave(hook_then_fail)
    gateway.send(good.frame(HEARTBEAT), bad.frame(HEARTBEAT))
    assert hooks == ["CP001"]


@commits
def test_a_broker_that_goes_away_while_we_publish_is_nobodys_fault(
    behave: Any, connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    """What was committed stays, its hooks run, and the redelivered requests are answered from the log."""
    wire = connect()
    hooks: list[str] = []
    behave(lambda request: transaction.on_commit(lambda: hooks.append("hook")))
    requests = [wire.frame(HEARTBEAT), wire.frame(START % ago())]

    def broken(items: Any) -> None:
        raise RelayUnavailable("The broker connection was lost.")

    backend.on_publish = broken
    with pytest.raises(RelayUnavailable):
        gateway.send(*requests)
    backend.on_publish = lambda items: None
    assert Message.objects.count() == 2
    assert hooks == ["hook"]
    first, second = gateway.send(*requests)
    assert result(first.raw.decode()).keys() == {"currentTime"}
    assert result(second.raw.decode())["transactionId"] == Transaction.objects.get().pk
    assert hooks == ["hook"]
    assert not FailedMessage.objects.exists()


# -- the database is to blame ------------------------------------------------------------------------------------------


class Away(OCPPMiddleware):
    """Takes the database away under its own feet."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA query_only = 1")  # "attempt to write a readonly database"
            else:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return self.next.handle(request)


@commits
def test_a_database_that_goes_away_answers_nothing_and_blames_nobody(
    settings: Any, connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    wire = connect()
    request = wire.frame('[2,"a","Authorize",{"idTag":"TAG1"}]')
    settings.OCPP_MIDDLEWARE = {(Action.Authorize, MessageType.call): [Away, "ocpp_app.middleware.AuthorizeMiddleware"]}
    with pytest.raises(DatabaseUnavailable):
        gateway.send(wire.frame(HEARTBEAT), request)
    connection.close()
    assert backend.published == []
    assert not Message.objects.exists()
    settings.OCPP_MIDDLEWARE = {}
    (reply,) = gateway.send(request)
    assert result(reply.raw.decode()) == {"idTagInfo": {"status": "Invalid"}}


@commits
def test_rows_that_stay_locked_are_the_databases_fault(connect: Connect, gateway: GatewayEnd, backend: Backend) -> None:
    """A backup or a stuck session holds the lock for longer than we try: the charge point must not hear of it."""
    wire = connect()
    holder = connection.copy()
    try:
        with connection.cursor() as cursor:
            wait_briefly = "PRAGMA busy_timeout = 10" if connection.vendor == "sqlite" else "SET lock_timeout = '10ms'"
            cursor.execute(wait_briefly)
        with holder.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
            cursor.execute("UPDATE ocpp_app_chargepoint SET name = 'locked'")
        with pytest.raises(DatabaseUnavailable):
            gateway.send(wire.frame(START % ago()))
        with holder.cursor() as cursor:
            cursor.execute("ROLLBACK")
        assert result(wire.call(START % ago()))["transactionId"]
    finally:
        holder.close()
        connection.close()
    assert not FailedMessage.objects.exists()


# -- the last resort ---------------------------------------------------------------------------------------------------


def test_a_request_that_cannot_even_be_logged_does_not_stop_the_worker(
    connect: Connect, gateway: GatewayEnd, backend: Backend
) -> None:
    """An identity that no database takes: the gateway refuses it, a worker must not die of it all the same."""
    good, bad = connect("CP001"), Wire(gateway, "CP\x00002")
    replies = gateway.send(bad.connect(), good.frame(HEARTBEAT), bad.frame(HEARTBEAT), bad.disconnect())
    assert replies[0].accepted == (connection.vendor == "sqlite")
    assert json.loads(replies[1].raw)[0] == 3
    assert error(replies[2].raw.decode()) == ("SecurityError" if replies[0].accepted else "InternalError")
    assert isinstance(replies[3], envelope.Done)


def test_a_failure_that_fails_again_is_answered_without_the_database(
    behave: Any, connect: Connect, gateway: GatewayEnd
) -> None:
    def ruin(request: OCPPRequest) -> None:
        object.__setattr__(request.charge_point, "pk", "no number")
        raise RuntimeError("on purpose")

    wires = connect("CP001"), connect("CP002")
    behave(ruin)
    replies = gateway.send(*(wire.frame(HEARTBEAT) for wire in wires))
    assert [error(reply.raw.decode()) for reply in replies] == ["InternalError"] * 2


def test_a_frame_whose_time_of_receipt_is_no_time_costs_only_itself(connect: Connect, gateway: GatewayEnd) -> None:
    """Its row cannot be made while the database reads, nor later; the database is used on."""
    good, bad = connect("CP001"), connect("CP002")
    for _ in range(2):  # the worker makes rows ahead for charge points that it knows
        replies = gateway.send(good.frame(HEARTBEAT), bad.frame(HEARTBEAT, at=1e30), good.frame(HEARTBEAT))
        assert error(replies[1].raw.decode()) == "InternalError"
        assert [json.loads(reply.raw)[0] for reply in (replies[0], replies[2])] == [3, 3]
    (reply,) = gateway.send(bad.frame(HEARTBEAT))
    assert json.loads(reply.raw)[0] == 3
    assert Message.objects.count() == 5
