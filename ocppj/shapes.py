"""What a message type allows, compiled from its annotations: one shape per field, each able to do three things.

``take``   checks a value of ours at construction and returns it in canonical form (strict). ``dump``   checks it again
for the wire and returns what JSON knows (a frozen message may still hold what a decoder tolerated). ``read``   turns
JSON, opened level by level, into the value, strict or tolerant as the ``Visit`` says.

All three raise ``Refusal``; the limits come from ``msgspec.Meta`` in the annotations and nowhere else.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
from msgspec import inspect

from ocppj import levels
from ocppj.faults import Fault, Refusal, quote
from ocppj.levels import JSONList, JSONObject
from ocppj.plain import PlainDecoder
from ocppj.scalars import (
    BooleanShape,
    DateTimeShape,
    DecimalShape,
    EnumShape,
    IntegerShape,
    Shape,
    StringShape,
)
from ocppj.tolerance import MAX_VALUES, NoteCode, Visit

MAX_NAME_LENGTH = 50
"""Of an unknown field's name in a ``PayloadError``."""

REFUSAL_VALUES = 5
"""An item that is refused costs as much as so many values looked through."""


class ListShape(Shape):
    """A list; in one marked as droppable (``List``), a tolerant decoder leaves out what it cannot use and keeps the
    rest."""

    expected = "a list"

    def __init__(self, item: Shape, min_length: int, *, droppable: bool) -> None:
        self.item = item
        self.min_length = min_length
        self.droppable = droppable

    def take(self, value: Any) -> list[Any]:
        return self._each(value, self.item.take)

    def dump(self, value: Any) -> list[Any]:
        return self._each(value, self.item.dump)

    def _each(self, value: Any, convert: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise self.wrong_type(value)
        if len(value) < self.min_length:
            raise self._too_few(value)
        taken = []
        for index, item in enumerate(value):
            try:
                taken.append(convert(item))
            except Refusal as refusal:
                raise refusal.inside(f"[{index}]") from None
        return taken

    def read(self, value: Any, visit: Visit) -> list[Any]:
        if type(value) is JSONObject and isinstance(self.item, StructShape) and not visit.strict:
            visit.note(NoteCode.SingleForList, "one object taken as a list of one")
            return self._read_items([value.json], visit)
        if type(value) is not JSONList:
            raise self.wrong_type(value)
        if self.droppable and not visit.strict and value.is_chaff():
            visit.note(NoteCode.DroppedItem, "a long list of items too short to be anything: dropped")
            return []
        items = value.items()
        if len(items) < self.min_length:
            if visit.strict:
                raise self._too_few(items)
            visit.note(NoteCode.EmptyList, "an empty list")
        return self._read_items(items, visit)

    def _read_items(self, items: list[Any], visit: Visit) -> list[Any]:
        here, taken = visit.field, []
        for index, item in enumerate(items):
            json = bytes(item)
            if (plain := self.item.read_plain(json, strict=visit.strict)) is not None:
                taken.append(plain)
                continue
            if self.droppable and visit.is_exhausted():
                visit.note(NoteCode.DroppedItem, f"more than {MAX_VALUES} values to look through: dropped from here on")
                break
            if self.droppable and visit.has_noted(NoteCode.DroppedItem) and not self.item.could_be(json):
                continue  # cheaply: a list may be full of them
            try:
                taken.append(self.item.read(levels.read(json), visit))
            except Refusal as refusal:
                refusal.inside(f"[{index}]")
                if visit.strict or not self.droppable:
                    raise
                visit.field = here
                visit.count(REFUSAL_VALUES)
                visit.note(NoteCode.DroppedItem, f"{refusal.path}: {refusal.reason}: dropped")
        return taken

    def is_plain(self, value: list[Any], years: frozenset[int]) -> bool:
        return all(self.item.is_plain(item, years) for item in value)

    def walk(self) -> Iterator[Shape]:
        yield self
        yield from self.item.walk()

    def _too_few(self, value: Any) -> Refusal:
        return Refusal(Fault.too_few_items, f"{len(value)} items, at least {self.min_length} required")


class FieldShape:
    """One field of a structure. ``may_be_none``: its type admits ``None``, so its absence can be lived with."""

    __slots__ = ("attribute", "may_be_none", "required", "shape", "wire")

    def __init__(self, attribute: str, wire: str, shape: Shape, *, required: bool, may_be_none: bool) -> None:
        self.attribute = attribute
        self.wire = wire
        self.shape = shape
        self.required = required
        self.may_be_none = may_be_none

    @property
    def is_dispensable(self) -> bool:
        """Whether a tolerant decoder can do without: the field may be ``None``, or is a list that may end up empty."""
        return self.may_be_none or (isinstance(self.shape, ListShape) and self.shape.droppable)

    def read(self, json: bytes, visit: Visit) -> Any:
        """The value that this field of an object has."""
        value = levels.read(json)
        if value is None:
            return self._read_null(visit)
        if value == "" and not visit.strict and self.may_be_none and not isinstance(self.shape, StringShape):
            visit.note(NoteCode.EmptyString, "an empty string taken as absent")
            return None
        result = self.shape.read(value, visit)
        if result is None and not self.may_be_none:
            raise Refusal(Fault.bad_format, f"expected {self.shape.expected}, got {quote(value)}")
        return result

    def read_absent(self, visit: Visit) -> Any:
        """What a required field becomes that is missing; refused where the message means nothing without it."""
        if visit.strict or not self.is_dispensable:
            raise Refusal(Fault.missing_field, "required").inside(self.wire)
        visit.note(NoteCode.MissingField, "missing")
        return self._nothing()

    def _read_null(self, visit: Visit) -> Any:
        if self.required and (visit.strict or not self.is_dispensable):
            raise Refusal(Fault.missing_field, "required, got null")
        if visit.strict:
            raise Refusal(Fault.wrong_type, f"expected {self.shape.expected}, got null")
        visit.note(NoteCode.NullField, "null taken as absent")
        return self._nothing()

    def _nothing(self) -> list[Any] | None:
        return [] if self.required and isinstance(self.shape, ListShape) else None


class StructShape(Shape):
    """An object with named fields: a message or a datatype."""

    expected = "an object"

    def __init__(self, struct: type[msgspec.Struct], fields: tuple[FieldShape, ...]) -> None:
        self.struct = struct
        self.fields = fields
        self.by_wire = {field.wire: field for field in fields}
        self.required = tuple(field for field in fields if field.required)
        self._indispensable = tuple(f'"{field.wire}"'.encode() for field in self.required if not field.is_dispensable)
        timed = (field for field in fields if any(isinstance(part, DateTimeShape) for part in field.shape.walk()))
        self._timed = tuple((field.attribute, field.shape) for field in timed)

    def take(self, value: Any) -> msgspec.Struct:
        # What it holds was checked when it was constructed, and is checked again when it is sent.
        if not isinstance(value, self.struct):
            raise Refusal(Fault.wrong_type, f"expected {self.struct.__name__}, got {type(value).__name__}")
        return value

    def take_fields(self, values: dict[str, Any]) -> dict[str, Any]:
        """``values`` (by attribute) in canonical form; refuses missing and wrong ones."""
        for field in self.fields:
            value = values.get(field.attribute)
            if value is None:
                if field.required:
                    raise Refusal(Fault.missing_field, "required").inside(field.wire)
                continue
            try:
                values[field.attribute] = field.shape.take(value)
            except Refusal as refusal:
                raise refusal.inside(field.wire) from None
        return values

    def dump(self, value: Any) -> dict[str, Any]:
        self.take(value)
        dumped = {}
        for field in self.fields:
            item = getattr(value, field.attribute)
            if item is None:
                if field.required:
                    raise Refusal(Fault.missing_field, "required").inside(field.wire)
                continue
            try:
                dumped[field.wire] = field.shape.dump(item)
            except Refusal as refusal:
                raise refusal.inside(field.wire) from None
        check_rules(value)
        return dumped

    def could_be(self, json: bytes) -> bool:
        """Whether ``json`` names at least the fields without which ``read`` refuses it."""
        return all(name in json for name in self._indispensable)

    @functools.cached_property
    def plain(self) -> PlainDecoder:
        """The quick path to what needs no tolerance."""
        return PlainDecoder(self.struct, self)

    def read_plain(self, json: bytes, *, strict: bool) -> msgspec.Struct | None:
        return self.plain.decode(json, strict=strict)

    def is_plain(self, value: msgspec.Struct, years: frozenset[int]) -> bool:
        for attribute, shape in self._timed:
            item = getattr(value, attribute)
            if item is not None and not shape.is_plain(item, years):
                return False
        return True

    def walk(self) -> Iterator[Shape]:
        yield self
        for field in self.fields:
            yield from field.shape.walk()

    def read(self, value: Any, visit: Visit) -> msgspec.Struct:
        if type(value) is not JSONObject:
            raise self.wrong_type(value)
        values, extra, here = {}, [], visit.field
        prefix = f"{here}." if here else ""
        fields = value.fields()
        visit.count(len(fields))
        for wire, json in fields.items():
            field = self.by_wire.get(wire)
            if field is None:
                extra.append(wire)
                continue
            visit.field = prefix + wire
            try:
                values[field.attribute] = field.read(bytes(json), visit)
            except Refusal as refusal:
                raise refusal.inside(wire) from None
        for field in self.required:
            if field.attribute not in values:
                visit.field = prefix + field.wire
                values[field.attribute] = field.read_absent(visit)
        visit.field = here
        if extra:
            self._note_extra(extra, visit)
        return build(self.struct, values)

    def _note_extra(self, names: list[str], visit: Visit) -> None:
        if visit.strict:
            refusal = Refusal(Fault.unknown_field, f"{self.struct.__name__} has no such field")
            raise refusal.inside(names[0][:MAX_NAME_LENGTH])
        if not visit.has_noted(NoteCode.ExtraField):
            shown = ", ".join(map(quote, names[:3])) + ", …" * (len(names) > 3)
            visit.note(NoteCode.ExtraField, f"{shown} ignored")


def build(struct: type[msgspec.Struct], values: dict[str, Any]) -> msgspec.Struct:
    """Construct ``struct`` as the decoder does, without the checks that bind our own messages."""
    return cast(msgspec.Struct, msgspec.StructMeta.__call__(struct, **values))


def check_rules(value: Any) -> None:
    """Refuse ``value`` if it breaks a rule across its fields (``broken_rules``)."""
    for path, rule in value.broken_rules():
        raise Refusal(Fault.broken_rule, rule).inside(path)


@functools.cache
def shape_of(struct: type[msgspec.Struct]) -> StructShape:
    """The shape of ``struct``, compiled once."""
    described = cast(inspect.StructType, inspect.type_info(struct))
    return StructShape(struct, tuple(_compile_field(field) for field in described.fields))


def _compile_field(field: inspect.Field) -> FieldShape:
    kind, extra = _unwrap(field.type)
    if may_be_none := isinstance(kind, inspect.UnionType):
        (kind,) = (member for member in kind.types if not isinstance(member, inspect.NoneType))
        kind, inner = _unwrap(kind)
        extra = {**inner, **extra}
    shape = _compile(kind, extra)
    return FieldShape(field.name, field.encode_name, shape, required=field.required, may_be_none=may_be_none)


def _unwrap(kind: inspect.Type) -> tuple[inspect.Type, Mapping[str, Any]]:
    return (kind.type, kind.extra or {}) if isinstance(kind, inspect.Metadata) else (kind, {})


def _compile(kind: inspect.Type, extra: Mapping[str, Any]) -> Shape:
    match kind:
        case inspect.StructType(cls=struct):
            return shape_of(struct)
        case inspect.EnumType(cls=enum):
            return EnumShape(enum)
        case inspect.ListType(item_type=item, min_length=min_length):
            return ListShape(_compile(*_unwrap(item)), min_length or 0, droppable=extra.get("droppable", False))
        case inspect.StrType(max_length=max_length, pattern=pattern):
            json_text, never_empty = extra.get("json_text", False), extra.get("never_empty", False)
            return StringShape(max_length, pattern, json_text=json_text, never_empty=never_empty)
        case inspect.IntType():
            return IntegerShape(extra.get("minimum"), extra.get("never", ()), extra.get("unit", ""))
        case inspect.DecimalType():
            return DecimalShape()
        case inspect.BoolType():
            return BooleanShape()
        case inspect.DateTimeType():
            return DateTimeShape()
    raise TypeError(f"no shape for {kind}: OCPP payloads have none of these")
