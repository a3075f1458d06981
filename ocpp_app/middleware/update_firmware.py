"""The answer to an UpdateFirmware.req (OCPP 1.6 §5.19, §6.56)."""

from ocpp_app import task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class UpdateFirmwareMiddleware(OCPPMiddleware):
    """Lets the firmware update go on, or end, as the charge point answers."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        task_rules.note_firmware_answer(request)
        return self.next.handle(request)
