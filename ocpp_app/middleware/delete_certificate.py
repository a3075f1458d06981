"""The answer to a DeleteCertificate.req (security whitepaper M04, §5.4)."""

from ocpp_app import certificate_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class DeleteCertificateMiddleware(OCPPMiddleware):
    """Notes that the certificate is gone, or was not there."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        certificate_rules.note_delete_answer(request)
        return self.next.handle(request)
