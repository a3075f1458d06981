"""JSON read level by level: what no field asks for is skipped, never parsed, so that no payload costs more objects than
its message has fields."""

from typing import Any, cast

import msgspec

from ocppj.faults import MAX_QUOTE_LENGTH, Fault, Refusal
from ocppj.tolerance import Number

MIN_ITEM_BYTES = 8
"""No item of a list of meter values or sampled values is shorter, its comma included."""


class Nested:
    """An object or a list, unread."""

    __slots__ = ("json",)

    def __init__(self, json: bytes) -> None:
        self.json = json

    def __repr__(self) -> str:
        """Its beginning, as it was written: for notes and errors, which quote no more."""
        return self.json[: 4 * MAX_QUOTE_LENGTH + 4].decode(errors="replace")

    def text(self) -> str:
        """The same JSON without spaces, numbers as they were written."""
        try:
            return msgspec.json.format(self.json, indent=-1).decode()
        except RecursionError:
            raise _too_deep() from None


class JSONObject(Nested):
    """An object, unread."""

    __slots__ = ()

    def fields(self) -> dict[str, msgspec.Raw]:
        """The object's fields, each unread."""
        return cast(dict[str, msgspec.Raw], _open(_objects, self.json))


class JSONList(Nested):
    """A list, unread."""

    __slots__ = ()

    def items(self) -> list[msgspec.Raw]:
        """The list's items, each unread."""
        return cast(list[msgspec.Raw], _open(_lists, self.json))

    def is_chaff(self) -> bool:
        """Whether the list is large and its items are too short to be anything: a list made to cost time."""
        return len(self.json) > _LARGE and self.json.count(b",") > len(self.json) // MIN_ITEM_BYTES


def read(json: bytes) -> Any:
    """What ``json`` says, one level of it: ``None``, a ``bool``, an ``int``, a ``Number`` or a ``str``, or an unread
    ``JSONObject`` or ``JSONList``. Raises ``Refusal``."""
    if json[:1] == b"{":
        return JSONObject(json)
    if json[:1] == b"[":
        return JSONList(json)
    return _open(_scalars, json)


def check_text(json: bytes) -> None:
    """Refuse what is no UTF-8, also where nobody would read it (RFC 8259 §8.1)."""
    try:
        json.decode()
    except UnicodeDecodeError:
        raise Refusal(Fault.not_json, "the payload is not UTF-8") from None


_LARGE = 16_384
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_scalars = msgspec.json.Decoder(float_hook=Number)


def _open(decoder: msgspec.json.Decoder[Any], json: bytes) -> Any:
    try:
        return decoder.decode(json)
    except msgspec.ValidationError:
        raise Refusal(Fault.out_of_range, "a number has too many digits") from None
    except UnicodeDecodeError:
        raise Refusal(Fault.not_json, "the payload is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.DecodeError as error:
        raise Refusal(Fault.not_json, f"the payload is no JSON: {error}") from None


def _too_deep() -> Refusal:
    return Refusal(Fault.too_deep, "the payload is nested too deeply")
