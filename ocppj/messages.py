"""Typed OCPP messages, independent of the OCPP version: their base classes, field types, ``encode`` and ``decode``.

A message is declared once, with its limits and the documentation of its fields, in a version's package
(``ocppj.v16``). Constructing a wrong one raises ``PayloadError``; ``decode`` takes what a peer sent, strictly or as
tolerantly as ``ocppj.tolerance`` allows.
"""

import functools
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, dataclass_transform

import msgspec
from msgspec import Meta

from ocppj import levels
from ocppj.faults import Fault, Refusal
from ocppj.levels import JSONList, JSONObject
from ocppj.scalars import MAX_INTEGER, MIN_INTEGER, write_json
from ocppj.shapes import build, check_rules, shape_of
from ocppj.tolerance import Note, NoteCode, Visit

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
    """The decoder of one message type: the quick path of ``ocppj.plain`` first, the walk through the payload second."""

    def __init__(self, message_type: type[Message]) -> None:
        self.shape = shape_of(message_type)

    def decode(self, payload: bytes, *, strict: bool) -> Decoded:
        message = self.shape.plain.decode(payload, strict=strict)
        return self._walk(payload, strict=strict) if message is None else Decoded(cast(Message, message))

    def _walk(self, payload: bytes, *, strict: bool) -> Decoded:
        visit = Visit(strict=strict)
        try:
            levels.check_text(payload)
            value = levels.read(payload.strip(_WHITESPACE))
            if value is None or (not strict and (value == "" or (type(value) is JSONList and not value.items()))):
                visit.note(NoteCode.NullPayload, f"{payload[:4].decode()} taken as {{}}")
                value = JSONObject(b"{}")
            if type(value) is not JSONObject:
                raise Refusal(Fault.not_an_object, "the payload is no JSON object")
            return Decoded(cast(Message, self.shape.read(value, visit)), visit.notes)
        except Refusal as refusal:
            raise refusal.as_error() from None


_codec_of = functools.cache(_Codec)
_WHITESPACE = b" \t\r\n"
