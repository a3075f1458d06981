"""One CALL of a charge point: decoded, let through or not, handled by its chain, answered."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ocpp_app import chains, conf, habits
from ocpp_app.batch import Batch
from ocpp_app.errors import CallRefused
from ocpp_app.middleware.base import OCPPRequest, PlannedCommand
from ocpp_app.models import ChargePoint
from ocppj import frames
from ocppj.errors import ErrorCode, FrameError, PayloadError
from ocppj.frames import MAX_ERROR_DESCRIPTION_LENGTH, Call, CallError, CallResult, MessageType
from ocppj.messages import Decoded, encode
from ocppj.protocol import Sender
from ocppj.v16 import Action, ChargePointStatus
from ocppj.versions import protocol

TRIGGERED_WITHIN = timedelta(minutes=2)
"""How long after a TriggerMessage a message of a charge point that is not accepted counts as triggered."""
KEPT_FOR_REPLAY = frozenset({Action.StartTransaction, Action.StopTransaction, Action.MeterValues})
ANSWERED_ALL_THE_SAME = frozenset({Action.StopTransaction, Action.MeterValues})
"""Kept for replay and answered normally when our code fails: a charge point would repeat them, then throw them away
(§3.7.1)."""

DecodedCall = Decoded | PayloadError


@dataclass(slots=True)
class Context:
    """Where a frame came from."""

    batch: Batch
    charge_point: ChargePoint
    session_id: uuid.UUID
    is_current: bool
    received_at: datetime


def decode(batch: Batch, charge_point: ChargePoint, frame: Call) -> DecodedCall:
    """The typed message of a CALL, or what is wrong with it; tells the batch which rows it will ask for."""
    spoken = protocol(charge_point.protocol)
    spec = spoken.actions.get(frame.action)
    if spec is not None and spec.sender is Sender.central_system:
        return PayloadError(
            ErrorCode.NotSupported, f"{frame.action} is sent by the central system, not by a charge point."
        )
    try:
        decoded = spoken.decode_request(frame.action, frame.payload, strict=is_strict(charge_point))
    except PayloadError as error:
        return error
    batch.notes.add(charge_point, frame.action, (*habits.of_call(frame), *decoded.notes))
    _expect(batch, charge_point, frame.action, decoded.message)
    return decoded


def is_strict(charge_point: ChargePoint) -> bool:
    """Whether what this charge point sends against the specification is refused."""
    return conf.strict() if charge_point.is_strict is None else charge_point.is_strict


def _expect(batch: Batch, charge_point: ChargePoint, action: str, message: Any) -> None:
    connector_id = getattr(message, "connector_id", None)
    if connector_id is not None:
        batch.expect_connector(charge_point, connector_id)
    elif hasattr(message, "connector_id") or hasattr(message, "transaction_id"):
        batch.expect_connectors()
    id_tag = getattr(message, "id_tag", None)
    if id_tag:
        batch.expect_tag(id_tag, locked=action == Action.StartTransaction)
    transaction_id = getattr(message, "transaction_id", None)
    if transaction_id is not None:
        batch.expect_transaction(transaction_id)
        if action == Action.StopTransaction:
            batch.expect_stop(transaction_id)
    if action == Action.StartTransaction and message.timestamp is not None:
        batch.expect_start(charge_point, message.timestamp)
    if action == Action.StatusNotification and message.status == ChargePointStatus.Preparing:
        batch.expect_authorize(charge_point)  # who has shown a tag needs no remote start


def handle(
    context: Context, frame: Call, decoded: DecodedCall, raw: str
) -> tuple[CallResult | CallError, list[PlannedCommand]]:
    """The answer to a CALL, and the commands that its chain wants sent afterwards."""
    if not _is_let_through(context, frame.action):  # OCPP-J 1.6 errata 3.8: whatever the CALL is
        return _error(frame, ErrorCode.SecurityError, _why_not(context.charge_point)), []
    if isinstance(decoded, PayloadError):
        return _error(frame, decoded.code, decoded.description), []
    request = OCPPRequest(
        batch=context.batch,
        charge_point=context.charge_point,
        session_id=context.session_id,
        is_current=context.is_current,
        received_at=context.received_at,
        unique_id=str(frame.unique_id),
        action=frame.action,
        message_type=MessageType.call,
        message=decoded.message,
        raw=raw,
        notes=decoded.notes,
    )
    try:
        response = chains.chain(frame.action, MessageType.call).handle(request)
    except CallRefused as refused:
        details = msgspec.Raw(msgspec.json.encode(refused.details))
        return _error(frame, refused.code, refused.description, details), []
    if response.message is None:
        raise TypeError(f"The chain of {frame.action} returned an OCPPResponse without a message.")
    return CallResult(frame.unique_id, msgspec.Raw(encode(response.message))), response.commands


def answer_malformed(error: FrameError) -> CallError | None:
    """The answer to a frame that is no proper CALL; None where nothing can or need be answered."""
    if not error.is_call or error.unique_id is None:
        return None
    return frames.call_error_for(error, error.unique_id)


def answer_failed(frame: Call) -> CallResult | CallError:
    """The answer to a CALL on which our code failed."""
    if frame.action in ANSWERED_ALL_THE_SAME:
        return CallResult(frame.unique_id)
    return internal_error(frame)


def internal_error(frame: Call) -> CallError:
    """The answer that makes a charge point keep a transaction message and send it again (OCPP 1.6 §3.7.1)."""
    return _error(frame, ErrorCode.InternalError, "The central system could not process the message.")


def _error(frame: Call, code: ErrorCode, description: str, details: msgspec.Raw = frames.EMPTY_OBJECT) -> CallError:
    return CallError(frame.unique_id, code, description[:MAX_ERROR_DESCRIPTION_LENGTH], details)


def _why_not(charge_point: ChargePoint) -> str:
    status = charge_point.registration_status
    return (
        f"This charge point is {status}: until it is Accepted, only a BootNotification or what was triggered may come."
    )


def _is_let_through(context: Context, action: str) -> bool:
    """OCPP 1.6 §4.2: before it is accepted, a charge point sends BootNotifications and what it was triggered to
    send."""
    if context.charge_point.is_accepted or action == Action.BootNotification:
        return True
    return context.batch.has_triggered(context.charge_point, action, context.batch.now - TRIGGERED_WITHIN)
