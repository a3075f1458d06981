"""FirmwareStatusNotification.req (OCPP 1.6 §4.5, §6.19)."""

from ocpp_app import signals, task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import ChargePoint
from ocppj.v16 import FirmwareStatusNotificationResponse


class FirmwareStatusNotificationMiddleware(OCPPMiddleware):
    """Keeps the status, and lets the update that is under way follow it: the message does not say which."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        if request.is_current:
            charge_point, status = request.charge_point, str(request.message.status)
            request.batch.change(charge_point, firmware_status=status)
            request.batch.send(signals.firmware_status_changed, ChargePoint, charge_point=charge_point, status=status)
        task_rules.note_firmware_status(request)
        return OCPPResponse(FirmwareStatusNotificationResponse())
