"""Pages of a list: so many rows and whether there are more; nothing is counted."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

PAGE = 50
LAST_PAGE = 1000
"""Whoever is so far down searches instead."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list; ``previous`` and ``next`` are page numbers, None where there is none."""

    rows: list[Any]
    number: int
    previous: int | None
    next: int | None


def page_of(rows: QuerySet, request: Any, size: int = PAGE) -> Page:
    """The page that ``?page=`` names, the first without it."""
    text = request.GET.get("page", "")
    number = min(max(int(text), 1), LAST_PAGE) if text.isdecimal() and len(text) < 9 else 1
    start = (number - 1) * size
    found = list(rows[start : start + size + 1])
    more = len(found) > size and number < LAST_PAGE
    return Page(found[:size], number, number - 1 if number > 1 else None, number + 1 if more else None)
