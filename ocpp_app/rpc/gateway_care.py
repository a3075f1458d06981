"""Gateways that need looking after: those that fell silent, and the sessions that they leave open."""

import logging
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from ocpp_app import sessions
from ocpp_app.batch import Batch
from ocpp_app.dispatch import commit
from ocpp_app.models import Gateway, Session

logger = logging.getLogger(__name__)

GATEWAY_SILENCE = timedelta(seconds=30)
"""Gateways announce themselves every 10 s; one silent for so long is gone."""
SESSIONS_AT_ONCE = 500


def close_silent_gateways() -> None:
    """End the sessions of gateways that have not announced themselves; a later frame opens a session again."""
    for gateway in silent_gateways():
        logger.warning("The gateway %s has been silent for %s: its sessions are closed.", gateway.name, GATEWAY_SILENCE)
        close_sessions_of(gateway)
    for gateway in gone_gateways_with_sessions():
        close_sessions_of(gateway)


def silent_gateways() -> QuerySet[Gateway]:
    """Those that have not announced themselves for so long, and were not gone already."""
    return Gateway.objects.filter(gone_at=None, last_announced_at__lt=Now() - GATEWAY_SILENCE)


def gone_gateways_with_sessions() -> QuerySet[Gateway]:
    """Those that are gone, but not all of what they held."""
    return _with_sessions().filter(gone_at__isnull=False)


def close_all_sessions() -> None:
    """End every open session: for a process that is the only gateway and has just started."""
    for gateway in _with_sessions():
        close_sessions_of(gateway)


def close_sessions_of(gateway: Gateway) -> None:
    """End what a gateway holds, in portions, and mark it gone."""
    while True:
        found, after = commit(lambda batch: _end_some(batch, gateway))
        after.run()
        if not found:
            break
    Gateway.objects.filter(pk=gateway.pk, gone_at=None).update(gone_at=Now())


def _end_some(batch: Batch, gateway: Gateway) -> list[Session]:
    open_sessions = Session.objects.filter(gateway=gateway, ended_at=None)
    identities = open_sessions.values_list("charge_point__identity", flat=True)[:SESSIONS_AT_ONCE]
    batch.lock_charge_points(identities)
    found = list(open_sessions.filter(charge_point__in=batch.charge_points.values()))
    sessions.end(batch, found, sessions.GATEWAY_SILENT)
    return found


def _with_sessions() -> QuerySet[Gateway]:
    return Gateway.objects.filter(Exists(Session.objects.filter(gateway=OuterRef("pk"), ended_at=None)))
