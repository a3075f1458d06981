"""The answer to a RemoteStartTransaction.req that carried a charging profile (OCPP 1.6 §5.16.2)."""

from ocpp_app import charging_profile_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class RemoteStartProfileMiddleware(OCPPMiddleware):
    """Notes the TxProfile that the charge point has accepted together with a remote start."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        charging_profile_rules.note_remote_start_answer(request)
        return self.next.handle(request)
