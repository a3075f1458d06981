"""Real processes, asked how they are: gateway, workers, web, and all of them in one."""

from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from scripts.services.state import choose_port
from tests.e2e.central_system import HOST, Cluster, Launcher
from tests.e2e.chargers import wired
from tests.e2e.processes import wait_until
from wsgate.metrics import DEFINITIONS


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urlopen(f"http://{HOST}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()


class Watched(Cluster):
    """One whose workers have a port for those who look after them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admin_port = choose_pair()
        self.worker.command += ["--admin-listen", f"{HOST}:{self.admin_port}"]


def choose_pair() -> int:
    """A free port with another free one behind it."""
    while (port := choose_port()) + 1 == choose_port():
        pass
    return port


async def test_each_process_of_a_cluster_says_what_it_does(launcher: Launcher) -> None:
    system: Any = launcher.cluster(cluster=Watched)
    async with wired(system.urls, "CP", 4) as wires:
        for wire in wires:
            await wire.call("Heartbeat")
        texts = [get(port, "/metrics")[1] for port in (system.admin_port, system.admin_port + 1)]
        gateway = get(system.ws_ports[0], "/metrics")[1]
    counted = [
        float(line.rpartition(" ")[2])
        for text in texts
        for line in text.splitlines()
        if line.startswith('ocpp_frames_total{action="Heartbeat",result="result",type="call"}')
    ]
    assert sum(counted) == 4
    for port in (system.admin_port, system.admin_port + 1):
        assert get(port, "/healthz") == get(port, "/readyz") == (200, "ok\n")
        assert get(port, "/")[0] == 404
    assert all("ocpp_worker_broker_connected 1.0" in text and "process_cpu_seconds_total" in text for text in texts)
    assert get(system.ws_ports[0], "/readyz") == (200, "ok\n")
    assert 'wsgate_handshakes_total{status="101"} 2.0' in gateway
    assert "wsgate_broker_connected 1.0" in gateway


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
