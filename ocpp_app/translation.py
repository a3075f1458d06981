"""Texts that were made in English, far from whoever reads them, in the language of the page that shows them.

The protocol core knows no Django, a worker and a gateway know no reader, and a reason may have been kept in a row for
months: all of them say what they have to say in English, in logs, on the wire and in the database. A page passes it
through ``tell``, which knows the text, or the template that it was made with (``ocpp_app.texts``).
"""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from django.utils.translation import get_language, gettext

from ocpp_app.texts import TEMPLATES, WORDS

MAX_LENGTH = 2000
"""Nothing that we say is longer; what a charge point has written may be."""
DEEPEST = 3
"""What stands in a template may itself be known: "expected a string, got null"."""
_HOLE = re.compile(r"%\((\w+)\)s")
_PATH = re.compile(r"([A-Za-z][\w.\[\]]*): (.+)", re.DOTALL)
_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")


class _Template(NamedTuple):
    text: str
    core: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    """Of the holes, one between each two of the literals."""

    def values_in(self, text: str) -> dict[str, str] | None:
        """What stands in the holes; None where it is another text. In one pass: a pattern with as many holes would try
        every way to divide a text of a charge point that repeats the literals."""
        first, *middle, last = self.literals
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return None
        values = {}
        for name, literal in zip(self.names, middle, strict=False):
            found = text.find(literal, at, end)
            if found < 0:
                return None
            values[name], at = text[at:found], found + len(literal)
        return {**values, self.names[-1]: text[at:end]}


def tell(text: object) -> str:
    """``text`` in the active language, as far as it is ours; what others have written stays as it is."""
    return _told(str(text), get_language() or "")


@lru_cache(maxsize=4096)
def _told(text: str, _language: str) -> str:
    return text if len(text) > MAX_LENGTH else _translated(text, DEEPEST)


def _translated(text: str, depth: int) -> str:
    found = _whole(text, depth)
    if found is not None or not depth:
        return text if found is None else found
    if match := _PATH.fullmatch(text):  # an error with the path of its field before it
        return f"{match[1]}: {_translated(match[2], depth - 1)}"
    sentences = _END.split(text)
    return " ".join(_translated(one, depth - 1) for one in sentences) if len(sentences) > 1 else text


def _whole(text: str, depth: int) -> str | None:
    if text in _known():
        return gettext(_known()[text]).replace("%%", "%") if text else ""
    for template in _templates():
        values = template.values_in(text) if template.core in text else None
        if values is not None:
            told = {name: _translated(value, depth - 1) if depth else value for name, value in values.items()}
            return gettext(template.text) % told
    return None


@cache
def _known() -> dict[str, str]:
    """What is shown as it is, with its message id."""
    plain = {text.replace("%%", "%"): text for text in TEMPLATES if not _HOLE.search(text)}
    return {**plain, **{word: word for word in WORDS}}


@cache
def _templates() -> tuple[_Template, ...]:
    """Those with holes, the one that says the most of itself first."""
    made = []
    for text in TEMPLATES:
        parts = _HOLE.split(text)
        if len(parts) == 1:
            continue
        literals = tuple(part.replace("%%", "%") for part in parts[::2])
        made.append(_Template(text, max(literals, key=len), literals, tuple(parts[1::2])))
    return tuple(sorted(made, key=lambda template: -len(_HOLE.sub("", template.text))))
