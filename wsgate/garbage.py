"""When the garbage collector looks at everything: after sockets have gone, not while they come.

A websocket that has ended is a cycle of references, which nothing but the collector finds. By default it looks at all
objects whenever there are a quarter more of them: a quarter of the CPU time while thousands connect, in pauses of a
quarter of a second.
"""

import asyncio
import gc
from collections.abc import Callable

THRESHOLDS = (10_000, 10, 100)
"""Of new objects until the youngest are looked at (and of those until the others are): a connection has a hundred."""
INTERVAL_S = 5.0
AT_LEAST = 200
"""Sockets that have gone before everything is looked at, and at least a quarter as many as stand."""


def spare_what_stays() -> None:
    """Leave alone what is loaded by now, and look at new objects less often; for a whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def collect(gone: Callable[[], int], standing: Callable[[], int]) -> None:
    """Look at everything when enough sockets have gone; runs until it is cancelled."""
    collected = 0
    while True:
        await asyncio.sleep(INTERVAL_S)
        if gone() - collected >= max(AT_LEAST, standing() // 4):
            collected = gone()
            gc.collect()
