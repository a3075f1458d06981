"""The code blocks of a page, as a reader sees them: includes resolved, each with its place in the file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *(ROOT / "docs").glob("**/*.md")]
)
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[\w+-]*)[^\n`]*$")
_INCLUDE = re.compile(r"^ *--8<-- \"(?P<path>[^\":]+)(?::(?P<section>[\w-]+))?\"$")
_NOT_RUN = re.compile(r"^ *<!-- not run: (?P<why>.+) -->$")


@dataclass(frozen=True)
class Block:
    """What stands between two fences; ``line`` is that of its first line, counted from 1."""

    page: Path
    line: int
    language: str
    text: str
    is_fragment: bool = False
    """A part of a file of ours, included by its section: that file is what is tested."""
    why_not_run: str = ""
    """From a comment right above it, ``<!-- not run: why -->``: it is only compiled."""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page, in order."""
    return list(_blocks(page, page.read_text().splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        first, indent = number, len(opening["indent"])
        while lines[number].strip() != opening["fence"]:
            number += 1
        body = [line[indent:] for line in lines[first:number]]
        number += 1
        above = _NOT_RUN.match(lines[first - 2]) if first >= 2 else None
        text, is_fragment = _resolved(body)
        yield Block(page, first + 1, opening["language"], text, is_fragment, "" if above is None else above["why"])


def _resolved(body: list[str]) -> tuple[str, bool]:
    """The text with its includes in place; whether it is a section of a file and nothing else."""
    includes = [_INCLUDE.match(line) for line in body]
    text = "\n".join(
        line if include is None else _included(include["path"], include["section"])
        for line, include in zip(body, includes, strict=True)
    )
    is_fragment = len(includes) == 1 and includes[0] is not None and includes[0]["section"] is not None
    return f"{text}\n", is_fragment


def _included(path: str, section: str | None) -> str:
    text = (ROOT / path).read_text()
    if section is None:
        return text
    _before, start, rest = text.partition(f"--8<-- [start:{section}]\n")
    inside, end, _after = rest.partition(f"--8<-- [end:{section}]")
    assert start, f"{path} has no section {section}"
    assert end, f"the section {section} of {path} does not end"
    return inside.rpartition("\n")[0]
