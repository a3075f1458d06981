"""Nothing starts with a setting that cannot be: it ends at once, and says what to do in a line."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.environment import WrongSetting

ROOT = Path(__file__).resolve().parents[2]
MANAGE = ("manage.py",)


def settings_with(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The settings module as it is with these variables and no others of ours."""
    for name in ("DATABASE_URL", "AMQP_URL", "OCPP_RELAY", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"ENV_FILE": os.devnull, "DATA_DIR": str(folder), **variables}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "backend" / "settings.py"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HTTPS", "onn", "use on or off"),
        ("DEBUG", "2", "use on or off"),
        ("OCPP_WORKER_BATCH", "many", "use a whole number"),
        ("OCPP_WORKER_BATCH", "2.5", "use a whole number"),
        ("OCPP_CALL_TIMEOUT", "3O", "use a number"),
        ("SESSION_HOURS", "a week", "use a whole number"),
        ("OCPP_QUIRKS", "{vendor: Acme}", "use JSON"),
        ("TIME_ZONE", "Mars/Olympus", "Europe/Berlin"),
        ("TIME_ZONE", "../etc/passwd", "Europe/Berlin"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO, WARNING"),
        ("LOG_FORMAT", "xml", "text, json"),
        ("DATABASE_URL", "mysql://user:hidden@host/name", "postgres://user:password@host:5432/name"),
        ("DATABASE_URL", "postgres://user:hidden@host:port/name", "postgres://"),
        ("DATABASE_URL", "postgres://user:hidden@host:5432", "postgres://"),
        ("DATABASE_URL", "csms", "sqlite:///"),
        ("SECRET_KEY_FILE", "/nowhere/key", "cannot be read"),
        ("AMQP_URL_FILE", "/nowhere/url", "cannot be read"),
        ("DATA_DIR", "/dev/null/data", "no folder"),
        ("ENV_FILE", "/nowhere/.env", "which is not there"),
        ("SESSION_HOURS", "0", "above 0"),
    ],
)
def test_wrong_variable_is_named_with_what_to_do(
    name: str, value: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WrongSetting) as raised:
        settings_with(tmp_path, monkeypatch, **{name: value})
    assert name in str(raised.value)
    assert words in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "setting", "read"),
    [
        ("HTTPS", " Off ", "SESSION_COOKIE_SECURE", False),
        ("HTTPS", "", "SESSION_COOKIE_SECURE", True),
        ("OCPP_STRICT", "yes", "OCPP_STRICT", True),
        ("OCPP_WORKER_BATCH", "", "OCPP_WORKER_BATCH", 256),
        ("OCPP_CALL_TIMEOUT", "2.5", "OCPP_CALL_TIMEOUT", 2.5),
        ("ALLOWED_HOSTS", "a.example.com, b.example.com,", "ALLOWED_HOSTS", ["a.example.com", "b.example.com"]),
        ("OCPP_QUIRKS", '[{"vendor": "Acme*", "pings": false}]', "OCPP_QUIRKS", [{"vendor": "Acme*", "pings": False}]),
        ("LOG_LEVEL", "debug", "LOG_LEVEL", "DEBUG"),
        ("LOG_FORMAT", "JSON", "LOG_FORMAT", "json"),
        ("TIME_ZONE", "", "TIME_ZONE", "UTC"),
    ],
)
def test_what_can_be_meant_is_read(
    name: str, value: str, setting: str, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_with(tmp_path, monkeypatch, **{name: value})[setting] == read


PROGRAMS = {
    "migrate": (*MANAGE, "migrate"),
    "runcsms": (*MANAGE, "runcsms"),
    "worker": (*MANAGE, "consume_rpc_queue"),
    "events": (*MANAGE, "deliver_events"),
    "web": ("-m", "waitress", "--listen=127.0.0.1:0", "backend.wsgi:application"),
    "gateway": ("-m", "wsgate", "--listen", "127.0.0.1:0"),
}


@pytest.mark.parametrize(
    ("program", "name", "value", "words"),
    [
        ("runcsms", "OCPP_WORKER_BATCH", "many", "OCPP_WORKER_BATCH is 'many': use a whole number."),
        ("runcsms", "WSGATE_MAX_FRAME_BYTES", "much", "WSGATE_MAX_FRAME_BYTES"),
        ("runcsms", "DATABASE_URL", "sqlite:////nowhere/csms.sqlite3", "in a folder that is there"),
        ("migrate", "DATABASE_URL", "sqlite:////etc/hosts", "file is not a database. Does DATABASE_URL"),
        ("migrate", "DATABASE_URL", "postgres://u:hidden@127.0.0.1:9/csms", "right server, user, password"),
        ("worker", "AMQP_URL", "amqp://localhost:port/", "amqp://user:password@host:5672/vhost"),
        ("worker", "LOG_FORMAT", "xml", "LOG_FORMAT is 'xml': use one of text, json."),
        ("worker", "OCPP_UNKNOWN_ID_TAG", "maybe", "Use one of 'reject', 'accept'."),
        ("events", "OCPP_EVENTS_EXCHANGE", "ocpp.events", "Set AMQP_URL"),
        ("web", "HTTPS", "onn", "HTTPS is 'onn': use on or off."),
        ("web", "OCPP_API_THROTTLE", "fast", "such as 1000/min"),
        ("gateway", "WSGATE_LISTEN", "9000", "0.0.0.0:9000"),
        ("gateway", "WSGATE_AMQP_URL", "http://broker/", "amqp://user:password@host:5672/vhost"),
    ],
)
def test_nothing_starts_with_a_wrong_setting(program: str, name: str, value: str, words: str, tmp_path: Path) -> None:
    clean = {key: text for key, text in os.environ.items() if not key.startswith(("OCPP_", "AMQP_", "WSGATE_"))}
    ours = {"ENV_FILE": os.devnull, "DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        cwd=ROOT,
        env={**clean, **ours, name: value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode not in (0, None), done.stdout
    last = "\n".join(done.stderr.strip().splitlines()[-4:])
    assert words in last, done.stderr
    assert ("Traceback" in done.stderr) == (program == "web")  # of the web server's own
    assert "hidden" not in done.stderr
    assert not list(tmp_path.glob("*.sqlite3")), "the database was touched"
