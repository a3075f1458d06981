"""What has to be done although no frame asks for it: dead gateways, overdue commands, what time ends.

One worker at a time does it, by a lease in the database and the database's clock.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from ocpp_app import (
    campaigns,
    certificate_signing,
    conf,
    first_contact,
    leases,
    logins,
    retention,
    sessions,
    upgrades,
    upkeep,
)
from ocpp_app.batch import Batch
from ocpp_app.database import is_conflict, is_unavailable
from ocpp_app.dispatch import commit
from ocpp_app.models import Gateway, Session
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.rpc.command_care import (
    dispatch_queued_commands,
    give_up_overdue_commands,
    send_again,
)
from ocpp_app.work import Items

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LEASE = "housekeeping"
LEASE_FOR = timedelta(seconds=10)
"""After so long without a sign of its holder another worker takes over."""
GATEWAY_SILENCE = timedelta(seconds=30)
"""Gateways announce themselves every 10 s; one silent for so long is gone."""
CALM_S = 30.0
"""Nobody is declared dead within so many seconds of our own outage or backlog: the announcements may lie in the
queue."""
COMMANDS_EVERY_S = {"memory": 1.0, "amqp": 2.0}
GATEWAYS_EVERY_S = 5.0
REVIEW_EVERY_S = 60.0
PRUNE_EVERY_S = 600.0
"""So often it is asked whether a day has passed; not before, lest it competes with what a start has to do."""
SESSIONS_AT_ONCE = 500


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

    def note_outage(self) -> None:
        """The database was away: what seems silent may have spoken."""
        self._calm_since = self._clock()

    def note_backlog(self) -> None:
        """More was waiting than fits into a batch: what seems silent may stand in the queue."""
        self._calm_since = self._clock()

    def run_when_due(self) -> Items:
        """Do what is due; returns what is to be sent."""
        now = self._clock()
        if now < self._commands_due:
            return {}
        items: Items = defaultdict(list)
        try:
            self._run(now, items)
        except DatabaseError as error:  # it is unavailable, or the lease cannot be had
            logger.error("Housekeeping could not use the database: %s", error)
            if not is_conflict(error):
                self.note_outage()
            connection.close()
            self._commands_due = now + GATEWAYS_EVERY_S
        return items

    def _run(self, now: float, items: Items) -> None:
        """What is interrupted by an outage is due again afterwards; what fails by itself is, when it is due anyway."""
        self._commands_due = now + COMMANDS_EVERY_S[conf.relay()]
        if not self._hold_lease():
            return
        if now >= self._gateways_due:
            if now - self._calm_since >= CALM_S:
                guarded(close_silent_gateways)
            self._add(items, guarded(give_up_overdue_commands))
            guarded(upkeep.expire_reservations)
            guarded(upgrades.review)
            guarded(upkeep.end_tasks)
            guarded(campaigns.review)
            self._gateways_due = now + GATEWAYS_EVERY_S
        if now >= self._wanted_due:
            guarded(upkeep.keep_lists_and_caches)
            guarded(upkeep.keep_charging_profiles)
            self._wanted_due = now + conf.tell_changes_every_s()
        if now >= self._review_due:
            guarded(upkeep.note_never_stopped)
            guarded(logins.forget_old)
            guarded(upkeep.note_power)
            guarded(certificate_signing.end_undelivered)
            self._review_due = now + REVIEW_EVERY_S
        if now >= self._prune_due:
            guarded(partial(retention.prune_in_background, self._name))
            self._prune_due = now + PRUNE_EVERY_S
        guarded(first_contact.review)
        guarded(certificate_signing.sign_in_background)
        self._add(items, guarded(dispatch_queued_commands))
        self._add(items, guarded(send_again))

    @staticmethod
    def _add(items: Items, more: Items | None) -> None:
        for queue, some in (more or {}).items():
            items[queue].extend(some)

    def _hold_lease(self) -> bool:
        TALLY.holds_lease = False  # also when the database does not answer
        TALLY.holds_lease = leases.hold(LEASE, self._name, LEASE_FOR)
        return TALLY.holds_lease


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


def close_silent_gateways() -> None:
    """End the sessions of gateways that have not announced themselves; a later frame opens a session again."""
    silent = Gateway.objects.filter(gone_at=None, last_announced_at__lt=Now() - GATEWAY_SILENCE)
    for gateway in silent:
        logger.warning("The gateway %s has been silent for %s: its sessions are closed.", gateway.name, GATEWAY_SILENCE)
        close_sessions_of(gateway)
    for gateway in Gateway.objects.filter(
        gone_at__isnull=False, sessions__ended_at=None, sessions__isnull=False
    ).distinct():
        close_sessions_of(gateway)


def close_all_sessions() -> None:
    """End every open session: for a process that is the only gateway and has just started."""
    for gateway in Gateway.objects.filter(sessions__ended_at=None, sessions__isnull=False).distinct():
        close_sessions_of(gateway)


def close_sessions_of(gateway: Gateway) -> None:
    """End what a gateway holds, in portions, and mark it gone."""
    while True:
        found, after = commit(lambda batch: _end_some(batch, gateway))
        after.run()
        if not found:
            break
    Gateway.objects.filter(pk=gateway.pk, gone_at=None).update(gone_at=Now())


def _end_some(batch: Batch, gateway: Gateway) -> list[Session]:
    open_sessions = Session.objects.filter(gateway=gateway, ended_at=None)
    identities = open_sessions.values_list("charge_point__identity", flat=True)[:SESSIONS_AT_ONCE]
    batch.lock_charge_points(identities)
    found = list(open_sessions.filter(charge_point__in=batch.charge_points.values()))
    sessions.end(batch, found, sessions.GATEWAY_SILENT)
    return found
