"""The answer to a ReserveNow.req (OCPP 1.6 §5.13, §6.38)."""

from ocpp_app import reservation_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ReserveNowMiddleware(OCPPMiddleware):
    """Gives the reservation the charge point's status; a CALLERROR rejects it."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        reservation_rules.note_reserve_answer(request)
        return self.next.handle(request)
