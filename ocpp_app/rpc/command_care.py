"""Commands that need looking after: forgotten, overdue, too old, and those that got lost on the way to their gateway.

Each function returns what is to be sent. All of them change rows only from the state in which they saw them, so that
it does no harm when two workers do it at once.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from ocpp_app import conf, lifecycle, outbound
from ocpp_app.models import ALIVE_STATES, Command, CommandState
from ocpp_app.work import Items
from ocppj import envelope

AT_ONCE = 500
NOT_HEARD_OF = timedelta(seconds=15)
"""How long after a command was handed over its gateway should have said that it is written, or queued long."""
UNHEARD_OF = timedelta(seconds=60)
"""How much longer than everything before it may take a gateway may be silent about a command, until it is lost."""
LOOKED_BACK = timedelta(days=1)


def dispatch_queued_commands(now: datetime | None = None) -> Items:
    """Queued commands whose charge point can be reached, oldest first: forgotten by a process that died, made by one
    without a relay, or due only now. Those that are too old end."""
    now = now or timezone.now()
    items = _expire_queued(now)
    due = queued().filter(outbound.due(now), outbound.MAY_BE_SENT, charge_point__session__isnull=False)
    charge_points = due.order_by().values_list("charge_point", flat=True).distinct()[:AT_ONCE]
    with transaction.atomic():
        claimed = outbound.claim(list(charge_points), now)
    for queue, _command, item in claimed:
        items[queue].append(item)
    return items


def _expire_queued(now: datetime) -> Items:
    """End the queued commands that are too old, and those that may not wait and could not leave for a while."""
    items: Items = defaultdict(list)
    rows = queued().select_related("charge_point")
    _expire(rows.filter(expires_at__lte=now), now, "too old before it could be sent", items)
    waits_for_nobody = rows.filter(expires_at=None).alias(tried_from=Coalesce("not_before", "created_at"))
    forgotten = waits_for_nobody.filter(tried_from__lt=now - outbound.forgotten_after())
    _expire(forgotten, now, "the charge point could not be reached", items)
    return items


def give_up_overdue_commands(now: datetime | None = None) -> Items:
    """Commands of which nobody has reported anything for longer than their timeout and OCPP_COMMAND_GRACE."""
    now = now or timezone.now()
    items: Items = defaultdict(list)
    grace = timedelta(seconds=conf.command_grace_s())
    overdue = under_way().filter(dispatched_at__lt=now - grace)
    commands = list(overdue.select_related("charge_point", "session").order_by("created_at", "pk"))
    busy_s = _busy_seconds([command for command in commands if command.state == CommandState.DISPATCHED])
    for command in commands:
        since = max(filter(None, (command.dispatched_at, command.sent_at)))
        waited_s = (now - since - grace).total_seconds()
        if command.state == CommandState.SENT:
            if waited_s > command.timeout_s:
                _finish(command, CommandState.TIMED_OUT, now, "nobody reported an answer", items)
        elif waited_s > command.delay_s + _patience_s(command, busy_s):
            _finish(command, CommandState.LOST, now, "its gateway never said what became of it", items)
    return items


def send_again(now: datetime | None = None) -> Items:
    """Dispatched commands of which their gateway has said nothing, once more: what carried them may be gone.

    A gateway ignores what it has already, and says of what it will never write that it is unsent.
    """
    now = now or timezone.now()
    items: Items = defaultdict(list)
    heard_of = Coalesce("repeated_at", "dispatched_at")
    silent = dispatched().alias(heard_of=heard_of).filter(heard_of__lt=now - NOT_HEARD_OF)
    alive = silent.filter(session__gateway__isnull=False, session__gateway__gone_at=None)
    for command in alive.select_related("charge_point", "session__gateway").order_by("created_at", "pk")[:AT_ONCE]:
        session = command.session
        assert session is not None
        assert session.gateway is not None
        as_seen = dispatched().filter(pk=command.pk, session=session)
        if as_seen.update(repeated_at=now):
            item = outbound.as_item(command, session.pk, command.charge_point.identity)
            items[session.gateway.queue].append(item)
    return items


def queued() -> QuerySet[Command]:
    """Those that have not left."""
    return Command.objects.filter(state=CommandState.QUEUED)


def dispatched() -> QuerySet[Command]:
    """Those of which their gateway has not said yet that they are written."""
    return Command.objects.filter(state=CommandState.DISPATCHED)


def under_way() -> QuerySet[Command]:
    """Those that have left and are not answered."""
    return Command.objects.filter(state__in=(CommandState.DISPATCHED, CommandState.SENT))


# -- inside --------------------------------------------------------------------------------------------------


def _expire(commands: QuerySet[Command], now: datetime, reason: str, items: Items) -> None:
    for command in commands.order_by("created_at", "pk")[:AT_ONCE]:
        _finish(command, CommandState.EXPIRED, now, reason, items)


def _finish(command: Command, state: CommandState, now: datetime, reason: str, items: Items) -> None:
    if lifecycle.change_row(command, state, finished_at=now, reason=reason) and command.reply_to:
        items[command.reply_to].append(envelope.CommandFinished(str(command.pk)))


def _busy_seconds(commands: Iterable[Command]) -> dict[int, float]:
    """By charge point: how long its gateway may take at the most for all that was to be sent before and beside these
    commands, one by one, each with its timeout."""
    dispatched = [command.dispatched_at for command in commands if command.dispatched_at is not None]
    if not dispatched:
        return {}
    beside: Any = Q(state__in=ALIVE_STATES) | Q(finished_at__gt=min(dispatched))
    of_them = Command.objects.filter(charge_point__in={command.charge_point_id for command in commands})
    recent = of_them.filter(beside, created_at__gt=min(dispatched) - LOOKED_BACK).order_by()
    return dict(recent.values_list("charge_point").annotate(Sum("timeout_s")))


def _patience_s(command: Command, busy_s: dict[int, float]) -> float:
    """How long a gateway may be silent about a command that was handed to it."""
    if command.session is None or command.session.ended_at is not None:
        return command.timeout_s
    return busy_s[command.charge_point_id] + UNHEARD_OF.total_seconds()
