"""The answer to a CertificateSigned.req (security whitepaper A02, A03, §5.2)."""

from ocpp_app import certificate_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class CertificateSignedMiddleware(OCPPMiddleware):
    """Notes whether the charge point has taken its new certificate."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        certificate_rules.note_signed_answer(request)
        return self.next.handle(request)
