"""SignedFirmwareStatusNotification.req (security whitepaper L01, §5.19)."""

from ocpp_app import signals, task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import ChargePoint
from ocppj.v16 import SignedFirmwareStatusNotificationResponse


class SignedFirmwareStatusNotificationMiddleware(OCPPMiddleware):
    """Keeps the status, and lets the update with its requestId follow it."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        if request.is_current:
            charge_point, status = request.charge_point, str(request.message.status)
            request.batch.change(charge_point, firmware_status=status)
            request.batch.send(signals.firmware_status_changed, ChargePoint, charge_point=charge_point, status=status)
        task_rules.note_firmware_status(request)
        return OCPPResponse(SignedFirmwareStatusNotificationResponse())
