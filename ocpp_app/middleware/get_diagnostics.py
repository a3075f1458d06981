"""The answer to a GetDiagnostics.req (OCPP 1.6 §5.9, §6.26)."""

from ocpp_app import task_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class GetDiagnosticsMiddleware(OCPPMiddleware):
    """Keeps the name of the file that will come; without one there is none."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        task_rules.note_diagnostics_answer(request)
        return self.next.handle(request)
