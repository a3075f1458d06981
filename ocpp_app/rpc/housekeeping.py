"""What has to be done although no frame asks for it: dead gateways, overdue commands, what time ends.

One worker at a time does it, by a lease in the database and the database's clock.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, connection

from ocpp_app import (
    campaigns,
    certificate_signing,
    conf,
    first_contact,
    leases,
    logins,
    retention,
    upgrades,
    upkeep,
)
from ocpp_app.database import is_conflict, is_unavailable
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.rpc import occasions
from ocpp_app.rpc.command_care import dispatch_queued_commands, give_up_overdue_commands, send_again
from ocpp_app.rpc.gateway_care import close_silent_gateways
from ocpp_app.rpc.occasions import Task
from ocpp_app.work import Items

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LEASE = "housekeeping"
LEASE_FOR = timedelta(seconds=10)
"""After so long without a sign of its holder another worker takes over."""
RENEW_EVERY_S = 2.5
"""Until then its holder need not ask whether it still is."""
CALM_S = 30.0
"""Nobody is declared dead within so many seconds of our own outage or backlog: the announcements may lie in the
queue."""
COMMANDS_EVERY_S = 2.0
GATEWAYS_EVERY_S = 5.0
REVIEW_EVERY_S = 60.0
PRUNE_EVERY_S = 600.0
"""So often it is asked whether a day has passed; not before, lest it competes with what a start has to do."""
REST = 3
"""While frames come, so many times as long as a task took there is no other: those that had to wait for it are not to
wait for the next one as well."""
REST_AT_MOST_S = 0.5
"""However long a task took: commands wait for the others."""


class Housekeeping:
    """Runs in each worker's loop; only the holder of the lease does anything."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        started = clock()
        self._commands_due = started
        self._gateways_due = started + GATEWAYS_EVERY_S
        self._wanted_due = started + conf.tell_changes_every_s()
        self._review_due = started + REVIEW_EVERY_S
        self._prune_due = started + PRUNE_EVERY_S
        self._calm_since = started
        self._rests_until = started
        self._frames_first_until = started
        self._held_at = started
        self._is_holder = False
        self._tasks: deque[Task] = deque()
        """What is due of a round that has begun, in this order."""

    def note_outage(self) -> None:
        """The database was away: what seems silent may have spoken."""
        self._calm_since = self._clock()

    def note_backlog(self) -> None:
        """More was waiting than fits into a batch: what seems silent may stand in the queue."""
        self._calm_since = self._clock()

    def run_when_due(self) -> Items:
        """Do all that is due; returns what is to be sent."""
        items: Items = defaultdict(list)
        while self._is_due():
            for queue, some in self._run_next_due().items():
                items[queue].extend(some)
        return items

    def run_next_due(self) -> Items:
        """While frames come: do the next of what is due, and no other for a while; returns what is to be sent."""
        started = self._clock()
        if started < self._frames_first_until or not self._is_due():
            return {}
        items = self._run_next_due()
        ended = self._clock()
        self._frames_first_until = ended + min(REST * (ended - started), REST_AT_MOST_S)
        return items

    def _run_next_due(self) -> Items:
        now = self._clock()
        try:
            return self._do_next(now)
        except DatabaseError as error:  # it is unavailable, or the lease cannot be had
            logger.error("Housekeeping could not use the database: %s", error)
            if not is_conflict(error):
                self.note_outage()
            connection.close()
            self._rests_until = now + GATEWAYS_EVERY_S
            return {}

    def _is_due(self) -> bool:
        now = self._clock()
        return now >= self._rests_until and (bool(self._tasks) or now >= self._commands_due)

    def _do_next(self, now: float) -> Items:
        """What is interrupted by an outage is done afterwards; what fails by itself, when it is due anyway."""
        if not self._tasks:
            self._commands_due = now + COMMANDS_EVERY_S
            if (self._is_holder and now - self._held_at < RENEW_EVERY_S) or self._hold_lease(now):
                self._tasks.extend(self._due(now))
                worth_while = guarded(partial(occasions.worth_while, tuple(self._tasks)))
                self._tasks = self._tasks if worth_while is None else deque(worth_while)
            return {}
        if now - self._held_at > LEASE_FOR.total_seconds() / 2 and not self._hold_lease(now):
            self._tasks.clear()
            return {}
        task = self._tasks[0]
        is_too_soon = task is close_silent_gateways and now - self._calm_since < CALM_S
        done = None if is_too_soon else guarded(task)
        self._tasks.popleft()
        if done is True:  # there is more
            self._tasks.append(task)
        return done if isinstance(done, dict) else {}

    def _due(self, now: float) -> Iterator[Task]:
        if now >= self._gateways_due:
            self._gateways_due = now + GATEWAYS_EVERY_S
            yield from (close_silent_gateways, give_up_overdue_commands, upkeep.expire_reservations, upgrades.review)
            yield from (upkeep.end_tasks, campaigns.review)
        if now >= self._wanted_due:
            self._wanted_due = now + conf.tell_changes_every_s()
            if conf.clear_cache():
                yield from (upkeep.note_stricter_tags, upkeep.clear_caches)
            yield from (upkeep.keep_lists, upkeep.keep_charging_profiles)
        if now >= self._review_due:
            self._review_due = now + REVIEW_EVERY_S
            yield from (upkeep.note_never_stopped, logins.forget_old, upkeep.note_power)
            yield certificate_signing.end_undelivered
        if now >= self._prune_due:
            self._prune_due = now + PRUNE_EVERY_S
            yield partial(retention.prune_in_background, self._name)
        yield from (first_contact.review, certificate_signing.sign_in_background)
        yield from (dispatch_queued_commands, send_again)

    def _hold_lease(self, now: float) -> bool:
        self._held_at = now
        self._is_holder = TALLY.holds_lease = False  # also when the database does not answer
        self._is_holder = TALLY.holds_lease = leases.hold(LEASE, self._name, LEASE_FOR)
        return self._is_holder


def guarded(task: Callable[[], Result]) -> Result | None:
    """Do it; what fails is logged and keeps nothing else from being done. Only an unavailable database goes up."""
    started, has_failed = time.monotonic(), True
    function = task.func if isinstance(task, partial) else task
    try:
        result = task()
        has_failed = False
        return result
    except Exception as error:  # one bad row or a bug in one task must not end the worker
        if isinstance(error, DatabaseError) and is_unavailable(error):
            raise
        logger.exception("Housekeeping: %s.%s failed.", function.__module__, function.__qualname__)
        return None
    finally:
        TALLY.task_done(function.__name__, time.monotonic() - started, has_failed=has_failed)
