"""Every code block of the documentation does what it says.

The blocks of a page run in order, beside a running central system (see ``conftest.py``): Python in one module, what a
shell is told on a machine made for it (``shell.py``, which also names what cannot run here). A block of Python that
cannot run here has ``<!-- not run: why -->`` above it and is only compiled.
"""

import json
import os
import re
import runpy
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import yaml
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError

from backend.settings_reference import read_variables
from ocpp_app import conf
from tests.docs.given import GIVEN
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.running import run
from tests.docs.shell import NOT_CARRIED_OUT, CentralSystemOf, Shell, lines_of
from tests.ocpp_app.site import Site
from wsgate.config import command_line, read_options
from wsgate.errors import ConfigError

PROSE = frozenset({"", "text", "mermaid", "diff"})
"""Drawings, frames, output."""


def read_settings(block: Block) -> None:
    """An ``.env`` file: settings and gateway are read from it as they are at a start, and somebody reads each name."""
    file = Path("docs.env").absolute()
    file.write_text(block.text)
    names = [line.partition("=")[0] for line in block.text.splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in block.text.splitlines() if line and not line.startswith("#"))
    known = {*read_variables(), *(f"WSGATE_{action.dest.upper()}" for action in command_line()._actions)}
    assert set(names) <= known, f"{block.place}: nobody reads {set(names) - known}"
    read_options([], {name: value for name, value in given.items() if name.startswith("WSGATE_")})
    others = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DATA_DIR")}
    with mock.patch.dict(os.environ, {**others, "ENV_FILE": str(file)}, clear=True):
        settings = runpy.run_path(str(ROOT / "backend" / "settings.py"))
    for name in set(names) & set(settings):
        assert str(settings[name]) != "", f"{block.place}: {name} is empty"


def read_litestream(block: Block) -> None:
    """The one YAML file that is no program's of ours; Litestream's own keys."""
    (database,) = yaml.safe_load(block.text)["dbs"]
    assert set(database) == {"path", "replicas"}, block.place
    assert database["path"].endswith("/csms.sqlite3"), block.place
    assert all(set(replica) == {"url"} for replica in database["replicas"]), block.place


CHECKS: dict[str, Callable[[Block], Any]] = {
    "json": lambda block: json.loads(block.text),
    "toml": lambda block: tomllib.loads(block.text),
    "yaml": read_litestream,
    "ini": read_settings,
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(180)  # the first one makes the database
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=named)
def test_code_of_the_page_runs(
    page: Path, site: Site, reader: ModuleType, shell: Shell, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.checkout)  # what a command writes is not written here
    exec(GIVEN.get(named(page), ""), reader.__dict__)
    for block in blocks(page):
        if block.language == "python":
            run(block, reader)
        elif block.language == "console":
            shell.run(block)
        elif block.language not in PROSE:
            assert block.language in CHECKS, f"{block.place}: nobody checks what is {block.language}"
            CHECKS[block.language](block)
    assert_settings_are_right(reader, settings)


def assert_settings_are_right(module: ModuleType, settings: Any) -> None:
    """Settings that the page shows are taken: ``manage.py check`` has nothing against them."""
    for name in conf.DEFAULTS:
        if name in module.__dict__:
            setattr(settings, name, module.__dict__[name])
    problems = run_checks([apps.get_app_config("ocpp_app")])
    assert not [problem for problem in problems if problem.is_serious()], problems


# -- the tests can fail ----------------------------------------------------------------------------------------


def python(text: str, **fields: Any) -> Block:
    return Block(ROOT / "README.md", 7, "python", text, **fields)


def test_what_is_promised_must_be_printed() -> None:
    module = ModuleType("page")
    run(python("x = 1\nprint(x)  # 1\nprint('about', x)  # about …\n"), module)
    with pytest.raises(AssertionError, match=r"README.md:7 prints '1', not '2'"):
        run(python("print(x)  # 2\n"), module)
    with pytest.raises(NameError):
        run(python("print(y)\n"), module)


def test_block_that_cannot_run_is_compiled_all_the_same() -> None:
    run(python("launch_the_rocket()\n", why_not_run="there is none"), ModuleType("page"))
    with pytest.raises(SyntaxError):
        run(python("launch the rocket\n", why_not_run="there is none"), ModuleType("page"))


def console(text: str) -> Block:
    return Block(ROOT / "README.md", 1, "console", text)


@pytest.mark.parametrize(
    "line",
    [
        "python -m nothing_there",
        "manage.py no_such_command",
        "make no-such-target",
        "make run no-such-target",
        "sudo something",
        "manage.py migrate --nonsense",
        "systemctl restart ocpp-csms-nothing",
        "systemctl enable ocpp-csms-web",  # not copied before
        "systemctl reenable ocpp-csms-web",
        "docker compose up --scale gateways=3",
        "docker compose up --deatch web",
        "docker compose exec web python manage.py no_such_command",
        "docker build --target nothing .",
        "docker run --env WSGATE_AMQP_URL=http://broker/ --publish 9000:9000 django-ocpp-csms-gateway",
        "docker run --env WSGATE_LOG_FORMAT=json --publish 9000:7000 django-ocpp-csms-gateway",
        "docker run --env WSGATE_LOG_FORMAT=json --publish 9000:9000 somebody-elses",
        "cp deploy/nothing /etc",
        "deploy/systemd/manage.sh no_such_command",
        "pip install django-ocpp-csms[everything]",
        "helm install csms deploy/helm/django-ocpp-csms --set hots=csms.example.com",
        "helm upgrade csms deploy/helm/django-ocpp-csms --reuse-values --set image.tga=0.2.0",
        "python -m wsgate --tls-cert nothing.pem",
        "OCPP_WORKER_BATCH=many python manage.py runcsms",
        "OCPP_WORKER_BATCH=8 python manage.py runcsms --ws 127.0.0.1",
    ],
)
def test_what_does_not_work_in_a_shell_is_found(line: str, tmp_path: Path, no_central_system: CentralSystemOf) -> None:
    with closing(Shell(tmp_path, no_central_system)) as shell:  # noqa: SIM117
        with pytest.raises((AssertionError, CommandError, ConfigError, SystemExit)):
            shell.run(console(f"$ {line}\n"))


def test_what_a_shell_says_is_what_the_page_shows(tmp_path: Path, no_central_system: CentralSystemOf) -> None:
    shell = Shell(tmp_path, no_central_system)
    wrong = "OCPP_WORKER_BATCH=many python manage.py check"
    shell.run(console(f"$ {wrong}\nmanage.py: OCPP_WORKER_BATCH is 'many': use a whole number.\n"))
    with pytest.raises(AssertionError, match="use a whole number"):
        shell.run(console(f"$ {wrong}\nmanage.py: OCPP_WORKER_BATCH is 'many': try another.\n"))


def test_what_is_not_carried_out_is_what_the_pages_have() -> None:
    commands = [
        command
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for line, _shown in lines_of(block.text)
        for command in line.split(" && ")
    ]
    unused = [only.pattern for only in NOT_CARRIED_OUT if not any(re.match(only.pattern, each) for each in commands)]
    assert unused == []
