"""How a command goes from one state to the next: by ``models.TRANSITIONS``, and by no other way than these functions.

Whoever finishes a command here has its event sent and its secrets hidden; nobody else needs to think of it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import QuerySet

from ocpp_app import bulk, secrecy, signals
from ocpp_app.events import outbox
from ocpp_app.models import ALIVE_STATES, Command, CommandState

if TYPE_CHECKING:
    from ocpp_app.batch import Batch


def change(batch: "Batch", command: Command, state: CommandState, **values: Any) -> bool:
    """Let a command of a batch, whose row is locked, go on to ``state`` with these values; False where it may not."""
    if not command.may_become(state):
        return False
    batch.change(command, state=state, **values, **_at_the_end(command, state))
    if command.is_finished:
        batch.send(signals.command_finished, Command, charge_point=command.charge_point, command=command)
    return True


def change_row(command: Command, state: CommandState, **values: Any) -> bool:
    """The same outside of a batch, at once. False also when its row is not as ``command`` has it any more: somebody
    else was quicker."""
    if not command.may_become(state):
        return False
    as_seen = Command.objects.filter(pk=command.pk, state=command.state, session=command.session_id)
    changed = {"state": state, **values, **_at_the_end(command, state)}
    if state in ALIVE_STATES:
        return _apply(command, as_seen, changed)
    said = {"charge_point": command.charge_point, "command": command}
    with transaction.atomic():
        if outbox.is_wanted(signals.command_finished, **said):
            outbox.lock([command.charge_point_id])
        if not _apply(command, as_seen, changed):
            return False
        outbox.tell(signals.command_finished, Command, **said)
    return True


def _apply(command: Command, as_seen: QuerySet[Command], changed: dict[str, Any]) -> bool:
    if not as_seen.update(**changed):
        return False
    for name, value in changed.items():
        setattr(command, name, value)
    return True


def change_rows(rows: QuerySet[Command], state: CommandState, **values: Any) -> int:
    """The same of many rows that are in one state, in a few statements; how many there were."""
    with transaction.atomic():
        seen = {
            pk: (charge_point_id, now) for pk, charge_point_id, now in rows.values_list("pk", "charge_point", "state")
        }
        outbox.lock({charge_point_id for charge_point_id, _state in seen.values()})
        found = Command.objects.filter(pk__in=seen).select_related("charge_point").order_by("created_at", "pk")
        commands = list(found.select_for_update(of=("self",), no_key=True))
        allowed = [row for row in commands if row.state == seen[row.pk][1] and row.may_become(state)]
        changed = {"state", *values}
        for command in allowed:
            hidden = _at_the_end(command, state)
            changed |= set(hidden)
            for name, value in {"state": state, **values, **hidden}.items():
                setattr(command, name, value)
        if allowed:
            bulk.update(allowed, changed)
        tell_ended(allowed)
    return len(allowed)


def end_unsaved(command: Command, state: CommandState, **values: Any) -> None:
    """The same of a command that is not in the database yet: it ends before it could begin. Save it afterwards, and
    ``tell_ended``."""
    assert command.may_become(state)
    for name, value in {"state": state, **values, **_at_the_end(command, state)}.items():
        setattr(command, name, value)


def tell_ended(commands: Iterable[Command]) -> None:
    """Tell of those of the commands that have ended; in the transaction that makes it so."""
    ended = [command for command in commands if command.is_finished]
    said = [{"charge_point": command.charge_point, "command": command} for command in ended]
    outbox.tell_all(signals.command_finished, Command, said)


def _at_the_end(command: Command, state: CommandState) -> dict[str, Any]:
    return secrecy.hidden(command) if state not in ALIVE_STATES else {}
