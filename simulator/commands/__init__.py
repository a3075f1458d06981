"""What a charge point does when the central system calls: one function for each action, by feature profile.

A handler returns the response and, where there is more to do, what to do once the response is on its way
(``Reply.after``): a triggered message must not overtake the response (OCPP 1.6 §5.17).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.errors import ErrorCode, PayloadError
from ocppj.session import CallReceived
from ocppj.v16 import PROTOCOL
from simulator.commands import (
    core,
    firmware_management,
    local_auth_list_management,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from simulator.commands.reply import Handler
from simulator.link import Happening, Link

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint

HANDLERS: Mapping[str, Handler] = {
    **core.HANDLERS,
    **firmware_management.HANDLERS,
    **local_auth_list_management.HANDLERS,
    **remote_trigger.HANDLERS,
    **reservation.HANDLERS,
    **security.HANDLERS,
    **smart_charging.HANDLERS,
}
"""Action → handler; an action that is not in it is answered with a CALLERROR."""


def execute(charge_point: "ChargePoint", link: Link, received: CallReceived, now: float) -> list[Happening]:
    """Answer a CALL of the central system and act on it; what comes back is the next CALL, if one waits."""
    if charge_point.registration.is_rejected:  # OCPP 1.6 §4.2: it shall not respond to any message
        return link.ignore(now)
    if received.call is None:
        assert received.error is not None
        return link.refuse(received.error, now)
    try:
        handler = _handler_for(received.call.action)
        request = PROTOCOL.decode_request(received.call.action, received.call.payload, strict=True).message
        reply = handler(charge_point, request, now)
    except PayloadError as error:
        return link.refuse(error, now)
    happenings = link.answer(reply.response, now)
    if reply.after is not None:
        reply.after()
    return happenings


def _handler_for(action: str) -> Handler:
    handler = HANDLERS.get(action)
    if handler is not None:
        return handler
    if action in PROTOCOL.actions:
        raise PayloadError(ErrorCode.NotSupported, f"This charge point does not support {action}.")
    raise PayloadError(ErrorCode.NotImplemented, f"OCPP 1.6 has no action {action[:40]!r}.")
