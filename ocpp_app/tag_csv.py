"""idTags as CSV: what a file says, line by line, and a file of the tags that there are.

The first line names the columns (``COLUMNS``, in any order; only ``id_tag`` must be there). Between cells stand commas,
semicolons or tabs. ``tag_import`` puts what was read into the database.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ocpp_app import spreadsheets
from ocpp_app.bulk import fit_text
from ocpp_app.models import IdTag, key_of

COLUMNS = ("id_tag", "parent", "expires_at", "blocked", "concurrent_limit", "note", "owner", "groups")
DELIMITERS = (",", ";", "\t")
TRUTHS = {
    **dict.fromkeys(("1", "yes", "y", "true", "x", "blocked"), True),
    **dict.fromkeys(("", "0", "no", "n", "false"), False),
}
MAX_BYTES = 20_000_000
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file cannot be imported: where, what is wrong, and what to do. Line 1 is the header."""

    line: int
    column: str
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.text}"


@dataclass(frozen=True, slots=True)
class TagRow:
    """One line of the file: the idTag, and the columns that the file has as values."""

    line: int
    id_tag: str
    values: Mapping[str, Any]


# -- reading -------------------------------------------------------------------------------------------------


def parse(data: bytes) -> tuple[list[TagRow], list[Problem]]:
    """The rows of a CSV file, and everything that is wrong with it by itself."""
    if len(data) > MAX_BYTES:
        return [], [Problem(1, "", f"The file is larger than {MAX_BYTES // 10**6} MB. Import it in parts.")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [Problem(line, "", "This is no UTF-8. Save the file as “CSV UTF-8” and import that.")]
    delimiter = _delimiter(text.partition("\n")[0])
    try:
        lines = list(_lines(text, delimiter))
    except csv.Error as error:
        return [], [Problem(1, "", f"This is no CSV file ({error}). Look for a quotation mark that is not closed.")]
    if not lines:
        return [], [Problem(1, "", f"The file is empty. Its first line names the columns: {', '.join(COLUMNS)}.")]
    (line, header), *body = lines
    columns, problems = _columns(line, header)
    if problems:
        return [], problems
    return _rows(columns, body)


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield number, [spreadsheets.plain(cell) for cell in cells]
        number = reader.line_num + 1


def _delimiter(header: str) -> str:
    def known(delimiter: str) -> int:
        return sum(_column(cell) in COLUMNS for cell in header.split(delimiter))

    return max(DELIMITERS, key=known)


def _column(cell: str) -> str:
    """The column that a cell of the header names: ``idTag`` and ``"ID tag"`` are ``id_tag``."""
    letters = re.sub(r"[^a-z]", "", cell.lower())
    return next((column for column in COLUMNS if column.replace("_", "") == letters), cell.strip(' "\ufeff\r'))


def _columns(line: int, header: list[str]) -> tuple[list[str], list[Problem]]:
    columns = [_column(cell) for cell in header]
    problems = [
        Problem(line, column or "", f"There is no such column. Use {', '.join(COLUMNS)}, or take it out.")
        for column in columns
        if column not in COLUMNS
    ]
    problems += [
        Problem(line, column, "The column is there twice. Take one out.")
        for column in dict.fromkeys(columns)
        if column in COLUMNS and columns.count(column) > 1
    ]
    if "id_tag" not in columns:
        problems.append(Problem(line, "id_tag", "The column is missing; the first line names the columns."))
    return columns, problems


def _rows(columns: list[str], body: Iterable[tuple[int, list[str]]]) -> tuple[list[TagRow], list[Problem]]:
    rows: list[TagRow] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, cells in body:
        if len(cells) > len(columns):
            text = f"{len(cells)} cells, but {len(columns)} columns. Put a cell with a comma into quotation marks."
            problems.append(Problem(line, "", text))
            continue
        given = dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=True))
        values, wrong = _values(line, given)
        problems += wrong
        id_tag = values.pop("id_tag", "")
        first = seen.setdefault(key_of(id_tag), line)
        if id_tag and first != line:
            problems.append(Problem(line, "id_tag", f"{id_tag} is in line {first} already. Leave one of them."))
        rows.append(TagRow(line, id_tag, values))
    return rows, problems


def _values(line: int, given: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems = []
    for column, cell in given.items():
        try:
            values[column] = READERS[column](cell if column == "note" else cell.strip())
        except ValueError as error:
            problems.append(Problem(line, column, str(error)))
    return values, problems


def _read_id_tag(cell: str) -> str:
    if not cell:
        raise ValueError("The idTag is empty. Write it, or take the line out.")
    return _read_tag(cell)


def _read_tag(cell: str) -> str:
    if len(cell) > 20:
        raise ValueError(f"{cell} has {len(cell)} characters; an idTag has 20 at most (OCPP 1.6 §7.28).")
    if not cell.isprintable():
        raise ValueError("An idTag has no control characters.")
    return cell


def _read_expiry(cell: str) -> datetime | None:
    if not cell:
        return None
    try:
        day, moment = parse_date(cell), parse_datetime(cell)
    except ValueError:
        day = moment = None
    if day is not None:  # to the end of that day, here
        return timezone.make_aware(datetime.combine(day, time()) + timedelta(days=1))
    if moment is None:
        raise ValueError(f"{cell} is no date. Write 2026-12-31, 2026-12-31T18:00 or 2026-12-31T18:00+01:00.")
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _read_truth(cell: str) -> bool:
    try:
        return TRUTHS[cell.lower()]
    except KeyError:
        raise ValueError(f"{cell} is neither yes nor no.") from None


def _read_limit(cell: str) -> int | None:
    if not cell:
        return None
    if not cell.isdecimal() or not 1 <= int(cell) <= 10_000:
        raise ValueError(f"{cell} is no number from 1. Leave it empty for no limit; to forbid charging, block the tag.")
    return int(cell)


def _read_groups(cell: str) -> tuple[str, ...]:
    names = (name.strip().replace("\\;", ";") for name in re.split(r"(?<!\\);", cell))
    return tuple(dict.fromkeys(name for name in names if name))


READERS: Mapping[str, Callable[[str], Any]] = {
    "id_tag": _read_id_tag,
    "parent": _read_tag,
    "expires_at": _read_expiry,
    "blocked": _read_truth,
    "concurrent_limit": _read_limit,
    "note": lambda cell: fit_text(cell, None),
    "owner": str,
    "groups": _read_groups,
}


# -- exporting -----------------------------------------------------------------------------------------------


def export_tags(tags: Any) -> Iterator[str]:
    """The tags of a queryset as lines of a CSV file that can be imported again; formulas are neutralised."""
    found = tags.select_related("parent", "owner").prefetch_related("groups").order_by("organisation", "key")
    yield from spreadsheets.lines([COLUMNS])
    yield from spreadsheets.lines(_cells(tag) for tag in found.iterator(chunk_size=AT_ONCE))


def _cells(tag: IdTag) -> tuple[Any, ...]:
    return (
        tag.id_tag,
        "" if tag.parent is None else tag.parent.id_tag,
        "" if tag.expires_at is None else tag.expires_at.isoformat(),
        "yes" if tag.is_blocked else "no",
        tag.concurrent_limit,
        tag.note,
        "" if tag.owner is None else tag.owner.get_username(),
        "; ".join(sorted(group.name.replace(";", "\\;") for group in tag.groups.all())),
    )
