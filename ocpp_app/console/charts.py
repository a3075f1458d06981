"""Drawings as data: what console.js gives to uPlot."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any


def line(label: Any, unit: str, *, colour: str = "accent", fill: bool = False, steps: bool = False, **more: Any) -> Any:
    """A series. ``steps``: a value holds until the next one. ``least``: the scale reaches at least so far."""
    return {"label": str(label), "unit": unit, "colour": colour, "fill": fill, "steps": steps, **more}


def together(readings: Sequence[tuple[Any, Sequence[tuple[datetime, float]]]], gap: timedelta) -> dict[str, Any]:
    """A drawing of several series, each with times of its own; a line breaks where nothing was told for ``gap``."""
    series = [(label, dict(_with_breaks(sorted(values), gap))) for label, values in readings]
    times = sorted({at for _label, values in series for at in values})
    # False: not of this series' times; the line goes on. None: a break.
    return over_time(times, *((label, [values.get(at, False) for at in times]) for label, values in series))


def _with_breaks(values: list[tuple[datetime, float]], gap: timedelta) -> Iterator[tuple[datetime, float | None]]:
    for (at, value), following in zip_longest(values, values[1:]):
        yield at, value
        if following is not None and following[0] - at > gap:
            yield at + gap / 2, None


def over_time(times: Iterable[datetime], *series: tuple[Any, Sequence[float | bool | None]]) -> dict[str, Any]:
    """A drawing over time; each series is a ``line`` and its values, None where there is a gap."""
    return {
        "time": True,
        "data": [[at.timestamp() for at in times], *(list(values) for _line, values in series)],
        "series": [line for line, _values in series],
    }
