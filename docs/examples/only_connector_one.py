"""Only connector 1 may charge: every other start is answered with Blocked, and the charge point ends it."""

from msgspec.structs import replace

from ocpp_app.middleware import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import AuthorizationStatus, IdTagInfo


class OnlyConnectorOne(OCPPMiddleware):
    """First in the chain of StartTransaction, so that the transaction is recorded whatever we answer."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if request.message.connector_id != 1:
            status = AuthorizationStatus.Blocked
            response.message = replace(response.message, id_tag_info=IdTagInfo(status=status))
            # What the charge point is told is also what the books say.
            transaction = request.batch.transaction(request.charge_point, response.message.transaction_id)
            request.batch.change(transaction, id_tag_status=status)
        return response
