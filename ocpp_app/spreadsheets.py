"""CSV for spreadsheets: cells that no spreadsheet takes for a formula, and the way back.

A cell that begins with =, +, -, @, a tab or a line break may be run when the file is opened in a spreadsheet; it gets
an apostrophe before it, as the spreadsheet itself would write. ``plain`` takes it off again.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(cell: Any) -> Any:
    """The cell as it may be written: text that could be a formula is marked as text; numbers stay as they are."""
    if isinstance(cell, str) and cell.lstrip("' ").startswith(FORMULA):
        return "'" + cell
    return "" if cell is None else cell


def plain(cell: str) -> str:
    """The text of a cell that ``safe`` has written."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("' ").startswith(FORMULA) else cell


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The rows as lines of a CSV file (RFC 4180), one at a time: a long table needs no memory."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([safe(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
