"""The answer to a GetLocalListVersion.req (OCPP 1.6 §5.10, §6.28)."""

from ocpp_app import local_list_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class GetLocalListVersionMiddleware(OCPPMiddleware):
    """Notes the version, and sends what is missing; all of it where the version is not the one that we know of."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        response.commands.extend(local_list_rules.note_version(request))
        return response
