"""Tests that pages name as proof are there, run, and can fail."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

SECURITY = ROOT / "SECURITY.md"
NAMED = sorted(
    {
        (path.name, file, test)
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")]
        for file, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", path.read_text())
    }
)
NEVER_RUN = ("skip", "xfail")


@cache
def functions_of(file: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(file.read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def can_fail(function: ast.AST, beside: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> bool:
    """Whether it asserts something: itself, with ``pytest.raises``, or in a function or method of a name beside it."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("raises", "fail"):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in beside:
            called = beside[node.func.id]
            if called is not function and can_fail(called, beside):
                return True
    return False


@pytest.mark.parametrize(("page", "file", "test"), NAMED, ids=[f"{page}:{test}" for page, _file, test in NAMED])
def test_named_test_is_there_and_can_fail(page: str, file: str, test: str) -> None:
    assert (ROOT / file).exists(), f"{page} names {file}, which is not there"
    functions = functions_of(ROOT / file)
    assert test in functions, f"{page} names {test}, which is not in {file}"
    marks = [ast.unparse(mark) for mark in functions[test].decorator_list]
    assert not [mark for mark in marks if re.match(rf"pytest\.mark\.({'|'.join(NEVER_RUN)})\b", mark)]
    assert can_fail(functions[test], functions), f"{file}::{test} asserts nothing"


def test_every_line_of_the_threat_model_names_a_test() -> None:
    lines = [line for line in SECURITY.read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 15
    for line in lines:
        *_rest, shown_by, _end = line.split("|")
        words = re.sub(r"`tests/[\w/]+\.py::test_\w+`", "", shown_by).strip()
        assert (words, "::test_" in shown_by) == ("", True), line
