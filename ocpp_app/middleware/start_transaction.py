"""StartTransaction.req (OCPP 1.6 §4.8, §6.45)."""

from ocpp_app import authorization, transactions
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import StartTransactionResponse


class StartTransactionMiddleware(OCPPMiddleware):
    """Records the transaction and answers with its id; a repeated start gets the same id."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        repeated = transactions.find_earlier_start(request)
        verdict = authorization.authorize_start(
            request.batch, request.charge_point, request.message.id_tag, retried=repeated
        )
        transaction = repeated
        if transaction is None:
            transaction = transactions.start(request, verdict.status, verdict.tag)
        return OCPPResponse(StartTransactionResponse(transaction_id=transaction.pk, id_tag_info=verdict.id_tag_info()))
