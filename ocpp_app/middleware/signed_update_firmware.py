"""The answer to a SignedUpdateFirmware.req (security whitepaper L01, §5.22)."""

from ocpp_app import task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class SignedUpdateFirmwareMiddleware(OCPPMiddleware):
    """Lets the firmware update go on, or end, as the charge point answers; AcceptedCanceled ends the one before."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        task_rules.note_firmware_answer(request)
        return self.next.handle(request)
