"""One charge point's connection: drives ``ocppj.session.Session`` with the loop's clock, a websocket and the relay.

    websocket ──text──▶ session.receive ──CallReceived──▶ relay.submit(Frame)
    websocket ◀──text── session.answer ◀──FrameReply── replied
    websocket ◀──text── session.call ◀──Command── command

What a charge point does to its own connection (floods, stalls, garbage) ends here and reaches no other one.
"""

import asyncio
import logging
from uuid import UUID

from websockets.exceptions import ConnectionClosed

from ocppj.envelope import Command, Disconnect, Frame, FrameReply, Reply, Request, SessionSettings
from ocppj.secrets import redacted, redacted_call
from ocppj.session import (
    AnswerReceived,
    CallDropped,
    CallExpired,
    CallReceived,
    CallTimedOut,
    CallWritten,
    Event,
    OutboundCall,
    Session,
    UnexpectedReceived,
)
from wsgate import limits
from wsgate.config import Config
from wsgate.gate import Gate
from wsgate.liveness import Liveness, Verdict
from wsgate.metrics import CLOSE_CODES
from wsgate.registry import Registry
from wsgate.relay import Relay, wall_clock
from wsgate.reporter import Reporter
from wsgate.websocket import Websocket
from wsgate.writer import Writer

logger = logging.getLogger(__name__)

MAX_REASON_BYTES = 123
"""RFC 6455 §5.5: a close frame has 125 bytes, two of them for the code."""

NORMAL, ABNORMAL, MESSAGE_TOO_BIG, TRY_AGAIN_LATER = 1000, 1006, 1009, 1013
SENDABLE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""RFC 6455 §7.4 and IANA's registry: what a close frame may carry."""


class ChargePointConnection:
    """One session, from the moment the backend has let the charge point in until the backend knows that it has left."""

    __slots__ = (
        "_call_relay_id",
        "_close_task",
        "_closing",
        "_commands_before_open",
        "_config",
        "_drainer",
        "_gate",
        "_has_ended",
        "_has_opened",
        "_liveness",
        "_loop",
        "_registry",
        "_relay",
        "_reporter",
        "_retiring",
        "_room",
        "_session",
        "_timer",
        "_unsent",
        "_websocket",
        "_writer",
        "identity",
        "session_id",
    )

    def __init__(
        self,
        websocket: Websocket,
        session_id: UUID,
        identity: str,
        settings: SessionSettings,
        *,
        config: Config,
        relay: Relay,
        registry: Registry,
        gate: Gate,
    ) -> None:
        self.session_id = session_id
        self.identity = identity
        self._websocket = websocket
        self._config = config
        self._relay = relay
        self._registry = registry
        self._loop = websocket.loop
        self._gate = gate
        self._reporter = Reporter(relay, self, session_id, identity)
        self._writer = Writer(websocket)
        self._liveness = Liveness(settings)
        self._session = Session(max_waiting_calls=config.max_waiting_calls)
        self._call_relay_id: UUID | None = None  # of the charge point's CALL that the backend has
        self._unsent: list[str] = []  # our CALLs that will never be written
        self._commands_before_open: list[Command] = []
        self._has_opened = False
        self._has_ended = False
        self._closing: tuple[int, str] | None = None
        self._retiring: tuple[int, str] | None = None
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._close_task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<ChargePointConnection {self.identity!r} {self.session_id}>"

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until the connection is closed, by whichever side."""
        self._has_opened = True
        try:
            if self._closing is not None:  # replaced or closed by the backend before the handshake was through
                await self._websocket.close(*self._closing)
                return
            self._log(logging.INFO, "Connected")
            self._schedule(self._loop.time())
            self._carry_out_early_commands()
            await self._read()
        except ConnectionClosed:
            pass
        finally:
            self._end()

    def lost(self) -> None:
        """The TCP connection is gone. What has been read of it is still handled by ``run``, unless that never began."""
        self._make_room()
        if not self._has_opened:
            self._end()

    def close(self, code: int, reason: str) -> None:
        """Close the websocket. CALLs are not taken from it any more; an answer to a CALL of ours still is."""
        if self._closing is not None or self._has_ended:
            return
        self._closing = (code if code in SENDABLE_CODES else NORMAL, _fit(reason))
        self._take_back_waiting_calls()
        self._make_room()
        if self._has_opened:
            self._close_task = self._loop.create_task(self._close())

    def retire(self, code: int, reason: str) -> None:
        """Close the websocket as soon as the CALL in progress, in either direction, has its answer."""
        if self._retiring is None:
            self._retiring = (code, reason)
            self._take_back_waiting_calls()
            self._close_if_idle()

    async def _read(self) -> None:
        recv = self._websocket.recv
        session = self._session
        while True:
            # decode=True: binary frames are taken as text, and what is no UTF-8 closes with 1007 (RFC 6455 §8.1).
            raw = await recv(decode=True)
            if session.is_full:
                continue  # the connection is being closed, see below: what still comes is not kept
            now = self._loop.time()
            wait_s = self._websocket.frames.take(1, now)
            self._handle(session.receive(raw, now), now)
            if wait_s:
                await self._slow_down(wait_s, now)
            if session.is_full and self._closing is None and self._websocket.is_open:
                self._note(limits.INBOUND_QUEUE, now)
                self._room = self._loop.create_future()
                await self._room

    async def _slow_down(self, wait_s: float, now: float) -> None:
        """Read nothing for a while: the kernel's buffers fill up, and then the charge point has to wait."""
        self._note(limits.FRAME_RATE, now)
        await asyncio.sleep(wait_s)
        self._websocket.received_at = self._loop.time()  # what came meanwhile is only read now

    def _note(self, kind: str, now: float) -> None:
        self._gate.incidents.note(kind, self._websocket.origin.address, now, self.identity)

    async def _close(self) -> None:
        assert self._closing is not None
        if self._drainer is not None:
            await asyncio.wait({self._drainer}, timeout=self._config.close_timeout_s)
        await self._websocket.close(*self._closing)

    def _close_if_idle(self) -> None:
        if self._retiring is not None and self._call_relay_id is None and self._session.outstanding is None:
            self.close(*self._retiring)

    def _end(self) -> None:
        """The session is over: say so to the backend, with what became of our CALLs."""
        if self._has_ended:
            return
        self._take_back_waiting_calls()
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._drainer is not None:
            self._drainer.cancel()
        self._registry.remove(self)
        unsent = [*self._writer.queued_calls(), *self._unsent]
        dropped = [event.unique_id for event in self._session.close() if isinstance(event, CallDropped)]
        unanswered = [unique_id for unique_id in dropped if unique_id not in unsent]
        code, reason = self._close_code()
        self._gate.tally.closes[str(code) if str(code) in CLOSE_CODES else "other"] += 1
        if code == MESSAGE_TOO_BIG:
            self._note(limits.FRAME_SIZE, self._loop.time())
        self._log(logging.INFO, "Disconnected: %s %s", code, reason)
        self._reporter.farewell(code, reason, tuple(unsent), tuple(unanswered))

    def _close_code(self) -> tuple[int, str]:
        if self._closing is not None:
            return self._closing
        protocol = self._websocket.protocol
        close = protocol.close_sent if protocol.close_rcvd is None else protocol.close_rcvd
        return (ABNORMAL, "") if close is None else (int(close.code), close.reason)

    # -- from the charge point -------------------------------------------------------------------------------

    def _handle(self, events: list[Event], now: float) -> None:
        """Carry out what the session says; then write what it has to send."""
        written: str | None = None
        for event in events:
            if isinstance(event, CallReceived):
                self._relay_call(event, now)
            elif isinstance(event, AnswerReceived):
                self._relay_answer(event, now)
            elif isinstance(event, UnexpectedReceived):
                self._relay_unexpected(event)
            elif isinstance(event, CallWritten):
                written = event.unique_id
            elif isinstance(event, CallTimedOut):
                self._report(event.unique_id, "timed_out")
            elif isinstance(event, CallExpired):
                self._report(event.unique_id, "expired")
        self._write_pending(written)
        if written is not None:
            self._schedule(now)
        if self._retiring is not None:
            self._close_if_idle()

    def _relay_call(self, event: CallReceived, now: float) -> None:
        self._gate.tally.calls += 1
        if self._closing is not None or self._retiring is not None:
            return  # it could not be answered any more: the charge point keeps it and sends it again
        self._call_relay_id = self._reporter.frame(event.raw, now - event.received_at)
        if logger.isEnabledFor(logging.DEBUG):
            action = "" if event.call is None else event.call.action
            self._log(logging.DEBUG, "CALL %s", redacted(event.raw), unique_id=event.unique_id, action=action)

    def _relay_answer(self, event: AnswerReceived, now: float) -> None:
        self._gate.tally.answers += 1
        latency_s = now - event.written_at
        self._reporter.frame(event.raw, late=event.late, latency_s=latency_s)
        if logger.isEnabledFor(logging.DEBUG):
            shown = redacted(event.raw)
            self._log(logging.DEBUG, "Answer after %.3f s: %s", latency_s, shown, unique_id=event.unique_id)

    def _report(self, unique_id: str, state: str) -> None:
        self._gate.tally.commands[state] += 1
        self._reporter.command(unique_id, state)
        self._log(logging.DEBUG, "Command %s", state, unique_id=unique_id)

    def _relay_unexpected(self, event: UnexpectedReceived) -> None:
        self._gate.tally.unexpected += 1
        self._reporter.frame(event.raw)
        if logger.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, "%s %s", event.description, redacted(event.raw))

    # -- from the backend ------------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """Queue a CALL of ours, or take it back; one that was queued before is ignored.

        Also after the end, until the backend knows of it: what became of a CALL is then in the ``Disconnect``.
        """
        if command.cancel:
            self._cancel(command.unique_id)
        elif self._session.has_seen(command.unique_id):
            return
        elif self._closing is not None or self._retiring is not None or self._has_ended:
            self._report(command.unique_id, "unsent")
        elif not self._has_opened:
            self._commands_before_open.append(command)  # it came together with the reply that let the charge point in
        else:
            self._call(command)

    def _call(self, command: Command) -> None:
        now = self._loop.time()
        expires_at = None if command.expires_at is None else now + (command.expires_at - wall_clock())
        not_before = now + command.delay_s if command.delay_s > 0 else 0.0
        call = OutboundCall(command.unique_id, command.raw, command.timeout_s, not_before, expires_at)
        self._handle(self._session.call(call, now), now)
        self._schedule(now)

    def _cancel(self, unique_id: str) -> None:
        self._commands_before_open = [each for each in self._commands_before_open if each.unique_id != unique_id]
        if self._session.cancel(unique_id):
            self._report(unique_id, "unsent")

    def _carry_out_early_commands(self) -> None:
        commands, self._commands_before_open = self._commands_before_open, []
        for command in commands:
            self._call(command)

    def replied(self, request: Request, reply: Reply | None) -> None:
        """The backend's reply to something this connection submitted; None when the relay has given up on it."""
        if isinstance(reply, FrameReply) and not self._has_ended:
            self._answer(reply)
        if isinstance(request, Disconnect):
            self._registry.forget(self)
        self._reporter.replied()

    def _answer(self, reply: FrameReply) -> None:
        if reply.relay_id != self._call_relay_id:
            return  # a frame that gets no answer
        self._call_relay_id = None
        now = self._loop.time()
        self._handle(self._session.answer(reply.raw, now), now)
        if not self._session.is_full:
            self._make_room()

    def _make_room(self) -> None:
        if self._room is not None:
            room, self._room = self._room, None
            room.set_result(None)
            self._websocket.received_at = self._loop.time()  # what came meanwhile is only read now

    def held_too_long(self, request: Request) -> None:
        """Broker or backend are away for longer than is borne: let the charge point go offline and keep its messages.

        An answer, a disconnect or a report is kept on: nobody will repeat it.
        """
        if not self._has_ended:
            self.close(TRY_AGAIN_LATER, "The central system is not available, try again later.")
        elif isinstance(request, Frame) and request.latency_s is None:
            self._relay.give_up(request)

    # -- to the charge point ---------------------------------------------------------------------------------

    def _write_pending(self, call_written: str | None) -> None:
        data = self._session.data_to_send()
        for number, message in enumerate(data, start=1):
            # The session adds our CALL last.
            self._write(message, call_written if number == len(data) else None)

    def _write(self, data: bytes, unique_id: str | None) -> None:
        if not self._websocket.is_open or self._closing is not None:
            if unique_id is not None:
                self._unsent.append(unique_id)
        elif self._writer.write(data, unique_id, now := self._loop.time()):
            self._written(data, unique_id)
        elif self._writer.queued_bytes > self._config.max_write_buffer_bytes:
            self._abort("The charge point reads too slowly.")
        elif self._drainer is None:
            self._drainer = self._loop.create_task(self._drain())
            self._schedule(now)

    async def _drain(self) -> None:
        try:
            async for data, unique_id in self._writer.catch_up():
                self._written(data, unique_id)
        except ConnectionClosed:
            pass
        finally:
            self._drainer = None

    def _written(self, data: bytes, unique_id: str | None) -> None:
        tally = self._gate.tally
        tally.written += 1
        tally.sent_bytes += len(data)
        if unique_id is not None:
            self._report(unique_id, "sent")
        if logger.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, "Written %s", redacted_call(data), unique_id=unique_id)

    def _take_back_waiting_calls(self) -> None:
        """Our CALLs that have not been written never will be; the backend hears of it when the session ends."""
        waiting = [*self._session.waiting, *(command.unique_id for command in self._commands_before_open)]
        for unique_id in waiting:
            self._session.cancel(unique_id)
        self._commands_before_open.clear()
        self._unsent.extend(waiting)

    def _abort(self, reason: str) -> None:
        if self._closing is None:
            self._closing = (ABNORMAL, reason)
        self._take_back_waiting_calls()
        self._websocket.abort()

    # -- time: one timer for everything ----------------------------------------------------------------------

    def _schedule(self, now: float) -> None:
        due = self._next_due(now)
        if due is None or self._has_ended:
            return
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_timer)

    def _heard_at(self, now: float) -> float:
        """When the charge point last gave a sign of life; while we do not read, it is taken to be alive."""
        return now if self._room is not None or self._websocket.is_held else self._websocket.received_at

    def _next_due(self, now: float) -> float | None:
        times = [self._liveness.next_check(self._heard_at(now)), self._session.next_timeout()]
        if self._writer.is_behind:
            times.append(self._writer.progress_at + self._config.write_timeout_s)
        return min((time for time in times if time is not None), default=None)

    def _on_timer(self) -> None:
        self._timer = None
        if self._has_ended:
            return
        now = self._loop.time()
        self._handle(self._session.tick(now), now)
        self._check_liveness(now)
        self._schedule(now)

    def _check_liveness(self, now: float) -> None:
        if self._writer.is_behind and now >= self._writer.progress_at + self._config.write_timeout_s:
            self._abort("The charge point reads nothing.")
            return
        verdict = self._liveness.check(now, self._heard_at(now))
        if verdict.is_fatal:
            self._abort(verdict.value)
        elif verdict is Verdict.ping and self._websocket.is_open:
            self._websocket.write_ping()

    # -- log -------------------------------------------------------------------------------------------------

    def _log(self, level: int, text: str, *args: object, unique_id: object = None, action: str | None = None) -> None:
        if logger.isEnabledFor(level):
            fields = {
                "charge_point": self.identity, "session": str(self.session_id), "unique_id": unique_id, "action": action
            }  # fmt: skip
            logger.log(level, text, *args, extra=fields)


def _fit(reason: str) -> str:
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
