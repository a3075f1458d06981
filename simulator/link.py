"""A charge point's side of one connection after the other: requests out, answers matched, everything written to the
ledger.

Pure, over ``ocppj.session``: after each method that takes ``now``, write what ``data_to_send`` gives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from ocppj import frames
from ocppj.errors import FrameError, PayloadError
from ocppj.frames import Call, CallError, CallResult, UniqueId
from ocppj.messages import Message, Request, Response, encode
from ocppj.session import (
    AnswerReceived,
    CallReceived,
    CallTimedOut,
    CallWritten,
    Event,
    OutboundCall,
    Session,
    UnexpectedReceived,
)
from ocppj.v16 import (
    PROTOCOL,
    AuthorizeResponse,
    BootNotificationResponse,
    StartTransactionResponse,
    StatusNotificationRequest,
)
from simulator.clock import Clock
from simulator.ledger import Entry, Ledger, LedgerEvent


@dataclass(frozen=True, slots=True)
class Answered:
    """The central system has answered a request; ``context`` is what was given with it."""

    request: Request
    response: Response
    context: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A request came back with a CALLERROR (``code``), or no answer came in time (``code`` is None)."""

    request: Request
    context: Any
    code: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The connection ended before a request was answered; ``was_sent`` tells whether it was on its way."""

    request: Request
    context: Any
    was_sent: bool


@dataclass(frozen=True, slots=True)
class Called:
    """The central system calls; answer with ``Link.answer``, ``Link.refuse`` or ``Link.ignore``."""

    received: CallReceived


Happening = Answered | Failed | Called


@dataclass(slots=True)
class _Pending:
    request: Request
    context: Any
    data: bytes


class Link:
    """The conversation of one charge point, over however many connections it takes."""

    def __init__(self, clock: Clock, ledger: Ledger, new_unique_id: Callable[[], str]) -> None:
        self._clock = clock
        self._ledger = ledger
        self._new_unique_id = new_unique_id
        self._session: Session | None = None
        self._pending: dict[str, _Pending] = {}
        self._received: CallReceived | None = None
        self.last_sent_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._session is not None

    @property
    def is_idle(self) -> bool:
        """Whether no request of ours is waiting, to be written or for its answer."""
        return not self._pending

    def open(self, now: float, detail: str = "") -> None:
        """A connection stands."""
        self._session = Session()
        self._write(now, LedgerEvent.connected, detail=detail)

    def close(self, now: float, detail: str) -> list[Unanswered]:
        """The connection has ended; what it leaves unanswered."""
        if self._session is None:
            return []
        written = self._session.outstanding
        self._session.close()
        self._session = None
        self._received = None
        left = [
            Unanswered(pending.request, pending.context, unique_id == written)
            for unique_id, pending in self._pending.items()
        ]
        if written is not None and written in self._pending:
            self._write(now, LedgerEvent.unanswered, self._pending[written].request.action, written)
        self._pending.clear()
        self._write(now, LedgerEvent.disconnected, detail=detail)
        return left

    def send(self, request: Request, now: float, *, timeout_s: float, context: Any = None) -> None:
        """Queue a request; it is written when no other is outstanding."""
        if self._session is None:
            raise RuntimeError("There is no connection: ask is_open before sending.")
        unique_id = self._new_unique_id()
        data = frames.encode(Call(unique_id, str(request.action), msgspec.Raw(encode(request))))
        self._pending[unique_id] = _Pending(request, context, data)
        self._happenings(self._session.call(OutboundCall(unique_id, data, timeout_s), now), now)

    def receive(self, raw: bytes | str, now: float) -> list[Happening]:
        """Take one websocket message."""
        return [] if self._session is None else self._happenings(self._session.receive(raw, now), now)

    def tick(self, now: float) -> list[Happening]:
        """Let time pass."""
        return [] if self._session is None else self._happenings(self._session.tick(now), now)

    def answer(self, response: Response, now: float) -> list[Happening]:
        """Answer the call handed out last; what comes back is the next one, if one waits."""
        payload = msgspec.Raw(encode(response))
        return self._reply(lambda unique_id: CallResult(unique_id, payload), LedgerEvent.answer_sent, now)

    def refuse(self, error: FrameError | PayloadError, now: float) -> list[Happening]:
        """Answer the call handed out last with a CALLERROR (OCPP-J 1.6 §4.2.3)."""
        description = error.description[: frames.MAX_ERROR_DESCRIPTION_LENGTH]
        return self._reply(
            lambda unique_id: CallError(unique_id, error.code, description), LedgerEvent.call_error_sent, now
        )

    def ignore(self, now: float) -> list[Happening]:
        """Leave the call handed out last without an answer (OCPP 1.6 §4.2: while Rejected)."""
        return [] if self._session is None else self._happenings(self._session.answer(None, now), now)

    def data_to_send(self) -> list[bytes]:
        """The websocket messages to write now, in order."""
        return [] if self._session is None else self._session.data_to_send()

    def next_timeout(self) -> float | None:
        """When ``tick`` is to be called."""
        return None if self._session is None else self._session.next_timeout()

    def _reply(
        self, frame_for: Callable[[UniqueId], CallResult | CallError], event: LedgerEvent, now: float
    ) -> list[Happening]:
        if self._session is None or self._received is None:
            return []  # the connection has ended since
        received, self._received = self._received, None
        data = frames.encode(frame_for(received.unique_id))
        action = "" if received.call is None else received.call.action
        self._write(now, event, action, str(received.unique_id), data)
        return self._happenings(self._session.answer(data, now), now)

    def _happenings(self, events: list[Event], now: float) -> list[Happening]:
        happenings: list[Happening] = []
        for event in events:
            happening = self._happening(event, now)
            if happening is not None:
                happenings.append(happening)
        return happenings

    def _happening(self, event: Event, now: float) -> Happening | None:
        match event:
            case CallWritten():
                self._written(event, now)
            case AnswerReceived():
                return self._answered(event, now)
            case CallTimedOut():
                return self._timed_out(event, now)
            case CallReceived():
                return self._called(event, now)
            case UnexpectedReceived():
                self._write(now, LedgerEvent.unexpected_received, frame=event.raw, detail=event.description)
        return None

    def _written(self, event: CallWritten, now: float) -> None:
        pending = self._pending[event.unique_id]
        self.last_sent_at = now
        self._write(
            now,
            LedgerEvent.call_sent,
            pending.request.action,
            event.unique_id,
            pending.data,
            _describe(pending.request),
        )

    def _answered(self, event: AnswerReceived, now: float) -> Happening | None:
        pending = self._pending.pop(event.unique_id, None)
        if pending is None:
            # The message has been given up or sent again since; the other transmission's answer counts.
            self._write(now, LedgerEvent.answer_received, unique_id=event.unique_id, frame=event.raw, detail="late")
            return None
        action = pending.request.action
        if isinstance(event.answer, CallError):
            detail = f"{event.answer.code}: {event.answer.description}"
            self._write(now, LedgerEvent.call_error_received, action, event.unique_id, event.raw, detail)
            return Failed(pending.request, pending.context, event.answer.code, event.answer.description)
        try:
            decoded = PROTOCOL.decode_response(action, event.answer.payload)
        except PayloadError as error:
            self._write(now, LedgerEvent.unexpected_received, action, event.unique_id, event.raw, error.description)
            return Failed(pending.request, pending.context, error.code, error.description)
        for note in decoded.notes:  # the central system is no charge point: what it sends should need no tolerance
            self._write(
                now, LedgerEvent.unexpected_received, action, event.unique_id, event.raw, f"{note.field}: {note.detail}"
            )
        self._ledger.latencies.add(now - event.written_at)
        self._write(now, LedgerEvent.answer_received, action, event.unique_id, event.raw, _describe(decoded.message))
        return Answered(pending.request, cast(Response, decoded.message), pending.context)

    def _timed_out(self, event: CallTimedOut, now: float) -> Happening:
        pending = self._pending.pop(event.unique_id)
        self._write(now, LedgerEvent.timed_out, pending.request.action, event.unique_id)
        return Failed(pending.request, pending.context, None, "No answer came in time.")

    def _called(self, event: CallReceived, now: float) -> Happening:
        self._received = event
        action = "" if event.call is None else event.call.action
        self._write(now, LedgerEvent.call_received, action, str(event.unique_id), event.raw)
        return Called(event)

    def _write(
        self,
        now: float,
        event: LedgerEvent,
        action: str = "",
        unique_id: str = "",
        frame: bytes = b"",
        detail: str = "",
    ) -> None:
        self._ledger.write(Entry(self._clock.utc(now), event, str(action), unique_id, frame, detail))


def _describe(message: Message) -> str:
    """What a person wants to read of a message in a log."""
    match message:
        case StatusNotificationRequest():
            return f"connector {message.connector_id} {message.status}"
        case BootNotificationResponse():
            return str(message.status)
        case AuthorizeResponse() | StartTransactionResponse():
            return str(message.id_tag_info.status)
    return ""
