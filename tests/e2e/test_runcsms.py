"""`manage.py runcsms` as a site operator meets it: first start, login, Ctrl-C, and what stops a start."""

import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from scripts.services.state import choose_port
from tests.certificates import Authority, client_context
from tests.e2e.browser import Browser, links
from tests.e2e.central_system import HOST, CentralSystem, Launcher, Single
from tests.e2e.chargers import begin_charging, charge_points, end_charging, switched_on
from tests.e2e.databases import TAGS
from tests.e2e.wire import Wire

PASSWORD = "a long enough password"
QUICKLY_S = 10.0
"""An end takes two seconds at most; the rest is for a busy machine."""


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((HOST, choose_port())) as server:
        yield server.getsockname()[1]


def make_login(system: CentralSystem) -> None:
    arguments = ["createsuperuser", "--noinput", "--username", "operator", "--email", ""]
    done = system.manage(*arguments, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr


def test_first_start_prepares_everything_by_itself(launcher: Launcher) -> None:
    system = launcher.fresh()
    assert system.database.values("SELECT id_tag FROM ocpp_app_idtag") == ["anonymous"]
    assert system.database.value("PRAGMA journal_mode") == "wal"
    secret_key = system.folder / "secret_key"
    assert stat.S_IMODE(secret_key.stat().st_mode) == 0o600
    assert Browser(system.http_port).get("/healthz") == (200, "ok\n")
    assert f"ws://{HOST}:{system.ws_ports[0]}/ocpp/" in system.runcsms.output()
    assert f"http://{HOST}:{system.http_port}/" in system.runcsms.output()
    known, tags = secret_key.read_text(), system.database.rows("SELECT * FROM ocpp_app_idtag")

    assert system.runcsms.stop() == 0
    system.start()  # the second start finds what the first has made
    assert secret_key.read_text() == known
    assert system.database.rows("SELECT * FROM ocpp_app_idtag") == tags
    assert not system.tracebacks({})


async def test_operator_logs_in_and_sees_what_was_charged(launcher: Launcher) -> None:
    system = launcher.single(OCPP_AUTO_REMOTE_START="off")
    make_login(system)
    chargers = charge_points(system.urls, "SEEN", 2)
    async with switched_on(chargers):
        for charger, tag in zip(chargers, TAGS, strict=False):
            await begin_charging(charger, tag)
        await end_charging(chargers[0])
    browser = Browser(system.http_port)
    assert "/admin/login/" in browser.get("/admin/")[1]
    assert browser.log_in("operator", "wrong")[1].count("errornote") == 1
    status, index = browser.log_in("operator", PASSWORD)
    assert (status, "Log out" in index) == (200, True)
    lists = links(index, r"/admin/[a-z_]+/[a-z]+/")
    assert "/admin/ocpp_app/transaction/" in lists
    assert "/admin/auth/user/" in lists
    pages = {path: browser.get(path) for path in lists}
    assert {path: status for path, (status, _) in pages.items() if status != 200} == {}
    assert "SEEN-1" in pages["/admin/ocpp_app/chargepoint/"][1]
    (row, *_) = links(pages["/admin/ocpp_app/transaction/"][1], r"/admin/ocpp_app/transaction/\d+/change/")
    assert browser.get(row)[0] == 200
    assert not system.tracebacks({})


def test_static_files_are_served(launcher: Launcher) -> None:
    browser = Browser(launcher.single().http_port)
    files = links(browser.get("/admin/login/")[1], r"/static/.*\.(css|js)")
    assert "/static/admin/css/base.css" in files
    assert {path for path in files if browser.get(path)[0] != 200} == set()
    assert browser.get("/static/no-such-file.css")[0] == 404


def test_without_https_off_everything_is_redirected_to_tls(launcher: Launcher) -> None:
    system = launcher.single(HTTPS="on")
    with socket.create_connection((HOST, system.http_port)) as connection:
        connection.sendall(b"GET /admin/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = connection.makefile().read()
    assert answer.startswith("HTTP/1.0 301")
    assert "Location: https://localhost/admin/" in answer
    assert Browser(system.http_port).get("/healthz")[0] == 200  # for what asks from inside


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_ends_it_in_good_order(signum: int, launcher: Launcher) -> None:
    system = launcher.single()
    async with Wire(system.url, "LAST") as wire:
        await wire.boot()
        with socket.create_connection((HOST, system.http_port)) as browser:  # keeps its connection open
            browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert browser.recv(1000).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            system.runcsms.send(signum)
            assert (await wire.closed())[0] == 1012
            assert system.runcsms.wait() == 0
    assert time.monotonic() - began < QUICKLY_S
    assert not system.tracebacks({})
    session = system.database.row("SELECT ended_at, close_code FROM ocpp_app_session")
    assert (session["ended_at"] is not None, session["close_code"]) == (True, 1012)


def fails_to_start(system: CentralSystem, *command: str, **variables: str) -> str:
    """What it says when it refuses to start; never a traceback."""
    done = system.manage(*command, **variables)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, None), said
    assert "Traceback" not in said, said
    return said


@pytest.fixture
def site(launcher: Launcher) -> Single:
    """A site that is not running."""
    return launcher.prepared()


def test_http_port_in_use(site: Single, taken_port: int) -> None:
    said = fails_to_start(site, "runcsms", "--ws", f"{HOST}:{choose_port()}", "--http", f"{HOST}:{taken_port}")
    assert f"--http {HOST}:{taken_port} cannot be listened on: Address already in use" in said


def test_websocket_port_in_use(site: Single, taken_port: int) -> None:
    said = fails_to_start(site, "runcsms", "--ws", f"{HOST}:{taken_port}", "--http", f"{HOST}:{choose_port()}")
    assert f"Cannot listen on {HOST}:{taken_port}: Address already in use" in said


@pytest.mark.parametrize(
    ("command", "setting", "value", "hint"),
    [
        ("runcsms", "OCPP_UNKNOWN_CHARGE_POINT", "perhaps", "Use one of 'pending', 'accept', 'reject'."),
        ("runcsms", "OCPP_WORKER_BATCH", "0", "Use a number above 0."),
        ("consume_rpc_queue", "OCPP_UNKNOWN_ID_TAG", "maybe", "Use one of 'reject', 'accept'."),
    ],
)
def test_wrong_setting_stops_the_start(site: Single, command: str, setting: str, value: str, hint: str) -> None:
    said = fails_to_start(site, command, **{setting: value})
    assert f"{setting} is " in said
    assert f"HINT: {hint}" in said


def test_runcsms_with_a_broker_says_what_to_run_instead(site: Single) -> None:
    said = fails_to_start(site, "runcsms", AMQP_URL="amqp://user:secret@127.0.0.1:1/")
    assert "runcsms needs no broker, but AMQP_URL or OCPP_RELAY is set" in said
    assert "secret" not in said


def test_worker_without_a_broker_says_what_to_set(site: Single) -> None:
    said = fails_to_start(site, "consume_rpc_queue")
    assert "set AMQP_URL" in said
    assert "runcsms" in said


def test_it_ends_tls_by_itself_and_reads_new_certificates_without_dropping_anybody(
    launcher: Launcher, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("localhost")
    system = launcher.single(WSGATE_TLS_CERT=pair.certificate, WSGATE_TLS_KEY=pair.key)
    url = f"wss://{HOST}:{system.ws_ports[0]}/ocpp"
    system.runcsms.wait_for_output(f"{url}/<identity>")
    context = client_context(authority)
    with connect(f"{url}/TLS-1", ssl=context, subprotocols=[Subprotocol("ocpp1.6")], proxy=None) as websocket:
        system.runcsms.send(signal.SIGHUP)
        system.runcsms.wait_for_output("The certificates have been read again")
        websocket.send('[2,"1","Heartbeat",{}]')
        assert str(websocket.recv(timeout=QUICKLY_S)).startswith('[3,"1",')
    assert system.runcsms.stop() == 0
