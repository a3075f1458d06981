"""Which tasks of housekeeping have anything to do: mostly none, and one query tells.

Without it, each task asks every few seconds by itself, in queries that the ORM builds anew: that took more than a third
of the CPU time of a process with 20 charge points.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import QuerySet

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
from ocpp_app.database import is_unavailable
from ocpp_app.models import DiagnosticsTask, FirmwareTask
from ocpp_app.rpc import command_care, gateway_care

logger = logging.getLogger(__name__)

Task = Callable[[], object]
"""Returns what is to be sent, or True when it is to go on in a moment."""


def worth_while(tasks: tuple[Task, ...]) -> Sequence[Task]:
    """These tasks from the first on that has anything to do: what it does may be an occasion for those behind it."""
    known = tuple(task for task in tasks if task in OCCASIONS)
    try:
        has_some = dict(zip(known, _ask(known), strict=True)) if known else {}
    except DatabaseError as error:
        if is_unavailable(error):
            raise
        logger.exception("Housekeeping: what there is to do cannot be told; all is looked at.")
        return tasks
    for place, task in enumerate(tasks):
        if has_some.get(task, True):
            return tasks[place:]
    return ()


def _ask(tasks: tuple[Task, ...]) -> tuple[Any, ...]:
    """Whether each of these tasks has anything to do."""
    with connection.cursor() as cursor:
        cursor.execute(*_sql(tasks))
        found: tuple[Any, ...] = cursor.fetchone()
    return found


@cache
def _sql(tasks: tuple[Task, ...]) -> tuple[str, list[Any]]:
    columns: list[str] = []
    parameters: list[Any] = []
    for task in tasks:
        found = []
        for rows in OCCASIONS[task]():
            sql, values = rows.order_by().values("pk").query.sql_with_params()
            # As EXISTS, PostgreSQL would expect one soon: 100 000 idTags were looked up one by one to find none.
            found.append(f"(SELECT count(*) FROM ({sql}) AS found) > 0")
            parameters += values
        columns.append(" OR ".join(found))
    return f"SELECT {', '.join(columns)}", parameters


OCCASIONS: dict[Task, Callable[[], Iterable[QuerySet[Any]]]] = {
    gateway_care.close_silent_gateways: lambda: (
        gateway_care.silent_gateways(),
        gateway_care.gone_gateways_with_sessions(),
    ),
    command_care.give_up_overdue_commands: lambda: (command_care.under_way(),),
    upkeep.expire_reservations: lambda: (reservation_rules.open_reservations(),),
    upgrades.review: lambda: (upgrades.all_under_way(),),
    upkeep.end_tasks: lambda: (task_rules.open_tasks(FirmwareTask), task_rules.open_tasks(DiagnosticsTask)),
    campaigns.review: lambda: (campaigns.running(), campaigns.running_targets()),
    upkeep.note_stricter_tags: authorization_caches.occasions,
    upkeep.clear_caches: lambda: (authorization_caches.outdated(),),
    upkeep.keep_lists: lambda: (local_list_rules.kept(),),
    upkeep.keep_charging_profiles: charging_profile_rules.occasions,
    first_contact.review: first_contact.occasions,
    certificate_signing.sign_in_background: lambda: (certificate_signing.accepted(),),
    command_care.dispatch_queued_commands: lambda: (command_care.queued(),),
    command_care.send_again: lambda: (command_care.dispatched(),),
}
"""Without any of these rows a task has nothing to do; with one it looks. The same whatever the time: SQL that is made
once has the clock of the database."""
