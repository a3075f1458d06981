"""BootNotification.req (OCPP 1.6 §4.2, §6.3)."""

from ocpp_app import inquiries, quirks, serial_numbers, signals
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import ChargePoint
from ocppj.v16 import BootNotificationRequest, BootNotificationResponse, RegistrationStatus

RETRY_INTERVAL_S = 60
"""When a charge point that is not accepted yet boots again, in seconds: soon after somebody has approved it."""


class BootNotificationMiddleware(OCPPMiddleware):
    """Keeps what the charge point says of itself and answers with its registration status, our time and the
    interval."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        charge_point, message = request.charge_point, request.message
        if request.is_current:
            request.batch.change(charge_point, last_boot_at=request.received_at, **_described_by(message))
        request.batch.send(signals.charge_point_booted, ChargePoint, charge_point=charge_point, message=message)
        inquiries.note_boot(request.batch, charge_point, charge_point.registration_status)
        if request.is_current and charge_point.is_accepted and not charge_point.registered_serial_number:
            request.batch.at_end(serial_numbers.register_reported, charge_point)
        interval_s = RETRY_INTERVAL_S
        if charge_point.is_accepted:
            interval_s = quirks.heartbeat_interval_s(charge_point)
        return OCPPResponse(
            BootNotificationResponse(
                status=RegistrationStatus(charge_point.registration_status),
                current_time=request.batch.now,
                interval=interval_s,
            )
        )


def _described_by(message: BootNotificationRequest) -> dict[str, str]:
    return {
        "vendor": message.charge_point_vendor or "",
        "model": message.charge_point_model or "",
        "serial_number": message.charge_point_serial_number or "",
        "charge_box_serial_number": message.charge_box_serial_number or "",
        "firmware_version": message.firmware_version or "",
        "iccid": message.iccid or "",
        "imsi": message.imsi or "",
        "meter_type": message.meter_type or "",
        "meter_serial_number": message.meter_serial_number or "",
    }
