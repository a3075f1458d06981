"""When a charge point is to be pinged, and when it is taken for dead. Pure: times in, a verdict out."""

from enum import Enum

from ocppj.envelope import SessionSettings


class Verdict(Enum):
    """What ``Liveness.check`` says; those that end the connection say why."""

    alive = ""
    ping = "ping"
    silent = "Silent for too long."
    dead = "No sign of life after a ping."

    @property
    def is_fatal(self) -> bool:
        return self in (Verdict.silent, Verdict.dead)


class Liveness:
    """One charge point's signs of life, by its settings.

    A ping is due when nothing has been heard for an interval. Whatever comes within the next one counts: a frame, or a
    pong however wrong (Grizzl-E sends invalid ones).
    """

    __slots__ = ("_ping_interval_s", "_pinged_at", "_silence_timeout_s")

    def __init__(self, settings: SessionSettings) -> None:
        self._ping_interval_s = settings.ping_interval_s
        self._silence_timeout_s = settings.silence_timeout_s
        self._pinged_at = 0.0

    def next_check(self, heard_at: float) -> float | None:
        """When to ask ``check``, if nothing more is heard; None: never."""
        times = []
        if self._ping_interval_s is not None:
            times.append(max(heard_at, self._pinged_at) + self._ping_interval_s)
        if self._silence_timeout_s is not None:
            times.append(heard_at + self._silence_timeout_s)
        return min(times, default=None)

    def check(self, now: float, heard_at: float) -> Verdict:
        """The verdict; after ``Verdict.ping`` write a ping."""
        if self._silence_timeout_s is not None and now >= heard_at + self._silence_timeout_s:
            return Verdict.silent
        if self._ping_interval_s is None or now < max(heard_at, self._pinged_at) + self._ping_interval_s:
            return Verdict.alive
        if self._pinged_at > heard_at:
            return Verdict.dead
        self._pinged_at = now
        return Verdict.ping
