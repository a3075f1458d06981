"""Rows on which a task of housekeeping fails: left alone for a while, and longer each time.

So a row that nobody can help is logged now and then, not every few seconds, and keeps no other row from its turn. It is
kept in memory: who takes the housekeeping over tries each of them once.
"""

import logging
import time
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from django.db import DatabaseError, transaction

from ocpp_app.database import is_no_rows_fault

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)

FIRST_S = 600.0
LONGEST_S = 86_400.0


class SetAside:
    """What is left alone, by task; until when, by a clock that only goes on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str, Hashable], tuple[float, float]] = {}

    def of(self, task: str) -> list[Hashable]:
        """The keys that this task leaves alone now."""
        now = self._clock()
        return [key for (name, key), (until, _wait) in self._until.items() if name == task and now < until]

    def add(self, task: str, keys: Iterable[Hashable]) -> None:
        """Leave these alone: ten minutes, and twice as long each time, up to a day."""
        now = self._clock()
        self._until = {key: found for key, found in self._until.items() if now < found[0] + LONGEST_S}
        for key in keys:
            _until, last = self._until.get((task, key), (0.0, FIRST_S / 2))
            wait = min(2 * last, LONGEST_S)
            self._until[task, key] = now + wait, wait

    def forget(self) -> None:
        """Try all of them again."""
        self._until.clear()


aside = SetAside()


def each(task: str, keys: Iterable[Key], do: Callable[[Key], None]) -> None:
    """Do something for each key, in a transaction of its own. One that fails is logged and set aside; raises only when
    the database is to blame, or somebody who holds a lock for long."""
    left_alone = set(aside.of(task))
    for key in keys:
        if key in left_alone:
            continue
        try:
            with transaction.atomic():
                do(key)
        except Exception as error:  # whatever is wrong with this one
            if isinstance(error, DatabaseError) and is_no_rows_fault(error):
                raise
            logger.exception("%s: %s failed, and is left alone for a while.", task, key)
            aside.add(task, [key])
