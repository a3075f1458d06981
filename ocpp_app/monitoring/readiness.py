"""Can this process do its work? /readyz: the broker, the database, and its migrations."""

import threading
import time

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from ocpp_app import conf
from ocpp_app.errors import RelayUnavailable
from ocpp_app.monitoring import broker
from ocpp_app.monitoring.exposition import MONITOR
from ocpp_app.monitoring.facts import pending_migrations

KEPT_S = 2.0
"""A flood of questions costs no more than one every so often."""


class Readiness:
    """Asks at most every ``KEPT_S``, and one at a time: a database that hangs does not take a thread for each probe."""

    def __init__(self, *, asks_broker: bool) -> None:
        """``asks_broker``: by a connection of its own; a worker knows by the one that it has."""
        self._asks_broker = asks_broker
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._reasons: list[str] = []
        self._is_migrated = False

    def why_not(self) -> list[str]:
        """What keeps it from its work, each in one line; empty when it is ready."""
        if time.monotonic() - self._asked_at >= KEPT_S:
            if not self._lock.acquire(blocking=False):
                return ["readyz: the last question is still being looked into"]
            try:
                self._reasons = [*self._database(), *self._broker(), *MONITOR.why_not_ready()]
                self._asked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._reasons

    def _database(self) -> list[str]:
        try:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            if self._is_migrated:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                return []
            pending = pending_migrations()
        except (DatabaseError, ImproperlyConfigured) as error:
            return [f"database: {type(error).__name__}"]  # its text has the host and the user's name
        self._is_migrated = not pending
        return [f"migrations: {len(pending)} to be applied, run manage.py migrate"] if pending else []

    def _broker(self) -> list[str]:
        if not self._asks_broker or conf.relay() != "amqp":
            return []
        try:
            broker.look()
        except RelayUnavailable:
            return ["broker: not to be reached"]
        return []
