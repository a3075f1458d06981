"""What users do in a middleware: ask the database something about the charge point."""

from ocpp_app.middleware import OCPPMiddleware, OCPPRequest, OCPPResponse


class OneQueryMiddleware(OCPPMiddleware):
    """Looks up the groups of the charge point, then lets the built-in middlewares answer."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        list(request.charge_point.groups.values_list("name", flat=True))
        return self.next.handle(request)
