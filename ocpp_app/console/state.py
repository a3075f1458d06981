"""Whether the parts of the central system are alive, by what they leave in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from ocpp_app.models import Gateway, Lease
from ocpp_app.rpc.gateway_care import GATEWAY_SILENCE
from ocpp_app.rpc.housekeeping import LEASE, LEASE_FOR

REMEMBERED = timedelta(minutes=10)
"""How long a gateway that went without a word is worth a warning."""
AT_MOST = 50


@dataclass(frozen=True, slots=True)
class State:
    """What works. ``worker_since``: when a dead worker was last heard of. ``silent``: gateways that went without a
    good-bye."""

    is_worker_alive: bool
    worker_since: datetime | None
    gateways: int
    silent: tuple[Gateway, ...]

    @property
    def is_well(self) -> bool:
        return self.is_worker_alive and bool(self.gateways) and not self.silent


def look() -> State:
    """The state now, by the database's clock: the worker that does the housekeeping renews its lease every second or
    two, gateways announce themselves every ten."""
    lease: Any = Lease.objects.filter(name=LEASE).annotate(now=Now()).first()
    expires_at = None if lease is None else lease.expires_at
    is_alive = expires_at is not None and expires_at > lease.now
    alive, silent = [], []
    recent = Q(gone_at=None) | Q(gone_at__gt=Now() - REMEMBERED)
    gateways: Any = Gateway.objects.filter(recent).annotate(now=Now()).order_by("-last_announced_at")[:AT_MOST]
    for gateway in gateways:
        if (gateway.gone_at or gateway.now) - gateway.last_announced_at > GATEWAY_SILENCE:
            silent.append(gateway)
        elif gateway.gone_at is None:
            alive.append(gateway)
    # The worker is who hears the gateways: while it is dead, their silence says nothing.
    since = None if is_alive or expires_at is None else expires_at - LEASE_FOR
    return State(is_alive, since, len(alive), tuple(silent) if is_alive else ())
