"""Limits that have kept somebody out: each time is counted, and told in the log without filling it."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from ocpp_app.monitoring.tally import TALLY

logger = logging.getLogger(__name__)

TOLD_EVERY_S = 60.0
"""Who is kept out again and again makes a line a minute."""
TOLD_AT_MOST = 20
"""So many lines of a limit in this time, however many addresses somebody has."""


class Limits:
    """What a process tells of its limits; any thread may hit one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Nothing has been told yet."""
        self._since = float("-inf")
        self._told: set[tuple[str, str]] = set()
        self._lines: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()

    def hit(self, limit: str, who: str, words: str, *, remote_address: str = "") -> None:
        """Count it (``ocpp_limit_hits_total``), and say so where ``who`` was not told of a short while ago."""
        TALLY.limit_hit(limit)
        untold = self._take_line(limit, who)
        if untold is not None:
            more = f" (and {untold} more times since the last line)" if untold else ""
            logger.warning("%s%s", words, more, extra={"remote_address": remote_address})

    def _take_line(self, limit: str, who: str) -> int | None:
        """How many times nothing was said before this line; None where nothing is said this time either."""
        with self._lock:
            if self._clock() - self._since >= TOLD_EVERY_S:
                self._since = self._clock()
                self._told.clear()
                self._lines.clear()
            if (limit, who) in self._told or self._lines[limit] >= TOLD_AT_MOST:
                self._untold[limit] += 1
                return None
            self._told.add((limit, who))
            self._lines[limit] += 1
            return self._untold.pop(limit, 0)


LIMITS = Limits()
