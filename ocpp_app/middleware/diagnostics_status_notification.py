"""DiagnosticsStatusNotification.req (OCPP 1.6 §4.4, §6.17)."""

from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import DiagnosticsStatusNotificationResponse


class DiagnosticsStatusNotificationMiddleware(OCPPMiddleware):
    """Keeps the status of the last diagnostics upload."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        if request.is_current:
            request.batch.change(request.charge_point, diagnostics_status=str(request.message.status))
        return OCPPResponse(DiagnosticsStatusNotificationResponse())
