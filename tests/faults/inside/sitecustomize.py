"""Read by every Python process that the suite starts: a clock that can be set while it runs, and one guard less.

FAULTS_CLOCK names a file with the seconds by which the clock is wrong (none: it is right). FAULTS_GUARD_OFF names the
guard that this process goes without. Neither exists in the product.
"""

import os
import sys
import time


def set_clock(path: str) -> None:
    right = time.time
    offset, looked_at = 0.0, 0.0

    def wrong(*_: object) -> float:  # somebody may keep it as a method
        nonlocal offset, looked_at
        now = time.monotonic()
        if now - looked_at > 0.2:
            looked_at = now
            try:
                with open(path) as file:
                    offset = float(file.read() or 0)
            except OSError:
                offset = 0.0
        return right() + offset

    time.time = wrong
    if "DJANGO_SETTINGS_MODULE" in os.environ or "wsgate" not in sys.orig_argv:
        from datetime import UTC, datetime

        from django.utils import timezone

        timezone.now = lambda: datetime.fromtimestamp(wrong(), UTC)


if os.environ.get("FAULTS_CLOCK"):
    set_clock(os.environ["FAULTS_CLOCK"])
if os.environ.get("FAULTS_GUARD_OFF"):
    from tests.faults.guards import switch_off

    switch_off(os.environ["FAULTS_GUARD_OFF"])
