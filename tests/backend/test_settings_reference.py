"""The reference of settings is made from the code, is current, and leaves nothing without a word."""

import io
import re
from pathlib import Path

from django.core.management import call_command

from backend import settings_reference
from ocpp_app import conf

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "generated" / "settings.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines]


def test_it_is_current() -> None:
    printed = io.StringIO()
    call_command("settings_table", stdout=printed)
    assert printed.getvalue() == PAGE.read_text(), "Run: manage.py settings_table > docs/generated/settings.md"


def test_every_setting_is_there_with_what_it_is_for() -> None:
    assert [row for row in rows() if len(row) < 4 or not row[3].strip()] == [], (
        "Say what it is for: in the docstring of its function in ocpp_app/conf.py, or in a `#:` comment in settings.py"
    )
    named = {word for row in rows() for word in re.findall(r"`([A-Z_]+)`", row[0])}
    assert set(conf.DEFAULTS) <= named
    read = re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "backend" / "settings.py").read_text())
    assert len(read) > 40
    assert set(read) - set(conf.DEFAULTS) <= named


def test_what_it_says_of_the_app_is_what_the_project_does() -> None:
    """A default of ``backend/settings.py`` that differs from the app's would make the table wrong."""
    variables = settings_reference.read_variables()
    computed = {"OCPP_RELAY", "OCPP_TRUSTED_PROXIES", "AMQP_URL", "OCPP_CERTIFICATE_SIGNER"}
    differing = {
        name: (variables[name].default, settings_reference.written(conf.DEFAULTS[name]))
        for name in set(conf.DEFAULTS) & set(variables) - computed
        if variables[name].default != settings_reference.written(conf.DEFAULTS[name])
    }
    assert differing == {}


def test_the_example_file_names_only_what_is_read() -> None:
    names = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    compose = (ROOT / "docker-compose.yml").read_text()
    known = set(settings_reference.read_variables()) | set(re.findall(r"\$\{(\w+)", compose))
    assert names
    assert [name for name in names if name not in known] == []
