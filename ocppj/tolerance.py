"""What a decoder takes although the specification forbids it, and the note that makes each such habit visible.

Charge points are taken as they are: a value that can be understood is understood, what cannot be cut without loss is
kept whole, and every deviation leaves one ``Note``. Strict decoding uses none of this.
"""

import re
from decimal import Decimal
from enum import StrEnum

import msgspec

from ocppj.faults import quote


class NoteCode(StrEnum):
    """The habits that are tolerated, one code each."""

    NullPayload = "NullPayload"
    """``null``, ``[]`` or ``""`` instead of ``{}``; ``null`` is allowed by OCPP-J 1.6 §4.2.1, so strict decoding takes
    it, too."""
    NullField = "NullField"
    """``null`` in a field that should be absent."""
    MissingField = "MissingField"
    """A required field is absent whose absence can be lived with: a timestamp, a transaction id, a list of meter
    values."""
    ExtraField = "ExtraField"
    """A field that the message does not have; ignored."""
    EmptyString = "EmptyString"
    """``""`` in a field that is no string: taken as absent; an empty meter value: dropped."""
    EmptyList = "EmptyList"
    """``[]`` where at least one item is due."""
    SingleForList = "SingleForList"
    """One object where a list of objects is due."""
    DroppedItem = "DroppedItem"
    """An unusable item of a list (a sampled value without a value); dropped, its neighbours are kept."""
    OverlongString = "OverlongString"
    """A string beyond its limit; kept whole."""
    NulCharacter = "NulCharacter"
    """NUL characters in a string (a padded C buffer); removed, since no database keeps them."""
    InvalidFormat = "InvalidFormat"
    """A string that is no URI where one is due; kept."""
    UnknownValue = "UnknownValue"
    """A value that the enumeration does not have; kept as a plain ``str``."""
    MisspelledValue = "MisspelledValue"
    """A value of the enumeration in another case or with spaces around it; corrected."""
    NumberAsString = "NumberAsString"
    """``"12"`` where ``12`` is due."""
    StringAsNumber = "StringAsNumber"
    """``12`` or ``true`` where a string is due."""
    StringAsObject = "StringAsObject"
    """An object or a list where free text is due (``data`` of a DataTransfer); kept as JSON text."""
    BooleanAsString = "BooleanAsString"
    """``"true"``, ``"false"``, ``1`` or ``0`` where ``true`` or ``false`` is due."""
    FloatAsInteger = "FloatAsInteger"
    """``12.0`` where an integer is due; a meter reading such as ``12.4`` Wh is rounded to the nearest whole."""
    InexactDecimal = "InexactDecimal"
    """More than one digit after the point in a charging rate; kept whole."""
    TimestampWithoutZone = "TimestampWithoutZone"
    """``2024-01-01T12:00:00``; taken as UTC."""
    TimestampOffset = "TimestampOffset"
    """``+02`` or ``+0200`` instead of ``+02:00``."""
    TimestampSpace = "TimestampSpace"
    """A space instead of the ``T`` between date and time, or around the timestamp."""
    TimestampEpoch = "TimestampEpoch"
    """Seconds (or milliseconds) since 1970 instead of a date."""
    TimestampForm = "TimestampForm"
    """Another readable form: no seconds, a comma before the fraction, a date alone, ISO 8601's basic form, 24:00."""
    TimestampUnreadable = "TimestampUnreadable"
    """No timestamp at all, or beyond the years 1 to 9999; ``None``."""
    ClockNotSet = "ClockNotSet"
    """A date in the year 1, 1970 or 2000: where clocks stand that were never set. The value is kept."""


class Note(msgspec.Struct, frozen=True):
    """One tolerated habit in one message.

    ``field`` is the wire path without indices (``meterValue.timestamp``), so that the same habit of a charge point
    always has the same (``code``, ``field``); ``detail`` tells what was seen first and how it was taken.
    """

    code: str
    field: str
    detail: str


MAX_VALUES = 3000
"""Values that a tolerant walk looks through before it drops what else of a list needs tolerance: a day of two bad
values each minute, and not so many that one message could keep a worker busy. What needs no tolerance is always
taken."""


class Visit:
    """One strict or tolerant walk through a payload: at which field it stands (its wire path), and what it noted."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.field = ""
        self._notes: dict[tuple[NoteCode, str], Note] = {}
        self._values = 0

    def note(self, code: NoteCode, detail: str, *values: object) -> None:
        """Note ``code`` here, once per message and field however often it occurs; each ``{}`` quotes one of
        ``values``."""
        if not self.has_noted(code):
            seen = detail.format(*map(quote, values)) if values else detail
            self._notes[code, self.field] = Note(code.value, self.field, seen)

    def has_noted(self, code: NoteCode) -> bool:
        """Whether ``code`` is already noted here."""
        return (code, self.field) in self._notes

    def count(self, values: int) -> None:
        """Say how many values are about to be looked through."""
        self._values += values

    def is_exhausted(self) -> bool:
        """Whether one item of a list more would be too much for one tolerant walk; call it once for each item."""
        self._values += 1
        return self._values > MAX_VALUES and not self.strict

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was noted, in the order in which it was met."""
        return tuple(self._notes.values())


class Number:
    """A JSON number with a point or an exponent, as it was written: no float's error, and no huge exponent's cost."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


_DECIMAL = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


def read_decimal(text: str) -> Decimal | None:
    """The decimal number that ``text`` writes, ``None`` if none or too large or too long to mean anything."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None
