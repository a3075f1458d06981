"""What a form, an API description or a reader needs to know of a message: its fields with their texts, units and
limits.

The texts are the docstrings under the fields, where an editor shows them; they are read from the source, once per
module.
"""

import ast
import functools
import inspect
import itertools
import re
import sys
from collections.abc import Iterable
from enum import Enum
from typing import Any, cast

import msgspec

from ocppj.messages import Structure
from ocppj.scalars import BooleanShape, DateTimeShape, DecimalShape, EnumShape, IntegerShape, Shape, StringShape
from ocppj.shapes import FieldShape, ListShape, StructShape, shape_of

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECTION = re.compile(r"\(((?:OCPP 1\.6|security whitepaper) §[\d.]*\d)")
_KINDS: tuple[tuple[type[Shape], str], ...] = (
    (BooleanShape, "boolean"),
    (DateTimeShape, "date-time"),
    (DecimalShape, "decimal"),
    (EnumShape, "enum"),
    (IntegerShape, "integer"),
    (StringShape, "string"),
    (StructShape, "object"),
)


class FieldDocumentation(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a message or a datatype."""

    attribute: str
    """Its name in Python."""
    wire: str
    """Its name in the specification, on the wire and in the API."""
    text: str
    """What it means; ``""`` where the source code is not at hand."""
    section: str
    """The section of the specification that defines it, such as ``OCPP 1.6 §6.45``."""
    kind: str
    """``string``, ``integer``, ``decimal``, ``boolean``, ``date-time``, ``enum`` or ``object``; of each item of a
    list."""
    many: bool = False
    """Whether it is a list."""
    required: bool = False
    """Whether it has to be given when the message is constructed."""
    unit: str = ""
    """``s`` or ``Wh``, where it has a fixed one."""
    minimum: int | None = None
    """The least integer that may be sent."""
    never: tuple[int, ...] = ()
    """Integers that are never sent."""
    max_length: int | None = None
    """The most characters of a string."""
    min_items: int = 0
    """The fewest items of a list."""
    enum: type[Enum] | None = None
    """The enumeration of an ``enum``."""
    struct: type[Structure] | None = None
    """The datatype of an ``object``."""


def describe(structure: type[Structure]) -> tuple[FieldDocumentation, ...]:
    """Return the documentation of each field of a message or a datatype, in the order of declaration."""
    texts = describe_members(structure)
    match = _SECTION.search(structure.__doc__ or "")
    section = match[1] if match else ""
    return tuple(_describe(field, texts.get(field.attribute, ""), section) for field in shape_of(structure).fields)


def text_of(message: type[Structure]) -> str:
    """What a message is for: its docstring on one line."""
    return " ".join((message.__doc__ or "").split())


def label_of(field: FieldDocumentation) -> str:
    """The name of a field as words: ``stackLevel`` is "Stack level"."""
    words = _HUMP.sub(" ", field.wire).lower()
    return words[:1].upper() + words[1:]


def describe_members(declared: type) -> dict[str, str]:
    """Return the docstring under each field of a structure, or under each member of an enumeration, by its name."""
    return _texts_of(declared.__module__).get(declared.__qualname__, {})


def json_schema(structure: type[Structure]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what may be sent: as ``msgspec.json.schema``, with texts, units and minima.

    Absent fields are absent, never ``null``, so ``null`` and its default are left out.
    """
    schema = msgspec.json.schema(structure)
    for shape in shape_of(structure).walk():
        if isinstance(shape, StructShape):
            properties = schema["$defs"][shape.struct.__name__].get("properties", {})
            for documentation in describe(cast(type[Structure], shape.struct)):
                properties[documentation.wire] = _document(properties[documentation.wire], documentation)
    return schema


def _describe(field: FieldShape, text: str, section: str) -> FieldDocumentation:
    many = isinstance(field.shape, ListShape)
    item = field.shape.item if isinstance(field.shape, ListShape) else field.shape
    return FieldDocumentation(
        attribute=field.attribute,
        wire=field.wire,
        text=text,
        section=section,
        kind=next(kind for shape, kind in _KINDS if isinstance(item, shape)),
        many=many,
        required=field.required,
        unit=item.unit if isinstance(item, IntegerShape) else "",
        minimum=item.minimum if isinstance(item, IntegerShape) else None,
        never=item.forbidden if isinstance(item, IntegerShape) else (),
        max_length=item.max_length if isinstance(item, StringShape) else None,
        min_items=field.shape.min_length if isinstance(field.shape, ListShape) else 0,
        enum=item.enum if isinstance(item, EnumShape) else None,
        struct=cast(type[Structure], item.struct) if isinstance(item, StructShape) else None,
    )


def _document(schema: dict[str, Any], documentation: FieldDocumentation) -> dict[str, Any]:
    described = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    for alternative in schema.get("anyOf", ()):
        if alternative != {"type": "null"}:
            described |= alternative
    if documentation.kind == "decimal":  # msgspec would write a string
        described = {key: value for key, value in described.items() if key != "format"} | {"type": "number"}
    described["description"] = documentation.text
    if documentation.minimum is not None:
        described["minimum"] = documentation.minimum
    if documentation.never:
        described["not"] = {"enum": list(documentation.never)}
    if documentation.unit:
        described["x-unit"] = documentation.unit
    return described


@functools.cache
def _texts_of(module: str) -> dict[str, dict[str, str]]:
    try:
        source = inspect.getsource(sys.modules[module])
    except OSError:  # installed without its source: everything works, only texts are missing
        return {}
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {node.name: dict(_texts_in(node.body)) for node in classes}


def _texts_in(body: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())
