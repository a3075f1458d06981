"""Work that one process at a time does: a lease in the database, by the database's clock."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from ocpp_app.models import Lease


def hold(name: str, holder: str, duration: timedelta) -> bool:
    """Whether the lease is ``holder``'s, for so long from now: taken where it is free or over, else renewed."""
    if _take(name, holder, duration):
        return True
    _lease, is_new = Lease.objects.get_or_create(name=name)
    return is_new and _take(name, holder, duration)


def _take(name: str, holder: str, duration: timedelta) -> bool:
    free = Q(holder=holder) | Q(expires_at=None) | Q(expires_at__lt=Now())
    return bool(Lease.objects.filter(free, name=name).update(holder=holder, expires_at=Now() + duration))


def release(name: str, holder: str) -> None:
    """Give it back before its time, so that nobody has to wait for it."""
    Lease.objects.filter(name=name, holder=holder).update(expires_at=None)


def release_all() -> None:
    """For a process that is the only one and has just started: whoever held a lease is dead."""
    Lease.objects.update(expires_at=None)
