"""Messages as people type them: ``type=Soft``, ``chargingProfile.stackLevel=0``, ``key[0]=HeartbeatInterval``.

Names are those of the specification. A value is taken for what its field holds: a number, an enumeration's word in any
case of letters, ``true`` or ``false``, a timestamp; an object or a list may be given whole, as JSON. A list of plain
values is also what the same name given several times makes.
"""

import difflib
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeVar

import msgspec

from ocppj.documentation import FieldDocumentation, describe
from ocppj.faults import Fault, Refusal, quote
from ocppj.messages import Request, Structure, decode, encode

MAX_INDEX = 10_000
"""More items than this no message carries."""

R = TypeVar("R", bound=Request)
_STEP = re.compile(r"([A-Za-z]\w*)(?:\[(\d*)\])?")
_parse = msgspec.json.Decoder(float_hook=msgspec.Raw).decode  # numbers stay as they are written


def message_from(message_type: type[R], assignments: Iterable[str], payload: str = "") -> R:
    """The message with the fields of the JSON object ``payload``, if any, and of ``path=value`` assignments over it.

    Raises ``PayloadError``, naming the field and what it may hold.
    """
    try:
        tree = _object(payload) if payload.strip() else {}
        for assignment in assignments:
            path, separator, text = assignment.partition("=")
            if not separator:
                raise Refusal(Fault.bad_format, f"{quote(assignment)} is no assignment: write name=value")
            _assign(tree, message_type, path.strip(), text)
    except Refusal as refusal:
        raise refusal.as_error() from None
    message = decode(message_type, msgspec.json.encode(tree), strict=True).message
    encode(message)  # the limits of what we send
    assert isinstance(message, message_type)
    return message


def _object(payload: str) -> dict[str, Any]:
    try:
        tree = _parse(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(Fault.not_json, f"the payload is no JSON: {error}") from None
    if not isinstance(tree, dict):
        raise Refusal(Fault.not_an_object, "the payload is no JSON object")
    return tree


def _assign(tree: dict[str, Any], structure: type[Structure], path: str, text: str) -> None:
    name, dot, rest = path.partition(".")
    match = _STEP.fullmatch(name)
    if match is None:
        raise Refusal(Fault.bad_format, f"{quote(path)} is no name: write field, field.field or field[0].field")
    wire, index = match.groups()
    field = _field(structure, wire)
    try:
        if dot:
            _assign_inside(tree, field, index, rest, text)
        elif field.many and index is None:
            _assign_list(tree, field, text)
        elif index is None:
            tree[wire] = _value(field, text)
        else:
            items, position = _items(tree, field, index)
            items[position] = _value(field, text)
    except Refusal as refusal:
        raise refusal.inside(name) from None


def _field(structure: type[Structure], wire: str) -> FieldDocumentation:
    fields = {field.wire: field for field in describe(structure)}
    if wire in fields:
        return fields[wire]
    near = difflib.get_close_matches(wire, fields, n=1) or [name for name in fields if name.lower() == wire.lower()]
    meant = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(fields)}" if fields else "; it has none"
    name = structure.__name__.removesuffix("Request")
    raise Refusal(Fault.unknown_field, f"{name} has no such field{meant}").inside(wire)


def _assign_inside(tree: dict[str, Any], field: FieldDocumentation, index: str | None, rest: str, text: str) -> None:
    if field.struct is None:
        raise Refusal(Fault.wrong_type, f"is {_kind(field)}, there is nothing inside")
    if not field.many:
        inside = tree.setdefault(field.wire, {})
    else:
        items, position = _items(tree, field, "0" if index is None else index)
        inside = items[position] = items[position] or {}
    if not isinstance(inside, dict):
        raise Refusal(Fault.wrong_type, "holds something else already")
    _assign(inside, field.struct, rest, text)


def _items(tree: dict[str, Any], field: FieldDocumentation, index: str) -> tuple[list[Any], int]:
    """The list and the position in it that an index means; an empty one appends."""
    if not field.many:
        raise Refusal(Fault.wrong_type, "is no list")
    items = tree.setdefault(field.wire, [])
    if not isinstance(items, list):
        raise Refusal(Fault.wrong_type, "holds something else already")
    position = int(index) if index else len(items)
    if position > len(items) or position > MAX_INDEX:
        raise Refusal(Fault.out_of_range, f"the item before it is missing: the next is [{len(items)}]")
    if position == len(items):
        items.append(None)
    return items, position


def _assign_list(tree: dict[str, Any], field: FieldDocumentation, text: str) -> None:
    if text.lstrip().startswith("["):
        tree[field.wire] = _json(text)
    elif field.struct is not None:
        raise Refusal(Fault.wrong_type, "is a list of objects: write field[0].field=value, or the list as JSON")
    else:
        items, position = _items(tree, field, "")
        items[position] = _value(field, text)


def _value(field: FieldDocumentation, text: str) -> Any:
    match field.kind:
        case "object":
            return _json(text)
        case "integer" | "decimal":
            if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text.strip()):
                raise Refusal(Fault.wrong_type, f"expected {_kind(field)}, got {quote(text)}")
            return msgspec.Raw(re.sub(r"^\+|(?<![\d.])0+(?=\d)", "", text.strip()))
        case "boolean":
            if text.strip().lower() not in ("true", "false"):
                raise Refusal(Fault.wrong_type, f"expected true or false, got {quote(text)}")
            return text.strip().lower() == "true"
        case "enum":
            return _word(field, text)
        case _:
            return text


def _word(field: FieldDocumentation, text: str) -> str:
    assert field.enum is not None
    words = words_of(field.enum)
    for word in words:
        if word.lower() == text.strip().lower():
            return word
    raise Refusal(Fault.unknown_value, f"{quote(text)} is none of {', '.join(words)}")


def words_of(enum: type[Enum]) -> list[str]:
    """The words of an enumeration, as they are on the wire."""
    return [str(member.value) for member in enum]


def _kind(field: FieldDocumentation) -> str:
    return {"integer": "an integer", "decimal": "a number", "enum": "a word"}.get(field.kind, f"a {field.kind}")


def _json(text: str) -> Any:
    try:
        return _parse(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(Fault.not_json, f"expected JSON: {error}") from None
