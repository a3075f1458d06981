"""What gateway and worker count of themselves: plain numbers, cheap to add to, and what each of them means.

Nothing here knows Prometheus: ``wsgate.metrics`` and ``ocpp_app.monitoring`` turn these into its families when they
are asked for.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bucket bounds for durations: from a quick answer to the longest outage that is borne."""
REQUESTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Bucket bounds for batches."""


class Definition(NamedTuple):
    """One metric: its full name (a counter's ends in ``_total``), what it counts, and its labels."""

    name: str
    kind: str
    words: str
    labels: tuple[str, ...] = ()


class Distribution:
    """How often a value fell where: what Prometheus calls a histogram."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """The cumulated counts by upper bound, the last of them ``+Inf``."""
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))
