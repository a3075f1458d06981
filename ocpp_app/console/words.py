"""Errors of commands and upgrades in an operator's words: what happened, and what to do."""

from django.utils.translation import gettext as _

from ocpp_app.errors import (
    ChargePointOffline,
    IdempotencyKeyReused,
    OCPPAppError,
    RelayUnavailable,
    UpgradeNotNeeded,
    UpgradeUnderWay,
)
from ocpp_app.models import ChargePoint
from ocpp_app.translation import tell
from ocppj.errors import PayloadError


def explain(error: Exception, charge_point: ChargePoint) -> str:
    """Why it was not done."""
    names = {"identity": charge_point.identity, "status": charge_point.get_registration_status_display()}
    match error:
        case ChargePointOffline() if charge_point.is_connected:
            return _("%(identity)s is %(status)s, so this was not sent. Approve it first.") % names
        case ChargePointOffline():
            return (
                _("%(identity)s is not connected, so this was not sent. Is it switched on, and has it network?") % names
            )
        case UpgradeUnderWay():
            return (
                _("%(identity)s is being given a new password or profile already. Wait until that has ended.") % names
            )
        case UpgradeNotNeeded():
            return _("%(identity)s connects with this security profile already.") % names
        case RelayUnavailable():
            return _("The message broker cannot be reached. The command stays queued and is sent as soon as it can be.")
        case IdempotencyKeyReused():
            return _("This form was sent already. Open it anew.")
        case PayloadError():
            return tell(error.description)
        case OCPPAppError():
            return tell(error)
    raise error
