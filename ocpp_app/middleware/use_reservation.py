"""A transaction that ends a reservation (OCPP 1.6 §4.8, §5.13)."""

from ocpp_app import reservation_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import StartTransactionResponse


class UseReservationMiddleware(OCPPMiddleware):
    """Makes a reservation used by the transaction that has just begun; a repeated start uses no second one."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if isinstance(response.message, StartTransactionResponse):
            transaction = request.batch.transaction(request.charge_point, response.message.transaction_id)
            if transaction is not None and transaction.start_received_at == request.received_at:
                reservation_rules.use(request, transaction)
        return response
