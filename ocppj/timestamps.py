"""Timestamps: what RFC 3339 allows, and what charge points write instead."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ocppj.tolerance import NoteCode, Number, Visit

CLOCKS_NEVER_SET = frozenset({1, 1970, 2000})
"""The years where clocks stand that were never set: the zero of .NET, of Unix, and of most real-time clock chips."""

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
    r"(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_LOOSE = re.compile(
    r"(?P<date>\d{4}-?\d\d-?\d\d)(?:(?P<separator>[Tt ])"
    r"(?P<hour>[01]\d|2[0-4])(?P<colon>:?)(?P<minute>[0-5]\d)(?:(?P=colon)(?P<second>[0-5]\d|60)"
    r"(?P<point>[.,])?(?(point)(?P<fraction>\d+)))? ?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"-?\d{1,15}(?:\.\d{0,20})?", re.ASCII)
_MILLISECONDS = 100_000_000_000
"""An epoch number from here on counts milliseconds: as seconds it would be the year 5138."""


def read_rfc3339(text: str) -> datetime | None:
    """The UTC instant that an RFC 3339 date-time names, ``None`` if it is none.

    A leap second is the start of the next minute; fractions are rounded to microseconds; an instant whose UTC lies
    outside the years 1 to 9999 is moved to the nearest end (.NET's smallest local time, "never" as an expiry date).
    """
    match = _RFC3339.fullmatch(text)
    return _instant(match) if match else None


def read_timestamp(value: object, visit: Visit) -> datetime | None:
    """The UTC instant that ``value`` most likely means, ``None`` if it means none; every deviation is noted."""
    instant = _read_text(value, visit) if type(value) is str else _read_epoch(value, visit)
    if instant is None:
        visit.note(NoteCode.TimestampUnreadable, "{} is no timestamp: taken as absent", value)
    elif instant.year in CLOCKS_NEVER_SET:
        visit.note(NoteCode.ClockNotSet, "{}: the clock was never set", value)
    return instant


def _read_text(value: str, visit: Visit) -> datetime | None:
    text = value.strip()
    if len(text) != len(value):
        visit.note(NoteCode.TimestampSpace, "{} has spaces around it", value)
    instant = read_rfc3339(text)
    if instant is None and (match := _LOOSE.fullmatch(text)):
        instant = _instant(match)
        if instant is not None:
            _note_form(match, visit)
    if instant is None and _EPOCH.fullmatch(text):
        instant = _read_epoch(Number(text), visit)
    return instant


def _note_form(match: re.Match[str], visit: Visit) -> None:
    text, zone = match[0], match["zone"]
    if match["separator"] == " ":
        visit.note(NoteCode.TimestampSpace, "{} has a space instead of the T", text)
    if zone is None:
        visit.note(NoteCode.TimestampWithoutZone, "{} has no zone: taken as UTC", text)
    elif len(zone) in {len("+02"), len("+0200")}:
        visit.note(NoteCode.TimestampOffset, "{} has no offset of the form +02:00", text)
    is_extended = "-" in match["date"] and match["colon"] and match["second"]
    if not is_extended or match["point"] == "," or match["hour"] == "24":
        visit.note(NoteCode.TimestampForm, "{} is not of the form 2024-01-31T12:00:00Z", text)


def _instant(match: re.Match[str]) -> datetime | None:
    date, fraction, offset = match["date"].replace("-", ""), match["fraction"] or "", match["zone"] or "Z"
    try:
        midnight = datetime(int(date[:4]), int(date[4:6]), int(date[6:]), tzinfo=UTC)
    except ValueError:
        return None
    since_midnight = timedelta(
        hours=int(match["hour"] or 0),
        minutes=int(match["minute"] or 0),
        seconds=int(match["second"] or 0),
        microseconds=int(fraction[:6].ljust(6, "0")) + (fraction[6:7] >= "5"),
    )
    shift = timedelta(hours=int(offset[1:3] or 0), minutes=int(offset[3:].lstrip(":") or 0))
    try:
        return midnight + (since_midnight + shift if offset[0] == "-" else since_midnight - shift)
    except OverflowError:
        return (datetime.min if midnight.year == 1 else datetime.max).replace(tzinfo=UTC)  # noqa: DTZ901


def _read_epoch(value: object, visit: Visit) -> datetime | None:
    text = str(value) if isinstance(value, int | Number) and not isinstance(value, bool) else ""
    if not _EPOCH.fullmatch(text):
        return None
    number = Decimal(text)
    in_milliseconds = abs(number) >= _MILLISECONDS
    since_1970 = timedelta(microseconds=int(number * (1_000 if in_milliseconds else 1_000_000)))
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + since_1970
    except OverflowError:
        return None
    visit.note(NoteCode.TimestampEpoch, f"{text} taken as {'milli' * in_milliseconds}seconds since 1970")
    return instant
