"""Send one command to many charge points, follow what becomes of it, and take back what has not left.

batch = issue_command_to_many(ChargePoint.objects.filter(model="M1"), ResetRequest(type=ResetType.Soft))
for command in follow(batch, timeout=60):
    print(command.charge_point, command.state, command.status)
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ocpp_app import audit, bulk, commands, lifecycle, outbound, secrecy
from ocpp_app.errors import IdempotencyKeyReused, UnknownChargePoint
from ocpp_app.models import ALIVE_STATES, ChargePoint, Command, CommandBatch, CommandState
from ocppj.messages import Request, encode

AT_ONCE = 1000
"""So many rows are inserted, or looked up, in one statement."""
NAMED = 20
"""So many unknown identities are named in an error."""

ChargePoints = QuerySet[ChargePoint] | Iterable[str | ChargePoint]


def issue_command_to_many(
    charge_points: ChargePoints,
    message: Request,
    *,
    expires_at: datetime | None = None,
    delay_s: float = 0,
    idempotency_key: str = "",
    requested_by: Any = None,
    api_token: str = "",
    source: str = "",
    selection: dict[str, Any] | None = None,
) -> CommandBatch:
    """Send a CALL to each of these charge points (a queryset, identities, or rows); returns the batch.

    Its ``commands`` are the result of each charge point. One that cannot be reached now waits until ``expires_at``;
    without that its command ends ``expired`` at once, and ``reason`` says why: the others are sent all the same.
    ``selection`` says by what they were chosen, for whoever looks at it later. The rest is as with ``issue_command``.

    Raises ``UnknownChargePoint`` where an identity is not registered, or none is given, ``IdempotencyKeyReused``, and
    ``PayloadError`` where the message breaks its type; nothing is sent then.
    """
    targets = load(charge_points)
    now = timezone.now()
    batch = CommandBatch(
        organisation_id=_common_organisation(targets),
        action=str(message.action),
        payload=msgspec.json.decode(encode(message)),
        selection=selection or {},
        size=len(targets),
        requested_by=requested_by,
        api_token=api_token,
        source=source,
        idempotency_key=idempotency_key,
        expires_at=expires_at,
        created_at=now,
    )
    made = [
        outbound.new_command(
            target,
            message,
            now=now,
            expires_at=expires_at,
            delay_s=delay_s,
            requested_by=requested_by,
            api_token=api_token,
            source=source,
            batch=batch,
        )
        for target in targets
    ]
    batch.payload = secrecy.without_secrets(batch.action, batch.payload)
    return _earlier(batch) or _insert(batch, made)


def load(charge_points: ChargePoints) -> list[ChargePoint]:
    """The charge points, each once, by identity; raises ``UnknownChargePoint`` for those that are not registered."""
    if isinstance(charge_points, QuerySet):
        found = {row.pk: row for row in charge_points}
    else:
        given = list(charge_points)
        found = {each.pk: each for each in given if isinstance(each, ChargePoint)}
        found |= {row.pk: row for row in _with_identities([each for each in given if isinstance(each, str)])}
    if not found:
        raise UnknownChargePoint("No charge point is selected.")
    return sorted(found.values(), key=lambda row: row.identity)


def follow(batch: CommandBatch, timeout: float) -> Iterator[Command]:
    """The batch's commands as they end, until all have, or ``timeout`` seconds have passed; the rest live on."""
    commands.check_that_waiting_ends()
    deadline = time.monotonic() + timeout
    told: set[Any] = set()
    while True:
        is_last = time.monotonic() >= deadline
        for command in _ended(batch, told):
            told.add(command.pk)
            yield command
        if is_last or len(told) >= batch.size:
            return
        time.sleep(min(commands.READ_ROW_EVERY_S, max(0.0, deadline - time.monotonic())))


def cancel_batch(batch: CommandBatch, *, reason: str = "") -> CommandBatch:
    """Take back every command of the batch that has not been written to its charge point's socket.

    What is queued is ``cancelled`` at once; for what a gateway has, see ``cancel_command``.
    """
    values = {"finished_at": timezone.now(), "reason": reason[:200]}
    queued = list(_in_state(batch, CommandState.QUEUED).values_list("pk", flat=True))
    for start in range(0, len(queued), AT_ONCE):  # all of them, also where somebody dispatches one at this moment
        some = _in_state(batch, CommandState.QUEUED).filter(pk__in=queued[start : start + AT_ONCE])
        lifecycle.change_rows(some, CommandState.CANCELLED, **values)
    audit.record_batch(batch, [], "cancelled")
    for command in _in_state(batch, CommandState.DISPATCHED).filter(cancel_requested_at=None):
        commands.cancel_command(command, reason=reason)
    return CommandBatch.objects.get(pk=batch.pk)


# -- inside ----------------------------------------------------------------------------------------------------


def _with_identities(identities: list[str]) -> Iterator[ChargePoint]:
    missing = set(identities)
    for start in range(0, len(identities), AT_ONCE):
        for row in ChargePoint.objects.filter(identity__in=identities[start : start + AT_ONCE]):
            missing.discard(row.identity)
            yield row
    if missing:
        some = sorted(missing)
        named = ", ".join(map(repr, some[:NAMED])) + (f" and {len(some) - NAMED} more" if len(some) > NAMED else "")
        raise UnknownChargePoint(f"No charge point has the identity {named}.")


def _common_organisation(targets: list[ChargePoint]) -> int | None:
    organisations = {target.organisation_id for target in targets}
    return organisations.pop() if len(organisations) == 1 else None


def _earlier(wanted: CommandBatch) -> CommandBatch | None:
    """The batch that has this idempotency key already."""
    if not wanted.idempotency_key:
        return None
    same_key = CommandBatch.objects.filter(
        organisation=wanted.organisation_id, idempotency_key=wanted.idempotency_key
    ).first()
    if same_key is None:
        return None
    # Whom a selection finds may have changed since: what was asked for counts.
    asked, asks = (
        (batch.action, batch.selection, secrecy.without_secrets(batch.action, batch.payload))
        for batch in (same_key, wanted)
    )
    if asked != asks:
        key = wanted.idempotency_key
        raise IdempotencyKeyReused(f"The idempotency key {key!r} belongs to another batch: {same_key}. Use a new key.")
    return same_key


def _insert(batch: CommandBatch, made: list[Command]) -> CommandBatch:
    try:
        with transaction.atomic():
            commands.lock_for_new_keys(made)
            batch.save(force_insert=True)
            for command in made:
                _end_if_it_cannot_wait(command)
            for start in range(0, len(made), AT_ONCE):
                bulk.insert(made[start : start + AT_ONCE])
            lifecycle.tell_ended(made)
            leaving = [command for command in made if command.state == CommandState.QUEUED]
            commands.expect_new_keys(leaving)
            audit.record_batch(batch, [command.charge_point.identity for command in made])
            queued = [command.charge_point_id for command in leaving]
            transaction.on_commit(partial(commands.dispatch_to, queued))
    except IntegrityError:
        earlier = _earlier(batch)  # asked for by somebody else in this moment
        if earlier is None:
            raise
        return earlier
    return batch


def _end_if_it_cannot_wait(command: Command) -> None:
    if command.expires_at is not None:
        return
    if why := commands.why_it_cannot_leave(command.charge_point, command.action):
        lifecycle.end_unsaved(command, CommandState.EXPIRED, finished_at=command.created_at, reason=why)


def _in_state(batch: CommandBatch, state: CommandState) -> QuerySet[Command]:
    return Command.objects.filter(batch=batch, state=state).select_related("charge_point").order_by("created_at", "pk")


def _ended(batch: CommandBatch, told: set[Any]) -> list[Command]:
    if sum(count for state, count in _fresh_states(batch).items() if state not in ALIVE_STATES) == len(told):
        return []
    ended = Command.objects.filter(batch=batch).exclude(state__in=ALIVE_STATES)
    rows = ended.select_related("charge_point").order_by("finished_at", "charge_point__identity")
    return [row for row in rows if row.pk not in told]


def _fresh_states(batch: CommandBatch) -> dict[str, int]:
    batch.__dict__.pop("outcomes", None)
    return batch.states
