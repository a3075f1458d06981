"""StatusNotification.req of a connector that has become available, or unavailable (OCPP 1.6 §5.2)."""

from ocpp_app import availability_rules
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse


class AvailabilityMiddleware(OCPPMiddleware):
    """Lets the wanted availability of a connector follow what the connector reports."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        connector = request.connector(request.message.connector_id)
        before = connector.status
        response = self.next.handle(request)
        is_new = request.batch.is_new(connector)  # then nobody can have wanted anything of it
        if not is_new and availability_rules.has_become_available_or_not(before, connector.status):
            request.batch.at_end(availability_rules.note, connector)
        return response
