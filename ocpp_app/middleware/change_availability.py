"""The answer to a ChangeAvailability.req (OCPP 1.6 §5.2)."""

from ocpp_app import availability_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ChangeAvailabilityMiddleware(OCPPMiddleware):
    """Keeps what the charge point says to a wanted availability: Accepted, Scheduled, or not at all."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if request.command is not None:
            request.batch.at_end(availability_rules.note, request)
        return response
