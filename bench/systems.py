"""What is measured, each as real processes with a database of its own: start it, measure, stop it."""

import os
import subprocess
import sys
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path

import msgspec
import pika
import pika.exceptions

from bench import grown, processes
from bench.database import Rows
from bench.grown import Stored
from scripts.foreground import Part, stop
from scripts.ports import accepts
from scripts.services import postgres, rabbitmq
from scripts.services.errors import ServiceMissing
from scripts.services.processes import wait_for

START_TIMEOUT_S = 60
OWN_VARIABLES = ("OCPP_", "WSGATE_", "DJANGO_", "TEST_")
"""Settings of this machine that must not reach a system under test: the defaults are what is measured."""


class SystemFailed(Exception):
    """A system under test did not start, or a part of it ended; the message ends with its log."""


class System(ABC):
    """One system under test. ``start`` and ``stop`` may be called once."""

    name: str
    label: str

    def __init__(self, folder: Path, charge_points: int, stored: Stored) -> None:
        """``folder``: for logs and data, on a disk; ``charge_points``: so many are registered; ``stored``: what a grown
        database holds."""
        self.folder = folder / self.name
        self.charge_points = charge_points
        self.stored = stored
        self.expected: Counter[str] = Counter()
        """Right answers that load generators got so far, by action."""
        self.surplus: Counter[str] = Counter()
        """By how many rows its database differed from them after the last run."""
        self._parts: dict[str, Part] = {}

    @abstractmethod
    def start(self) -> None:
        """Return when it serves. Raises ``SystemFailed`` or ``ServiceMissing``."""

    def stop(self) -> None:
        """End all its processes, the last one started first."""
        for part in reversed(self._parts.values()):
            stop(part)

    @property
    def pids(self) -> dict[str, list[int]]:
        """The processes of each part."""
        return {name: [part.process.pid] for name, part in self._parts.items() if part.process is not None}

    @abstractmethod
    def load_command(self, kind: str, options: list[str]) -> tuple[list[str], dict[str, str]]:
        """Command line and environment of a load generator."""

    def rows(self) -> Rows | None:
        """What its database holds; None for one without."""
        return None

    def check(self) -> None:
        """Raises ``SystemFailed`` when a process has ended."""
        for part in self._parts.values():
            if part.has_ended():
                raise SystemFailed(part.describe_end())

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = Part(f"{self.label}: {name}", command, environment, self.folder / f"{name}.log")
        self._parts[name] = part
        part.start()

    def _wait_listening(self, port: int) -> None:
        wait_for(lambda: self._has_ended() or accepts("127.0.0.1", port), START_TIMEOUT_S)
        self.check()
        if not accepts("127.0.0.1", port):
            raise SystemFailed(f"{self.label} does not listen after {START_TIMEOUT_S} s; see {self.folder}")

    def _has_ended(self) -> bool:
        return any(part.has_ended() for part in self._parts.values())


class WebsocketSystem(System):
    """A system that charge points connect to, spread evenly over its ports."""

    ports: list[int]

    def load_command(self, kind: str, options: list[str]) -> tuple[list[str], dict[str, str]]:
        urls = [f"--url=ws://127.0.0.1:{port}/ocpp" for port in self.ports]
        return [sys.executable, "-m", "bench.load", kind, *urls, *options], dict(os.environ)


class CentralSystem(WebsocketSystem):
    """A central system of ours, with settings as they are by default."""

    environment: dict[str, str]
    settings_module = "backend.settings"
    _behind = "{}"
    """What was in its database before (``bench.database.Last``)."""

    def _environment(self, database_url: str, **more: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OWN_VARIABLES) and name not in ("AMQP_URL", "DEBUG", "SECRET_KEY")
        }
        return {
            **inherited,
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": self.settings_module,
            "DATABASE_URL": database_url,
            "DATA_DIR": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            "OCPP_FIRST_CONTACT": "off",  # questions of our own would be among the load in its first minute
            "WSGATE_MAX_CONNECTIONS_PER_ADDRESS": "1000000",  # all charge points of a load generator have one address
            "WSGATE_MAX_FRAMES_PER_SECOND": "1000000",  # one in a closed loop sends more than any real one may
            **more,
        }

    def _prepare_database(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database_task("prepare", "--charge-points", str(self.charge_points))

    def rows(self) -> Rows:
        return msgspec.json.decode(self._database_task("count", "--behind", self._behind), type=Rows)

    def _database_task(self, *words: str) -> str:
        command = [sys.executable, "-m", "bench.database", *words]
        result = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode:
            raise SystemFailed(f"{self.label}: its database could not be used:\n{result.stderr}")
        return result.stdout


class Scaled(CentralSystem):
    """RabbitMQ, PostgreSQL (both as they come), one gateway, one worker."""

    name = "scaled"
    label = "RabbitMQ + PostgreSQL"
    gateways = 1
    workers = 1

    def start(self) -> None:
        self._amqp_url = broker_url()
        self._database_url = self._name_database(postgres_url())
        queue = f"ocpp.rpc.{self.name}"  # systems stay until the end: none may take the frames of another
        self.environment = self._environment(
            self._database_url,
            AMQP_URL=self._amqp_url,
            OCPP_RELAY="amqp",
            OCPP_RPC_QUEUE=queue,
            WSGATE_AMQP_URL=self._amqp_url,
            WSGATE_QUEUE=queue,
        )
        delete_queue(self._amqp_url, queue)
        self._prepare_database()
        command = [sys.executable, "manage.py", "consume_rpc_queue", "--processes", f"{self.workers}"]
        self._run("worker", command, self.environment)
        self.ports = [processes.free_port() for _ in range(self.gateways)]
        for number, port in enumerate(self.ports, 1):
            command = [sys.executable, "-m", "wsgate", "--listen", f"127.0.0.1:{port}"]
            self._run(f"gateway-{number}", command, self.environment)
            self._wait_listening(port)
        wait_for(lambda: self._has_ended() or consumers(self._amqp_url, queue) >= self.workers, START_TIMEOUT_S)
        self.check()
        self._servers = {
            "broker": processes.server_of(self._amqp_url),
            "PostgreSQL": processes.server_of(self._database_url),
        }

    @property
    def pids(self) -> dict[str, list[int]]:
        own = super().pids
        gateways = [pid for name, pids in own.items() if name.startswith("gateway") for pid in pids]
        found = {"gateway": gateways, "worker": own.get("worker", []), **self._servers}
        return {name: pids for name, pids in found.items() if pids}

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "_database_url"):
            self._drop_database()

    def _name_database(self, server_url: str) -> str:
        return postgres.create_database(server_url, f"ocpp_csms_bench_{uuid.uuid4().hex[:12]}")

    def _drop_database(self) -> None:
        postgres.drop_database(self._database_url)


class ScaledWithMiddleware(Scaled):
    """The same with a user's middleware that makes one query for every CALL."""

    name = "scaled-middleware"
    label = "… and one query per CALL"
    settings_module = "bench.user_middleware"


class ScaledOut(Scaled):
    """Two gateways, each with half of the charge points, and two worker processes."""

    name = "scaled-out"
    label = "… 2 gateways, 2 workers"
    gateways = 2
    workers = 2


class ScaledGrown(Scaled):
    """The same on a database that has grown for months. It is filled when it is not there, and kept; what a run adds
    stays in it, but only that is counted."""

    name = "scaled-grown"
    label = "… on a grown database"

    def _name_database(self, server_url: str) -> str:
        return grown.url_of(server_url, self.charge_points, self.stored)

    def _prepare_database(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "bench.grown", "--server", self._database_url]
        command += ["--charge-points", f"{self.charge_points}"]
        command += ["--messages", f"{self.stored.messages}", "--meter-values", f"{self.stored.meter_values}"]
        if subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL).returncode:
            raise SystemFailed(f"{self.label}: its database could not be filled; what it said is above.")
        self._behind = self._database_task("last")

    def _drop_database(self) -> None:
        pass


class OneProcess(CentralSystem):
    """``manage.py runcsms`` on SQLite."""

    name = "runcsms"
    label = "runcsms, SQLite"

    def start(self) -> None:
        self.environment = self._environment(f"sqlite:///{self.folder / 'csms.sqlite3'}", OCPP_RELAY="memory")
        self._prepare_database()
        self.ports = [processes.free_port()]
        command = [sys.executable, "manage.py", "runcsms", "--ws", f"127.0.0.1:{self.ports[0]}"]
        self._run("runcsms", [*command, "--http", f"127.0.0.1:{processes.free_port()}"], self.environment)
        self._wait_listening(self.ports[0])


class BareWebsocket(WebsocketSystem):
    """The limit of any gateway in Python."""

    name = "bare"
    label = "bare websocket server"

    def start(self) -> None:
        self.ports = [processes.free_port()]
        command = [sys.executable, "-m", "bench.limits.bare_websocket", "--port", str(self.ports[0])]
        self._run("server", command, dict(os.environ))
        self._wait_listening(self.ports[0])


class AmqpEcho(System):
    """The limit of RPC over RabbitMQ, one message per frame."""

    name = "echo"
    label = "tuned AMQP echo"

    def start(self) -> None:
        url = broker_url()
        self._environment = {**os.environ, "AMQP_URL": url}
        self._queue = f"bench.{self.name}"  # systems stay until the end: none may take the frames of another
        delete_queue(url, self._queue)
        command = [sys.executable, "-m", "bench.limits.amqp_echo", "serve", "--queue", self._queue]
        self._run("worker", command, self._environment)
        wait_for(lambda: self._has_ended() or consumers(url, self._queue) > 0, START_TIMEOUT_S)
        self.check()
        self._broker = processes.server_of(url)

    @property
    def pids(self) -> dict[str, list[int]]:
        return {**super().pids, **({"broker": self._broker} if self._broker else {})}

    def load_command(self, kind: str, options: list[str]) -> tuple[list[str], dict[str, str]]:
        assert kind == "closed", "the echo knows no other load"
        command = [sys.executable, "-m", "bench.limits.amqp_echo", "load", "--queue", self._queue, *options]
        return command, self._environment


class LeanAmqpEcho(AmqpEcho):
    """The same with the library beneath aio-pika as its publisher."""

    name = "echo-lean"
    label = "… published with aiormq"

    def load_command(self, kind: str, options: list[str]) -> tuple[list[str], dict[str, str]]:
        command, environment = super().load_command(kind, options)
        return [*command, "--lean"], environment


SYSTEMS: dict[str, type[System]] = {
    system.name: system
    for system in (
        Scaled,
        ScaledWithMiddleware,
        ScaledOut,
        ScaledGrown,
        OneProcess,
        BareWebsocket,
        AmqpEcho,
        LeanAmqpEcho,
    )
}


# -- services ------------------------------------------------------------------------------------------------


def broker_url() -> str:
    """A RabbitMQ that nobody else uses, as ``make services`` starts it."""
    url = rabbitmq.discover("bench")
    if url is None:
        raise ServiceMissing("RabbitMQ is not up; start it: make services")
    return url


def postgres_url() -> str:
    """A PostgreSQL, as ``make services`` starts it."""
    url = postgres.discover("bench")
    if url is None:
        raise ServiceMissing("PostgreSQL is not up; start it: make services")
    return url


def delete_queue(url: str, name: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        connection.channel().queue_delete(name)
    finally:
        connection.close()


def consumers(url: str, queue: str) -> int:
    """How many consumers a queue has; 0 while it is not there."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)
    except pika.exceptions.ChannelClosedByBroker:
        return 0
    finally:
        connection.close()
