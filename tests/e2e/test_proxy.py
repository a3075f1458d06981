"""The proxy of docker-compose.yml, with its own file, in front of two real gateways, a worker and the web server."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from scripts import ports
from scripts.services.state import choose_port
from tests import services
from tests.e2e.central_system import Cluster, Launcher
from tests.e2e.name_server import name_server
from tests.e2e.processes import ROOT, Process, environment, wait_until
from tests.e2e.web_server import add_web_server

GATEWAYS = ["127.0.0.1", "127.0.0.2"]
CHARGER = "127.0.0.9"
"""From where charge points connect, so that their address is not the proxy's."""
SETTINGS = {
    "BEHIND_PROXY": "on",
    "HTTPS": "on",
    "OCPP_TRUSTED_PROXIES": "127.0.0.1/32",
    "WSGATE_TRUSTED_PROXIES": "127.0.0.1/32",
    "CSRF_TRUSTED_ORIGINS": "https://localhost",
}


class Replicas(Cluster):
    """Its gateways listen on one port of two addresses, as replicas of one service do."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gateway_port = self.ws_ports[0]
        for host, gateway in zip(GATEWAYS, self.gateways, strict=True):
            gateway.command[gateway.command.index("--listen") + 1] = f"{host}:{self.gateway_port}"
        self.http_port = add_web_server(self)


class Front:
    """The running proxy."""

    def __init__(self, system: Replicas, folder: Path, names: int) -> None:
        self.http_port, self.https_port, self.plain_port = choose_port(), choose_port(), choose_port()
        self.folder = folder
        text = (ROOT / "deploy" / "Caddyfile").read_text()
        text = text.replace("grace_period 10s", f"{GLOBAL.format(front=self)}\n\tgrace_period 10s", 1)
        text = text.replace("port 9000", f"port {system.gateway_port}\n\t\t\tresolvers udp/127.0.0.1:{names}")
        text = text.replace("port 8000", f"port {system.http_port}\n\t\t\tresolvers udp/127.0.0.1:{names}")
        text = text.replace("http://:9000", f"http://:{self.plain_port}").replace("refresh 5s", "refresh 100ms")
        (folder / "Caddyfile").write_text(text)
        command = [services.caddy_path(), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        self.process = Process("caddy", command, environment(DOMAIN="localhost", **homes), folder)

    def start(self) -> None:
        self.process.start()
        root = self.folder / "pki" / "authorities" / "local" / "root.crt"
        wait_until(lambda: root.exists() and ports.accepts("127.0.0.1", self.https_port), "the proxy is there")
        self.tls = ssl.create_default_context(cafile=str(root))
        wait_until(self.has_certificate, "the proxy has a certificate")

    def has_certificate(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.https_port)) as raw:
                self.tls.wrap_socket(raw, server_hostname="localhost").close()
        except OSError:
            return False
        return True

    async def connect(self, identity: str, *, secure: bool = True, **options: Any) -> ClientConnection:
        port = self.https_port if secure else self.plain_port
        tls = {"ssl": self.tls, "server_hostname": "localhost"} if secure else {}
        return await connect(
            f"{'wss' if secure else 'ws'}://localhost:{port}/ocpp/{identity}",
            host="127.0.0.1", local_addr=(CHARGER, 0), subprotocols=[Subprotocol("ocpp1.6")], proxy=None,
            compression=None, **tls, **options,
        )  # fmt: skip

    def get(self, path: str, *, secure: bool = True, **headers: str) -> http.client.HTTPResponse:
        connection: http.client.HTTPConnection
        where: Any = {"timeout": 20, "source_address": (CHARGER, 0)}
        if secure:
            connection = http.client.HTTPSConnection("localhost", self.https_port, context=self.tls, **where)
        else:
            connection = http.client.HTTPConnection("localhost", self.http_port, **where)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()


GLOBAL = """\
admin off
	skip_install_trust
	storage file_system {front.folder}
	http_port {front.http_port}
	https_port {front.https_port}"""


@pytest.fixture(scope="module")
def names() -> dict[str, list[str]]:
    return {"wsgate": list(GATEWAYS), "web": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    launcher = Launcher(folder, request.getfixturevalue, lambda: request.getfixturevalue("sqlite_template"))
    system = launcher.cluster(workers=1, cluster=Replicas, **SETTINGS)
    assert isinstance(system, Replicas)
    wait_until(lambda: ports.accepts("127.0.0.1", system.http_port), "the web server listens")
    yield system
    launcher.end()


@pytest.fixture(scope="module")
def front(system: Replicas, names: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with name_server(names) as port:
        front = Front(system, tmp_path_factory.mktemp("caddy"), port)
        front.start()
        yield front
        front.process.end()


def session_of(system: Replicas, identity: str) -> dict[str, Any]:
    return system.database.row(
        "SELECT s.* FROM ocpp_app_session s JOIN ocpp_app_chargepoint c ON c.id = s.charge_point_id "
        "WHERE c.identity = %s AND s.ended_at IS NULL",
        identity,
    )


async def boot(websocket: ClientConnection) -> str:
    await websocket.send('[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
    return str(await websocket.recv())


async def test_charge_point_is_let_through_with_its_own_address(system: Replicas, front: Front) -> None:
    async with await front.connect("FRONT-TLS") as websocket:
        assert websocket.subprotocol == "ocpp1.6"
        assert '"status":"Accepted"' in await boot(websocket)
        session = session_of(system, "FRONT-TLS")
        assert (session["remote_address"].partition(":")[0], session["secure"]) == (CHARGER, True)


async def test_what_a_charge_point_says_of_itself_is_not_believed(system: Replicas, front: Front) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": "CN=FRONT-FORGED,O=Operator",
        "X-SSL-Client-Fingerprint": "ab" * 20,
    }
    async with await front.connect("FRONT-FORGED", secure=False, additional_headers=forged) as websocket:
        assert '"status":"Accepted"' in await boot(websocket)
        session = session_of(system, "FRONT-FORGED")
        assert (session["remote_address"].partition(":")[0], session["secure"]) == (CHARGER, False)
    async with await front.connect("FRONT-FORGED", additional_headers=forged) as websocket:
        await boot(websocket)
        assert session_of(system, "FRONT-FORGED")["certificate_fingerprint"] == ""


async def test_replicas_share_the_charge_points_and_one_that_goes_is_left_out(
    system: Replicas, front: Front, names: dict[str, list[str]]
) -> None:
    async with AsyncExitStack() as stack:
        websockets = [await stack.enter_async_context(await front.connect(f"FRONT-{number}")) for number in range(6)]
        for websocket in websockets:
            assert '"status":"Accepted"' in await boot(websocket)
        gateways = [session_of(system, f"FRONT-{number}")["gateway_id"] for number in range(6)]
        assert len(set(gateways)) == 2
        # One is stopped, as in an upgrade: it says goodbye with 1012, and whoever comes back finds the other.
        assert system.gateways[1].stop() == 0
        names["wsgate"].remove(GATEWAYS[1])
        gone = [websocket for websocket in websockets if websocket.state.name != "OPEN" or await is_closing(websocket)]
        assert gone
        assert all(websocket.close_code == 1012 for websocket in gone)
        for number in range(len(gone)):
            again = await stack.enter_async_context(await front.connect(f"FRONT-AGAIN-{number}"))
            assert '"status":"Accepted"' in await boot(again)
        system.gateways[1].start()
        system.wait_for_gateway(system.gateways[1])
        names["wsgate"].append(GATEWAYS[1])


async def is_closing(websocket: ClientConnection) -> bool:
    """Whether the other side ends the connection; one that is alive answers a Heartbeat."""
    try:
        await websocket.send('[2,"2","Heartbeat",{}]')
        await websocket.recv()
    except Exception:  # noqa: BLE001  # closed, in one of several ways
        return True
    return False


def test_people_reach_the_console_over_tls_only(front: Front) -> None:
    page = front.get("/")
    assert page.status == 302
    assert "login" in page.headers["Location"]
    login = front.get(page.headers["Location"])
    assert login.status == 200
    assert "secure" in login.headers["Set-Cookie"].lower()
    assert login.headers["Strict-Transport-Security"]
    plain = front.get("/", secure=False)
    assert (plain.status, plain.headers["Location"].partition(":")[0]) == (308, "https")


def test_address_of_a_person_is_the_one_that_the_proxy_saw(system: Replicas, front: Front) -> None:
    refused = {"Authorization": "Bearer nobody-has-this-one", "X-Forwarded-For": "203.0.113.7"}
    assert front.get("/api/v1/charge-points/", **refused).status == 401
    event = system.database.row("SELECT * FROM ocpp_app_securityevent WHERE kind = %s", "wrong_token")
    assert event["remote_address"] == CHARGER


def test_files_of_charge_points_need_no_tls(front: Front) -> None:
    answer = front.get("/transfer/no-such-address", secure=False)
    assert answer.status == 404
    assert "Content-Security-Policy" in answer.headers  # from the web part, not from the proxy


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_is_for_the_inside_is_not_shown(front: Front, path: str) -> None:
    answer = front.get(path)
    assert (answer.status, answer.read()) == (404, b"")
