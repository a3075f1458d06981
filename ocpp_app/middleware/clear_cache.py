"""The answer to a ClearCache.req (OCPP 1.6 §5.4, §6.12)."""

from ocpp_app import authorization_caches
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ClearCacheMiddleware(OCPPMiddleware):
    """Notes whether the charge point has cleared its authorization cache, or has none."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        authorization_caches.note_answer(request)
        return self.next.handle(request)
