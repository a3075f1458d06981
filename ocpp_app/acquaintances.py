"""Charge points as this worker saw them last: so what their messages will ask for is read together with the locks.

Without that, a batch has to see the locked rows first, to know how their messages are to be read: a round trip more.
What has changed meanwhile shows in the locked rows, and the batch is run again.
"""

from collections.abc import Iterable, Mapping
from operator import itemgetter

from django.db import DEFAULT_DB_ALIAS

from ocpp_app import rows
from ocpp_app.models import ChargePoint

FIELDS = ("id", "organisation_id", "protocol", "is_strict")
"""What reading a message depends on."""
KEPT = 20_000
"""So many are remembered, at half a kilobyte each; then anew."""

_values_of = itemgetter(*FIELDS)


class ChargePointsChanged(Exception):
    """A charge point is no longer what it was when it was last seen; nothing has been written, run the batch again."""


class Acquaintances:
    """The charge points that one worker has seen."""

    def __init__(self) -> None:
        self._rows: dict[str, ChargePoint] = {}

    def of(self, identities: Iterable[str]) -> dict[str, ChargePoint] | None:
        """These charge points, each with its ``FIELDS`` alone; None when one of them is not known."""
        known = self._rows
        try:
            return {identity: known[identity] for identity in identities}
        except KeyError:
            return None

    def remember(self, charge_points: Mapping[str, ChargePoint]) -> None:
        """Remember these, which are locked."""
        if len(self._rows) + len(charge_points) > KEPT:
            self._rows.clear()
        for identity, row in charge_points.items():
            values = dict(zip(FIELDS, _values_of(row.__dict__), strict=True))
            self._rows[identity] = rows.loaded(ChargePoint, values, DEFAULT_DB_ALIAS)

    def compare(self, known: Mapping[str, ChargePoint], charge_points: Mapping[str, ChargePoint]) -> None:
        """Raises ``ChargePointsChanged``, and forgets them, unless all are still as they were."""
        if known.keys() == charge_points.keys() and all(
            _values_of(row.__dict__) == _values_of(known[identity].__dict__) for identity, row in charge_points.items()
        ):
            return
        for identity in known:
            self._rows.pop(identity, None)
        raise ChargePointsChanged
