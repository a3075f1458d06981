"""Runs what a page says: Python as if a reader typed it in order, and what a shell is told as far as that goes."""

import ast
import asyncio
import contextlib
import doctest
import importlib.util
import inspect
import io
import re
import shlex
import tokenize
from fnmatch import fnmatchcase
from types import CodeType, ModuleType

import yaml
from django.core.management import call_command, get_commands, load_command_class

from tests.docs.pages import ROOT, Block

PROGRAMS = frozenset(
    {"cd", "cp", "createdb", "curl", "docker", "git", "helm", "kubectl", "mkdir", "pg_dump", "pg_restore", "pip"}
    | {"psql", "source", "systemctl"}
)
"""What a shell is told that is none of ours."""
EXECUTED = frozenset({"ocpp_command", "protocol_table", "settings_table", "python_api", "export_tags", "report"})
"""Commands of ``manage.py`` that are carried out; of the others the arguments are read."""


def run(block: Block, module: ModuleType) -> None:
    """Carry out one block of Python; its names stay for those behind it.

    What ``print(…)  # this`` promises is compared with what it prints; ``…`` in it stands for anything.
    """
    if block.text.lstrip().startswith(">>>"):
        _run_doctest(block, module)
        return
    code = compiled(block)
    if block.is_fragment or block.why_not_run:
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, module.__dict__))
        else:
            exec(code, module.__dict__)
    promised = promises(block.text)
    if promised:
        lines = printed.getvalue().splitlines()
        assert len(lines) == len(promised), f"{block.place} prints {lines}, not {promised}"
        for line, promise in zip(lines, promised, strict=True):
            assert fnmatchcase(line, promise.replace("…", "*")), f"{block.place} prints {line!r}, not {promise!r}"


def compiled(block: Block) -> CodeType:
    """The block's code; a traceback names the line of the page."""
    source = "\n" * (block.line - 1) + block.text
    return compile(source, block.place.rpartition(":")[0], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def promises(text: str) -> list[str]:
    """The comments behind calls of ``print``, in order."""
    lines = {
        node.end_lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    comments = (
        token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    )
    return [token.string.lstrip("# ") for token in comments if token.start[0] in lines]


def _run_doctest(block: Block, module: ModuleType) -> None:
    test = doctest.DocTestParser().get_doctest(
        block.text, module.__dict__, block.place, str(block.page), block.line - 1
    )
    said = io.StringIO()
    failed, _tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.write, clear_globs=False)
    assert not failed, said.getvalue()
    module.__dict__.update(test.globs)


# -- what a shell is told --------------------------------------------------------------------------------------


def run_shell(block: Block) -> None:
    """Carry out, or at least check, each line behind ``$``."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            for command in re.split(r"\s(?:&&|\|)\s", line[2:]):
                _check(command, block)


def _check(command: str, block: Block) -> None:
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # a variable for this command alone
        del words[0]
    program = words[0].rpartition("/")[2]
    if program.startswith("python") and words[1:2] == ["-m"]:
        assert importlib.util.find_spec(words[2]) is not None, f"{block.place}: there is no module {words[2]}"
    elif program.startswith("python") or program == "manage.py":
        _manage(words[words.index("manage.py") + 1 :] if "manage.py" in words else words[1:], block)
    elif program == "make":
        targets = [word for word in words[1:] if "=" not in word]
        makefile = (ROOT / "Makefile").read_text()
        missing = [target for target in targets if not re.search(rf"^{re.escape(target)}\b.*:", makefile, re.M)]
        assert not missing, f"{block.place}: the Makefile has no {missing}"
    elif words[0].startswith("deploy/"):
        assert (ROOT / words[0]).exists(), f"{block.place}: there is no {words[0]}"
        if program == "manage.sh":
            _manage(words[1:], block)
    else:
        if program in ("cp", "helm"):
            missing = [word for word in words if word.startswith("deploy/") and not list(ROOT.glob(word))]
            assert not missing, f"{block.place}: there is no {missing}"
        if program == "docker":
            _compose(words, block)
        if program == "systemctl":
            _units(words[1:], block)
        assert program in PROGRAMS, f"{block.place}: {program} is not known; is it there?"


def _compose(words: list[str], block: Block) -> None:
    """The services that a command of Compose names are there, and the stages of the Dockerfile."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    given = [word for word in words if word.endswith(tuple("0123456789")) and "=" in word]
    named = {word.partition("=")[0] for word in given}
    if words[1:3] == ["compose", "up"]:
        named |= {word for word in words[3:] if not word.startswith("-") and "=" not in word}
    missing = named - set(services)
    assert not missing, f"{block.place}: docker-compose.yml has no {missing}"
    if "--target" in words:
        target = words[words.index("--target") + 1]
        assert f" AS {target}\n" in (ROOT / "Dockerfile").read_text(), f"{block.place}: no stage {target}"


def _units(words: list[str], block: Block) -> None:
    """The units that systemctl is told are in deploy/systemd."""
    for word in words[1:]:
        if not word.startswith("-"):
            stem, instance, _ = word.partition("@")
            found = [ROOT / "deploy" / "systemd" / f"{stem}{instance}{suffix}" for suffix in ("", ".service")]
            assert any(path.exists() for path in found), f"{block.place}: there is no unit {word}"


def _manage(words: list[str], block: Block) -> None:
    name, *arguments = words
    assert name in get_commands(), f"{block.place}: manage.py has no {name}"
    if name in EXECUTED:
        call_command(name, *arguments, stdout=io.StringIO())
        return
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)
