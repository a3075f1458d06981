"""The project's settings as a production process reads them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import run
from tests.e2e.processes import ROOT, environment

PRODUCTION = {
    "ALLOWED_HOSTS": "csms.example.com",
    "SECRET_KEY": "a" * 25 + "bcdefghijklmnopqrstuvwxyz0123456789",
}


def manage(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment(DATA_DIR=str(folder), **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_deployment_check_has_nothing_to_say(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_development_ca_signs_where_it_is_asked_for_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from django.conf import settings; print(settings.OCPP_CERTIFICATE_SIGNER or 'nobody')"
    by_debug = [
        manage(tmp_path, "shell", "-v0", "-c", code, DEBUG=debug).stdout.splitlines()[-1] for debug in ("off", "on")
    ]
    assert by_debug == ["nobody", "ocpp_app.signers.DevelopmentCA"]
    monkeypatch.setenv("WS_PORT", "9000")
    monkeypatch.setenv("HTTP_PORT", "8000")
    made = run.settings("127.0.0.1", tmp_path)
    assert made["OCPP_CERTIFICATE_SIGNER"] == "ocpp_app.signers.DevelopmentCA"
    done = manage(
        tmp_path, "check", "--deploy", **{**PRODUCTION, "OCPP_CERTIFICATE_SIGNER": made["OCPP_CERTIFICATE_SIGNER"]}
    )
    assert "ocpp_app.W022" in done.stderr


def test_secrets_come_from_files_where_they_are_named(tmp_path: Path) -> None:
    secrets = {
        "SECRET_KEY": "key-from-a-file",
        "DATABASE_URL": f"sqlite:///{tmp_path}/other.sqlite3",
        "AMQP_URL": "amqp://me:pw@broker/",
    }
    files = {f"{name}_FILE": tmp_path / name.lower() for name in secrets}
    for name, value in secrets.items():
        files[f"{name}_FILE"].write_text(f"{value}\n")
    code = (
        "import json; from django.conf import settings as s; "
        "print(json.dumps([s.SECRET_KEY, s.DATABASES['default']['NAME'], s.AMQP_URL]))"
    )
    done = manage(tmp_path, "shell", "-v0", "-c", code, **{name: str(path) for name, path in files.items()})
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert read == ["key-from-a-file", f"{tmp_path}/other.sqlite3", "amqp://me:pw@broker/"]


def test_secret_key_is_made_once_and_readable_for_its_owner_only(tmp_path: Path) -> None:
    code = "from django.conf import settings; print(settings.SECRET_KEY)"
    first, again = (manage(tmp_path, "shell", "-v0", "-c", code).stdout.splitlines()[-1] for _ in range(2))
    assert first == again == (tmp_path / "secret_key").read_text()
    assert len(first) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
