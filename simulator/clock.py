"""The clock of a charge point: UTC as the central system tells it, and simulated time, which may run faster.

What happens at the charge point (charging, samples, time-outs of the driver, downloads) follows simulated time. What
it owes the central system (heartbeats, boot retries, time-outs of a CALL, retransmissions, timestamps) follows real
time, at any speed.
"""

from datetime import UTC, datetime, timedelta

SMALLEST_CORRECTION_S = 1.0
"""A smaller difference to the central system's time is the network's delay, not the clock's."""


class Clock:
    """``now`` is everywhere the time of one clock that never runs backwards, in seconds."""

    def __init__(self, now: float, utc: datetime, speed: float = 1.0) -> None:
        """``utc`` is what the charge point takes for the time before it is told; ``speed`` is simulated seconds per
        second.
        """
        if speed <= 0:
            raise ValueError(f"The speed is a number above 0, not {speed}.")
        self._started_at = now
        self._utc_at_start = utc.astimezone(UTC)
        self.speed = speed

    def simulated(self, now: float) -> float:
        """Simulated seconds since the charge point was built."""
        return (now - self._started_at) * self.speed

    def after(self, now: float, simulated_s: float) -> float:
        """The ``now`` at which that many more simulated seconds have passed."""
        return now + simulated_s / self.speed

    def utc(self, now: float) -> datetime:
        """The time to write into a message."""
        return self._utc_at_start + timedelta(seconds=now - self._started_at)

    def set_utc(self, utc: datetime, now: float) -> None:
        """Take over the central system's current time (OCPP 1.6 §4.2 and §4.6)."""
        correction = utc.astimezone(UTC) - self.utc(now)
        if abs(correction.total_seconds()) >= SMALLEST_CORRECTION_S:
            self._utc_at_start += correction
