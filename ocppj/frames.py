"""The three frames of OCPP-J 1.6 §4.2, decoded without touching the payload.

[2, "<UniqueId>", "<Action>", {<Payload>}]                                        CALL        §4.2.1
[3, "<UniqueId>", {<Payload>}]                                                    CALLRESULT  §4.2.2
[4, "<UniqueId>", "<errorCode>", "<errorDescription>", {<errorDetails>}]          CALLERROR   §4.2.3
"""

import re
from enum import IntEnum
from typing import Any

import msgspec

from ocppj.errors import ErrorCode, FrameError

UniqueId = str | int
MAX_UNIQUE_ID_LENGTH = 36
"""OCPP-J 1.6 §4.1.4: to allow for GUIDs. Longer ones are taken from a charge point, never sent by us."""
MAX_ERROR_DESCRIPTION_LENGTH = 255
"""OCPP-J 1.6 §4.2.3: "should be filled in if possible", a string of at most 255 characters."""

EMPTY_OBJECT = msgspec.Raw(b"{}")


class MessageType(IntEnum):
    """MessageTypeNumber (OCPP-J 1.6 §4.1.3)."""

    call = 2
    call_result = 3
    call_error = 4


class Call(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """A CALL (OCPP-J 1.6 §4.2.1); ``payload`` is the raw JSON of the action's arguments."""

    unique_id: UniqueId
    action: str
    payload: msgspec.Raw = EMPTY_OBJECT


class CallResult(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """A CALLRESULT (OCPP-J 1.6 §4.2.2); ``payload`` is the raw JSON of the action's response."""

    unique_id: UniqueId
    payload: msgspec.Raw = EMPTY_OBJECT


class CallError(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """A CALLERROR (OCPP-J 1.6 §4.2.3). The code stays a plain string: charge points invent their own."""

    unique_id: UniqueId
    code: str = ErrorCode.GenericError
    description: str = ""
    details: msgspec.Raw = EMPTY_OBJECT


Frame = Call | CallResult | CallError

_decoder: "msgspec.json.Decoder[Frame]" = msgspec.json.Decoder(Frame)
_encoder = msgspec.json.Encoder()
_CALL_WITH_READABLE_ID = re.compile(rb'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,36})"\s*,')


def decode(raw: bytes | str) -> Frame:
    """The frame in ``raw``; raises ``FrameError``, with the unique id where one could be read.

    Taken although the specification says otherwise: numbers as unique ids (the answer repeats the number), ids longer
    than 36 characters, a missing payload, a CALLERROR without description or details, elements behind the last.
    """
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _decode_slowly(raw)


def encode(frame: Frame) -> bytes:
    """The frame as compact JSON, ready for the wire."""
    return _encoder.encode(frame)


def call_error_for(error: FrameError, unique_id: UniqueId) -> CallError:
    """The CALLERROR that answers a malformed CALL."""
    return CallError(unique_id, error.code, error.description[:MAX_ERROR_DESCRIPTION_LENGTH])


def _decode_slowly(raw: bytes | str) -> Frame:
    data = raw.encode(errors="replace") if isinstance(raw, str) else raw
    if not data.strip():
        raise FrameError(ErrorCode.ProtocolError, "The frame is empty.")
    try:
        array = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable(data, error) from None
    if not isinstance(array, list) or len(array) < 2:
        description = "A frame is a JSON array of a message type, a unique id and more."
        raise FrameError(ErrorCode.FormationViolation, description)
    return _from_array(array)


def _unreadable(data: bytes, error: Exception) -> FrameError:
    nested = isinstance(error, RecursionError)
    code = ErrorCode.ProtocolError if nested else ErrorCode.FormationViolation
    description = "The frame is nested too deeply." if nested else f"The frame is not readable as JSON: {error}."
    match = _CALL_WITH_READABLE_ID.match(data)
    if match is None:
        return FrameError(code, description)
    return FrameError(code, description, unique_id=match[1].decode("utf-8", "replace"), is_call=True)


def _from_array(array: list[Any]) -> Frame:
    message_type, unique_id, rest = array[0], array[1], array[2:]
    is_call = message_type in (2, "2") and message_type is not True
    if not isinstance(unique_id, str | int) or isinstance(unique_id, bool):
        description = "The unique id is neither a string nor a number."
        raise FrameError(ErrorCode.TypeConstraintViolation, description, is_call=is_call)
    if is_call:
        return _call_from_array(unique_id, rest)
    if message_type in (3, "3"):
        return CallResult(unique_id, _raw(rest[0]) if rest else EMPTY_OBJECT)
    if message_type in (4, "4"):
        return _call_error_from_array(unique_id, rest)
    raise FrameError(  # OCPP-J 1.6 §4.1.3: the payload of an unknown message type is ignored
        ErrorCode.ProtocolError,
        f"Message type {str(message_type)[:20]} is none of 2, 3 and 4.",
        unique_id=str(unique_id),
    )


def _call_from_array(unique_id: UniqueId, rest: list[Any]) -> Call:
    if not rest or not isinstance(rest[0], str):
        raise FrameError(
            ErrorCode.FormationViolation,
            "The third element of a CALL is its action.",
            unique_id=str(unique_id),
            is_call=True,
        )
    return Call(unique_id, rest[0], _raw(rest[1]) if len(rest) > 1 else EMPTY_OBJECT)


def _call_error_from_array(unique_id: UniqueId, rest: list[Any]) -> CallError:
    code, description, details = [*rest, None, None, None][:3]
    return CallError(
        unique_id,
        code if isinstance(code, str) else ErrorCode.GenericError,
        "" if description is None else str(description),
        EMPTY_OBJECT if details is None else _raw(details),
    )


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(value))
