"""Who may have a command sent: the one table that API, console and everything else for people asks.

Most commands are an operator's. What decides who a charge point trusts, and by what it proves itself, is an
administrator's, whichever way it is asked for.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ocpp_app import secrecy
from ocpp_app.models import Scope
from ocppj.messages import Request
from ocppj.v16 import Action, ChangeConfigurationRequest

SECURITY_PROFILE = "SecurityProfile"
"""The configuration key with the security profile (whitepaper §7.6)."""


class Right(NamedTuple):
    """A scope in the organisation, or a Django permission that stands in for it."""

    scope: Scope
    permission: str


OPERATE = Right(Scope.OPERATE, "ocpp_app.add_command")
OF_ACTION: Mapping[str, Right] = MappingProxyType(
    {
        Action.InstallCertificate: Right(Scope.ADMIN, "ocpp_app.add_installedcertificate"),
        Action.DeleteCertificate: Right(Scope.ADMIN, "ocpp_app.delete_installedcertificate"),
        Action.CertificateSigned: Right(Scope.ADMIN, "ocpp_app.add_installedcertificate"),
    }
)
"""Actions that ask for more than ``OPERATE``, whatever is in them."""
OF_CREDENTIALS = Right(Scope.ADMIN, "ocpp_app.change_chargepoint")
"""ChangeConfiguration of what a charge point proves itself by."""


def right_of_action(action: str) -> Right:
    """What every command of this action asks for; its content may ask for more."""
    return OF_ACTION.get(action, OPERATE)


def right_to_send(message: Request) -> Right:
    """What this message asks for."""
    if isinstance(message, ChangeConfigurationRequest) and is_credential(message.key):
        return OF_CREDENTIALS
    return right_of_action(str(message.action))


def is_credential(key: str) -> bool:
    """Whether this configuration key decides how the charge point proves itself; keys are case-insensitive."""
    return secrecy.is_authorization_key(key.strip()) or key.strip().casefold() == SECURITY_PROFILE.casefold()
