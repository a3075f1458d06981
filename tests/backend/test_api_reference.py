"""What is public is listed, as it is, and said of each what it does."""

import ast
import importlib
import inspect
import io
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import call_command

from backend import api_reference

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "generated" / "python-api.md"
MODULES = [module for modules in api_reference.SECTIONS.values() for module in modules]


def test_no_name_and_no_parameter_changes_without_the_list() -> None:
    printed = io.StringIO()
    call_command("python_api", stdout=printed)
    assert printed.getvalue() == PAGE.read_text(), (
        "Something public has changed. If that is meant, say so in CHANGELOG.md and run: "
        "manage.py python_api > docs/generated/python-api.md"
    )


def test_what_changes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocpp_app import commands

    def cancel_command(command: object, *, why: str = "") -> None:
        """Another parameter."""

    before = list(api_reference.entries("ocpp_app.commands"))
    monkeypatch.setattr(commands, "cancel_command", cancel_command)
    (changed,) = set(api_reference.entries("ocpp_app.commands")) - set(before)
    assert (changed.name, changed.usage) == ("cancel_command", "`(command, *, why='')`")
    monkeypatch.delattr(commands, "cancel_command")
    with pytest.raises(AttributeError, match="cancel_command"):
        list(api_reference.entries("ocpp_app.commands"))


def test_what_the_documentation_imports_is_public() -> None:
    """A reader who copies a line must not depend on what may change tomorrow."""
    public = {(module, name) for module in MODULES for name in api_reference.names(module)}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "examples").glob("*.py")]
    imported = {
        (node.module or "", alias.name)
        for page in pages
        for code in code_of(page)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (node.module or "").split(".")[0] in ("ocpp_app", "ocppj", "simulator", "wsgate")
    }
    assert len(imported) > 30
    assert imported - public == set()


def code_of(page: Path) -> list[str]:
    text = page.read_text()
    if page.suffix == ".py":
        return [text]
    lines = re.findall(r"^(?:>>> )?(from (?:ocpp_app|ocppj|simulator|wsgate)\S* import [^#\n(]+)", text, re.M)
    return [line.strip() for line in lines]


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_says_what_it_does(module: str) -> None:
    code: ModuleType = importlib.import_module(module)
    assert code.__doc__, module
    public = {name: getattr(code, name) for name in api_reference.names(module)}
    explained = {name: value for name, value in public.items() if inspect.isfunction(value) or inspect.isclass(value)}
    silent = [name for name, value in explained.items() if not (value.__doc__ or "").strip()]
    assert silent == []
