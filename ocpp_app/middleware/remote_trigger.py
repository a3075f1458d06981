"""The answer to a TriggerMessage.req (OCPP 1.6 §5.17)."""

from ocpp_app import inquiries
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class RemoteTriggerMiddleware(OCPPMiddleware):
    """Remembers a charge point that does not know TriggerMessage: the system itself does not ask it again."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if request.command is not None:
            request.batch.at_end(inquiries.note_trigger_answers, request)
        return response
