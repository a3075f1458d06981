"""StatusNotification.req (OCPP 1.6 §4.9, §6.47)."""

from datetime import datetime, timedelta

from ocpp_app import rows, signals
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import Connector, StatusHistory
from ocppj.v16 import StatusNotificationRequest, StatusNotificationResponse

FRAMES_LIVE = timedelta(seconds=30)
"""No gateway holds a frame for longer (``outage_grace_s`` and ``outage_spread_s``): two that seem to be further apart
the wrong way round were received by clocks that differ, or by one that was set back."""


class StatusNotificationMiddleware(OCPPMiddleware):
    """Keeps every status in the history and the newest on the connector."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        message: StatusNotificationRequest = request.message
        connector = request.connector(message.connector_id)
        reported = {
            "status": str(message.status),
            "error_code": str(message.error_code),
            "info": message.info or "",
            "vendor_id": message.vendor_id or "",
            "vendor_error_code": message.vendor_error_code or "",
        }
        request.batch.add(
            rows.new(
                StatusHistory,
                connector=connector,
                timestamp=message.timestamp,
                received_at=request.received_at,
                **reported,
            )
        )
        if request.is_current and not _is_older(request.received_at, connector):
            request.batch.change(connector, status_at=request.received_at, **reported)
            request.batch.send(
                signals.status_changed,
                Connector,
                charge_point=request.charge_point,
                connector=connector,
                message=message,
            )
        return OCPPResponse(StatusNotificationResponse())


def _is_older(received_at: datetime, connector: Connector) -> bool:
    """Whether a newer frame has told the connector's status already (two workers may take a charge point's frames in
    any order)."""
    return connector.status_at is not None and timedelta() < connector.status_at - received_at <= FRAMES_LIVE
