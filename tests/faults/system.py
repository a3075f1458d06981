"""The central system under test in real processes, and the supervisor that starts again what has died."""

import http.client
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from scripts import ports
from scripts.services.state import choose_port
from tests import services
from tests.e2e.central_system import HOST, SETTINGS, CentralSystem, Single
from tests.e2e.processes import ROOT, Process, environment, wait_until
from tests.faults.services import Broker, BrokerCluster, Database, SharedBroker, SharedDatabase
from tests.faults.truth import HEARTBEAT_S

WORKERS = 2
GATEWAYS = 2
RESTART_AFTER_S = 1.0
"""As `RestartSec=1` of systemd."""
LOOK_EVERY_S = 0.1
ADMITTED = {
    "OCPP_UNKNOWN_ID_TAG": "accept",
    "OCPP_API_THROTTLE": "100000/min",
    "OCPP_HEARTBEAT_INTERVAL": str(HEARTBEAT_S),
}
INSIDE = Path(__file__).with_name("inside")
"""On the path of every process: the clock that can be set, and guards that can be switched off."""


class Supervisor:
    """What systemd or compose does: whatever has ended is started again, unless it is held."""

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._held: set[str] = set()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.restarts = 0

    def watch(self, *processes: Process) -> None:
        with self._lock:
            self._processes.extend(processes)
        if not self._thread.is_alive():
            self._thread.start()

    @contextmanager
    def held(self, process: Process) -> Iterator[None]:
        """Meanwhile it is not started again."""
        with self._lock:
            self._held.add(process.name)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(process.name)

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        down_since: dict[str, float] = {}
        while not self._ended.wait(LOOK_EVERY_S):
            for process in tuple(self._processes):
                if process.is_running:
                    down_since.pop(process.name, None)
                    continue
                since = down_since.setdefault(process.name, time.monotonic())
                with self._lock:
                    if process.name not in self._held and time.monotonic() - since >= RESTART_AFTER_S:
                        down_since.pop(process.name)
                        process.end()  # what it has started itself dies with it, as with systemd's control group
                        process.start()
                        self.restarts += 1


class Asked:
    """The REST API of a central system, as a program of somebody else uses it."""

    http_port: int
    token = ""

    def issue_token(self: Any) -> None:
        """Make a token for commands."""
        done = self.manage("create_api_token", "faults", "--scope", "operate")
        assert done.returncode == 0, done.stdout + done.stderr
        self.token = done.stdout.strip()

    def request(self, method: str, path: str, body: Any = None, timeout_s: float = 40.0) -> tuple[int, Any]:
        """One request; ``OSError`` or ``HTTPException`` where web is away."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=timeout_s)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, f"/api/v1/{path}", json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()


class System(Asked, CentralSystem):
    """Gateways, worker processes and web over RabbitMQ and PostgreSQL."""

    def __init__(
        self, folder: Path, broker: Broker | BrokerCluster, postgres: Database, guard_off: str = "", **settings: str
    ) -> None:
        self.broker = broker
        self.postgres = postgres
        self.supervisor = Supervisor()
        self.clock_file = folder / "clock-offset"
        self.http_port = choose_port()
        urls = ",".join(broker.urls) if isinstance(broker, BrokerCluster) else broker.url
        inside = {"PYTHONPATH": f"{INSIDE}:{ROOT}", "FAULTS_CLOCK": str(self.clock_file), "FAULTS_GUARD_OFF": guard_off}
        links = {"AMQP_URL": urls, "WSGATE_AMQP_URL": urls, "SECRET_KEY": secrets.token_urlsafe(40)}
        super().__init__(folder, postgres.url, {**SETTINGS, **ADMITTED, **links, **inside, **settings})
        self.worker = self._process("worker", "manage.py", "consume_rpc_queue", "--processes", str(WORKERS))
        self.ws_ports = [choose_port() for _ in range(GATEWAYS)]
        self.gateways = [
            self._process(
                f"gateway-{number}", "-m", "wsgate", "--listen", f"{HOST}:{port}", "--name", f"gateway-{number}"
            )
            for number, port in enumerate(self.ws_ports, start=1)
        ]
        self.web = self._web(self.http_port)

    def _web(self, port: int) -> Process:
        serve = Path(sys.executable).with_name("waitress-serve")
        command = [str(serve), f"--listen={HOST}:{port}", "--threads=8", "backend.wsgi:application"]
        process = self.processes["web"] = Process("web", command, environment(**self.variables), self.folder)
        return process

    @property
    def parts(self) -> list[Process]:
        """What a rolling restart restarts."""
        return [self.worker, *self.gateways, self.web]

    @property
    def pids(self) -> list[tuple[str, int]]:
        """What runs now, by the names of the parts."""
        found = [(process.name, process.pid) for process in (*self.gateways, self.web) if process.is_running]
        if self.worker.is_running:
            found.append(("worker (parent)", self.worker.pid))
            found += [("worker", pid) for pid in self.worker.children]
        return found

    def prepare(self) -> None:
        """Migrate, and make a token."""
        done = self.manage("migrate", "-v0")
        assert done.returncode == 0, done.stdout + done.stderr
        self.issue_token()

    def start(self) -> None:
        for process in self.parts:
            process.start()
        self.wait_until_ready()
        self.supervisor.watch(*self.parts)

    def wait_until_ready(self) -> None:
        for gateway in self.gateways:
            gateway.wait_for_output("Connected to the broker")
        self.worker.wait_for_output("takes requests", times=WORKERS)
        wait_until(lambda: ports.accepts(HOST, self.http_port), "web listens")

    def use_settings(self, **variables: str) -> None:
        """What processes get that are started from now on: another version."""
        self.variables |= variables
        for process in self.parts:
            process._environment.update(variables)

    def end(self) -> None:
        self.supervisor.end()
        super().end()


class Site(Asked, Single):
    """``runcsms`` on SQLite, supervised."""

    def __init__(self, folder: Path, database: Path) -> None:
        super().__init__(folder, f"sqlite:///{database}", {**ADMITTED, "SECRET_KEY": secrets.token_urlsafe(40)})
        self.supervisor = Supervisor()

    @property
    def pids(self) -> list[tuple[str, int]]:
        return [("runcsms", self.runcsms.pid)] if self.runcsms.is_running else []

    def start(self) -> None:
        super().start()
        self.issue_token()
        self.supervisor.watch(self.runcsms)

    def end(self) -> None:
        self.supervisor.end()
        super().end()


@contextmanager
def running_on(folder: Path, broker: Broker | BrokerCluster, guard_off: str = "", **settings: str) -> Iterator[System]:
    """A central system with a database of its own, over a broker that runs."""
    with ExitStack() as ends:
        postgres = Database(folder)
        ends.callback(postgres.end)
        postgres.start()
        system = System(folder, broker, postgres, guard_off, **settings)
        ends.callback(system.end)
        system.prepare()
        for node in broker.nodes:
            node.wait_until_reachable()
        system.start()
        system.supervisor.watch(postgres.process)
        yield system
        system.supervisor.end()  # before anything that it would start again


@contextmanager
def running_beside(folder: Path, amqp_url: str, database_url: str) -> Iterator[System]:
    """A central system over a broker and a migrated database on a server that other tests use as well."""
    folder.mkdir(parents=True, exist_ok=True)
    queue = f"ocpp.rpc.{uuid4().hex}"
    queues = {"OCPP_RPC_QUEUE": queue, "WSGATE_QUEUE": queue}
    system = System(folder, SharedBroker(amqp_url), SharedDatabase(database_url), **queues)
    try:
        system.start()
        system.issue_token()
        yield system
    finally:
        system.end()
        services.delete_queues(amqp_url, queue)


@contextmanager
def running(folder: Path, *, guard_off: str = "", **settings: str) -> Iterator[System]:
    """A central system with broker and database of its own, all supervised; nothing of it is left afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder / "broker")
    broker.process.start()
    try:
        with running_on(folder, broker, guard_off, **settings) as system:
            system.supervisor.watch(broker.process)
            yield system
    finally:
        broker.end()
