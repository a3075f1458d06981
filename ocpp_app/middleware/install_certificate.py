"""The answer to an InstallCertificate.req (security whitepaper M05, §5.12)."""

from ocpp_app import certificate_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class InstallCertificateMiddleware(OCPPMiddleware):
    """Notes what is installed now, and asks the charge point for its list."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        certificate_rules.note_install_answer(request, response)
        return response
