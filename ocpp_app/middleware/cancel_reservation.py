"""The answer to a CancelReservation.req (OCPP 1.6 §5.1, §6.6)."""

from ocpp_app import reservation_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class CancelReservationMiddleware(OCPPMiddleware):
    """Makes the reservation cancelled, also where the charge point does not have it any more."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        reservation_rules.note_cancel_answer(request)
        return self.next.handle(request)
