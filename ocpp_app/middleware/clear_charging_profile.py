"""The answer to a ClearChargingProfile.req (OCPP 1.6 §5.5, §6.14)."""

from ocpp_app import charging_profile_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ClearChargingProfileMiddleware(OCPPMiddleware):
    """Forgets the installed profiles that the charge point has cleared, or never had."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        charging_profile_rules.note_clear_answer(request)
        return self.next.handle(request)
