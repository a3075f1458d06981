"""Heartbeat.req (OCPP 1.6 §4.6, §6.29)."""

from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import HeartbeatResponse


class HeartbeatMiddleware(OCPPMiddleware):
    """Answers with our time; that the charge point was seen is noted for every frame."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        return OCPPResponse(HeartbeatResponse(current_time=request.batch.now))
