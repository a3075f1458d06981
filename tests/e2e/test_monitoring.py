"""Real processes, asked how they are: gateway, workers, web, and all of them in one."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from scripts.services.state import choose_port
from tests.e2e.central_system import HOST, Cluster, Launcher, wait_until_listening
from tests.e2e.chargers import begin_charging, charge_points, end_charging, switched_on, wired
from tests.e2e.conftest import new_launcher
from tests.e2e.processes import PATIENCE_S, wait_until
from tests.e2e.prometheus import Prometheus
from tests.e2e.web_server import add_web_server
from wsgate.metrics import DEFINITIONS


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()


TOKEN = "for-prometheus-only"


class Watched(Cluster):
    """One with all its parts; each has a port for those who look after them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.worker_port, self.events_port = choose_pair(), choose_port()
        self.worker.command += ["--admin-listen", f"{HOST}:{self.worker_port}"]
        self._process("events", "manage.py", "deliver_events", "--admin-listen", f"{HOST}:{self.events_port}")
        self.http_port = add_web_server(self)

    @property
    def ports(self) -> dict[str, list[int]]:
        """Where each kind of process is asked, by the job in deploy/monitoring/prometheus.yml."""
        return {
            "wsgate": self.ws_ports,
            "worker": [self.worker_port, self.worker_port + 1],
            "events": [self.events_port],
            "web": [self.http_port],
        }


def choose_pair() -> int:
    """A free port with another free one behind it."""
    while (port := choose_port()) + 1 == choose_port():
        pass
    return port


@pytest.fixture(scope="module")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    launcher = new_launcher(tmp_path_factory.mktemp("watched"), request)
    system = launcher.cluster(cluster=Watched, OCPP_METRICS_TOKEN=TOKEN, ALLOWED_HOSTS=HOST)
    assert isinstance(system, Watched)
    for name, port in (("events", system.events_port), ("web", system.http_port)):
        wait_until_listening(system.processes[name], port)
    yield system
    launcher.end()


def number_of(series: str, *texts: str) -> float:
    """The sum of what several /metrics say."""
    lines = [line for text in texts for line in text.splitlines() if line.startswith(f"{series} ")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_each_process_of_a_cluster_says_what_it_does(watched: Watched) -> None:
    heartbeats = 'ocpp_frames_total{action="Heartbeat",result="result",type="call"}'

    def texts(job: str) -> list[str]:
        return [get(port, "/metrics")[1] for port in watched.ports[job]]

    before, let_in = number_of(heartbeats, *texts("worker")), 'wsgate_handshakes_total{status="101"}'
    let_in_before = number_of(let_in, *texts("wsgate"))
    async with wired(watched.urls, "CP", 4) as wires:
        for wire in wires:
            await wire.call("Heartbeat")
        wait_until(  # a worker counts an answer when it is out
            lambda: number_of(heartbeats, *texts("worker")) == before + 4, "four heartbeats are counted"
        )
        assert number_of(let_in, *texts("wsgate")) == let_in_before + 4
    for job in ("worker", "events"):
        for port in watched.ports[job]:
            assert get(port, "/healthz") == get(port, "/readyz") == (200, "ok\n")
            assert get(port, "/")[0] == 404
    assert all("ocpp_worker_broker_connected 1.0" in text for text in texts("worker"))
    assert all("process_cpu_seconds_total" in text for text in (*texts("worker"), *texts("events")))
    (events,) = texts("events")
    assert 'ocpp_webhook_deliveries_total{result="delivered"} 0.0' in events
    assert "ocpp_worker" not in events
    assert get(watched.ws_ports[0], "/readyz") == (200, "ok\n")
    assert all("wsgate_broker_connected 1.0" in text for text in texts("wsgate"))
    assert get(watched.http_port, "/readyz") == (200, "ok\n")


async def test_every_panel_shows_something_and_no_alert_is_raised_while_all_is_well(
    watched: Watched, tmp_path: Path
) -> None:
    """A real Prometheus, with our own files, asks a cluster that is at work."""
    prometheus = Prometheus(tmp_path, watched.ports, TOKEN)
    (charge_point,) = charge_points(watched.urls, "PANEL", 1)
    prometheus.process.start()
    try:
        async with switched_on([charge_point]):
            await begin_charging(charge_point, "TAG001")
            deadline = time.monotonic() + PATIENCE_S
            while wrong := [*prometheus.without_data(), *prometheus.raised()]:
                assert time.monotonic() < deadline, wrong
                async with wired(watched.urls, "PANEL-GUEST", len(watched.urls)):  # all gateways have something to do
                    await asyncio.to_thread(get, watched.http_port, "/healthy-pages-are-counted")
            assert prometheus.unhealthy_rules() == []
            await end_charging(charge_point)
    finally:
        prometheus.process.end()


def test_a_worker_without_broker_and_migrations_lives_and_is_not_ready(launcher: Launcher, tmp_path: Path) -> None:
    system = launcher.prepared(AMQP_URL=f"amqp://guest:hidden@{HOST}:9/", DATABASE_URL=f"sqlite:///{tmp_path / 'new'}")
    port = choose_port()
    worker = system._process("worker", "manage.py", "consume_rpc_queue", "--admin-listen", f"{HOST}:{port}").start()
    try:
        worker.wait_for_output("RabbitMQ cannot be used")
        status, reasons = get(port, "/readyz")
        assert status == 503
        assert "broker: not connected" in reasons
        assert "run manage.py migrate" in reasons
        assert "hidden" not in reasons
        assert get(port, "/healthz") == (200, "ok\n")  # a restart would help nobody
    finally:
        worker.end()


def test_an_address_that_is_taken_stops_the_start_and_is_named(launcher: Launcher) -> None:
    system = launcher.prepared(AMQP_URL=f"amqp://guest:guest@{HOST}:9/")
    for address, said in (
        (f"{HOST}:99999", "use HOST:PORT"),
        ("192.0.2.1:9101", "192.0.2.1:9101 cannot be listened on"),
    ):
        done = system.manage("consume_rpc_queue", "--admin-listen", address)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


async def test_one_process_tells_of_all_its_parts_at_one_address(launcher: Launcher) -> None:
    system = launcher.single()
    async with wired(system.urls, "CP", 1) as (wire,):
        await wire.call("Heartbeat")
        status, text = get(system.http_port, "/metrics")
        assert status == 200
        for definition in DEFINITIONS:
            assert f"# HELP {definition.name.removesuffix('_total')}" in text, definition.name
        for line in (
            "wsgate_connections 1.0",
            'ocpp_frames_total{action="Heartbeat",result="result",type="call"} 1.0',
            'ocpp_charge_points{connection="connected",registration="Accepted"} 1.0',
            "ocpp_worker_housekeeping 1.0",
            "ocpp_database_up 1.0",
        ):
            assert line in text
        assert "ocpp_disk_free_bytes" in text
        assert "ocpp_broker_up" not in text  # there is none
    wait_until(lambda: get(system.http_port, "/readyz") == (200, "ok\n"), "it is ready")
