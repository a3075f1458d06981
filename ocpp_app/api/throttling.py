"""How much one token, user or address may ask for: OCPP_API_THROTTLE."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from ocpp_app import conf
from ocpp_app.client_address import client_address, key_of
from ocpp_app.models import ApiToken
from ocpp_app.monitoring.tally import TALLY


class Throttle(SimpleRateThrottle):
    """So many requests a second, minute, hour or day; each token, user and address for itself."""

    scope = "ocpp"

    def get_rate(self) -> Any:
        return conf.api_throttle() or None

    def throttle_failure(self) -> bool:
        TALLY.limit_hit("api_throttle")
        return bool(super().throttle_failure())

    def get_ident(self, request: Request) -> str:
        return key_of(client_address(request._request))  # anybody can write an X-Forwarded-For

    def get_cache_key(self, request: Request, view: Any) -> str:
        if isinstance(request.auth, ApiToken):
            return f"ocpp-throttle-token-{request.auth.pk}"
        if request.user.is_authenticated:
            return f"ocpp-throttle-user-{request.user.pk}"
        return f"ocpp-throttle-address-{self.get_ident(request)}"
