"""FirmwareStatusNotification.req (OCPP 1.6 §4.5, §6.19)."""

from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import FirmwareStatusNotificationResponse


class FirmwareStatusNotificationMiddleware(OCPPMiddleware):
    """Keeps the status of the last firmware update."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        if request.is_current:
            request.batch.change(request.charge_point, firmware_status=str(request.message.status))
        return OCPPResponse(FirmwareStatusNotificationResponse())
