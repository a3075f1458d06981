"""Who wants which events: known by heart, so that a batch that nobody wants to hear of asks nobody."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.signals import setting_changed
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from ocpp_app import conf
from ocpp_app.events import catalogue
from ocpp_app.models import WebhookSubscription

KNOWN_FOR_S = 5.0
"""So long after it was made in another process, a subscription takes effect."""
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events somebody wants: all of them on the exchange, some of an organisation for its webhooks."""

    on_exchange: bool = False
    by_organisation: dict[int, frozenset[str]] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        return not self.on_exchange and not self.by_organisation

    def by_webhooks(self, organisation_id: int | None) -> frozenset[str]:
        """The names of the events that an organisation's webhooks want."""
        return NOTHING if organisation_id is None else self.by_organisation.get(organisation_id, NOTHING)


class Subscriptions:
    """What this process knows of the subscriptions; read again every few seconds, and at once after its own change."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Wanted | None = None
        self._known_until = 0.0

    def wanted(self) -> Wanted:
        """What is wanted, at most ``KNOWN_FOR_S`` old."""
        known = self._known
        if known is not None and self._clock() < self._known_until:
            return known
        read = _read()
        with self._lock:
            self._known, self._known_until = read, self._clock() + KNOWN_FOR_S
        return read

    def forget(self, **_kwargs: Any) -> None:
        """Read them again next time."""
        with self._lock:
            self._known = None


def _read() -> Wanted:
    by_organisation: dict[int, set[str]] = defaultdict(set)
    active = WebhookSubscription.objects.filter(is_active=True)
    for organisation_id, patterns in active.values_list("organisation_id", "events"):
        by_organisation[organisation_id] |= catalogue.expand(patterns)
    names = {number: frozenset(some) for number, some in by_organisation.items() if some}
    return Wanted(bool(conf.events_exchange()), names)


known = Subscriptions()
"""Of this process."""


def _note_change(**_kwargs: Any) -> None:
    known.forget()
    transaction.on_commit(partial(known.forget))  # somebody may have read the old state meanwhile


post_save.connect(_note_change, sender=WebhookSubscription)
post_delete.connect(_note_change, sender=WebhookSubscription)
setting_changed.connect(known.forget)
