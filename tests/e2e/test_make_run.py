"""`make run`, as far as it is ours: everything behind the virtual environment."""

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.services.state import choose_port
from tests.e2e.browser import Browser
from tests.e2e.databases import Database
from tests.e2e.processes import Process, environment, is_alive, wait_until

COUNT = 3


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Process]:
    """Running, with three simulated charge points whose time passes quickly."""
    variables = {
        "HOST": "127.0.0.1",
        "HTTP_PORT": str(choose_port()),
        "WS_PORT": str(choose_port()),
        "COUNT": str(COUNT),
        "SPEED": "30",
        "DATA_DIR": str(tmp_path / "data"),
    }
    process = Process("make-run", [sys.executable, "-m", "scripts.run"], environment(**variables), tmp_path)
    process.start()
    yield process
    if process.is_running:
        process.stop()  # it stops what it has started, which is in sessions of its own


def test_from_nothing_to_charging_charge_points(make_run: Process, tmp_path: Path) -> None:
    make_run.wait_for_output("Ctrl-C stops everything.")
    shown = make_run.output()
    address = re.search(r"Console +http://127\.0\.0\.1:(\d+)/ ", shown)
    login = re.search(r"Login +(\S+) / (\S+)", shown)
    assert address, shown
    assert login, shown
    assert re.search(r"Chargers +ws://127\.0\.0\.1:\d+/ocpp/<identity>", shown)
    database = Database(f"sqlite:///{tmp_path / 'data' / 'csms.sqlite3'}")
    charging = (
        "SELECT count(DISTINCT t.charge_point_id) FROM ocpp_app_transaction t "
        "JOIN ocpp_app_metervalue v ON v.transaction_id = t.id WHERE t.is_active"
    )
    wait_until(lambda: database.value(charging) == COUNT, "all charge points charge, with meter values")

    browser = Browser(int(address[1]))
    status, index = browser.log_in(login[1], login[2])
    assert (status, "Log out" in index) == (200, True)
    assert "SIM0001" in browser.get("/admin/ocpp_app/chargepoint/")[1]

    children = make_run.children
    assert len(children) == 2
    assert make_run.stop(signal.SIGINT) == 0
    assert "Stopped." in make_run.output()
    assert "Traceback" not in make_run.output()
    assert "Traceback" not in (tmp_path / "data" / "runcsms.log").read_text()
    assert not [pid for pid in children if is_alive(pid)]
    assert database.values("SELECT id FROM ocpp_app_session WHERE ended_at IS NULL") == []
    assert database.values("SELECT id FROM ocpp_app_message WHERE answer_type = 4") == []
