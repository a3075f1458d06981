"""The faults. Each is a function that does its damage, with random timing, and returns when the cause is gone: with the
charge points that it has touched, or None where these were all."""

import contextlib
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pika
import psycopg

from tests.e2e.central_system import HOST
from tests.e2e.processes import Process, frozen, is_alive, wait_until
from tests.faults.balancer import Balancer
from tests.faults.services import VIRTUAL_HOST, Broker
from tests.faults.system import WORKERS, System
from tests.faults.watch import Commands, Fleet

WITHIN_S = 10.0
"""Full rate again after the cause is gone."""
BACK_OFF_S = 15.0
"""More where sockets were closed: the longest back-off of a charge point."""
GONE_FOR_S = 75.0
"""A charge point that vanishes stays away for longer than it may be called online."""
BACK_WITHIN_S = 120.0
"""How long a part may take to be back while other faults are at work: it waits for broker and database."""
Touched = set[str]
"""Which charge points a fault has touched."""


@dataclass
class Scene:
    """What faults may be done to."""

    system: System
    balancer: Balancer
    fleets: list[Fleet]
    commands: Commands
    chance: random.Random
    pace: float = 1.0
    """Faults last this share of their time."""
    doubled: set[str] = field(default_factory=set)
    """Charge points whose frames have reached two gateways."""
    lost: set[str] = field(default_factory=set)
    """Charge points whose sockets have been half open: they had to time out."""
    gateway_ends: list[float] = field(default_factory=list)
    """When gateways were killed or stopped: what they held of the answers of charge points went with them."""
    stuck: int = 0

    @property
    def broker(self) -> Broker:
        return self.chance.choice(self.system.broker.nodes)

    def some(self, share: float) -> list[str]:
        identities = [identity for fleet in self.fleets for identity in fleet.identities]
        return self.chance.sample(identities, max(1, round(len(identities) * share)))

    @property
    def without_pings(self) -> str:
        """A charge point whose model bears no pings."""
        return self.chance.choice(sorted(identity for fleet in self.fleets for identity in fleet.without_pings))

    def lasting(self, shortest_s: float, longest_s: float) -> float:
        """For how long, by chance."""
        return self.chance.uniform(shortest_s, longest_s) * self.pace

    def while_(self, shortest_s: float, longest_s: float) -> None:
        """How long a fault lasts."""
        time.sleep(self.lasting(shortest_s, longest_s))

    def until_started_again(self, process: Process, old: int, text: str, times: int = 1) -> None:
        wait_until(lambda: process.is_running and process.pid != old, f"{process.name} is started again")
        process.wait_for_output(text, times=times, timeout_s=BACK_WITHIN_S)


# -- processes -----------------------------------------------------------------------------------------------


def worker_killed(scene: Scene) -> Touched:
    """kill -9 of one of the worker processes; their parent starts it again."""
    worker = scene.system.worker
    wait_until(lambda: len(worker.children) == WORKERS, "both worker processes run", BACK_WITHIN_S)
    victim, mark = scene.chance.choice(worker.children), worker.mark()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim), "it is gone")
    worker.wait_for_output("takes requests", since=mark, timeout_s=BACK_WITHIN_S)
    return set()


def workers_killed(scene: Scene) -> None:
    """kill -9 of all worker processes and of their parent."""
    worker = scene.system.worker
    old = worker.pid
    for pid in (old, *worker.children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scene.until_started_again(worker, old, "takes requests", WORKERS)


def gateway_killed(scene: Scene) -> Touched:
    number = scene.chance.randrange(len(scene.system.gateways))
    gateway, port = scene.system.gateways[number], scene.system.ws_ports[number]
    touched = {one for fleet in scene.fleets for one in fleet.identities if port in scene.balancer.gateway_ports(one)}
    old = gateway.pid
    gateway.kill()
    scene.gateway_ends.append(time.monotonic())
    scene.until_started_again(gateway, old, "Connected to the broker")
    return touched


def web_killed(scene: Scene) -> Touched:
    """kill -9 of web while it waits for the answer to a command."""
    web = scene.system.web
    old = web.pid
    wait_until(lambda: scene.commands.is_waiting, "somebody waits for an answer")
    web.kill()
    scene.until_started_again(web, old, "Serving on")
    return set()


def rolling_restart(scene: Scene) -> None:
    """A newer version: first its migration, while the older one still works, then one part after the other."""
    system = scene.system
    is_newer = system.variables.get("DJANGO_SETTINGS_MODULE") == NEWER
    if not is_newer:
        migrate(scene)
    system.use_settings(DJANGO_SETTINGS_MODULE="backend.settings" if is_newer else NEWER)
    ready = {system.worker.name: ("takes requests", WORKERS), system.web.name: ("Serving on", 1)}
    for process in system.parts:
        old = process.pid
        if process in system.gateways:
            scene.gateway_ends.append(time.monotonic())
        assert process.stop() == 0 or process is system.web
        scene.until_started_again(process, old, *ready.get(process.name, ("Connected to the broker", 1)))
    if is_newer:  # back to the older version; only when nobody uses it any more may what was added go
        migrate(scene, "newer", "zero")


def migrate(scene: Scene, *arguments: str) -> None:
    """By the newer version; again where another fault has taken the database away."""

    def is_done() -> bool:
        return not scene.system.manage("migrate", *arguments, "-v0", DJANGO_SETTINGS_MODULE=NEWER).returncode

    wait_until(is_done, "the migration is through", BACK_WITHIN_S)


NEWER = "tests.faults.newer.settings"


# -- the broker ----------------------------------------------------------------------------------------------


def broker_stopped(scene: Scene) -> None:
    """Stopped in good order, away for a while, started."""
    broker = scene.broker
    with scene.system.supervisor.held(broker.process):
        broker.process.stop(timeout_s=60)
        scene.while_(1, 12)
    wait_until(lambda: broker.process.is_running, "the broker is started again")
    broker.wait_until_reachable()


def broker_killed(scene: Scene) -> None:
    """It dies with all that waits in it: the workers stand still before."""
    broker = scene.broker
    with frozen(scene.system.worker.children):
        time.sleep(1.0)
        old = broker.process.pid
        broker.process.end()
    wait_until(lambda: broker.process.is_running and broker.process.pid != old, "the broker is started again")
    broker.wait_until_reachable()


def broker_blocks(scene: Scene) -> None:
    """The memory alarm: the broker takes nothing more from anybody who publishes."""
    broker = scene.broker
    broker.control("set_vm_memory_high_watermark", "0.00001")
    scene.while_(3, 12)
    broker.control("set_vm_memory_high_watermark", "0.4")


def delivered_twice(scene: Scene) -> Touched:
    """Every request that gateways publish within a few seconds reaches the workers twice."""
    connection = pika.BlockingConnection(pika.URLParameters(scene.broker.url))
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)  # while we hold a message, what we publish goes to the workers
        queue = scene.system.variables.get("OCPP_RPC_QUEUE", "ocpp.rpc")
        ends_at = time.monotonic() + scene.lasting(4, 8)
        for method, properties, body in channel.consume(queue, arguments={"x-priority": 10}, inactivity_timeout=0.2):
            if method is not None:
                is_copy = "x-twice" in (properties.headers or {})  # the workers have enough to do
                properties.headers = {"x-twice": True}
                for _ in range(1 if is_copy else 2):
                    channel.basic_publish("", queue, body, properties)
                time.sleep(0.02 if is_copy else 0)
                channel.basic_ack(method.delivery_tag)
            if time.monotonic() > ends_at:
                break
    finally:
        connection.close()
    return set()


def told_twice(scene: Scene) -> Touched:
    """Every reply and every command that workers and web publish within a few seconds reaches its gateway twice. The
    broker's own tracing (the firehose) shows them: the queue of a gateway lets nobody else in."""
    connection = pika.BlockingConnection(pika.URLParameters(scene.broker.url))
    scene.broker.control("trace_on", "-p", VIRTUAL_HOST)
    try:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "amq.rabbitmq.trace", "publish.#")
        ends_at = time.monotonic() + scene.lasting(5, 8)
        for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
            if method is not None:
                (to,) = properties.headers["routing_keys"]
                is_ours = "x-twice" in properties.headers["properties"].get("headers", {})
                if to.startswith("ocpp.gateway.") and not is_ours:
                    again = pika.BasicProperties(content_type="application/msgpack", headers={"x-twice": True})
                    channel.basic_publish("", to, body, again)
            if time.monotonic() > ends_at:
                break
    finally:
        scene.broker.control("trace_off", "-p", VIRTUAL_HOST)
        connection.close()
    return set()


# -- the database --------------------------------------------------------------------------------------------


def postgres_restarted(scene: Scene) -> None:
    """Restarted, in good order or without a word to anybody."""
    postgres = scene.system.postgres
    old = postgres.process.pid
    postgres.process.send(scene.chance.choice((signal.SIGINT, signal.SIGQUIT)))
    wait_until(
        lambda: postgres.process.is_running and postgres.process.pid != old,
        "PostgreSQL is started again",
        BACK_WITHIN_S,
    )
    postgres.wait_until_reachable()


def connections_dropped(scene: Scene) -> None:
    """All connections to the database are cut, several times."""
    for _ in range(scene.chance.randint(1, 4)):
        with psycopg.connect(scene.system.postgres.url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(CUT_OTHERS)
        scene.while_(0.2, 1.5)


CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
    "AND datname = current_database() "
    "AND application_name <> 'taken'"
)


def postgres_paused(scene: Scene, seconds: float = 30.0) -> None:
    with frozen(scene.system.postgres.pids):
        time.sleep(seconds)


def pool_taken(scene: Scene) -> None:
    """Somebody else takes all connections that PostgreSQL has."""
    taken: list[psycopg.Connection[tuple[object, ...]]] = []
    url = f"{scene.system.postgres.url}?application_name=taken"
    ends_at = time.monotonic() + scene.lasting(4, 10)
    try:
        while time.monotonic() < ends_at:
            try:
                taken.append(psycopg.connect(url, autocommit=True, connect_timeout=5))
            except psycopg.OperationalError:  # all are in use: those of the central system as well
                with contextlib.suppress(psycopg.Error):
                    if taken:
                        taken[0].execute(CUT_OTHERS)
                time.sleep(0.05)
    finally:
        for connection in taken:
            connection.close()


# -- charge points and their network -------------------------------------------------------------------------


def half_open(scene: Scene) -> Touched:
    """Packets are dropped on the sockets of a tenth of the charge points; these find out by themselves."""
    victims = scene.some(0.1)
    scene.lost.update(victims)
    scene.balancer.lose(victims)
    scene.while_(1, 5)
    return set(victims)


def answers_lost(scene: Scene) -> Touched:
    """What charge points send arrives, the answers do not; then the sockets are reset, and they send it again."""
    victims = scene.some(0.6)
    half = len(victims) // 2
    scene.balancer.lose_answers(victims[:half])
    scene.balancer.lose_answers(victims[half:], to=b'"StartTransaction"')
    scene.while_(5, 8)
    scene.balancer.cut(victims)
    return set(victims)


def vanished(scene: Scene) -> Touched:
    """Charge points lose their network without a word, and come back much later; one of them gets no pings."""
    victims = list({*scene.some(0.03), scene.without_pings})
    scene.lost.update(victims)
    scene.balancer.lose(victims)
    for fleet in scene.fleets:
        if own := [identity for identity in victims if identity in fleet.identities]:
            fleet.say("vanish", GONE_FOR_S, *own)
    scene.while_(1, 2)
    return set(victims)


def two_gateways(scene: Scene) -> Touched:
    """What some charge points send reaches both gateways: each has a session with the same charge point."""
    victims = scene.some(0.05)
    scene.doubled.update(victims)
    scene.balancer.doubled.update(victims)
    scene.balancer.cut(victims)
    scene.while_(6, 10)
    scene.balancer.doubled.difference_update(victims)
    scene.balancer.cut(victims)
    return set(victims)


def slow_and_stuck(scene: Scene) -> Touched:
    """Some charge points flood their gateway and read nothing, others send a byte now and then."""
    ends_at = time.monotonic() + scene.lasting(5, 10)
    threads = []
    for port in scene.system.ws_ports * 3:
        scene.stuck += 1
        is_slow = scene.stuck % 2 == 0
        arguments = (port, f"STUCK-{scene.stuck}", ends_at, is_slow)
        threads.append(threading.Thread(target=misbehave, args=arguments))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return set()


def misbehave(port: int, identity: str, ends_at: float, is_slow: bool) -> None:
    """One bad charge point: it asks for the time without end, or takes seconds for a frame."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        if b" 101 " not in connection.recv(4096):
            return  # another fault is at work: nobody is let in
        number = 0
        while time.monotonic() < ends_at:
            number += 1
            text = f'[2,"{number}","Heartbeat",{{}}]'.encode()
            frame = struct.pack("!BBI", 0x81, 0x80 | len(text), 0) + text
            if is_slow:
                for byte in frame:
                    connection.send(bytes((byte,)))
                    time.sleep(0.02)
            else:
                connection.settimeout(max(0.1, ends_at - time.monotonic()))
                connection.send(frame)


def clock_jumps(scene: Scene) -> Touched:
    """The clock of every process but PostgreSQL jumps, forth or back, and later is right again."""
    offset_s = scene.chance.choice((-3600.0, -40.0, 40.0, 3600.0, 7200.0))
    file = scene.system.clock_file
    file.with_suffix(".new").write_text(str(offset_s))
    file.with_suffix(".new").rename(file)
    scene.while_(5, 10)
    file.unlink()
    return set()


@dataclass(frozen=True)
class Fault:
    """One kind of fault, and how soon everything is as usual again when its cause is gone."""

    name: str
    what: str
    inject: Callable[[Scene], Touched | None]
    closes_sockets: bool = False
    hides: bool = False
    """Meanwhile the central system cannot know who is online."""
    part: str = ""
    """What it is done to: two faults of one part (a broker that is stopped while it is stopped) follow one another."""

    @property
    def limit_s(self) -> float:
        return WITHIN_S + BACK_OFF_S if self.closes_sockets else WITHIN_S


def hiding(name: str, what: str, inject: Callable[[Scene], Touched | None], part: str, *, cuts: bool = False) -> Fault:
    return Fault(name, what, inject, closes_sockets=cuts, hides=True, part=part)


def cutting(name: str, what: str, inject: Callable[[Scene], Touched | None]) -> Fault:
    return Fault(name, what, inject, closes_sockets=True)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("worker-killed", "kill -9 of a worker process", worker_killed, part="processes"),
        hiding("workers-killed", "kill -9 of all worker processes and their parent", workers_killed, "processes"),
        hiding("gateway-killed", "kill -9 of a gateway", gateway_killed, "processes", cuts=True),
        Fault("web-killed", "kill -9 of web while it waits for a command", web_killed, part="processes"),
        hiding("broker-stopped", "the broker is stopped and started", broker_stopped, "broker", cuts=True),
        hiding("broker-killed", "kill -9 of the broker, full of requests", broker_killed, "broker", cuts=True),
        hiding("broker-blocks", "memory alarm of the broker: it blocks who publishes", broker_blocks, "broker"),
        Fault("delivered-twice", "every request reaches the workers twice", delivered_twice, part="broker"),
        Fault("told-twice", "every reply and every command reaches its gateway twice", told_twice, part="broker"),
        hiding("postgres-restarted", "PostgreSQL is restarted", postgres_restarted, "database"),
        hiding("connections-dropped", "all connections to PostgreSQL are cut", connections_dropped, "database"),
        hiding("postgres-paused", "PostgreSQL stands still for 30 s", postgres_paused, "database", cuts=True),
        hiding("pool-taken", "all connections of PostgreSQL are taken", pool_taken, "database"),
        cutting("half-open", "packets of a tenth of the sockets are dropped", half_open),
        cutting("answers-lost", "answers to charge points are dropped, then the sockets reset", answers_lost),
        cutting("vanished", "charge points vanish for 75 s", vanished),
        cutting("two-gateways", "two gateways have the same charge point", two_gateways),
        Fault("slow-and-stuck", "charge points that flood, read nothing, send a byte at a time", slow_and_stuck),
        Fault("clock-jumps", "the clock of gateways, workers and web jumps", clock_jumps),
        hiding(
            "rolling-restart",
            "SIGTERM of one part after the other, a migration before",
            rolling_restart,
            "processes",
            cuts=True,
        ),
    )
}
