"""Charging without a tag: a remote start as soon as a car is plugged in."""

from datetime import timedelta

from django.db.models import Q

from ocpp_app import conf, quirks
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import ANONYMOUS, Command
from ocppj.v16 import (
    Action,
    ChargePointStatus,
    RemoteStartStopStatus,
    RemoteStartTransactionRequest,
    StatusNotificationRequest,
)

SOURCE = "auto remote start"

AFTER_AUTHORIZE = timedelta(seconds=60)
"""Who has shown a tag, or for whom somebody started remotely, in the last minute is about to start with that tag."""


class AutoRemoteStartMiddleware(OCPPMiddleware):
    """Answers ``Preparing`` with a RemoteStartTransaction for the tag ``anonymous``; it leaves after the reply.

    Not on connector 0, not on a reserved connector (its status then was Reserved), not where a transaction is open,
    and not when a tag was shown at this charge point within the last 60 s.
    """

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        message: StatusNotificationRequest = request.message
        was_reserved = request.connector(message.connector_id).status == ChargePointStatus.Reserved
        response = self.next.handle(request)
        if message.status == ChargePointStatus.Preparing and not was_reserved and self._is_wanted(request):
            delay_s = quirks.behaviour_of(request.charge_point).remote_start_delay_s
            start = RemoteStartTransactionRequest(connector_id=message.connector_id, id_tag=ANONYMOUS)
            response.add_command(start, delay_s=delay_s, source=SOURCE)
        return response

    def _is_wanted(self, request: OCPPRequest) -> bool:
        own = request.charge_point.auto_remote_start
        enabled = conf.auto_remote_start() if own is None else own
        connector = request.connector(request.message.connector_id)
        busy = any(row.connector_id == connector.pk for row in request.batch.active_transactions(request.charge_point))
        may_start = enabled and request.is_current and connector.number > 0 and not busy
        return may_start and not _has_authorized(request) and not _is_started_remotely(request)


def _has_authorized(request: OCPPRequest) -> bool:
    since = request.received_at - AFTER_AUTHORIZE
    return request.batch.has_message(request.charge_point, Action.Authorize, since)


def _is_started_remotely(request: OCPPRequest) -> bool:
    """Whether this ``Preparing`` may come from a RemoteStartTransaction of somebody's: its tag is to pay, not ours."""
    here = Q(payload__connectorId=request.message.connector_id) | Q(payload__connectorId__isnull=True)
    sent = Command.objects.filter(
        here,
        charge_point=request.charge_point,
        action=Action.RemoteStartTransaction,
        created_at__gte=request.received_at - AFTER_AUTHORIZE,
    )
    return sent.exclude(source=SOURCE).exclude(status=RemoteStartStopStatus.Rejected).exists()
