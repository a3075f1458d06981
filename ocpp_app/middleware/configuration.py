"""The answers to GetConfiguration.req and ChangeConfiguration.req (OCPP 1.6 §5.3, §5.8)."""

from ocpp_app import configuration_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class ConfigurationMiddleware(OCPPMiddleware):
    """Keeps what the charge point says of its configuration keys, and how far wanted values have come."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if request.command is not None:
            request.batch.at_end(configuration_rules.note_answers, request)
        return response
