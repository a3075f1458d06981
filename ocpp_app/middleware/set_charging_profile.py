"""The answer to a SetChargingProfile.req (OCPP 1.6 §5.16, §6.44)."""

from ocpp_app import charging_profile_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class SetChargingProfileMiddleware(OCPPMiddleware):
    """Notes what is installed at the charge point now, and what was replaced; a refusal changes nothing there."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        charging_profile_rules.note_set_answer(request)
        return self.next.handle(request)
