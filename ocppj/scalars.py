"""The shapes of single values: strings, numbers, booleans, timestamps and enumerations (see ``ocppj.shapes``)."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from ocppj.faults import Fault, Refusal, quote
from ocppj.levels import JSONList, JSONObject, Nested
from ocppj.timestamps import read_rfc3339, read_timestamp
from ocppj.tolerance import NoteCode, Number, Visit, read_decimal

TENTH = Decimal("0.1")
MAX_DECIMAL = Decimal(10) ** 15
"""No charging rate comes near it; below it, a tenth is exact in every decimal context."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""The schemas know no limit; what does not fit 64 bits fits no database and no charge point."""


write_json = msgspec.json.Encoder(decimal_format="number").encode


class Shape:
    """The type of one field's value; subclasses say which."""

    expected = ""
    """What the value should be, as an error's description says it."""

    def take(self, value: Any) -> Any:
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        return self.take(value)

    def read(self, value: Any, visit: Visit) -> Any:
        raise NotImplementedError

    def could_be(self, json: bytes) -> bool:
        """Whether ``read`` may be able to make something of ``json``; cheap, and in doubt ``True``."""
        return True

    def read_plain(self, json: bytes, *, strict: bool) -> Any:
        """What ``json`` is when it needs no tolerance; ``None`` for the walk to find out."""
        return None

    def is_plain(self, value: Any, years: frozenset[int]) -> bool:
        """Whether every datetime in the decoded ``value`` is in UTC (msgspec keeps offsets, messages do not) and in
        none of ``years``."""
        return True

    def walk(self) -> Iterator["Shape"]:
        """This shape and every shape inside it."""
        yield self

    def wrong_type(self, value: object) -> Refusal:
        return Refusal(Fault.wrong_type, f"expected {self.expected}, got {_json_type(value)}")


class StringShape(Shape):
    """A string; lengths count characters, not bytes."""

    expected = "a string"

    def __init__(self, max_length: int | None, pattern: str | None, *, json_text: bool, never_empty: bool) -> None:
        self.max_length = max_length
        self.pattern = re.compile(pattern) if pattern else None
        self.json_text = json_text
        self.never_empty = never_empty

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong_type(value)
        if self.max_length is not None and len(value) > self.max_length:
            raise Refusal(Fault.too_long, self._too_long(value))
        if self.pattern and not self.pattern.search(value):
            raise Refusal(Fault.bad_format, f"expected a URI such as https://example.org/path, got {quote(value)}")
        return value

    def read(self, value: Any, visit: Visit) -> str:
        if visit.strict:
            return self.take(value)
        text = value if type(value) is str else self._read_other(value, visit)
        if "\0" in text:
            visit.note(NoteCode.NulCharacter, "NUL characters removed from {}", text)
            text = text.replace("\0", "")
        if self.never_empty and not text:
            raise Refusal(Fault.bad_format, "empty")
        if self.max_length is not None and len(text) > self.max_length:
            visit.note(NoteCode.OverlongString, self._too_long(text))
        if self.pattern and not self.pattern.search(text):
            visit.note(NoteCode.InvalidFormat, "{} is no URI", text)
        return text

    def _read_other(self, value: Any, visit: Visit) -> str:
        if isinstance(value, Nested) and self.json_text:
            visit.note(NoteCode.StringAsObject, f"{_json_type(value)} kept as JSON text")
            return value.text()
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int | Number):
            text = str(value)
        else:
            raise self.wrong_type(value)
        visit.note(NoteCode.StringAsNumber, "{} taken as a string", value)
        return text

    def _too_long(self, value: str) -> str:
        return f"{len(value)} characters, at most {self.max_length} allowed"


class IntegerShape(Shape):
    """An integer of 64 bits; an amount (it has a unit) may be rounded, an id may not."""

    expected = "an integer"

    def __init__(self, minimum: int | None, forbidden: tuple[int, ...], unit: str) -> None:
        self.minimum = minimum
        self.forbidden = forbidden
        self.unit = unit

    def take(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong_type(value)
        # These two bind what we send: the schemas let a charge point send any integer.
        if self.minimum is not None and value < self.minimum:
            raise Refusal(Fault.out_of_range, f"{value} is below the minimum of {self.minimum}")
        if value in self.forbidden:
            raise Refusal(Fault.out_of_range, f"{value} is reserved and never sent")
        return self._in_range(value)

    def read(self, value: Any, visit: Visit) -> int:
        if type(value) is int:
            return self._in_range(value)
        if visit.strict or not isinstance(value, str | Number):
            raise self.wrong_type(value)
        text = str(value).strip()
        number = read_decimal(text)
        if number is None or (number != number.to_integral_value() and not self.unit):
            raise self.wrong_type(value)
        if isinstance(value, str):
            visit.note(NoteCode.NumberAsString, "{} taken as a number", value)
        if not text.lstrip("+-").isdigit():
            visit.note(NoteCode.FloatAsInteger, "{} taken as {}", value, round(number))
        return self._in_range(round(number))

    def _in_range(self, value: int) -> int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise Refusal(Fault.out_of_range, "the number does not fit 64 bits")
        return value


class DecimalShape(Shape):
    """A decimal number with at most one digit after the point (``multipleOf 0.1`` in the schemas), never a float."""

    expected = "a number"

    def take(self, value: Any) -> Decimal:
        number = self._convert(value)
        if number is None or not number.is_finite():
            raise self.wrong_type(value)
        if abs(number) >= MAX_DECIMAL:
            raise Refusal(Fault.out_of_range, f"{number:.3e} is no charging rate")
        if number % TENTH:
            raise Refusal(Fault.not_a_multiple, f"{number} has more than one digit after the point")
        return number.quantize(TENTH)

    def read(self, value: Any, visit: Visit) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Number | str):
            raise self.wrong_type(value)
        is_string = isinstance(value, str)
        number = read_decimal(str(value).strip())
        if is_string and (visit.strict or number is None):
            raise self.wrong_type(value)
        if number is None:
            raise Refusal(Fault.out_of_range, f"{quote(value)} is no charging rate")
        if is_string:
            visit.note(NoteCode.NumberAsString, "{} taken as a number", value)
        try:
            return self.take(number)
        except Refusal as refusal:
            if visit.strict or refusal.fault is not Fault.not_a_multiple:
                raise
            visit.note(NoteCode.InexactDecimal, refusal.reason)
            return number

    def _convert(self, value: Any) -> Decimal | None:
        if isinstance(value, Decimal):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            # repr() of a float is the shortest text that means it: 8.1 is 8.1 here, not 8.0999999999999996.
            return Decimal(repr(value))
        return None


class BooleanShape(Shape):
    """``true`` or ``false``."""

    expected = "true or false"
    words: Mapping[str, bool] = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

    def take(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.wrong_type(value)
        return value

    def read(self, value: Any, visit: Visit) -> bool:
        if isinstance(value, bool) or visit.strict:
            return self.take(value)
        meant = self.words.get(str(value).strip().lower()) if isinstance(value, str | int) else None
        if meant is None:
            raise self.wrong_type(value)
        visit.note(NoteCode.BooleanAsString, "{} taken as {}", value, meant)
        return meant


class DateTimeShape(Shape):
    """A point in time; aware and UTC inside, RFC 3339 with ``Z`` on the wire, milliseconds only where there are any."""

    expected = "an RFC 3339 date-time such as 2024-01-31T12:00:00Z"

    def is_plain(self, value: datetime, years: frozenset[int]) -> bool:
        return value.tzinfo is UTC and value.year not in years

    def take(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise Refusal(Fault.wrong_type, f"expected an aware datetime, got {type(value).__name__}")
        if value.tzinfo is None:
            raise Refusal(Fault.bad_format, "expected an aware datetime: give it a zone, for example datetime.now(UTC)")
        try:
            return value if value.tzinfo is UTC else value.astimezone(UTC)
        except OverflowError:
            raise Refusal(Fault.out_of_range, f"{value} is beyond the years 1 to 9999 in UTC") from None

    def dump(self, value: Any) -> str:
        instant = self.take(value).replace(tzinfo=None)
        # OCPP 1.6 §3.15 and errata 3.10: senders may omit insignificant fractions of seconds.
        return instant.isoformat(timespec="milliseconds" if instant.microsecond >= 1000 else "seconds") + "Z"

    def read(self, value: Any, visit: Visit) -> datetime | None:
        if not visit.strict:
            return read_timestamp(value, visit)
        if type(value) is not str:
            raise self.wrong_type(value)
        instant = read_rfc3339(value)
        if instant is None:
            raise Refusal(Fault.bad_format, f"expected {self.expected}, got {quote(value)}")
        return instant


class EnumShape(Shape):
    """One of the values of an enumeration; a tolerant decoder keeps an unknown one as a plain ``str``."""

    expected = "a string"

    def __init__(self, enum: type[Enum]) -> None:
        self.enum = enum
        self.members: dict[str, Enum] = {member.value: member for member in enum}
        self.has_spellings = enum._missing_.__func__ is not Enum._missing_.__func__  # type: ignore[attr-defined]
        self.members_in_lower_case = {value.lower(): member for value, member in self.members.items()}

    def take(self, value: Any) -> Enum:
        if not isinstance(value, str):
            raise self.wrong_type(value)
        member = self._find(value)
        if member is None:
            raise Refusal(Fault.unknown_value, f"{quote(value)} is no {self.enum.__name__}")
        return member

    def read(self, value: Any, visit: Visit) -> Enum | str:
        if visit.strict:
            return self.take(value)
        if isinstance(value, bool) or not isinstance(value, str | int | Number):
            raise self.wrong_type(value)
        text = str(value).replace("\0", "")
        if type(value) is not str:
            visit.note(NoteCode.StringAsNumber, "{} taken as a string", text)
        if member := self._find(text):
            return member
        if member := self.members_in_lower_case.get(text.strip().lower()):
            visit.note(NoteCode.MisspelledValue, "{} taken as {}", text, member.value)
            return member
        visit.note(NoteCode.UnknownValue, f"{{}} is no {self.enum.__name__}", text)
        return text

    def _find(self, value: str) -> Enum | None:
        if (member := self.members.get(value)) or not self.has_spellings:
            return member
        try:
            return self.enum(value)  # the enumeration may know another spelling (J errata 2.1)
        except ValueError:
            return None


_JSON_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),
    ((int, float, Number, Decimal), "a number"),
    (str, "a string"),
    ((list, JSONList), "a list"),
    ((dict, JSONObject), "an object"),
)


def _json_type(value: object) -> str:
    return next((name for types, name in _JSON_TYPES if isinstance(value, types)), type(value).__name__)
