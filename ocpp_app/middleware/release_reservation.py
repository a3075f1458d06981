"""A connector that is not held any more (OCPP 1.6 §5.13)."""

from ocpp_app import reservation_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ReleaseReservationMiddleware(OCPPMiddleware):
    """Ends the reservations of a connector that becomes Faulted, Unavailable, or Available after Reserved."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        connector = request.connector(request.message.connector_id)
        before = connector.status
        response = self.next.handle(request)
        is_newest = connector.status == request.message.status and connector.status_at == request.received_at
        if is_newest and connector.status != before:
            reservation_rules.note_status(request, before)
        return response
