"""The answer to a GetInstalledCertificateIds.req (security whitepaper M03, §5.8)."""

from ocpp_app import certificate_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class GetInstalledCertificateIdsMiddleware(OCPPMiddleware):
    """Makes the list of what is installed the charge point's own."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        certificate_rules.note_list_answer(request)
        return self.next.handle(request)
