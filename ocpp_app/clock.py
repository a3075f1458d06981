"""Which of two clocks to believe: the charge point's, or ours."""

from datetime import UTC, datetime, timedelta

FUTURE = timedelta(minutes=5)
"""A charge point sets its clock by our answers (OCPP 1.6 §4.2, §4.6); one that is further ahead has not, or means
local time."""
PAST = timedelta(days=180)
"""How long a charge point may have been offline before it delivers what it kept."""


def now() -> datetime:
    """Our own time, in UTC; Django's ``timezone.now`` asks its settings first."""
    return datetime.now(UTC)


def is_plausible(timestamp: datetime | None, received_at: datetime) -> bool:
    """Whether a charge point's timestamp can be true."""
    return timestamp is not None and received_at - PAST <= timestamp <= received_at + FUTURE


def believe(timestamp: datetime | None, received_at: datetime) -> datetime:
    """The charge point's time where it is plausible, else when we received it."""
    return timestamp if timestamp is not None and is_plausible(timestamp, received_at) else received_at


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
