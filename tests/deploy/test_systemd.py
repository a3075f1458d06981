"""The units of deploy/systemd, read by systemd itself; and that what they start is there and has time to stop."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from scripts.check_compose import stop_times
from tests import services
from wsgate.config import read_options

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
HOME = "/opt/ocpp-csms"
MOST_EXPOSURE = 20
"""Of 100, as ``systemd-analyze security`` counts; a unit that says nothing has 96."""


def lines_of(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", (FOLDER / unit).read_text(), re.M)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as on a machine where the central system is in ``HOME``: this folder is there in its place."""
    for path in [*FOLDER.glob("*.service"), *FOLDER.glob("*.target")]:
        text = path.read_text().replace(HOME, str(ROOT))
        name = path.name.replace("@.", "@9001.")
        (tmp_path / name).write_text(text)
    return tmp_path


def test_all_parts_have_one() -> None:
    assert SERVICES == [
        "ocpp-csms-events.service",
        "ocpp-csms-gateway@.service",
        "ocpp-csms-migrate.service",
        "ocpp-csms-web.service",
        "ocpp-csms-worker@.service",
        "ocpp-csms.service",
    ]


def test_systemd_has_nothing_against_them(installed: Path) -> None:
    units = sorted(str(path) for path in installed.iterdir())
    done = subprocess.run(
        [services.systemd_analyze_path(), "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True, text=True, timeout=50, env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    about_ours = [line for line in done.stderr.splitlines() if "ocpp-csms" in line or str(installed) in line]
    assert (done.returncode, about_ours) == (0, [])


def test_systemd_would_notice_a_mistake(installed: Path) -> None:
    unit = installed / "ocpp-csms.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=sometimes"))
    done = subprocess.run(
        [services.systemd_analyze_path(), "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert "sometimes" in done.stderr


@pytest.mark.parametrize("unit", SERVICES)
def test_they_are_kept_from_the_rest_of_the_machine(unit: str, installed: Path) -> None:
    path = installed / unit.replace("@.", "@9001.")
    done = subprocess.run(
        [services.systemd_analyze_path(), "security", "--offline=yes", f"--threshold={MOST_EXPOSURE}", str(path)],
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


def without_address(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith("--listen")]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_they_start_is_there(unit: str) -> None:
    (command,) = lines_of(unit, "ExecStart")
    given = dict(line.split("=", 1) for line in lines_of(unit, "Environment"))
    words = [
        re.sub(r"\$\{(\w+)\}", lambda match: given[match[1]], word).replace("%i", "9001") for word in command.split()
    ]
    assert words.pop(0) == f"{HOME}/.venv/bin/python"
    assert lines_of(unit, "WorkingDirectory") == [HOME]
    if words[0] == "manage.py":
        load_command_class(get_commands()[words[1]], words[1]).create_parser("manage.py", words[1]).parse_args(
            words[2:]
        )
    elif words[1] == "wsgate":
        assert read_options(words[2:], {}).gateway.listen[0].port == 9001
    else:
        assert words[1] == "waitress"
        (image,) = re.findall(r'^CMD (\["waitress-serve".*)$', (ROOT / "Dockerfile").read_text(), re.M)
        assert without_address(words[2:]) == without_address(json.loads(image)[1:])


@pytest.mark.parametrize(
    ("unit", "part"),
    [
        ("ocpp-csms-gateway@.service", "wsgate"),
        ("ocpp-csms-worker@.service", "worker"),
        ("ocpp-csms-events.service", "events"),
        ("ocpp-csms.service", "worker"),
    ],
)
def test_they_have_time_to_stop(unit: str, part: str) -> None:
    (given,) = lines_of(unit, "TimeoutStopSec")
    assert float(given) >= stop_times()[part] + 5
