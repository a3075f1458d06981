"""Send a command to a charge point and, if wanted, wait for its answer; or take it back.

response = issue_command("CP001", RemoteStartTransactionRequest(id_tag="ABC"), wait=True, timeout=30)
command = issue_command("CP001", ResetRequest(type=ResetType.Soft), expires_at=tomorrow)
command = cancel_command(command)
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial, wraps
from typing import Any, Literal, overload

import msgspec
from asgiref.sync import sync_to_async
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from ocpp_app import audit, conf, lifecycle, outbound, secrecy
from ocpp_app.errors import (
    ChargePointOffline,
    CommandFailed,
    CommandNotDelivered,
    CommandTimedOut,
    DeliveryUnknown,
    IdempotencyKeyReused,
    RelayUnavailable,
    UnknownChargePoint,
    WaitNotPossible,
)
from ocpp_app.events import outbox
from ocpp_app.models import ChargePoint, Command, CommandState
from ocpp_app.relay.amqp import AmqpPublisher
from ocpp_app.relay.base import Publisher
from ocpp_app.relay.memory import MemoryRelay, NoRelay
from ocppj.messages import Request, Response
from ocppj.versions import protocol

logger = logging.getLogger(__name__)

READ_ROW_EVERY_S = 1.0
"""The wake-up is only a hint: the row is read at least so often."""

_thread = threading.local()
_memory_relay: list[MemoryRelay] = []


@overload
def issue_command(
    charge_point: str | ChargePoint,
    message: Request,
    *,
    wait: Literal[True],
    timeout: float = ...,
    expires_at: datetime | None = ...,
    delay_s: float = ...,
    idempotency_key: str = ...,
    requested_by: Any = ...,
    api_token: str = ...,
    source: str = ...,
) -> Response: ...
@overload
def issue_command(
    charge_point: str | ChargePoint,
    message: Request,
    *,
    wait: Literal[False] = ...,
    timeout: float = ...,
    expires_at: datetime | None = ...,
    delay_s: float = ...,
    idempotency_key: str = ...,
    requested_by: Any = ...,
    api_token: str = ...,
    source: str = ...,
) -> Command: ...
def issue_command(
    charge_point: str | ChargePoint,
    message: Request,
    *,
    wait: bool = False,
    timeout: float = 30,
    expires_at: datetime | None = None,
    delay_s: float = 0,
    idempotency_key: str = "",
    requested_by: Any = None,
    api_token: str = "",
    source: str = "",
) -> Response | Command:
    """Send a CALL to a charge point; return its ``Command`` row, or with ``wait`` the typed response.

    ``timeout``: seconds to wait for the answer. ``expires_at``: allows the command to wait for a charge point that is
    not connected or not accepted, until then. ``delay_s``: not written to the socket earlier than so many seconds from
    now. ``idempotency_key``: a call that repeats the key for the same charge point sends nothing and gets the earlier
    command, or its response. ``requested_by`` (a user), ``api_token`` (its name) and ``source`` are kept on the row.
    Inside a database transaction the command leaves after COMMIT.

    Raises ``UnknownChargePoint``; ``ChargePointOffline`` without ``expires_at``; ``IdempotencyKeyReused`` for a key of
    another command; and with ``wait`` also ``CommandTimedOut`` (the command lives on), ``CommandFailed`` (a
    CALLERROR), ``CommandNotDelivered`` and ``WaitNotPossible``. ``PayloadError`` where the message breaks its type.
    """
    if wait:
        check_that_waiting_ends()
    target = load(charge_point)
    wanted = outbound.new_command(
        target,
        message,
        now=timezone.now(),
        expires_at=expires_at,
        delay_s=delay_s,
        idempotency_key=idempotency_key,
        requested_by=requested_by,
        api_token=api_token,
        source=source,
        reply_to=_reply_queue() if wait else "",
    )
    command = _earlier(wanted) or _insert(wanted)
    return wait_for(command, timeout) if wait else command


@wraps(issue_command)
def _issue_and_disconnect(*arguments: Any, **options: Any) -> Any:
    try:
        return issue_command(*arguments, **options)
    finally:
        connection.close()  # a thread of a pool: nobody else would close the connection that it has opened


aissue_command = sync_to_async(_issue_and_disconnect, thread_sensitive=False)
"""``issue_command`` for async callers: ``await aissue_command(…)``."""


def cancel_command(command: Command, *, reason: str = "") -> Command:
    """Take a command back if it has not been written to the charge point's socket; returns its row as it is then.

    A queued one is ``cancelled`` at once. For one that a gateway has, the gateway is asked: it stays ``dispatched``
    with ``cancel_requested_at``, until the gateway says that it never wrote it (``cancelled``) or that it was too late.
    What was sent or has ended stays as it is. ``reason`` says who cancelled it, or why.
    """
    current = Command.objects.select_related("charge_point").get(pk=command.pk)
    now = timezone.now()
    if current.state == CommandState.QUEUED:
        lifecycle.change_row(current, CommandState.CANCELLED, finished_at=now, reason=reason[:200])
        current.refresh_from_db()  # somebody may just have dispatched it
        if current.state == CommandState.CANCELLED:
            audit.record_command(current, "cancelled")
    if current.state == CommandState.DISPATCHED:
        dispatched = Command.objects.filter(pk=current.pk, state=CommandState.DISPATCHED)
        if dispatched.update(cancel_requested_at=now, reason=reason[:200]):
            current.refresh_from_db()
            audit.record_command(current, "asked to be cancelled")
            transaction.on_commit(partial(_ask_gateway_to_cancel, current))
    return current


def dispatch(command: Command) -> None:
    """Hand a queued command, behind those that its charge point is to get before it, to the gateway that holds the
    session; what cannot leave now stays queued."""
    dispatch_to([command.charge_point_id])


def dispatch_to(charge_point_ids: Sequence[int]) -> None:
    """The same with everything that is queued for these charge points, in portions."""
    relay = publisher()
    if isinstance(relay, NoRelay):
        return  # the process that has the relay finds it in the database
    try:
        for start in range(0, len(charge_point_ids), outbound.CLAIMED_AT_ONCE):
            while _dispatch_some(charge_point_ids[start : start + outbound.CLAIMED_AT_ONCE], relay):
                pass
    except DatabaseError as error:
        logger.warning("A command stays queued until housekeeping finds it: %s", error)


def wait_for(command: Command, timeout: float) -> Response:
    """The typed response to a command, as soon as it is there; raises as ``issue_command`` does with ``wait``."""
    deadline = time.monotonic() + timeout
    while True:
        command.refresh_from_db()
        remaining_s = deadline - time.monotonic()
        if command.is_finished:
            return _result(command)
        if remaining_s <= 0:
            raise CommandTimedOut(f"{command.action}: no answer within {timeout:g} s; the command lives on.", command)
        publisher().wait(str(command.pk), min(READ_ROW_EVERY_S, remaining_s))


def check_that_waiting_ends() -> None:
    """Raise ``WaitNotPossible`` where the answer to a command could never come."""
    if connection.in_atomic_block:
        raise WaitNotPossible(
            "issue_command(wait=True) inside a database transaction would wait for ever: "
            "the command leaves after COMMIT. "
            "Wait outside of transaction.atomic() (mind ATOMIC_REQUESTS), or call it without wait."
        )
    if getattr(_thread, "is_worker", False):
        raise WaitNotPossible(
            "issue_command(wait=True) inside a worker would wait for an answer that this worker has to take. "
            "In a middleware use response.add_command(), and a call_result middleware for the answer."
        )


def load(charge_point: str | ChargePoint) -> ChargePoint:
    """The charge point, as it is now where its identity is given; raises ``UnknownChargePoint``."""
    if isinstance(charge_point, ChargePoint):
        return charge_point
    try:
        return ChargePoint.objects.get(identity=charge_point)
    except ChargePoint.DoesNotExist:
        raise UnknownChargePoint(f"No charge point has the identity {charge_point!r}.") from None


# -- inside --------------------------------------------------------------------------------------------------


def _earlier(wanted: Command) -> Command | None:
    """The command that has this idempotency key already."""
    if not wanted.idempotency_key:
        return None
    found = Command.objects.filter(charge_point=wanted.charge_point_id, idempotency_key=wanted.idempotency_key).first()
    if found is not None and not _is_same(found, wanted):
        raise IdempotencyKeyReused(
            f"The idempotency key {wanted.idempotency_key!r} belongs to another command: {found}. Use a new key.", found
        )
    return found


def _is_same(earlier: Command, wanted: Command) -> bool:
    # Of secrets, what is kept of the earlier one does not tell.
    shown = [secrecy.without_secrets(command.action, command.payload) for command in (earlier, wanted)]
    return earlier.action == wanted.action and shown[0] == shown[1]


def _insert(command: Command) -> Command:
    if command.expires_at is None and (why := why_it_cannot_leave(command.charge_point, command.action)):
        raise ChargePointOffline(f"{command.charge_point.identity} {why}")
    try:
        with transaction.atomic():
            lock_for_new_keys([command])
            command.save(force_insert=True)
            expect_new_keys([command])
            audit.record_command(command)
    except IntegrityError:
        earlier = _earlier(command)  # asked for by somebody else in this moment
        if earlier is None:
            raise
        return earlier
    transaction.on_commit(partial(dispatch, command))
    return command


def lock_for_new_keys(made: Sequence[Command]) -> None:
    """Lock the charge points of which ``expect_new_keys`` will change the rows; at the start of the transaction."""
    outbox.lock({command.charge_point_id for command in made if secrecy.carries_key(command)})


def expect_new_keys(made: Sequence[Command]) -> None:
    """Let charge points in with the authorization keys that these commands bring them as well (whitepaper A01): the
    answer may be lost. In the transaction that saves them, after ``lock_for_new_keys``."""
    for command in made:
        if secrecy.carries_key(command):
            key = secrecy.hash_of(command)
            ChargePoint.objects.filter(pk=command.charge_point_id).update(next_authorization_key=key)


def why_it_cannot_leave(charge_point: ChargePoint, action: str) -> str:
    """What keeps a command from being sent now, and what to do; empty: nothing."""
    if not charge_point.is_connected:
        return "is not connected; give expires_at to let the command wait for it."
    if not outbound.may_be_sent(charge_point, action):
        status = charge_point.registration_status
        return f"is {status}, which does not allow {action}; accept the charge point first."
    return ""


def _dispatch_some(charge_point_ids: Sequence[int], relay: Publisher) -> bool:
    """Dispatch what leaves together; says whether there may be more."""
    with transaction.atomic():
        claimed = outbound.claim(charge_point_ids, timezone.now())
    # Every queue gets its own: one gateway that is gone is not the end of the others.
    delivered = [_deliver(relay, queue, items) for queue, items in outbound.by_queue(claimed).items()]
    return all(delivered) and len(claimed) == outbound.CLAIMED_AT_ONCE


def _deliver(relay: Publisher, queue: str, items: list[Any]) -> bool:
    """Send to a gateway; what certainly did not arrive is given back."""
    try:
        if relay.send(queue, items):
            return True
        outbound.give_back_undelivered(items, timezone.now())
    except DeliveryUnknown as error:
        logger.warning("%s The commands are sent again when nobody hears of them.", error)
    except RelayUnavailable as error:
        logger.warning("Commands stay queued: %s", error)
        outbound.give_back_undelivered(items, timezone.now(), is_gateway_gone=False)
    return False


def _ask_gateway_to_cancel(command: Command) -> None:
    relay, session_id = publisher(), command.session_id
    queue = outbound.queues_of([session_id]).get(session_id) if session_id else None
    if session_id is None or queue is None or isinstance(relay, NoRelay):
        return  # housekeeping asks
    try:
        relay.send(queue, [outbound.as_item(command, session_id, command.charge_point.identity)])
    except RelayUnavailable as error:
        logger.warning("Housekeeping asks the gateway once more to cancel %s: %s", command, error)


def _result(command: Command) -> Response:
    if command.state == CommandState.ANSWERED:
        spoken = protocol(command.charge_point.protocol)
        response = spoken.decode_response(command.action, msgspec.json.encode(command.response)).message
        assert isinstance(response, Response)
        return response
    if command.state == CommandState.ERROR:
        raise CommandFailed(command)
    if command.state == CommandState.TIMED_OUT:
        raise CommandTimedOut(
            f"{command.action}: the charge point did not answer within {command.timeout_s:g} s.", command
        )
    because = f" ({command.reason})" if command.reason else ""
    raise CommandNotDelivered(f"{command.action}: {command.get_state_display()}{because}.", command)


# -- the relay of this process -------------------------------------------------------------------------------


def publisher() -> Publisher:
    """How this process reaches the gateways."""
    if conf.relay() == "amqp":
        return _amqp_publisher(conf.amqp_url())
    return _memory_relay[-1] if _memory_relay else NoRelay()


@cache
def _amqp_publisher(url: str) -> AmqpPublisher:
    return AmqpPublisher(url)


def _reply_queue() -> str:
    try:
        return publisher().reply_queue
    except RelayUnavailable:
        return ""  # the row is read every second all the same


def use_memory_relay(relay: MemoryRelay) -> None:
    """Make this process's commands go through ``relay``: called once by what runs gateway and worker in one process."""
    _memory_relay.append(relay)


def forget_memory_relay(relay: MemoryRelay) -> None:
    """The opposite of ``use_memory_relay``."""
    _memory_relay.remove(relay)


@contextmanager
def as_worker() -> Iterator[None]:
    """While this thread takes the answers, it may not wait for one."""
    _thread.is_worker = True
    try:
        yield
    finally:
        _thread.is_worker = False
