"""SecurityEventNotification.req (security whitepaper A04, §5.15)."""

from ocpp_app import signals
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import CRITICAL_EVENTS, ChargePoint, ChargePointSecurityEvent
from ocppj.secrets import without_addresses
from ocppj.v16 import SecurityEventNotificationResponse


class SecurityEventNotificationMiddleware(OCPPMiddleware):
    """Keeps the event, with what the whitepaper's list says of how critical it is."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        message = request.message
        event = ChargePointSecurityEvent(
            charge_point=request.charge_point,
            type=message.type,
            is_critical=CRITICAL_EVENTS.get(message.type),
            tech_info=without_addresses(message.tech_info or ""),
            timestamp=message.timestamp,
            received_at=request.received_at,
        )
        request.batch.add(event)
        request.batch.send(
            signals.security_event_notified, ChargePoint, charge_point=request.charge_point, message=message
        )
        return OCPPResponse(SecurityEventNotificationResponse())
