"""The two set-ups of the central system, in real processes: one process on SQLite, and the parts behind RabbitMQ."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from scripts import ports
from scripts.services.state import choose_port
from tests import services
from tests.e2e.databases import Database
from tests.e2e.processes import ROOT, Process, environment, wait_until
from tests.migrated import copied_postgres, copy_sqlite

HOST = "127.0.0.1"
WORKERS = 2
GATEWAYS = 2
SHELL_TIMEOUT_S = 60
SETTINGS = {
    "OCPP_UNKNOWN_CHARGE_POINT": "accept",
    "OCPP_FIRST_CONTACT": "off",
    "OCPP_TELL_CHANGES_EVERY": "1",
    "HTTPS": "off",
}
"""What differs from the defaults unless a test says otherwise: new charge points are let in and soon told what has
changed, people need no TLS."""

System = TypeVar("System", bound="CentralSystem")


class CentralSystem:
    """A central system with a database of its own; ``start`` returns when charge points can connect."""

    def __init__(self, folder: Path, database_url: str, variables: dict[str, str]) -> None:
        self.folder = folder
        self.database = Database(database_url)
        self.variables = {"DATABASE_URL": database_url, "DATA_DIR": str(folder), **variables}
        self.processes: dict[str, Process] = {}
        self.ws_ports: list[int] = []

    @property
    def urls(self) -> list[str]:
        """Where charge points connect, without the identity; one for each gateway."""
        return [f"ws://{HOST}:{port}/ocpp" for port in self.ws_ports]

    @property
    def url(self) -> str:
        return self.urls[0]

    def start(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Nothing of it is left; how it stops when asked to is shown elsewhere."""
        for process in self.processes.values():
            process.end()

    def manage(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """A ``manage.py`` command in a process of its own, to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment(**{**self.variables, **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SHELL_TIMEOUT_S,
        )

    def shell(self, code: str) -> Any:
        """What ``manage.py shell`` says: ``code`` assigns JSON data to ``result``."""
        done = self.manage("shell", "-v0", "-c", f"import json\n{code}\nprint(json.dumps(result))")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def sections(self) -> list[tuple[str, str]]:
        """The end of every process's output, for a report."""
        return [(f"output of {process.name}", process.tail()) for process in self.processes.values()]

    def marks(self) -> dict[str, int]:
        """Where all output ends now."""
        return {name: process.mark() for name, process in self.processes.items()}

    def tracebacks(self, since: dict[str, int]) -> list[str]:
        """The processes that have written a traceback since then."""
        return [
            name for name, process in self.processes.items() if "Traceback (most" in process.output(since.get(name, 0))
        ]

    def _process(self, name: str, *command: str) -> Process:
        process = Process(name, [sys.executable, *command], environment(**self.variables), self.folder)
        self.processes[name] = process
        return process


class Single(CentralSystem):
    """``manage.py runcsms`` on SQLite."""

    def __init__(self, folder: Path, database_url: str, settings: dict[str, str]) -> None:
        self.http_port = choose_port()
        pages = {"WSGATE_BROWSER_ORIGINS": f"http://{HOST}:{self.http_port}"}
        super().__init__(folder, database_url, {**SETTINGS, **pages, **settings})
        self.ws_ports = [choose_port()]
        where = ["--ws", f"{HOST}:{self.ws_ports[0]}", "--http", f"{HOST}:{self.http_port}"]
        self.runcsms = self._process("runcsms", "manage.py", "runcsms", *where)

    def start(self) -> None:
        self.runcsms.start()
        self.wait_until_it_listens()

    def wait_until_it_listens(self) -> None:
        for port in (*self.ws_ports, self.http_port):
            wait_until_listening(self.runcsms, port)


class Cluster(CentralSystem):
    """Two gateways and a worker with two processes over RabbitMQ, on PostgreSQL."""

    def __init__(
        self, folder: Path, database_url: str, amqp_url: str, settings: dict[str, str], workers: int = WORKERS
    ) -> None:
        self._amqp_url = amqp_url
        self._workers = workers
        # Of our own: others may use this broker at the same time.
        self.queue = f"ocpp.rpc.{uuid4().hex}"
        broker = {"AMQP_URL": amqp_url, "WSGATE_AMQP_URL": amqp_url}
        queue = {"OCPP_RPC_QUEUE": self.queue, "WSGATE_QUEUE": self.queue}
        super().__init__(folder, database_url, {**SETTINGS, **broker, **queue, **settings})
        self.worker = self._process("worker", "manage.py", "consume_rpc_queue", "--processes", str(workers))
        self.ws_ports = [choose_port() for _ in range(GATEWAYS)]
        self.gateways = [
            self._process(f"gateway-{number}", "-m", "wsgate", "--listen", f"{HOST}:{port}", "--log-level", "DEBUG")
            for number, port in enumerate(self.ws_ports, start=1)
        ]

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
        for gateway in self.gateways:
            self.wait_for_gateway(gateway)
        self.worker.wait_for_output("takes requests", times=self._workers)

    def wait_for_gateway(self, gateway: Process) -> None:
        gateway.wait_for_output("listens on")
        gateway.wait_for_output("Connected to the broker")

    def end(self) -> None:
        super().end()
        services.delete_queues(self._amqp_url, self.queue)


def wait_until_listening(process: Process, port: int) -> None:
    """Return when somebody listens on the port; fails at once when the process ends instead."""

    def listens() -> bool:
        assert process.is_running, f"{process.name} has ended\n{process.tail()}"
        return ports.accepts(HOST, port)

    wait_until(listens, f"{process.name} listens on port {port}")


class Launcher:
    """Starts central systems, each with an empty database of its own (but for the tags), and ends them all."""

    def __init__(self, folder: Path, service_url: Callable[[str], str], sqlite_template: Callable[[], Path]) -> None:
        """``service_url`` gives ``amqp_url`` and ``postgres_template``, and skips the test where that is missing."""
        self._folder = folder
        self._service_url = service_url
        self._sqlite_template = sqlite_template
        self._ends = ExitStack()
        self.launched: list[CentralSystem] = []

    def single(self, **settings: str) -> Single:
        """A running ``runcsms``; settings are environment variables."""
        return self._run(self.prepared(**settings))

    def fresh(self, **settings: str) -> Single:
        """A running ``runcsms`` that has found an empty folder."""
        folder = self._new_folder()
        return self._run(Single(folder, f"sqlite:///{folder / 'csms.sqlite3'}", settings))

    def prepared(self, **settings: str) -> Single:
        """What ``single`` starts, not running; it is ended like all others."""
        folder = self._new_folder()
        system = Single(folder, copy_sqlite(self._sqlite_template(), folder / "csms.sqlite3"), settings)
        self._ends.callback(system.end)
        return system

    def cluster(
        self, workers: int = WORKERS, amqp_url: str = "", cluster: "type[Cluster]" = Cluster, **settings: str
    ) -> Cluster:
        """Running gateways and worker processes; settings are environment variables."""
        amqp_url, template = amqp_url or self._service_url("amqp_url"), self._service_url("postgres_template")
        database_url = self._ends.enter_context(copied_postgres(template))
        return self._run(cluster(self._new_folder(), database_url, amqp_url, settings, workers))

    def either(self, kind: str, **settings: str) -> CentralSystem:
        """``single`` or ``cluster``, by its name."""
        return self.single(**settings) if kind == "single" else self.cluster(**settings)

    def end(self) -> None:
        self._ends.close()

    def _run(self, system: System) -> System:
        self.launched.append(system)
        self._ends.callback(system.end)
        system.start()
        return system

    def _new_folder(self) -> Path:
        folder = self._folder / f"csms-{uuid4().hex[:8]}"
        folder.mkdir()
        return folder
