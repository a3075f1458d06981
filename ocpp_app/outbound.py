"""CALLs of ours as rows and as items for a gateway: the rules that everybody who sends a command shares.

Queued commands of a charge point leave oldest first, whoever sends them: who claims them holds the lock of the charge
point's row, and publishes right after COMMIT.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Q, QuerySet

from ocpp_app import bulk, conf, lifecycle, quirks, secrecy
from ocpp_app.models import ChargePoint, Command, CommandState, RegistrationStatus, Session
from ocpp_app.work import Items
from ocppj import envelope, frames
from ocppj.messages import Request, encode
from ocppj.v16 import Action

NOT_WHILE_PENDING = frozenset({Action.RemoteStartTransaction, Action.RemoteStopTransaction})
"""OCPP 1.6 §4.2: a charge point that is Pending is not to be asked to start or stop transactions."""
NOT_DISPATCHED: dict[str, Any] = {"session_id": None, "dispatched_at": None, "repeated_at": None}
"""How the row of a queued command looks."""
CLAIMED_AT_ONCE = 200
"""So many commands leave in one database transaction."""


def new_command(charge_point: ChargePoint, message: Request, *, now: datetime, **fields: Any) -> Command:
    """A command, not saved yet, in state ``queued``; raises ``PayloadError`` for what the message type forbids."""
    secrecy.check_new_key(message)
    payload = encode(message)
    command = Command(
        charge_point=charge_point,
        action=str(message.action),
        payload=msgspec.json.decode(payload),
        created_at=now,
        timeout_s=fields.pop("timeout_s", None) or timeout_of(charge_point),
        **fields,
    )
    # Kept as it is sent: a JSON column forgets the order of the fields.
    command.frame = frames.encode(frames.Call(str(command.pk), command.action, msgspec.Raw(payload))).decode()
    return command


def timeout_of(charge_point: ChargePoint) -> float:
    """How long this charge point may take to answer, in seconds."""
    own = charge_point.call_timeout_s or quirks.behaviour_of(charge_point).call_timeout_s
    return float(own or conf.call_timeout_s())


MAY_BE_SENT = Q(charge_point__registration_status=RegistrationStatus.ACCEPTED) | (
    Q(charge_point__registration_status=RegistrationStatus.PENDING) & ~Q(action__in=NOT_WHILE_PENDING)
)
"""The same as ``may_be_sent``, of commands in the database."""


def may_be_sent(charge_point: ChargePoint, action: str) -> bool:
    """Whether this registration status lets the action go out: Accepted all, Pending all but remote start and stop,
    Rejected none."""
    if charge_point.registration_status == RegistrationStatus.PENDING:
        return action not in NOT_WHILE_PENDING
    return charge_point.is_accepted


def as_item(command: Command, session_id: uuid.UUID, identity: str) -> envelope.Command:
    """The command as the gateway gets it; one whose cancellation was requested, as the request to take it back."""
    return envelope.Command(
        session=session_id,
        identity=identity,
        unique_id=str(command.pk),
        raw=raw_call(command),
        timeout_s=command.timeout_s,
        delay_s=command.delay_s,
        # A gateway that does not know ``cancel`` yet and has not seen the command finds it too old to be written.
        expires_at=0.0 if command.cancel_requested_at else _epoch(command.expires_at),
        cancel=command.cancel_requested_at is not None,
    )


def raw_call(command: Command) -> bytes:
    """The command's frame."""
    if command.frame:
        return command.frame.encode()
    payload = msgspec.Raw(msgspec.json.encode(command.payload))
    return frames.encode(frames.Call(str(command.pk), command.action, payload))


def _epoch(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def queues_of(session_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The queue of the gateway that holds each of these sessions."""
    rows = Session.objects.filter(pk__in=set(session_ids), gateway__isnull=False)
    return dict(rows.values_list("pk", "gateway__queue"))


# -- leaving -------------------------------------------------------------------------------------------------


def sendable(charge_points: Iterable[ChargePoint], now: datetime) -> QuerySet[Command]:
    """The queued commands that may leave now for these (connected) charge points, oldest first."""
    by_status = defaultdict(list)
    for charge_point in charge_points:
        by_status[charge_point.registration_status].append(charge_point.pk)
    allowed = Q(charge_point__in=by_status[RegistrationStatus.ACCEPTED])
    allowed |= Q(charge_point__in=by_status[RegistrationStatus.PENDING]) & ~Q(action__in=NOT_WHILE_PENDING)
    return Command.objects.filter(allowed, due(now), state=CommandState.QUEUED).order_by("created_at", "pk")


def due(now: datetime) -> Q:
    """Commands that need not wait any longer, and are not too old."""
    return (Q(not_before=None) | Q(not_before__lte=now)) & (Q(expires_at=None) | Q(expires_at__gt=now))


def claim(charge_point_ids: Iterable[int], now: datetime) -> list[tuple[str, Command, envelope.Command]]:
    """Make the oldest queued commands of these charge points dispatched; each with its item and the queue for it.

    Call it in a transaction, and publish right after COMMIT. Up to ``CLAIMED_AT_ONCE``: call it again for more.
    """
    locked = ChargePoint.objects.select_for_update(no_key=True).filter(pk__in=set(charge_point_ids)).order_by("pk")
    connected = {row.pk: row for row in locked if row.session_id is not None}
    queues = queues_of(row.session_id for row in connected.values() if row.session_id)
    reachable = [row for row in connected.values() if row.session_id in queues]
    if not reachable:
        return []
    commands = list(sendable(reachable, now).select_for_update(no_key=True)[:CLAIMED_AT_ONCE])
    claimed = []
    for command in commands:
        command.charge_point = charge_point = connected[command.charge_point_id]
        session_id = charge_point.session_id
        assert session_id is not None
        command.state, command.session_id, command.dispatched_at = CommandState.DISPATCHED, session_id, now
        claimed.append((queues[session_id], command, as_item(command, session_id, charge_point.identity)))
    if commands:
        bulk.update(commands, ("state", "session", "dispatched_at"))
    return claimed


def by_queue(claimed: Iterable[tuple[str, Command, envelope.Command]]) -> Items:
    """What was claimed, as it is published."""
    items: Items = defaultdict(list)
    for queue, _command, item in claimed:
        items[queue].append(item)
    return items


# -- coming back ---------------------------------------------------------------------------------------------


def given_back(command: Command, now: datetime, reason: str) -> tuple[CommandState, dict[str, Any]]:
    """What becomes of a dispatched command that was not written because its connection has ended: queued again while
    it may wait, else it ends."""
    if command.cancel_requested_at is not None:
        return CommandState.CANCELLED, {"finished_at": now}
    if command.expires_at is not None and command.expires_at > now:
        return CommandState.QUEUED, dict(NOT_DISPATCHED)
    return CommandState.EXPIRED, {"finished_at": now, "reason": reason}


def give_back_undelivered(items: Iterable[envelope.Command], now: datetime, *, is_gateway_gone: bool = True) -> None:
    """Commands that certainly did not reach their gateway: those that may wait are queued again, the others end.

    Where only the broker was away, nobody has ended: then a command that may not wait is tried again as well, for no
    longer than a call timeout. What was published again, or to take a command back, says nothing: the gateway may have
    the command.
    """
    ids = [uuid.UUID(item.unique_id) for item in items if not item.cancel]
    first_time = Command.objects.filter(pk__in=ids, state=CommandState.DISPATCHED, repeated_at=None)
    for command in first_time.select_related("charge_point"):
        state, values = given_back(command, now, "its gateway could not be reached")
        if state == CommandState.EXPIRED and not is_gateway_gone and now - command.created_at < forgotten_after():
            state, values = CommandState.QUEUED, dict(NOT_DISPATCHED)
        lifecycle.change_row(command, state, **values)


def forgotten_after() -> timedelta:
    """How long a command that may not wait for its charge point is tried to be sent."""
    return timedelta(seconds=conf.call_timeout_s())
