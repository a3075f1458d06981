"""CSV for spreadsheets: cells that no spreadsheet takes for a formula, and the way back.

A cell that begins with =, +, -, @, a tab or a line break may be run when the file is opened in a spreadsheet; it gets
an apostrophe before it, as the spreadsheet itself would write. So does what follows a semicolon or a tab within a
cell: where the comma is the decimal sign, a spreadsheet begins a new cell there. ``plain`` takes the apostrophes off.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # the wide ones as well where Japanese or Chinese is written
_FORMULA = rf"(?:[^\S\t\r\n]|['\x00-\x08\x0e-\x1f])*[{re.escape(''.join(FORMULA))}]"
_BEGINS = rf"\A(?={_FORMULA}|[' ]*[\t\r\n])|(?<=[;\t\r\n|])(?={_FORMULA})"
_UNMARKED = re.compile(_BEGINS)
_MARKED = re.compile(_BEGINS.replace("(?=", "'(?="))


def safe(cell: Any) -> Any:
    """The cell as it may be written: text that could be a formula is marked as text; numbers stay as they are."""
    if isinstance(cell, str):
        return _UNMARKED.sub("'", cell)
    return "" if cell is None else cell


def plain(cell: str) -> str:
    """The text of a cell that ``safe`` has written."""
    return _MARKED.sub("", cell)


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The rows as lines of a CSV file (RFC 4180), one at a time: a long table needs no memory."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([safe(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
