"""The reference of all settings, from the code that reads them.

What an environment variable of ``backend/settings.py`` is for stands in a ``#:`` comment above it, with
``(default: …)`` at its end where the code says it badly; what one of the app is for, in the docstring of the function
in ``ocpp_app/conf.py`` that reads it; one of the gateway, in the help of its option.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from backend import settings
from ocpp_app import checks, conf
from simulator.web import conf as simulator_conf
from wsgate import config

TYPES = {
    "bool": "`on` or `off`",
    "int": "whole number",
    "float": "number",
    "str": "text",
    "list": "list, with commas",
    "json": "JSON",
    "secret": "text, or in the file that `{name}_FILE` names",
    "database": "URL, or in the file that `{name}_FILE` names",
    "folder": "folder",
    "zone": "time zone",
    "choice": "word",
}
IN_MODULE = "in the settings module only"


class Row(NamedTuple):
    """One line of a table."""

    name: str
    kind: str
    default: str
    words: str


class Variable(NamedTuple):
    """How ``backend/settings.py`` reads an environment variable."""

    method: str
    default: str
    words: str


def lines() -> Iterator[str]:
    """The reference as Markdown."""
    variables = read_variables()
    yield "## The central system"
    yield ""
    ours = {name: variable for name, variable in variables.items() if name not in conf.DEFAULTS}
    yield from _table(_system_row(name, variable) for name, variable in ours.items())
    yield ""
    yield "## OCPP"
    yield ""
    yield "In a Django project of your own these stand in its settings module under the same names."
    yield ""
    yield from _table(_ocpp_row(name, variables) for name in conf.DEFAULTS)
    yield ""
    yield "## The gateway"
    yield ""
    yield "Each is an option of `python -m wsgate`, and an environment variable, which `runcsms` reads as well. A"
    yield "name with `_FILE` behind it names a file that holds the value."
    yield ""
    yield from _table(_gateway_rows())


def _table(rows: Iterator[Row]) -> Iterator[str]:
    yield "| setting | value | default | what it is for |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


# -- backend/settings.py ---------------------------------------------------------------------------------------


def read_variables() -> dict[str, Variable]:
    """Every environment variable that the settings module reads, in its order."""
    source = Path(inspect.getfile(settings)).read_text()
    found = {}
    for statement in ast.parse(source).body:
        for call in _reads(statement):
            name = ast.literal_eval(call.args[0])
            assert isinstance(call.func, ast.Attribute)
            given = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
            default = given[0] if given else None
            words, shown = _split_default(_comment_above(source, call.lineno))
            found[name] = Variable(call.func.attr, shown or _shown(default), words)
    return found


def _reads(statement: ast.stmt) -> Iterator[ast.Call]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TYPES:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "env":
                yield node


def _comment_above(source: str, number: int) -> str:
    """The ``#:`` comment that ends on the line before this one, counted from 1; empty without one."""
    above = source.splitlines()[: number - 1]
    words: list[str] = []
    while above and above[-1].lstrip().startswith("#: "):
        words.insert(0, above.pop().lstrip().removeprefix("#: "))
    return " ".join(words)


def _split_default(words: str) -> tuple[str, str]:
    """A description, and what it says of the default in parentheses at its end."""
    description, separator, default = words.removesuffix(")").rpartition(" (default: ")
    return (description, default) if separator else (words, "")


def _shown(default: ast.expr | None) -> str:
    """A default as it would be written into the environment; an expression as it stands in the code."""
    if default is None:
        return ""
    try:
        return written(ast.literal_eval(default))
    except ValueError:
        return f"`{ast.unparse(default)}`"


def written(value: Any) -> str:
    """A value as it would be written into the environment."""
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    if value is None or value == "" or value == () or value == []:
        return ""
    if isinstance(value, list):
        return f"`{','.join(value)}`"
    return f"`{value}`"


def _system_row(name: str, variable: Variable) -> Row:
    kind = TYPES[variable.method].format(name=name)
    choices = {
        "LOG_LEVEL": settings.LOG_LEVELS,
        "LOG_FORMAT": settings.LOG_FORMATS,
        "OCPP_SIMULATOR": simulator_conf.ACCESS,
    }.get(name)
    return Row(f"`{name}`", _or(choices) if choices else kind, variable.default, variable.words)


# -- ocpp_app/conf.py ------------------------------------------------------------------------------------------


def read_words() -> dict[str, str]:
    """What each setting of the app is for: the docstring of the function that reads it."""
    found: dict[str, str] = {}
    for function in ast.parse(Path(inspect.getfile(conf)).read_text()).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read":
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.setdefault(str(name.value), _plain(ast.get_docstring(function) or ""))
    return found


def _plain(docstring: str) -> str:
    return re.sub(r"\s+", " ", docstring.replace("``", "`"))


def _ocpp_row(name: str, variables: dict[str, Variable]) -> Row:
    words, choices, variable = read_words().get(name, ""), checks.CHOICES.get(name), variables.get(name)
    kind = IN_MODULE if variable is None else TYPES[variable.method].format(name=name)
    if choices:
        kind = _or([choice for choice in choices if choice not in (None, "")])
    return Row(f"`{name}`", kind, written(conf.DEFAULTS[name]), words)


def _or(choices: Any) -> str:
    return ", ".join(f"`{choice}`" for choice in choices)


# -- wsgate/config.py ------------------------------------------------------------------------------------------


def _gateway_rows() -> Iterator[Row]:
    numbers = {option: convert for option, _field, convert, _help in config.NUMBERS}
    for action in config.command_line()._actions:
        if action.dest == "help":
            continue
        option = action.option_strings[0]
        words, default = _split_default(action.help or "")
        kind = f"`{action.metavar}`"
        if option in numbers:
            kind = TYPES["int" if numbers[option] is config.positive_int else "float"]
        elif action.choices:
            kind = _or(action.choices)
        yield Row(f"`{option}` `WSGATE_{action.dest.upper()}`", kind, default.removesuffix(".0"), words)
