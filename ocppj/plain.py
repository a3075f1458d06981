"""The quick path of decoding: one compiled msgspec decoder per structure, for what needs no tolerance.

It takes only what the walk through the payload (``StructShape.read``) would take without a note, and makes the same
structure of it (a property test compares them). msgspec lets a little through that OCPP does not; ``_is_ordinary`` and
``Shape.is_plain`` find it.
"""

import re

import msgspec

from ocppj.scalars import DateTimeShape, DecimalShape, Shape, StringShape
from ocppj.timestamps import CLOCKS_NEVER_SET


class PlainDecoder:
    """Decodes what is a ``struct`` without a word; ``shape`` is its shape."""

    def __init__(self, struct: type[msgspec.Struct], shape: Shape) -> None:
        parts = tuple(shape.walk())
        self._shape = shape
        self._decoder = msgspec.json.Decoder(struct)
        self._has_datetime = any(isinstance(part, DateTimeShape) for part in parts)
        self._never_empty = any(isinstance(part, StringShape) and part.never_empty for part in parts)
        # msgspec takes "8.1" for 8.1 and checks no multiple of a decimal: these few structures are always walked.
        self._has_decimal = any(isinstance(part, DecimalShape) for part in parts)

    def decode(self, json: bytes, *, strict: bool) -> msgspec.Struct | None:
        """The structure in ``json``; ``None`` where only the walk can tell what is wrong and whether it matters."""
        if not self._is_ordinary(json, strict=strict):
            return None
        try:
            value = self._decoder.decode(json)
        except _UNREADABLE:
            return None
        if self._has_datetime and not self._shape.is_plain(value, _NO_YEARS if strict else CLOCKS_NEVER_SET):
            return None
        return value

    def _is_ordinary(self, json: bytes, *, strict: bool) -> bool:
        """Whether nothing in ``json`` needs the walk that msgspec would take without a word; in doubt, ``False``."""
        if self._has_decimal or b"null" in json or b"\\" in json:
            return False
        if self._has_datetime and (b'0000"' in json or _SPACE.search(json)):
            return False
        return strict or not (self._never_empty and b'""' in json)


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPACE = re.compile(rb" \d\d:")
"""A space between date and time, which msgspec takes for RFC 3339; so it does an offset of ``+0000``."""
_NO_YEARS: frozenset[int] = frozenset()
