"""The relay over a real RabbitMQ: the worker's end, the sender of commands, and both when the broker goes away."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.commands import issue_command
from ocpp_app.errors import CommandNotDelivered, RelayUnavailable
from ocpp_app.management.commands.consume_rpc_queue import serve
from ocpp_app.models import ChargePoint, Command, CommandState, FailedMessage, Message
from ocpp_app.relay.amqp import AmqpCarrier, AmqpPublisher
from ocpp_app.rpc.worker import Worker
from ocppj import envelope
from ocppj.v16 import ResetRequest, ResetResponse, ResetStatus, ResetType
from tests.ocpp_app.broker import AmqpGateway, BrokerEnd, cutter, items_of
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.site import WITHIN_S, sends
from tests.ocpp_app.wire import Wire, result

RESET = ResetRequest(type=ResetType.Soft)
DONE = envelope.Done(uuid.uuid4())
COMMAND = envelope.Command(uuid.uuid4(), "CP001", "unique", b"[2]")


@pytest.fixture
def rpc_queue(amqp_url: str) -> Iterator[str]:
    """A queue of this test alone; the worker declares it."""
    name = f"test.{uuid.uuid4()}"
    yield name
    with BrokerEnd(amqp_url) as broker:
        broker.channel.queue_delete(name)


@pytest.fixture
def new_carrier(amqp_url: str, rpc_queue: str) -> Iterator[Callable[..., AmqpCarrier]]:
    """Makes workers' ends; they are closed afterwards."""
    carriers: list[AmqpCarrier] = []

    def make(url: str = amqp_url, prefetch: int = 64, **fields: Any) -> AmqpCarrier:
        carriers.append(AmqpCarrier(url, **{"queue": rpc_queue, "prefetch": prefetch, **fields}))
        return carriers[-1]

    yield make
    for carrier in carriers:
        carrier.close()


@pytest.fixture
def broker(amqp_url: str) -> Iterator[BrokerEnd]:
    with BrokerEnd(amqp_url) as broker:
        yield broker


NewCarrier = Callable[..., AmqpCarrier]


def got(carrier: AmqpCarrier, count: int) -> list[bytes | None]:
    return [carrier.get(WITHIN_S) for _number in range(count)]


def until_unavailable(carrier: AmqpCarrier) -> None:
    """Go on taking messages until the outage is noticed."""
    try:
        for _turn in range(100):
            assert carrier.get(0.05) is None
    except RelayUnavailable:
        return
    pytest.fail("the carrier waits for ever")


# -- the worker's end --------------------------------------------------------------------------------------------------


def test_what_is_acknowledged_is_gone_the_rest_comes_again(
    new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str
) -> None:
    first = new_carrier()
    broker.publish(rpc_queue, b"1", b"2", b"3", b"4")
    assert got(first, 2) == [b"1", b"2"]
    first.acknowledge()
    assert got(first, 1) == [b"3"]
    first.close()
    second = new_carrier()
    assert got(second, 2) == [b"3", b"4"]
    second.acknowledge()
    second.close()
    assert broker.waiting(rpc_queue) == 0


def test_get_returns_when_nothing_comes(new_carrier: NewCarrier) -> None:
    carrier = new_carrier()
    assert carrier.get(0) is None
    assert carrier.get(0.01) is None
    carrier.acknowledge()  # nothing to acknowledge
    assert carrier.undeliverable() == []


def test_what_is_given_back_comes_again_and_is_not_acknowledged(
    new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str
) -> None:
    carrier = new_carrier()
    broker.publish(rpc_queue, b"1", b"2")
    assert got(carrier, 2) == [b"1", b"2"]
    carrier.give_back()
    carrier.acknowledge()  # of the first alone
    assert got(carrier, 1) == [b"2"]
    carrier.acknowledge()
    broker.publish(rpc_queue, b"3")
    assert got(carrier, 1) == [b"3"]  # the channel is still open
    carrier.close()
    assert broker.waiting(rpc_queue) == 1


def test_prefetch_leaves_the_rest_to_other_workers(new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str) -> None:
    first = new_carrier(prefetch=2)
    broker.publish(rpc_queue, *(bytes([number]) for number in range(5)))
    assert got(first, 2) == [b"\x00", b"\x01"]
    assert got(new_carrier(prefetch=64), 3) == [b"\x02", b"\x03", b"\x04"]
    assert first.get(0.01) is None


def test_the_broker_hears_of_what_is_carried_out(new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str) -> None:
    """A moment later: when nothing comes, when somebody looks ahead, and at once where it would send no more."""
    carrier = new_carrier(prefetch=4)

    def carry_out(*bodies: bytes) -> None:
        broker.publish(rpc_queue, *bodies)
        assert got(carrier, len(bodies)) == list(bodies)
        carrier.acknowledge()

    carry_out(b"1")
    assert carrier.get(0.01) is None
    carry_out(b"2")
    assert carrier.look_ahead() == []
    carry_out(b"3", b"4")
    carrier._connection.close()  # and not ``close``, which would tell what it has not heard of
    assert new_carrier().get(0.5) is None


def test_what_has_come_is_seen_once_and_taken_in_its_turn(
    new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str
) -> None:
    carrier = new_carrier()
    broker.publish(rpc_queue, b"1", b"2")
    seen: list[bytes] = []
    deadline = time.monotonic() + WITHIN_S
    while len(seen) < 2 and time.monotonic() < deadline:
        seen += carrier.look_ahead()
    assert seen == [b"1", b"2"]
    assert carrier.look_ahead() == []
    taken = [carrier.get(0), carrier.get(0), carrier.get(0)]
    assert taken == [b"1", b"2", None]
    assert taken[0] is seen[0]


def test_replies_travel_together_in_order_and_need_no_disk(new_carrier: NewCarrier, broker: BrokerEnd) -> None:
    queues = broker.declare(), broker.declare()
    new_carrier().publish({queues[0]: [DONE, COMMAND], queues[1]: [COMMAND]})
    properties, body = broker.take(queues[0])
    assert items_of(body) == (DONE, COMMAND)
    assert properties.delivery_mode == 1
    assert items_of(broker.take(queues[1])[1]) == (COMMAND,)


def test_commands_for_a_queue_that_is_gone_are_told_once(new_carrier: NewCarrier) -> None:
    carrier = new_carrier()
    carrier.publish({"test.no-such-queue": [DONE, COMMAND]})
    carrier.idle(0.1)
    for _turn in range(100):
        carrier.get(0.05)
        if returned := carrier.undeliverable():
            break
    assert returned == [COMMAND]
    assert carrier.undeliverable() == []


def test_queue_that_is_deleted_under_a_worker_is_an_outage(
    new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str
) -> None:
    """The worker has to declare and consume it again; it must not wait for ever on nothing."""
    carrier = new_carrier()
    assert carrier.get(0) is None
    broker.channel.queue_delete(rpc_queue)
    until_unavailable(carrier)
    again = new_carrier()
    broker.publish(rpc_queue, b"1")
    assert got(again, 1) == [b"1"]


def test_broker_that_goes_away_is_an_outage(
    amqp_url: str, new_carrier: NewCarrier, broker: BrokerEnd, rpc_queue: str
) -> None:
    with cutter(amqp_url) as proxy:
        carrier = new_carrier(proxy.url)
        broker.publish(rpc_queue, b"1")
        assert got(carrier, 1) == [b"1"]
        proxy.cut()
        until_unavailable(carrier)
        carrier.acknowledge()  # it is told later
        assert carrier.look_ahead() == []
        for action in (lambda: carrier.get(0.01), lambda: carrier.publish({"x": [DONE]}), lambda: carrier.idle(0)):
            with pytest.raises(RelayUnavailable):
                action()
        carrier.close()
    assert got(new_carrier(), 1) == [b"1"]


@pytest.mark.parametrize("url", ["amqp://127.0.0.1:1/", "amqp://nobody:wrong@{}/tests"])
def test_broker_that_cannot_be_used_is_an_outage(url: str, amqp_url: str, new_carrier: NewCarrier) -> None:
    with pytest.raises(RelayUnavailable, match="RabbitMQ cannot be used"):
        new_carrier(url.format(amqp_url.partition("@")[2].partition("/")[0]))


def test_queue_of_another_type_is_an_outage_that_says_so(new_carrier: NewCarrier) -> None:
    new_carrier()
    with pytest.raises(RelayUnavailable, match="x-queue-type"):
        new_carrier(queue_type="quorum")


# -- the sender of commands --------------------------------------------------------------------------------------------


def test_publisher_knows_at_once_whether_the_gateway_is_there(amqp_url: str, broker: BrokerEnd) -> None:
    publisher, queue = AmqpPublisher(amqp_url), broker.declare()
    assert publisher.send(queue, [COMMAND])
    assert items_of(broker.take(queue)[1]) == (COMMAND,)
    broker.channel.queue_delete(queue)
    assert not publisher.send(queue, [COMMAND])


def test_publisher_is_woken_through_its_own_queue(amqp_url: str, broker: BrokerEnd) -> None:
    publisher = AmqpPublisher(amqp_url)
    finished = [envelope.CommandFinished("other"), envelope.CommandFinished("mine"), DONE]
    woken = threading.Event()

    def wait() -> None:
        publisher.wait("mine", WITHIN_S * 10)
        woken.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    body = envelope.encode(envelope.ToGateway(envelope.VERSION, tuple(finished)))
    for _turn in range(600):  # until it waits
        broker.publish(publisher.reply_queue, body)
        if woken.wait(0.05):
            break
    assert woken.is_set()


def test_many_threads_send_through_one_connection(amqp_url: str, broker: BrokerEnd) -> None:
    publisher, queue = AmqpPublisher(amqp_url), broker.declare()
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _number: publisher.send(queue, [COMMAND]), range(100)))
    assert sent == [True] * 100
    assert broker.waiting(queue) == 100
    assert [thread.name for thread in threading.enumerate()].count("ocpp-publisher") >= 1


def test_publisher_connects_again_after_an_outage(amqp_url: str, broker: BrokerEnd) -> None:
    queue = broker.declare()
    with cutter(amqp_url) as proxy:
        publisher = AmqpPublisher(proxy.url)
        first = publisher.reply_queue
        proxy.cut()
        for _attempt in range(100):
            try:
                if publisher.send(queue, [COMMAND]):
                    break
            except RelayUnavailable:
                continue
        assert items_of(broker.take(queue)[1]) == (COMMAND,)
        assert publisher.reply_queue != first


def test_nodes_that_do_not_answer_are_passed_over(
    amqp_url: str, new_carrier: NewCarrier, rpc_queue: str, broker: BrokerEnd
) -> None:
    urls = f"amqp://127.0.0.1:1/,amqp://127.0.0.1:2/ , {amqp_url}"
    carrier = new_carrier(urls)
    assert AmqpPublisher(urls).send(rpc_queue, [COMMAND])
    assert carrier.get(WITHIN_S)


def test_publisher_without_a_broker_says_so() -> None:
    publisher = AmqpPublisher("amqp://127.0.0.1:1/")
    for _attempt in range(2):
        with pytest.raises(RelayUnavailable, match="RabbitMQ cannot be reached"):
            publisher.send("queue", [COMMAND])


# -- a worker, a gateway and a web process -----------------------------------------------------------------------------


@pytest.fixture
def gateway(amqp_url: str, rpc_queue: str, db: None, settings: Any) -> Iterator[AmqpGateway]:
    settings.AMQP_URL, settings.OCPP_RELAY, settings.OCPP_RPC_QUEUE = amqp_url, "amqp", rpc_queue
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with AmqpGateway(amqp_url, rpc_queue) as gateway:
        yield gateway


@pytest.fixture
def worker(new_carrier: NewCarrier, gateway: AmqpGateway) -> Iterator[None]:
    worker = Worker(new_carrier(), name="test")
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    yield
    worker.stop()
    gateway.submit(envelope.Announce(uuid.uuid4(), 0.0, 0))
    thread.join(WITHIN_S)


def connect(gateway: AmqpGateway) -> Wire:
    wire = Wire(gateway.end, "CP001")
    assert gateway.ask(wire.connect()).accepted
    return wire


@commits
@pytest.mark.usefixtures("worker")
def test_command_and_its_answer_over_the_broker(gateway: AmqpGateway) -> None:
    gateway.answer = sends(connect(gateway), '[3,"%s",{"status":"Accepted"}]')
    assert issue_command("CP001", RESET, wait=True) == ResetResponse(status=ResetStatus.Accepted)
    assert Command.objects.get().reply_to.startswith("ocpp.web.")


@commits
@pytest.mark.usefixtures("worker")
def test_command_to_a_gateway_that_has_vanished(gateway: AmqpGateway, broker: BrokerEnd) -> None:
    connect(gateway)
    broker.channel.queue_declare("test.vanished", exclusive=True)
    wire = Wire(gateway.end, "CP001")
    gateway.end.queue, kept = "test.vanished", gateway.end.queue
    gateway.submit(wire.connect())
    gateway.end.queue = kept
    assert items_of(broker.take("test.vanished")[1])
    broker.channel.queue_delete("test.vanished")
    with pytest.raises(CommandNotDelivered, match="expired"):
        issue_command("CP001", RESET, wait=True)
    queued = issue_command("CP001", RESET, expires_at=timezone.now() + timedelta(hours=1))
    assert Command.objects.get(pk=queued.pk).state == CommandState.QUEUED


@commits
def test_worker_process_survives_a_broker_that_goes_away(gateway: AmqpGateway, settings: Any, amqp_url: str) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    answers: list[Any] = []
    with cutter(amqp_url) as proxy:
        settings.AMQP_URL = proxy.url

        def play() -> None:
            try:
                wire = connect(gateway)
                for _round in range(3):
                    answers.append(gateway.ask(wire.frame('[2,"1","Heartbeat",{}]')))
                    proxy.cut()
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        player = threading.Thread(target=play)
        player.start()
        try:
            serve()
        finally:
            player.join(WITHIN_S)
            for number, handler in handlers.items():
                signal.signal(number, handler)
    assert [result(answer.raw.decode()).keys() for answer in answers] == [{"currentTime"}] * 3
    assert Message.objects.count() == 3
    assert not FailedMessage.objects.exists()
