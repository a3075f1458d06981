"""One OCPP-J connection as a sans-I/O state machine: frames and times in, events and bytes out.

The gateway and the simulator drive the same class::

    events = session.receive(raw, now)
    for data in session.data_to_send():
        await websocket.send(data)

``now`` is any clock that never runs backwards, in seconds. After each method that takes ``now``, write what
``data_to_send`` gives and handle the events; ask ``next_timeout`` when to call ``tick``. Two rules of the
specification live here and nowhere else:

* our CALLs go out one at a time: the next only after the answer to the last, or its timeout (OCPP-J 1.6 §4.1.1);
* the peer's CALLs are handed out one at a time, in the order in which they came; answers to ours pass at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocppj import frames
from ocppj.errors import FrameError, SessionError
from ocppj.frames import Call, CallError, CallResult, UniqueId

REMEMBERED_CALLS = 1024
"""How many of our own unique ids are remembered, to drop a CALL that is handed in twice and to know a late answer."""


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A CALL of ours; times are on the session's clock.

    ``not_before``: it is not written earlier, and does not hold up those behind it. ``expires_at``: it is dropped
    instead of written from then on. ``timeout_s``: how long its answer is waited for, from the moment of writing.
    """

    unique_id: str
    data: bytes
    timeout_s: float
    not_before: float = 0.0
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class CallReceived:
    """The peer's CALL whose turn it is; answer it with ``Session.answer``.

    ``call`` is None where the frame is no proper CALL but carries a unique id to answer to; ``error`` then says what
    is wrong.
    """

    unique_id: UniqueId
    raw: bytes
    received_at: float
    call: Call | None
    error: FrameError | None = None


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The answer to a CALL of ours that was written at ``written_at``; ``late`` when it came after its timeout."""

    unique_id: str
    answer: CallResult | CallError
    raw: bytes
    late: bool
    written_at: float


@dataclass(frozen=True, slots=True)
class UnexpectedReceived:
    """A frame that asks and answers nothing: unreadable, of unknown type, or an answer to no CALL of ours."""

    raw: bytes
    description: str


@dataclass(frozen=True, slots=True)
class CallWritten:
    """A CALL of ours is in ``data_to_send``; it is on its way once that has been written."""

    unique_id: str


@dataclass(frozen=True, slots=True)
class CallTimedOut:
    """No answer within the CALL's time; the next one goes out."""

    unique_id: str


@dataclass(frozen=True, slots=True)
class CallExpired:
    """A CALL of ours was too old when its turn came; it was never written."""

    unique_id: str


@dataclass(frozen=True, slots=True)
class CallDropped:
    """The session ended. ``written`` tells a CALL whose answer is now unknown from one that was never written."""

    unique_id: str
    written: bool


Event = CallReceived | AnswerReceived | UnexpectedReceived | CallWritten | CallTimedOut | CallExpired | CallDropped


@dataclass(slots=True)
class _Outstanding:
    unique_id: str
    written_at: float
    deadline: float


class Session:
    """The protocol state of one connection, from its opening handshake to its end."""

    def __init__(self, *, max_waiting_calls: int = 64, max_waiting_bytes: int = 1 << 20) -> None:
        """How many of the peer's CALLs, of how many bytes together, may wait their turn before ``is_full`` says so."""
        self._max_waiting_calls = max_waiting_calls
        self._max_waiting_bytes = max_waiting_bytes
        self._inbound: list[CallReceived] = []  # a deque takes half a KiB, and it is empty nearly always
        self._inbound_bytes = 0
        self._current: CallReceived | None = None
        self._queue: dict[str, OutboundCall] = {}
        self._outstanding: _Outstanding | None = None
        self._unanswered: dict[str, float] = {}
        self._seen: dict[str, None] = {}  # those that wait no more
        self._to_send: list[bytes] = []
        self._closed = False

    # -- what the peer sends ---------------------------------------------------------------------------------

    def receive(self, raw: bytes | str, now: float) -> list[Event]:
        """Take one websocket message; after ``close`` it is dropped."""
        if self._closed:
            return []
        data = raw.encode(errors="replace") if isinstance(raw, str) else raw
        try:
            frame = frames.decode(data)
        except FrameError as error:
            return self._receive_malformed(data, error, now)
        if isinstance(frame, Call):
            return self._receive_call(CallReceived(frame.unique_id, data, now, frame))
        return self._receive_answer(frame, data, now)

    @property
    def is_full(self) -> bool:
        """Whether so many of the peer's CALLs wait that nothing more should be read before one is answered."""
        return len(self._inbound) >= self._max_waiting_calls or self._inbound_bytes >= self._max_waiting_bytes

    @property
    def is_answering(self) -> bool:
        """Whether a CALL of the peer's has been handed out and not been answered yet."""
        return self._current is not None

    def answer(self, data: bytes | None, now: float) -> list[Event]:
        """Send the answer to the CALL handed out last, or None if it gets none; the event is the next CALL, if any."""
        if self._current is None:
            raise SessionError("There is no CALL to answer: each CallReceived is answered once.")
        self._current = None
        if data is not None:
            self._to_send.append(data)
        return list(self._next_inbound())

    # -- what we send ----------------------------------------------------------------------------------------

    def call(self, call: OutboundCall, now: float) -> list[Event]:
        """Queue a CALL of ours; one whose unique id was handed in before on this session is ignored."""
        if self.has_seen(call.unique_id):
            return []
        self._queue[call.unique_id] = call
        return self.tick(now)

    def has_seen(self, unique_id: str) -> bool:
        """Whether a CALL with this unique id was handed in before, whatever became of it."""
        return unique_id in self._queue or unique_id in self._seen

    def cancel(self, unique_id: str) -> bool:
        """Take a CALL back; False when it was written, or has ended, already. One that comes later is ignored."""
        if unique_id in self._seen:
            return False
        self._queue.pop(unique_id, None)
        _remember(self._seen, unique_id, None)
        return True

    def data_to_send(self) -> list[bytes]:
        """The websocket messages to write now, in order; each is given out once."""
        data, self._to_send = self._to_send, []
        return data

    @property
    def outstanding(self) -> str | None:
        """The unique id of our CALL whose answer is awaited."""
        return None if self._outstanding is None else self._outstanding.unique_id

    @property
    def waiting(self) -> tuple[str, ...]:
        """The unique ids of our CALLs that have not been written, in order."""
        return tuple(self._queue)

    # -- time and end ----------------------------------------------------------------------------------------

    def next_timeout(self) -> float | None:
        """When ``tick`` is to be called, on the session's clock; None while nothing is due."""
        if self._outstanding is not None:
            return self._outstanding.deadline
        return min((call.not_before for call in self._queue.values()), default=None)

    def tick(self, now: float) -> list[Event]:
        """Let time pass: give up on the outstanding CALL when its time is over and write the next one that is due."""
        events: list[Event] = []
        if self._outstanding is not None and now >= self._outstanding.deadline:
            events.append(CallTimedOut(self._outstanding.unique_id))
            _remember(self._unanswered, self._outstanding.unique_id, self._outstanding.written_at)
            self._outstanding = None
        events.extend(self._next_outbound(now))
        return events

    def close(self) -> list[Event]:
        """End the session; the events say what became of our CALLs. Nothing is sent afterwards."""
        if self._closed:
            return []
        self._closed = True
        dropped: list[Event] = []
        if self._outstanding is not None:
            dropped.append(CallDropped(self._outstanding.unique_id, written=True))
        dropped.extend(CallDropped(call.unique_id, written=False) for call in self._queue.values())
        self._outstanding, self._current = None, None
        self._queue.clear()
        self._inbound.clear()
        self._inbound_bytes = 0
        self._to_send.clear()
        return dropped

    # -- inside ----------------------------------------------------------------------------------------------

    def _receive_malformed(self, data: bytes, error: FrameError, now: float) -> list[Event]:
        if error.is_call and error.unique_id is not None:
            return self._receive_call(CallReceived(error.unique_id, data, now, None, error))
        return [UnexpectedReceived(data, error.description)]

    def _receive_call(self, received: CallReceived) -> list[Event]:
        if self._current is None and not self._inbound:
            self._current = received
            return [received]
        self._inbound.append(received)
        self._inbound_bytes += len(received.raw)
        return list(self._next_inbound())

    def _next_inbound(self) -> Iterator[Event]:
        if self._current is None and self._inbound:
            self._current = self._inbound.pop(0)
            self._inbound_bytes -= len(self._current.raw)
            yield self._current

    def _receive_answer(self, frame: CallResult | CallError, data: bytes, now: float) -> list[Event]:
        unique_id = str(frame.unique_id)
        if self._outstanding is not None and unique_id == self._outstanding.unique_id:
            written_at, self._outstanding = self._outstanding.written_at, None
            return [AnswerReceived(unique_id, frame, data, False, written_at), *self._next_outbound(now)]
        if unique_id in self._unanswered:
            return [AnswerReceived(unique_id, frame, data, True, self._unanswered.pop(unique_id))]
        return [UnexpectedReceived(data, "The answer belongs to no CALL of ours.")]

    def _next_outbound(self, now: float) -> Iterator[Event]:
        # OCPP-J 1.6 §4.1.1: no further CALL before the last one has been responded to or has timed out.
        while self._outstanding is None and not self._closed:
            call = next((call for call in self._queue.values() if call.not_before <= now), None)
            if call is None:
                return
            del self._queue[call.unique_id]
            _remember(self._seen, call.unique_id, None)
            if call.expires_at is not None and now >= call.expires_at:
                yield CallExpired(call.unique_id)
                continue
            self._outstanding = _Outstanding(call.unique_id, now, now + call.timeout_s)
            self._to_send.append(call.data)
            yield CallWritten(call.unique_id)


def _remember(memory: dict[str, Any], unique_id: str, value: Any) -> None:
    memory[unique_id] = value
    if len(memory) > REMEMBERED_CALLS:
        del memory[next(iter(memory))]  # the oldest
