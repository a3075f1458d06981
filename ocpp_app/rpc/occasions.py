"""Which tasks of housekeeping have anything to do: mostly none, and one query tells.

Without it, each task asks every few seconds by itself, in queries that the ORM builds anew: that took about a third
of the CPU time of a process with 20 charge points.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Expression, QuerySet
from django.utils import timezone

from ocpp_app import (
    authorization_caches,
    campaigns,
    certificate_signing,
    charging_profile_rules,
    first_contact,
    local_list_rules,
    reservation_rules,
    task_rules,
    upgrades,
    upkeep,
)
from ocpp_app.models import DiagnosticsTask, FirmwareTask
from ocpp_app.rpc import command_care, gateway_care

Task = Callable[[], object]
"""Returns what is to be sent, or True when it is to go on in a moment."""


class ExecutionTime(Expression):
    """The time at which SQL that was made before is executed, by the clock of this process."""

    output_field = DateTimeField()

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


def worth_while(tasks: tuple[Task, ...]) -> Sequence[Task]:
    """These tasks from the first on that has anything to do, or may have: what it does may be an occasion for those
    behind it."""
    known = tuple(task for task in tasks if task in OCCASIONS)
    has_some = dict(zip(known, _ask(known), strict=True)) if known else {}
    for place, task in enumerate(tasks):
        if has_some.get(task, True):
            return tasks[place:]
    return ()


def _ask(tasks: tuple[Task, ...]) -> tuple[Any, ...]:
    """Whether each of these tasks has anything to do."""
    sql, parameters = _sql(tasks)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(sql, [now if isinstance(value, ExecutionTime) else value for value in parameters])
        found: tuple[Any, ...] = cursor.fetchone()
    return found


@cache
def _sql(tasks: tuple[Task, ...]) -> tuple[str, list[Any]]:
    columns: list[str] = []
    parameters: list[Any] = []
    for task in tasks:
        found = []
        for rows in OCCASIONS[task](ExecutionTime()):
            sql, values = rows.order_by().values("pk").query.sql_with_params()
            # As EXISTS, PostgreSQL would expect one soon: 100 000 idTags were looked up one by one to find none.
            found.append(f"(SELECT count(*) FROM ({sql}) AS found) > 0")
            parameters += values
        columns.append(" OR ".join(found))
    return f"SELECT {', '.join(columns)}", parameters


OCCASIONS: dict[Task, Callable[[ExecutionTime], Iterable[QuerySet[Any]]]] = {
    gateway_care.close_silent_gateways: lambda now: (
        gateway_care.silent_gateways(),
        gateway_care.gone_gateways_with_sessions(),
    ),
    command_care.give_up_overdue_commands: lambda now: (command_care.under_way(),),
    upkeep.expire_reservations: lambda now: (reservation_rules.open_reservations(),),
    upgrades.review: lambda now: (upgrades.all_under_way(),),
    upkeep.end_tasks: lambda now: (task_rules.open_tasks(FirmwareTask), task_rules.open_tasks(DiagnosticsTask)),
    campaigns.review: lambda now: (campaigns.running(), campaigns.running_targets()),
    upkeep.note_stricter_tags: authorization_caches.occasions,
    upkeep.clear_caches: lambda now: (authorization_caches.outdated(),),
    upkeep.keep_lists: lambda now: (local_list_rules.kept(),),
    upkeep.keep_charging_profiles: charging_profile_rules.occasions,
    first_contact.review: first_contact.occasions,
    certificate_signing.sign_in_background: lambda now: (certificate_signing.accepted(),),
    command_care.dispatch_queued_commands: lambda now: (command_care.queued(),),
    command_care.send_again: lambda now: (command_care.dispatched(),),
}
"""Without any of these rows a task has nothing to do; with one it looks."""
