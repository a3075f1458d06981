"""A request on which our own code or a user's middleware failed: it is answered all the same, and what must not be
lost is kept."""

import logging
from datetime import datetime

from ocpp_app import answers, calls, frame_log
from ocpp_app.batch import Batch
from ocpp_app.models import ChargePoint, FailedMessage, Message
from ocpp_app.signals import message_failed
from ocpp_app.work import Items, Work, as_uuid
from ocppj import envelope, frames
from ocppj.frames import Call, CallError, CallResult
from ocppj.secrets import redacted

logger = logging.getLogger(__name__)


def answer(batch: Batch, work: Work, failure: str) -> Items:
    """Answer the request of ``work``, and keep what must not be lost; ``failure`` is the traceback."""
    request = work.request
    batch.lock_charge_points([work.identity] if work.identity is not None else [])
    charge_point = batch.charge_points.get(work.identity or "")
    if not isinstance(request, envelope.Frame) or charge_point is None:
        return {work.reply_to: [_reply_to_failed(request)]}
    message = frame_log.inbound(charge_point, request)
    raw = None
    if isinstance(work.frame, Call):
        message.unique_id, message.action = str(work.frame.unique_id), work.frame.action
        raw = frame_log.set_answer(message, calls.answer_failed(work.frame), batch.now)
        if work.frame.action in calls.KEPT_FOR_REPLAY:
            _keep_for_replay(batch, message, failure)
    elif isinstance(work.frame, CallResult | CallError):
        _complete_without_effects(batch, work.frame, charge_point, batch.now)
    batch.add(message)
    return {work.reply_to: [envelope.FrameReply(request.relay_id, raw)]}


def answer_without_database(work: Work) -> Items:
    """The last resort, for a request on which even ``answer`` fails: nothing is written, so nothing is confirmed."""
    request = work.request
    if isinstance(request, envelope.Frame) and isinstance(work.frame, Call):
        logger.error("A message is lost unless it comes again: %s", frame_log.readable(redacted(request.raw)))
        raw = frames.encode(calls.internal_error(work.frame))
        return {work.reply_to: [envelope.FrameReply(request.relay_id, raw)]}
    return {work.reply_to: [_reply_to_failed(request)]}


def _reply_to_failed(request: envelope.Request) -> envelope.Reply:
    if isinstance(request, envelope.Connect):
        return envelope.ConnectReply(
            request.relay_id, False, 503, "The central system could not handle the connection."
        )
    if isinstance(request, envelope.Announce):
        return envelope.AnnounceReply(request.relay_id)
    return (
        envelope.FrameReply(request.relay_id)
        if isinstance(request, envelope.Frame)
        else envelope.Done(request.relay_id)
    )


def _keep_for_replay(batch: Batch, message: Message, failure: str) -> None:
    failed = FailedMessage(
        charge_point=message.charge_point,
        session_id=message.session_id,
        action=message.action,
        raw=message.raw,
        received_at=message.at,
        error=failure,
        answered_with=message.answer,
    )
    batch.add_with_key(failed)
    batch.send(message_failed, FailedMessage, charge_point=message.charge_point, failed_message=failed)
    logger.error(
        "A transaction message failed and is kept: mend the cause, then run `manage.py replay`.",
        extra={"charge_point": message.charge_point.identity, "action": message.action, "unique_id": message.unique_id},
    )


def _complete_without_effects(
    batch: Batch, frame: CallResult | CallError, charge_point: ChargePoint, now: datetime
) -> None:
    """The chain of an answer failed: the command is answered all the same, only its effects are missing."""
    command_id = as_uuid(frame.unique_id)
    command = batch.commands_by_id([command_id]).get(command_id) if command_id is not None else None
    if command is not None and command.charge_point_id == charge_point.pk and answers.is_awaited(command):
        command.charge_point = charge_point
        answers.complete(batch, command, answers.outcome_without_effects(command, frame), at=now)
