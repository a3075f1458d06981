"""Authorize.req (OCPP 1.6 §4.1, §6.1)."""

from ocpp_app import authorization
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import AuthorizeResponse


class AuthorizeMiddleware(OCPPMiddleware):
    """Answers what an idTag may do; never ConcurrentTx, which is for StartTransaction.conf alone (§7.2)."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        verdict = authorization.authorize(request.batch, request.charge_point, request.message.id_tag)
        return OCPPResponse(AuthorizeResponse(id_tag_info=verdict.id_tag_info()))
