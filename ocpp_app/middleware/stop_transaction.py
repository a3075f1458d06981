"""StopTransaction.req (OCPP 1.6 §4.10, §6.49)."""

from ocpp_app import authorization, transactions
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.middleware.meter_values import store
from ocppj.v16 import StopTransactionRequest, StopTransactionResponse


class StopTransactionMiddleware(OCPPMiddleware):
    """Ends the transaction and keeps its transactionData; a stop is always answered, the charge point would keep it
    for ever."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        message: StopTransactionRequest = request.message
        transaction = transactions.stop(request)
        connector = request.batch.connector_of(transaction)
        store(request, message.transaction_data or (), connector, transaction, message.transaction_id)
        if not message.id_tag:
            return OCPPResponse(StopTransactionResponse())
        verdict = authorization.authorize(request.batch, request.charge_point, message.id_tag)
        return OCPPResponse(StopTransactionResponse(id_tag_info=verdict.id_tag_info()))
