"""Typed OCPP messages, independent of the OCPP version: their base classes, field types, ``encode`` and ``decode``.

A message is declared once, with its limits and the documentation of its fields, in a version's package
(``ocppj.v16``). Constructing a wrong one raises ``PayloadError``; ``decode`` takes what a peer sent, strictly or as
tolerantly as ``ocppj.tolerance`` allows.
"""

import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, dataclass_transform

import msgspec
from msgspec import Meta

from ocppj.faults import Fault, Refusal
from ocppj.scalars import MAX_INTEGER, MIN_INTEGER, DateTimeShape, DecimalShape, StringShape, write_json
from ocppj.shapes import ListShape, StructShape, build, check_rules, shape_of, walk
from ocppj.timestamps import CLOCKS_NEVER_SET
from ocppj.tolerance import Note, NoteCode, Number, Visit

__all__ = [
    "URI",
    "DateTime",
    "Decoded",
    "Integer",
    "Message",
    "Note",
    "NoteCode",
    "Request",
    "Response",
    "Seconds",
    "Structure",
    "Tenths",
    "Text",
    "WattHours",
    "at_least",
    "decode",
    "encode",
    "never",
]

DateTime = Annotated[datetime, Meta(tz=True)]
"""An aware datetime, UTC once decoded; written with ``Z``, and milliseconds only where there are any (OCPP 1.6 errata
3.10)."""
Integer = Annotated[int, Meta(ge=MIN_INTEGER, le=MAX_INTEGER)]
"""An integer of 64 bits."""
Seconds = Annotated[Integer, Meta(extra={"unit": "s"})]
"""A duration in whole seconds."""
WattHours = Annotated[Integer, Meta(extra={"unit": "Wh"})]
"""A meter reading in whole Wh."""
Tenths = Annotated[Decimal, Meta(extra_json_schema={"multipleOf": 0.1})]
"""A decimal number with at most one digit after the point."""
Text = Annotated[str, Meta(extra={"json_text": True})]
"""Text without a limit; a charge point may send an object instead, which is kept as JSON text."""
URI = Annotated[
    str,
    # (?![\s\S]) is the end of the string in Python and in JavaScript; $ would let a trailing newline pass.
    Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*(?![\s\S])", extra_json_schema={"format": "uri"}),
]
"""An absolute URI (RFC 3986): a scheme and no spaces, such as ``ftp://user:password@host:21/path``."""


def at_least(minimum: int) -> Meta:
    """The limit ``minimum`` of an integer that we send; what a charge point sends may be below it."""
    return Meta(extra={"minimum": minimum})


def never(*values: int) -> Meta:
    """Integers that we never send, because they mean something else in the answer."""
    return Meta(extra={"never": values})


class StructureMeta(msgspec.StructMeta):
    """Checks what is constructed by a call of the class; msgspec's decoders do not call it, so decoding does not pay
    twice."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "StructureMeta":
        # msgspec does not inherit kw_only.
        return super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **options})

    if not TYPE_CHECKING:  # a type checker takes the signature from the fields

        def __call__(cls, **values):
            try:
                message = build(cls, shape_of(cls).take_fields(values))
                check_rules(message)
            except Refusal as refusal:
                raise refusal.as_error() from None
            return message


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class Structure(
    msgspec.Struct,
    metaclass=StructureMeta,
    frozen=True,
    gc=False,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """A message or a datatype: immutable, its attributes in snake_case, its fields on the wire named by the
    specification.

    Constructing one that breaks a limit raises ``PayloadError``, which names the field and the limit. To change a
    field, make another one: ``msgspec.structs.replace(message, field=…)`` (checked when it is encoded).
    """

    def broken_rules(self) -> Iterator[tuple[str, str]]:
        """Yield (wire path, rule) of each rule across fields that is broken. They bind what we send, not what we
        take."""
        return iter(())


class Message(Structure):
    """The payload of a CALL or a CALLRESULT."""

    action: ClassVar[str]
    """The action's name in the specification."""


class Response(Message):
    """The payload of a CALLRESULT: what the specification names ``<Action>.conf``."""


class Request(Message):
    """The payload of a CALL: what the specification names ``<Action>.req``."""

    response: ClassVar[type[Response]]
    """The class of the answer."""


class Decoded(msgspec.Struct, frozen=True):
    """A decoded message and what was tolerated in it."""

    message: Message
    notes: tuple[Note, ...] = ()


def encode(message: Message) -> bytes:
    """Return ``message`` as the compact JSON payload of a frame; absent fields are left out.

    Raises ``PayloadError`` where a tolerantly decoded or replaced value breaks a limit of the specification.
    """
    try:
        return write_json(shape_of(type(message)).dump(message))
    except Refusal as refusal:
        raise refusal.as_error() from None


def decode(message_type: type[Message], payload: bytes | msgspec.Raw, *, strict: bool = False) -> Decoded:
    """Return the message in ``payload``, with a note on everything that had to be tolerated.

    ``strict`` takes what the specification's schemas allow and nothing else. Raises ``PayloadError`` with the OCPP-J
    error code and the wire path of the field (OCPP-J 1.6 §4.2.3).
    """
    return _codec_of(message_type).decode(bytes(payload), strict=strict)


class _Codec:
    """The decoder of one message type: a compiled msgspec decoder first, the walk through the parsed payload second.

    The fast path takes only what the walk would take without a note, and makes the same message of it (a property test
    compares them). msgspec lets a little through that OCPP does not; ``_is_ordinary`` and ``_are_plain`` find it.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self.shape = shape_of(message_type)
        shapes = tuple(walk(self.shape))
        self._decoder = msgspec.json.Decoder(message_type)
        self._has_datetime = any(isinstance(shape, DateTimeShape) for shape in shapes)
        self._never_empty = any(isinstance(shape, StringShape) and shape.never_empty for shape in shapes)
        # msgspec takes "8.1" for 8.1 and checks no multiple of a decimal: these few messages are always walked through.
        self._has_decimal = any(isinstance(shape, DecimalShape) for shape in shapes)

    def decode(self, payload: bytes, *, strict: bool) -> Decoded:
        if self._is_ordinary(payload, strict=strict):
            try:
                message = self._decoder.decode(payload)
            except _UNREADABLE:
                pass  # the walk below finds out what is wrong and whether it matters
            else:
                if not self._has_datetime or _are_plain(self.shape, message, _NO_YEARS if strict else CLOCKS_NEVER_SET):
                    return Decoded(message)
        return self._walk(payload, strict=strict)

    def _is_ordinary(self, payload: bytes, *, strict: bool) -> bool:
        """Whether nothing in ``payload`` needs the walk that msgspec would take without a word; in doubt, ``False``."""
        if self._has_decimal or b"null" in payload or b"\\" in payload:
            return False
        if self._has_datetime and (b'0000"' in payload or _SPACE.search(payload)):
            return False
        return strict or not (self._never_empty and b'""' in payload)

    def _walk(self, payload: bytes, *, strict: bool) -> Decoded:
        visit = Visit(strict=strict)
        try:
            value = _parse(payload)
            if value is None or (not strict and value in ([], "")):
                visit.note(NoteCode.NullPayload, f"{payload[:4].decode()} taken as {{}}")
                value = {}
            if type(value) is not dict:
                raise Refusal(Fault.not_an_object, "the payload is no JSON object")
            return Decoded(cast(Message, self.shape.read(value, visit)), visit.notes)
        except Refusal as refusal:
            raise refusal.as_error() from None


_codec_of = functools.cache(_Codec)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPACE = re.compile(rb" \d\d:")
"""A space between date and time, which msgspec takes for RFC 3339; so it does an offset of ``+0000``."""
_NO_YEARS: frozenset[int] = frozenset()
_parser = msgspec.json.Decoder(float_hook=Number)
MAX_NESTING = 32
"""Levels of objects and lists in a payload. The deepest message has seven; what free text holds as an object may have
more."""


def _parse(payload: bytes) -> Any:
    try:
        value = _parser.decode(payload)
    except msgspec.ValidationError:
        raise Refusal(Fault.out_of_range, "a number has too many digits") from None
    except UnicodeDecodeError:
        raise Refusal(Fault.not_json, "the payload is not UTF-8") from None
    except RecursionError:
        raise Refusal(Fault.too_deep, "the payload is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise Refusal(Fault.not_json, f"the payload is no JSON: {error}") from None
    _check_nesting(value)
    return value


def _check_nesting(value: Any) -> None:
    # Level by level and without a loop over the empty ones: a hostile payload has hundreds of thousands of them.
    level = [value]
    for _ in range(MAX_NESTING):
        dicts = [inner for inner in level if type(inner) is dict]
        lists = [inner for inner in level if type(inner) is list]
        level = list(filter(None, chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists))))
        if not level:
            return
    raise Refusal(Fault.too_deep, f"the payload is nested more than {MAX_NESTING} levels deep")


@functools.cache
def _timed_fields(shape: StructShape) -> tuple[tuple[str, StructShape | None, bool], ...]:
    """The fields of ``shape`` that are or hold datetimes: attribute, the shape inside, whether there is a list of
    them."""
    timed: list[tuple[str, StructShape | None, bool]] = []
    for field in shape.fields:
        many = isinstance(field.shape, ListShape)
        inner = field.shape.item if isinstance(field.shape, ListShape) else field.shape
        if isinstance(inner, DateTimeShape):
            timed.append((field.attribute, None, many))
        elif isinstance(inner, StructShape) and _timed_fields(inner):
            timed.append((field.attribute, inner, many))
    return tuple(timed)


def _are_plain(shape: StructShape, value: Any, years: frozenset[int]) -> bool:
    """Whether every datetime in ``value`` is in UTC (msgspec keeps offsets, messages do not) and in none of
    ``years``."""
    for attribute, inner, many in _timed_fields(shape):
        item = getattr(value, attribute)
        if item is None:
            continue
        if inner is None:
            if item.tzinfo is not UTC or item.year in years:
                return False
        elif many:
            for each in item:
                if not _are_plain(inner, each, years):
                    return False
        elif not _are_plain(inner, item, years):
            return False
    return True
