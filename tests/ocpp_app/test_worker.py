"""The worker's loop: batches from whatever is ready, an outage of the database, messages it does not know."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.utils import timezone

from ocpp_app.models import ChargePoint, Message
from ocpp_app.outbound import new_command
from ocpp_app.relay.base import Items
from ocpp_app.relay.memory import MemoryRelay
from ocpp_app.rpc.worker import Worker
from ocppj import envelope
from ocppj.v16 import ResetRequest, ResetType
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.site import WITHIN_S, Site
from tests.ocpp_app.wire import GatewayEnd, Wire, result

pytestmark = commits

HEARTBEAT = '[2,"h","Heartbeat",{}]'


class Recorder(MemoryRelay):
    """The memory relay, with a record of what the worker did with it; it stops the worker when ``done`` says so."""

    def __init__(self) -> None:
        super().__init__(self._take_in)
        self.record: list[str] = []
        self.items: list[Any] = []
        self.worker = Worker(self, name="test")

    def _take_in(self, data: bytes) -> None:
        self.items.extend(envelope.decode_to_gateway(data).items)

    def publish(self, items: Items) -> None:
        self.record.append(f"publish {sum(len(some) for some in items.values())}")
        super().publish(items)

    def acknowledge(self) -> None:
        self.record.append("acknowledge")
        super().acknowledge()

    def give_back(self) -> None:
        self.record.append("give back")
        super().give_back()

    def idle(self, seconds: float) -> None:
        self.record.append("idle")
        self.on_idle()

    def on_idle(self) -> None:
        """The test's own doing while the worker waits."""

    def get(self, timeout_s: float) -> bytes | None:
        data = super().get(0)
        if data is None and timeout_s > 0:
            self.worker.stop()  # all is done
        return data


@pytest.fixture
def relay(settings: Any) -> Recorder:
    settings.OCPP_RELAY = "memory"
    return Recorder()


def test_everything_that_is_ready_is_one_batch(relay: Recorder, connect: Connect, gateway: GatewayEnd) -> None:
    wires = [connect(f"CP{number}") for number in range(3)]
    for _round in range(4):
        relay.submit(gateway.pack(*(wire.frame(HEARTBEAT) for wire in wires)))
    relay.worker.run()
    assert relay.record == ["publish 12", "acknowledge"]
    assert Message.objects.count() == 12


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite works in our own process")
def test_what_comes_while_the_database_works_is_handled_in_its_turn(
    relay: Recorder, connect: Connect, gateway: GatewayEnd, caplog: pytest.LogCaptureFixture
) -> None:
    """Decoded meanwhile or not: each message once, in order, and what cannot be read is dropped in its turn."""
    wire = connect()
    frames = [wire.frame(HEARTBEAT) for _number in range(3)]
    relay.submit(gateway.pack(frames[0]))
    later = [gateway.pack(frames[1]), b"garbage", gateway.pack(frames[2])]

    def look_ahead() -> list[bytes]:
        relay.record.append("look ahead")
        some, later[:] = list(later), []
        for data in some:
            relay.submit(data)
        return some

    relay.look_ahead = look_ahead  # type: ignore[method-assign]
    relay.worker.run()
    assert [item.relay_id for item in relay.items] == [frame.relay_id for frame in frames]
    assert relay.record == ["look ahead", "publish 1", "acknowledge", "look ahead", "publish 2", "acknowledge"]
    assert "no gateway has sent" in caplog.text


def test_a_batch_ends_at_its_limit(relay: Recorder, connect: Connect, gateway: GatewayEnd, settings: Any) -> None:
    settings.OCPP_WORKER_BATCH = 5
    wire = connect()
    for _round in range(4):
        relay.submit(gateway.pack(*(wire.frame(HEARTBEAT) for _number in range(3))))
    relay.worker.run()
    assert relay.record == ["publish 6", "acknowledge", "publish 6", "acknowledge"]


def newer(gateway: GatewayEnd) -> bytes:
    """What a gateway of a later version may send one day."""
    return msgspec.msgpack.encode([99, gateway.name, gateway.queue, [["what", "is", "this"]]])


def test_message_of_an_unknown_version_is_given_back_and_keeps_nobody_waiting(
    relay: Recorder, connect: Connect, gateway: GatewayEnd, caplog: pytest.LogCaptureFixture
) -> None:
    """The workers are to be upgraded first; until then the old gateways are served."""
    wire = connect()
    relay.submit(newer(gateway))
    relay.submit(gateway.pack(wire.frame(HEARTBEAT)))
    relay.on_idle = lambda: relay.worker.stop() if relay.record.count("idle") == 2 else None  # type: ignore[method-assign]
    relay.worker.run()
    assert relay.record[-1] == "idle"
    assert "publish 1" in relay.record
    assert "upgrade it" in caplog.text
    assert relay.get(0) == newer(gateway)  # it is still there


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xc1", msgspec.msgpack.encode({"no": "envelope"})])
def test_message_that_no_gateway_has_sent_is_dropped(
    data: bytes, relay: Recorder, connect: Connect, gateway: GatewayEnd, caplog: pytest.LogCaptureFixture
) -> None:
    wire = connect()
    relay.submit(data)
    relay.submit(gateway.pack(wire.frame(HEARTBEAT)))
    relay.worker.run()
    assert relay.record == ["publish 1", "acknowledge"]
    assert "no gateway has sent" in caplog.text


def test_outage_of_the_database_is_waited_for_with_nothing_answered(
    relay: Recorder, connect: Connect, gateway: GatewayEnd
) -> None:
    wire = connect()
    relay.submit(gateway.pack(wire.frame(HEARTBEAT)))
    lock = connection.copy()
    worker_waits = "PRAGMA busy_timeout = 10" if connection.vendor == "sqlite" else "SET lock_timeout = '10ms'"
    with connection.cursor() as cursor:
        cursor.execute(worker_waits)
    with lock.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
        cursor.execute("UPDATE ocpp_app_chargepoint SET name = 'locked'")

    def release() -> None:
        with lock.cursor() as cursor:
            cursor.execute("ROLLBACK")
        lock.close()

    relay.on_idle = release  # type: ignore[method-assign]
    relay.worker.run()
    assert relay.record == ["idle", "publish 1", "acknowledge"]
    assert result(relay.items[0].raw.decode()).keys() == {"currentTime"}


def test_worker_that_is_stopped_during_an_outage_gives_everything_back(
    relay: Recorder, connect: Connect, gateway: GatewayEnd
) -> None:
    wire = connect()
    request = wire.frame(HEARTBEAT)
    relay.submit(gateway.pack(request))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA query_only = 1")
        else:
            cursor.execute("SET lock_timeout = '10ms'")
    lock = connection.copy()
    with lock.cursor() as cursor:
        cursor.execute("BEGIN")
        if connection.vendor == "postgresql":
            cursor.execute("UPDATE ocpp_app_chargepoint SET name = 'locked'")
    relay.on_idle = relay.worker.stop  # type: ignore[method-assign]
    relay.worker.run()
    lock.close()
    assert relay.record == ["idle", "give back"]
    assert relay.get(0) == gateway.pack(request)


def test_worker_stops_within_a_poll() -> None:
    started = time.monotonic()
    with Site():
        pass
    assert time.monotonic() - started < WITHIN_S / 2


def test_busy_worker_looks_after_queued_commands_as_well(settings: Any) -> None:
    """A fleet that sends without a pause must not keep a shell's command waiting for ever."""
    settings.OCPP_RELAY = "memory"
    charge_point = ChargePoint.objects.create(identity="CP001", security_profile=0)
    stop = threading.Event()
    with Site() as site:
        wire = site.connect()

        def chatter() -> Iterator[None]:
            while not stop.is_set():
                site.ask(wire.frame(HEARTBEAT))
                yield

        talking = threading.Thread(target=lambda: list(chatter()))
        talking.start()
        command = new_command(charge_point, ResetRequest(type=ResetType.Soft), now=timezone.now())
        command.save()
        deadline = time.monotonic() + WITHIN_S
        while not site.commands and time.monotonic() < deadline:
            stop.wait(0.01)
        stop.set()
        talking.join()
    assert [item.unique_id for item in site.commands] == [str(command.pk)]


def test_wire_of_a_worker_is_the_same_as_that_of_its_dispatcher(settings: Any) -> None:
    settings.OCPP_RELAY = "memory"
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with Site() as site:
        wire: Wire = site.connect()
        reply = site.ask(wire.frame(HEARTBEAT))
    assert result(reply.raw.decode()).keys() == {"currentTime"}
