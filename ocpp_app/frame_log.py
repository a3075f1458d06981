"""Rows of the frame log."""

from datetime import datetime

from ocpp_app import clock, rows
from ocpp_app.models import ChargePoint, Direction, Message
from ocppj import envelope, frames
from ocppj.frames import CallError, CallResult, MessageType
from ocppj.secrets import redacted


def readable(raw: bytes) -> str:
    """A frame as text; what is no UTF-8 is escaped."""
    return raw.decode("utf-8", "backslashreplace")


def inbound(charge_point: ChargePoint, request: envelope.Frame) -> Message:
    """The row of a frame from a charge point, without an answer yet; its secrets left out."""
    return rows.new(
        Message,
        charge_point_id=charge_point.id,
        session_id=request.session,
        direction=Direction.INBOUND,
        raw=readable(redacted(request.raw)),
        at=clock.from_epoch(request.at),
        relay_id=request.relay_id,
    )


def set_answer(message: Message, answer: CallResult | CallError, at: datetime) -> bytes:
    """Put our answer beside the CALL; returns it as it goes on the wire."""
    raw = frames.encode(answer)
    message.answer = raw.decode()
    message.answer_type = MessageType.call_result if isinstance(answer, CallResult) else MessageType.call_error
    message.answered_at = at
    return raw
