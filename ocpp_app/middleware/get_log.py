"""The answer to a GetLog.req (security whitepaper N01, §5.10)."""

from ocpp_app import task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class GetLogMiddleware(OCPPMiddleware):
    """Keeps the name of the file that will come; AcceptedCanceled ends the upload before."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        task_rules.note_log_answer(request)
        return self.next.handle(request)
