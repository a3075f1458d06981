"""Every code block of the documentation does what it says.

The blocks of a page run in order, in one module, beside a running central system (see ``conftest.py``). A block that
cannot run here has ``<!-- not run: why -->`` above it and is only compiled.
"""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError

from ocpp_app import conf
from tests.docs.given import GIVEN
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.running import run, run_shell
from tests.ocpp_app.site import Site

PROSE = frozenset({"", "text", "mermaid", "diff"})
"""Drawings, frames, output."""


def read_settings(block: Block) -> None:
    """Every variable of an ``.env`` file is one that something reads."""
    readers = [ROOT / "backend" / "settings.py", ROOT / "wsgate" / "config.py", ROOT / "docker-compose.yml"]
    known = "\n".join(path.read_text() for path in readers)
    for line in block.text.splitlines():
        name, separator, _value = line.partition("=")
        if line.strip() and not line.startswith(("#", "[")):
            assert separator, f"{block.place}: {line!r} sets nothing"
            word = name.strip().removeprefix("WSGATE_").lower() if name.startswith("WSGATE_") else name.strip()
            assert re.search(rf"\b{word}\b", known), f"{block.place}: nobody reads {name}"


CHECKS: dict[str, Callable[[Block], Any]] = {
    "json": lambda block: json.loads(block.text),
    "toml": lambda block: tomllib.loads(block.text),
    "yaml": lambda block: list(yaml.safe_load_all(block.text)),
    "ini": read_settings,
    "console": run_shell,
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(180)  # the first one makes the database
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=named)
def test_code_of_the_page_runs(
    page: Path, site: Site, reader: ModuleType, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what a command writes is not written here
    exec(GIVEN.get(named(page), ""), reader.__dict__)
    for block in blocks(page):
        if block.language == "python":
            run(block, reader)
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


@pytest.mark.parametrize(
    "line",
    [
        "python -m nothing_there",
        "manage.py no_such_command",
        "make no-such-target",
        "sudo something",
        "manage.py migrate --nonsense",
        "systemctl restart ocpp-csms-nothing",
        "docker compose up --scale gateways=3",
        "docker build --target nothing .",
        "cp deploy/nothing /etc",
        "deploy/systemd/manage.sh no_such_command",
    ],
)
def test_what_a_shell_does_not_know_is_found(line: str) -> None:
    with pytest.raises((AssertionError, CommandError, SystemExit)):
        run_shell(Block(ROOT / "README.md", 1, "console", f"$ {line}\n"))
