"""A new transaction on a connector ends an older one that was never stopped."""

from ocpp_app import transactions
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import StartTransactionResponse


class OrphanedTransactionMiddleware(OCPPMiddleware):
    """Closes what is still open on the connector, before the new start is judged and recorded."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        repeated = transactions.find_earlier_start(request)
        if repeated is None:
            transactions.close_orphans(request, request.connector(request.message.connector_id), before=None)
        response = self.next.handle(request)
        if isinstance(response.message, StartTransactionResponse):
            transactions.close_overtaken(request, response.message.transaction_id)
        return response
