"""Errors of the gateway.

GatewayError
├── ConfigError          an option or environment variable cannot be used (the operator's to mend)
└── HandshakeRefused     a handshake answered with an HTTP status other than 101 (the peer's fault, or an outage)
    └── TooManyAttempts  with 429, after too many that failed
"""

from collections.abc import Mapping


class GatewayError(Exception):
    """Base of everything that ``wsgate`` raises on purpose."""


class ConfigError(GatewayError):
    """An option that cannot be used; the text names it and says what would work."""


class HandshakeRefused(GatewayError):
    """The answer to a handshake that does not get through: an HTTP status, a text for whoever reads it, and headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class TooManyAttempts(HandshakeRefused):
    """An attempt that failed, or was not looked at, after too many that had failed."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(429, "There were too many failed attempts.", headers)
