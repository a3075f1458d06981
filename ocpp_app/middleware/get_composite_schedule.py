"""The answer to a GetCompositeSchedule.req (OCPP 1.6 §5.7, §6.22)."""

from ocpp_app import charging_profile_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class GetCompositeScheduleMiddleware(OCPPMiddleware):
    """Keeps the composite schedule with absolute times."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        charging_profile_rules.note_composite_schedule(request)
        return self.next.handle(request)
