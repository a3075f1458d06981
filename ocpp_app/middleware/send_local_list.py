"""The answer to a SendLocalList.req (OCPP 1.6 §5.15, §6.42)."""

from ocpp_app import local_list_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class SendLocalListMiddleware(OCPPMiddleware):
    """Notes what the charge point has on its list now, and sends what is still missing; after a VersionMismatch, all
    of it."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        response.commands.extend(local_list_rules.note_update_answer(request))
        return response
