"""DataTransfer.req from a charge point (OCPP 1.6 §4.3, §6.15)."""

from ocpp_app import data_transfer
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import DataTransferResponse, DataTransferStatus


class DataTransferMiddleware(OCPPMiddleware):
    """Lets the handler of this vendor message answer (OCPP_DATA_TRANSFER_HANDLERS); without one, UnknownVendorId or
    UnknownMessageId."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        handler = data_transfer.find(request.message.vendor_id, request.message.message_id)
        if isinstance(handler, DataTransferStatus):
            return OCPPResponse(DataTransferResponse(status=handler))
        answer = handler(request)
        if isinstance(answer, OCPPResponse):
            return answer
        if isinstance(answer, DataTransferResponse):
            return OCPPResponse(answer)
        return OCPPResponse(DataTransferResponse(status=DataTransferStatus.Accepted, data=answer))
