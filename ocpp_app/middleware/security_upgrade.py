"""ChangeConfiguration.conf to a new AuthorizationKey or SecurityProfile (security whitepaper A01, A05), and Reset.conf
where it needed a restart."""

from ocpp_app import secrecy, upgrades
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocppj.v16 import ConfigurationStatus


class SecurityUpgradeMiddleware(OCPPMiddleware):
    """Goes on with the upgrade that the answered command belongs to; a key that was set without one counts as well."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        command, charge_point, batch = request.command, request.charge_point, request.batch
        if command is None:
            return response
        status = str(getattr(request.message, "status", "") or command.error_code)
        row = None
        if command.source.startswith(upgrades.SOURCE):
            row = upgrades.under_way(batch, [charge_point]).get(charge_point.pk)
        if row is not None and upgrades.source_of(row) == command.source:
            response.commands.extend(upgrades.answered(batch, charge_point, row, status, status in upgrades.TAKEN))
        elif secrecy.carries_key(command):
            self._take(request, secrecy.hash_of(command), status)
        return response

    def _take(self, request: OCPPRequest, key: str, status: str) -> None:
        """A key that somebody has sent by hand has been taken, or not."""
        if status == ConfigurationStatus.Accepted:  # A01.FR.03
            request.batch.change(request.charge_point, authorization_key=key, next_authorization_key="")
        elif status != ConfigurationStatus.RebootRequired:  # A01.FR.04
            request.batch.change(request.charge_point, next_authorization_key="")
