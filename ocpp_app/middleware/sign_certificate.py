"""SignCertificate.req (security whitepaper A02, A03, §5.17)."""

from ocpp_app import certificate_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import SignCertificateResponse


class SignCertificateMiddleware(OCPPMiddleware):
    """Checks and keeps the request; what is accepted is signed after the reply, and sent with CertificateSigned."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        return OCPPResponse(SignCertificateResponse(status=certificate_rules.take_request(request)))
