"""RabbitMQ and PostgreSQL of the suite's own, which may be stopped, killed and frozen; never those of other tests."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from scripts.services import postgres, rabbitmq
from scripts.services.errors import ServiceMissing
from scripts.services.processes import make_private_dir
from scripts.services.state import Instance, choose_port, data_dir
from tests.e2e.processes import Process, environment, wait_until

VIRTUAL_HOST = rabbitmq.VIRTUAL_HOSTS[0]
MAX_CONNECTIONS = 40
"""Of PostgreSQL: few, so that they can all be taken."""


class Broker:
    """One RabbitMQ node; it starts again on the same port, with what it has on its disk."""

    def __init__(self, home: Path, name: str = "broker", *, cluster: "BrokerCluster | None" = None) -> None:
        self._server = rabbitmq.find_server()
        if self._server is None:
            raise ServiceMissing("RabbitMQ is not installed here: apt-get install rabbitmq-server")
        home.mkdir()
        shared = cluster.shared if cluster else {"epmd_port": choose_port(), "password": secrets.token_urlsafe(16)}
        self._instance: Instance = {"port": choose_port(), **shared}
        rabbitmq.write_configuration(home, self._instance)
        self._variables = rabbitmq.environment(home, self._instance)
        if cluster:
            self._variables |= cluster.variables_of(name, home)
        self.process = Process(name, [str(self._server)], self._variables, home)

    @property
    def nodes(self) -> "list[Broker]":
        return [self]

    @property
    def url(self) -> str:
        return rabbitmq.url_of(self._instance, quote(VIRTUAL_HOST, safe=""))

    def is_reachable(self) -> bool:
        return rabbitmq.is_reachable(self._instance)

    def wait_until_reachable(self) -> None:
        wait_until(self.is_reachable, f"{self.process.name} answers", rabbitmq.START_TIMEOUT_S)

    def control(self, *words: str) -> None:
        """``rabbitmqctl`` with these words; again while the node does not run, because another fault is at work."""
        assert self._server is not None
        command = [str(self._server.with_name("rabbitmqctl")), *words]
        wait_until(
            lambda: not subprocess.run(command, env=self._variables, capture_output=True, timeout=60).returncode,
            f"rabbitmqctl {' '.join(words)}",
            rabbitmq.START_TIMEOUT_S,
        )

    def end(self) -> None:
        self.process.end()
        rabbitmq.stop_port_mapper(self._instance)


class SharedBroker(Broker):
    """A broker that others use as well: one may connect to it, and do it no harm."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def wait_until_reachable(self) -> None:
        pass


class BrokerCluster:
    """Three RabbitMQ nodes on one machine: names, ports and Erlang cookie of their own."""

    def __init__(self, home: Path, nodes: int = 3) -> None:
        home.mkdir()
        self.shared: Instance = {"epmd_port": choose_port(), "password": secrets.token_urlsafe(16)}
        self._home = home
        self._cookie = secrets.token_hex(20).upper()
        self.nodes = [Broker(home / f"node-{number}", f"node-{number}", cluster=self) for number in range(1, nodes + 1)]

    def variables_of(self, name: str, home: Path) -> dict[str, str]:
        cookie = home / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        return {"RABBITMQ_NODENAME": f"{name}@localhost"}

    def start(self) -> None:
        """Start all, and join the others to the first."""
        for node in self.nodes:
            node.process.start()
        first, *others = self.nodes
        for node in self.nodes:
            node.wait_until_reachable()
        for node in others:
            for words in (
                ("stop_app",),
                ("reset",),
                ("join_cluster", f"{first.process.name}@localhost"),
                ("start_app",),
            ):
                node.control(*words)
            node.wait_until_reachable()

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def end(self) -> None:
        for node in self.nodes:
            node.process.end()
        for node in self.nodes:
            node.end()


class Database:
    """A PostgreSQL server with an empty database."""

    def __init__(self, home: Path) -> None:
        programs = postgres.find_programs()
        if programs is None:
            raise ServiceMissing("PostgreSQL is not installed here: apt-get install postgresql")
        # Its account must be able to enter the folder.
        self._home = make_private_dir(data_dir() / f"faults-{secrets.token_hex(4)}", postgres.ACCOUNT)
        instance = postgres.initialise(programs, self._home)
        instance["port"] = choose_port()
        self._server_url = postgres.url_of(instance)
        command = [str(programs / "postgres"), "-D", str(self._home / "data"), "-p", str(instance["port"])]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", f"max_connections={MAX_CONNECTIONS}"):
            command += ["-c", setting]
        if os.geteuid() == 0:
            account = postgres.ACCOUNT
            command = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups", *command]
        self.process = Process("postgres", command, environment(), home)
        self.url = postgres.with_database(self._server_url, "csms")

    def start(self) -> None:
        self.process.start()
        self.wait_until_reachable()
        postgres.create_database(self._server_url, "csms")

    def is_reachable(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_until_reachable(self) -> None:
        wait_until(self.is_reachable, "PostgreSQL answers", postgres.START_TIMEOUT_S)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self._server_url, autocommit=True, connect_timeout=5)

    @property
    def pids(self) -> list[int]:
        """The server and all that it has started."""
        return [self.process.pid, *self.process.children]

    def end(self) -> None:
        if self.process.is_running:
            self.process.send(3)  # SIGQUIT: at once, and its children with it
            self.process.wait()
        shutil.rmtree(self._home, ignore_errors=True)


class SharedDatabase(Database):
    """A database on a server that others use as well."""

    def __init__(self, url: str) -> None:
        self.url = self._server_url = url
