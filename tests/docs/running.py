"""Runs the Python of a page as if a reader typed it in order."""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import tokenize
from fnmatch import fnmatchcase
from types import CodeType, ModuleType

from tests.docs.pages import Block


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
