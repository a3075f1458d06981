"""The answer to a CALL of ours, and what a gateway reports of it: the command's row follows, then the chain of the
answer."""

from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from ocpp_app import chains, clock, lifecycle, outbound, secrecy
from ocpp_app.batch import Batch
from ocpp_app.calls import Context, is_strict
from ocpp_app.frame_log import readable
from ocpp_app.middleware.base import OCPPRequest, PlannedCommand
from ocpp_app.models import Command, CommandState, Direction, Message
from ocppj import envelope
from ocppj.errors import PayloadError
from ocppj.frames import CallError, CallResult, MessageType
from ocppj.messages import Note, Response
from ocppj.versions import protocol


def is_awaited(command: Command) -> bool:
    """Whether an answer still changes the command; a late one completes what had been given up."""
    return command.may_become(CommandState.ANSWERED)


def handle(
    context: Context,
    command: Command,
    frame: CallResult | CallError,
    message: Message,
    *,
    late: bool,
    latency_s: float | None = None,
) -> list[PlannedCommand]:
    """Complete the command, log the frame beside its CALL, run the chain; returns the commands that the chain wants
    sent."""
    batch = context.batch
    response: Response | None = None
    problem: PayloadError | None = None
    notes: tuple[Note, ...] = ()
    if isinstance(frame, CallResult):
        try:
            decoded = protocol(context.charge_point.protocol).decode_response(
                command.action, frame.payload, strict=is_strict(context.charge_point)
            )
            response, notes = cast(Response, decoded.message), decoded.notes
            batch.notes.add(context.charge_point, command.action, notes)
        except PayloadError as error:
            problem = error
    outcome = _outcome(command, frame, response, problem)
    message.raw = secrecy.without_value(command, message.raw)
    complete(batch, command, outcome, at=context.received_at, late=late, latency_s=latency_s)
    _log(batch, command, frame, message)
    if problem is not None:
        return []
    message_type = MessageType.call_error if isinstance(frame, CallError) else MessageType.call_result
    request = OCPPRequest(
        batch=batch,
        charge_point=context.charge_point,
        session_id=context.session_id,
        is_current=context.is_current,
        received_at=context.received_at,
        unique_id=str(command.pk),
        action=command.action,
        message_type=message_type,
        message=response,
        raw=message.raw,
        notes=notes,
        command=command,
    )
    return chains.chain(command.action, message_type).handle(request).commands


def complete(
    batch: Batch,
    command: Command,
    outcome: tuple[CommandState, dict[str, Any]],
    *,
    at: datetime,
    late: bool = False,
    latency_s: float | None = None,
) -> None:
    """Make the command answered, or failed by a CALLERROR (or by an answer that breaks its message type)."""
    state, values = outcome
    late = late or command.state in (CommandState.TIMED_OUT, CommandState.LOST)
    sent_at = command.sent_at or at - timedelta(seconds=latency_s or 0)  # the answer may overtake the report
    common = {
        "finished_at": max(at, sent_at),
        "sent_at": sent_at,
        "latency_s": latency_s,
        "is_late": late,
        "reason": "",
    }
    lifecycle.change(batch, command, state, **values, **common)


def outcome_without_effects(command: Command, frame: CallResult | CallError) -> tuple[CommandState, dict[str, Any]]:
    """How an answer ends its command when the chain for it failed."""
    return _outcome(command, frame, None, None)


def _outcome(
    command: Command, frame: CallResult | CallError, response: Response | None, problem: PayloadError | None
) -> tuple[CommandState, dict[str, Any]]:
    if isinstance(frame, CallError):
        return CommandState.ERROR, {
            "error_code": frame.code,
            "error_description": secrecy.error_without_secrets(command, frame.description),
            "error_details": secrecy.error_without_secrets(command, _parsed(command, frame.details)),
        }
    payload = _parsed(command, frame.payload)
    if problem is not None:
        return CommandState.ERROR, {
            "error_code": problem.code,
            "error_description": f"The charge point's answer breaks the message type: {problem.description}",
            "response": payload,
        }
    status = getattr(response, "status", None) or (payload.get("status") if isinstance(payload, dict) else None)
    return CommandState.ANSWERED, {"response": payload, "status": str(status or "")}


def _parsed(command: Command, payload: msgspec.Raw) -> Any:
    """The payload as the database keeps it; as text where it is JSON that no database takes (1e999, half a surrogate
    pair)."""
    try:
        return secrecy.answer_without_secrets(command, msgspec.json.decode(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return readable(bytes(payload))


def note_report(batch: Batch, command: Command, report: envelope.CommandReport) -> None:
    """Follow what the gateway says of a CALL of ours; an answer that overtook the report is not undone."""
    at = clock.from_epoch(report.at)
    match report.state:
        case "sent":
            _note_written(batch, command, report.session, at)
        case "timed_out":
            lifecycle.change(batch, command, CommandState.TIMED_OUT, finished_at=at)
        case "expired" | "unsent" if command.session_id == report.session:
            note_unwritten(batch, command, expired=report.state == "expired")


def note_end_of_session(batch: Batch, command: Command, *, was_written: bool) -> None:
    """What was never written waits for the next session, if it may; what was written without an answer is lost."""
    if not was_written:
        note_unwritten(batch, command)
    else:
        reason = "its connection ended before the answer"
        lifecycle.change(batch, command, CommandState.LOST, finished_at=batch.now, reason=reason)


def note_unwritten(batch: Batch, command: Command, *, expired: bool = False) -> None:
    """A gateway that had the command says that it never wrote it."""
    if command.state != CommandState.DISPATCHED:
        return
    state, values = outbound.given_back(command, batch.now, "its connection ended before it was written")
    if expired and state != CommandState.CANCELLED:
        state, values = CommandState.EXPIRED, {"finished_at": batch.now, "reason": "too old when its turn came"}
    lifecycle.change(batch, command, state, **values)


def _note_written(batch: Batch, command: Command, session_id: Any, at: datetime) -> None:
    if command.sent_at is not None:
        return  # known from its answer
    at = min(at, batch.now)  # the gateway's clock may be wrong; what is reckoned with is not
    if command.dispatched_at is not None:
        at = max(at, command.dispatched_at)
    if not lifecycle.change(batch, command, CommandState.SENT, sent_at=at):
        batch.change(command, sent_at=at)  # overtaken by its end: the frame was written all the same
    batch.add(
        Message(
            charge_point_id=command.charge_point_id,
            session_id=session_id,
            direction=Direction.OUTBOUND,
            unique_id=str(command.pk),
            action=command.action,
            raw=secrecy.loggable_frame(command),
            at=at,
            command=command,
        )
    )


def _log(batch: Batch, command: Command, frame: CallResult | CallError, message: Message) -> None:
    """Put the answer beside its CALL in the frame log; both in one row, whose relay id is that of the answer."""
    row = batch.message_of(command)
    answer_type = MessageType.call_result if isinstance(frame, CallResult) else MessageType.call_error
    answer = {
        "answer": message.raw,
        "answer_type": answer_type,
        "answered_at": message.at,
        "relay_id": message.relay_id,
    }
    if row is not None:
        batch.change(row, **answer)
        return
    message.direction = Direction.OUTBOUND
    message.action, message.command = command.action, command
    message.at = command.sent_at or message.at
    message.answer, message.answer_type, message.answered_at = answer["answer"], answer_type, answer["answered_at"]  # type: ignore[assignment]
    message.raw = secrecy.loggable_frame(command)
    batch.add(message)
