"""What a batch of requests does inside its transaction: connections, frames, answers and reports, each to its reply."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from ocpp_app import answers, calls, clock, frame_log, lifecycle, logs, outbound, secrecy
from ocpp_app.acquaintances import Acquaintances
from ocpp_app.batch import Batch
from ocpp_app.habits import FrameHabit
from ocpp_app.middleware.base import PlannedCommand
from ocpp_app.models import ChargePoint, Command, CommandState, Direction, Message
from ocpp_app.sessions import Sessions, identities_to_reconcile, reconcile
from ocpp_app.work import Items, Work, as_uuid
from ocppj import envelope, frames
from ocppj.errors import ErrorCode, FrameError
from ocppj.frames import Call, CallError, CallResult
from ocppj.tolerance import Note

SEEN_AT_LEAST_EVERY = timedelta(seconds=30)
"""``last_seen_at`` is written when it is further off: a write for every frame would tell nobody more."""
CONNECT_AGAIN = 1012
"""Service Restart (IANA registry of close codes): whoever is closed with it connects again."""


class Handling:
    """The handling of one batch inside its transaction."""

    def __init__(self, batch: Batch, works: Sequence[Work], acquaintances: Acquaintances | None = None) -> None:
        """``acquaintances``: where the worker remembers charge points, unless it does not."""
        self.batch = batch
        self.works = works
        self.acquaintances = acquaintances or Acquaintances()
        self.items: Items = defaultdict(list)
        self.messages: dict[int, Message] = {}
        """Rows of the frame log that were made ahead, by the number of the relay id."""
        self.connected: list[ChargePoint] = []
        self.planned: list[tuple[ChargePoint, Command]] = []

    def handle(self) -> Items:
        """The replies, by queue, with the commands that they caused behind them. Raises ``ChargePointsChanged``."""
        self._load()
        outside = logs.at_hand.set(None)
        try:
            for work in self.works:
                logs.at_hand.set(work)
                self.items[work.reply_to].append(self._reply(work))
        finally:
            logs.at_hand.reset(outside)
        for queue, item in self.sessions.to_close:
            self.items[queue].append(item)
        self._dispatch_commands()
        if self.batch.to_close:
            self._close_sessions()
        return self.items

    def _close_sessions(self) -> None:
        for session_id, queue in outbound.queues_of(self.batch.to_close).items():
            item = envelope.CloseSession(session_id, CONNECT_AGAIN, self.batch.to_close[session_id])
            self.items[queue].append(item)

    def _load(self) -> None:
        identities = {work.identity for work in self.works if work.identity is not None}
        for work in self.works:
            if isinstance(work.request, envelope.Announce) and work.request.sessions is not None:
                identities.update(identities_to_reconcile(work.request, work.gateway))
        # Earlier frames in a statement of its own, after the locks: a worker that had the same request has committed or
        # given up by then.
        relay_ids = [work.request.relay_id for work in self.works if isinstance(work.request, envelope.Frame)]
        known = self.acquaintances.of(identities) if len(relay_ids) == len(self.works) else None
        if known is None:
            self.batch.lock_charge_points(identities)
            self.acquaintances.remember(self.batch.charge_points)
            self.calls = self._decode(self.batch.charge_points)
            earlier = self.batch.read(relay_ids) if relay_ids else []
        else:
            self.calls = self._decode(known)
            earlier = self.batch.lock_and_read(known, relay_ids, meanwhile=lambda: self._make_ready(known))
            self.acquaintances.compare(known, self.batch.charge_points)
        self.earlier = {row.relay_id: row for row in earlier}
        self.answered: dict[int, envelope.Reply] = {}
        """By the number of the relay id, which takes less time to look up."""
        self.sessions = Sessions(self.batch, [(work.request, work.gateway, work.reply_to) for work in self.works])
        command_ids = [command_id for work in self.works for command_id in work.command_ids]
        self.commands = self.batch.commands_by_id(command_ids) if command_ids else {}
        by_id = {row.pk: row for row in self.batch.charge_points.values()}
        for command in self.commands.values():
            if command.charge_point_id in by_id:
                command.charge_point = by_id[command.charge_point_id]

    def _decode(self, charge_points: Mapping[str, ChargePoint]) -> dict[int, calls.DecodedCall]:
        """The typed messages of all CALLs of these charge points, by the number of the relay id."""
        return {
            work.request.relay_id.int: calls.decode(self.batch, charge_point, work.frame)
            for work in self.works
            if isinstance(work.frame, Call) and (charge_point := charge_points.get(work.request.identity))  # type: ignore[union-attr]
        }

    def _make_ready(self, charge_points: Mapping[str, ChargePoint]) -> None:
        """While the database reads: make the rows of the frame log. What cannot be made is made in its turn, and fails
        there."""
        for work in self.works:
            if isinstance(work.request, envelope.Frame):
                with suppress(Exception):
                    charge_point = charge_points[work.request.identity]
                    self.messages[work.request.relay_id.int] = frame_log.inbound(charge_point, work.request)

    def _reply(self, work: Work) -> envelope.Reply:
        request = work.request
        match request:
            case envelope.Frame():
                return self._frame(work, request)
            case envelope.Connect():
                return self._connect(request, work.gateway)
            case envelope.Announce():
                if request.sessions is not None:
                    reconcile(self.batch, request, work.gateway)
                return self.sessions.announce(request, work.gateway)
            case envelope.Disconnect():
                self.sessions.disconnect(request)
                self._commands_of_ended_session(request)
            case envelope.CommandReport():
                self._command_report(request)
        return envelope.Done(request.relay_id)

    def _connect(self, request: envelope.Connect, gateway: str) -> envelope.ConnectReply:
        reply = self.sessions.connect(request, gateway)
        if reply.accepted:
            self.connected.append(self.batch.charge_points[request.identity])
        while self.sessions.planned:
            self._plan(*self.sessions.planned.pop())
        return reply

    # -- frames ----------------------------------------------------------------------------------------------

    def _frame(self, work: Work, request: envelope.Frame) -> envelope.Reply:
        earlier = self.earlier.get(request.relay_id) if self.earlier else None
        if earlier is not None:
            # Beside a CALL of ours stands the charge point's answer: that one is not answered.
            answer = earlier.answer if earlier.direction == Direction.INBOUND else ""
            return envelope.FrameReply(request.relay_id, answer.encode() or None)
        number = request.relay_id.int
        if number in self.answered:
            return self.answered[number]
        charge_point = self.batch.charge_points.get(request.identity)
        if charge_point is None:
            return _unregistered(work, request)
        self.answered[number] = reply = self._frame_of(charge_point, work, request)
        return reply

    def _frame_of(self, charge_point: ChargePoint, work: Work, request: envelope.Frame) -> envelope.FrameReply:
        message = self.messages.get(request.relay_id.int) or frame_log.inbound(charge_point, request)
        received_at = message.at
        is_current = self.sessions.touch(charge_point, request.session)
        seen = charge_point.last_seen_at
        # Also when it lies ahead: the gateway's clock was fast and has been set back.
        if is_current and (seen is None or abs(received_at - seen) > SEEN_AT_LEAST_EVERY):
            self.batch.change(charge_point, last_seen_at=received_at)
        frame = work.frame
        if isinstance(frame, Call):
            context = calls.Context(self.batch, charge_point, request.session, is_current, received_at)
            answer: CallResult | CallError | None = self._call(
                context, frame, self.calls[request.relay_id.int], message
            )
        elif isinstance(frame, FrameError):
            answer = calls.answer_malformed(frame)
            message.unique_id = frame.unique_id or ""
            note = Note(FrameHabit.MalformedFrame, "", frame.description)
            self.batch.notes.add(charge_point, "", (note,))
        else:
            assert isinstance(frame, CallResult | CallError)
            self._answer(charge_point, work, request, frame, message, is_current)
            return envelope.FrameReply(request.relay_id)
        raw = None if answer is None else frame_log.set_answer(message, answer, clock.now())
        self.batch.add(message)
        return envelope.FrameReply(request.relay_id, raw)

    def _call(
        self, context: calls.Context, frame: Call, decoded: calls.DecodedCall, message: Message
    ) -> CallResult | CallError:
        message.unique_id, message.action = str(frame.unique_id), frame.action
        answer, planned = calls.handle(context, frame, decoded, message.raw)
        self._plan(context.charge_point, planned)
        return answer

    def _answer(
        self,
        charge_point: ChargePoint,
        work: Work,
        request: envelope.Frame,
        frame: CallResult | CallError,
        message: Message,
        is_current: bool,
    ) -> None:
        command = self._command(frame.unique_id, charge_point)
        message.unique_id = str(frame.unique_id)
        work.command_action = "" if command is None else command.action
        if command is None or not answers.is_awaited(command):
            note = Note(FrameHabit.UnexpectedAnswer, "", message.raw[:100])
            self.batch.notes.add(charge_point, work.command_action, (note,))
            self.batch.add(message)  # an answer to nothing: kept, without effect
            return
        context = calls.Context(self.batch, charge_point, request.session, is_current, message.at)
        planned = answers.handle(context, command, frame, message, late=request.late, latency_s=request.latency_s)
        self._plan(charge_point, planned)
        self._wake(command)

    def _plan(self, charge_point: ChargePoint, planned: list[PlannedCommand]) -> None:
        for plan in planned:
            # A microsecond apart: should they have to wait, they still leave in this order.
            now = self.batch.now + timedelta(microseconds=len(self.planned))
            command = outbound.new_command(
                charge_point,
                plan.message,
                now=now,
                delay_s=plan.delay_s,
                expires_at=plan.expires_at,
                source=plan.source,
            )
            self.batch.add(command)
            if secrecy.carries_key(command):  # A01: valid from its sending on, for its answer may be lost
                self.batch.change(charge_point, next_authorization_key=secrecy.hash_of(command))
            self.planned.append((charge_point, command))

    # -- commands --------------------------------------------------------------------------------------------

    def _command(self, unique_id: object, charge_point: ChargePoint | None) -> Command | None:
        """The command to this charge point with this unique id, one row of it for the whole batch."""
        command_id = as_uuid(unique_id)
        command = None if command_id is None else self.commands.get(command_id)
        return command if command and charge_point and command.charge_point_id == charge_point.pk else None

    def _command_report(self, report: envelope.CommandReport) -> None:
        command = self._command(report.unique_id, self.batch.charge_points.get(report.identity))
        if command is None:
            return
        answers.note_report(self.batch, command, report)
        if command.is_finished:
            self._wake(command)

    def _commands_of_ended_session(self, request: envelope.Disconnect) -> None:
        named = [(unique_id, True) for unique_id in request.unanswered]
        named += [(unique_id, False) for unique_id in request.unsent]
        for unique_id, was_written in named:
            command = self._command(unique_id, self.batch.charge_points.get(request.identity))
            if command is None or command.session_id != request.session:
                continue
            answers.note_end_of_session(self.batch, command, was_written=was_written)
            if command.is_finished:
                self._wake(command)

    def _wake(self, command: Command) -> None:
        if command.reply_to:
            self.items[command.reply_to].append(envelope.CommandFinished(str(command.pk)))

    def _dispatch_commands(self) -> None:
        """Commands that a chain added, and those that waited for a connection, go out behind the replies, oldest
        first; what may not go out now waits."""
        leaving = {row.pk: row for row in self.connected} | {row.pk: row for row, _command in self.planned}
        reachable = [row for row in leaving.values() if row.session_id is not None]
        if not reachable:
            return
        queues = self._queues_of({row.session_id for row in reachable if row.session_id is not None})
        reachable = [row for row in reachable if row.session_id in queues]
        waiting, is_all = self._waiting_commands(reachable)
        planned = [command for row, command in self.planned if row in reachable] if is_all else []
        for command in [*waiting, *planned]:
            charge_point = leaving[command.charge_point_id]
            session_id = charge_point.session_id
            if session_id is not None and outbound.may_be_sent(charge_point, command.action):
                lifecycle.change(
                    self.batch,
                    command,
                    CommandState.DISPATCHED,
                    session_id=session_id,
                    dispatched_at=self.batch.now,
                )
                self.items[queues[session_id]].append(outbound.as_item(command, session_id, charge_point.identity))

    def _queues_of(self, session_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
        fresh = {}  # fresher than the announcement
        for work in self.works:
            if isinstance(work.request, envelope.Connect | envelope.Frame) and work.request.session in session_ids:
                fresh[work.request.session] = work.reply_to
        others = session_ids - fresh.keys()
        return {**(outbound.queues_of(others) if others else {}), **fresh}

    def _waiting_commands(self, charge_points: list[ChargePoint]) -> tuple[list[Command], bool]:
        """What waits for these charge points, oldest first, and whether that is all of it."""
        limit = outbound.CLAIMED_AT_ONCE
        # This batch may have given commands back, or ended them: its own rows are fresher than the table's.
        others = [command for command in self._queued_commands(charge_points) if command.pk not in self.commands]
        ids = {row.pk for row in charge_points}
        given_back = [
            command
            for command in self.commands.values()
            if command.state == CommandState.QUEUED and command.charge_point_id in ids
        ]
        waiting = sorted([*others, *given_back], key=lambda command: (command.created_at, command.pk))
        return waiting[:limit], len(waiting) < limit

    def _queued_commands(self, charge_points: list[ChargePoint]) -> list[Command]:
        """The oldest that may be sent to these; of most it is known since their locking that there is none."""
        planned = {row.pk for row, _command in self.planned}
        some = [row for row in charge_points if row.pk in planned or row.pk in self.sessions.with_commands]
        queued = outbound.sendable(some, self.batch.now).select_for_update(no_key=True)
        return list(queued[: outbound.CLAIMED_AT_ONCE]) if some else []


def _unregistered(work: Work, request: envelope.Frame) -> envelope.FrameReply:
    """A frame of a charge point that was deleted while it was connected."""
    if not isinstance(work.frame, Call):
        return envelope.FrameReply(request.relay_id)
    error = CallError(work.frame.unique_id, ErrorCode.SecurityError, "This charge point is not registered (any more).")
    return envelope.FrameReply(request.relay_id, frames.encode(error))
