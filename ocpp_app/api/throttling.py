"""How much one token, user or address may ask for: OCPP_API_THROTTLE."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from ocpp_app import conf
from ocpp_app.client_address import client_address, key_of
from ocpp_app.limits import LIMITS
from ocpp_app.models import ApiToken


class Throttle(SimpleRateThrottle):
    """So many requests a second, minute, hour or day; each token, user and address for itself."""

    scope = "ocpp"

    def get_rate(self) -> Any:
        return conf.api_throttle() or None

    def throttle_failure(self) -> bool:
        LIMITS.hit(
            "api_throttle",
            str(self.key),
            f"The API is asked more often than OCPP_API_THROTTLE ({self.rate}) allows, by {self._who}.",
            remote_address=self._address,
        )
        return bool(super().throttle_failure())

    def get_ident(self, request: Request) -> str:
        return key_of(client_address(request._request))  # anybody can write an X-Forwarded-For

    def get_cache_key(self, request: Request, view: Any) -> str:
        self._address = self.get_ident(request)
        self._who = "somebody without a token"
        if isinstance(request.auth, ApiToken):
            self._who = f"token {request.auth.pk}"
            return f"ocpp-throttle-token-{request.auth.pk}"
        if request.user.is_authenticated:
            self._who = f"user {request.user.pk}"
            return f"ocpp-throttle-user-{request.user.pk}"
        return f"ocpp-throttle-address-{self._address}"
