"""The Remote Trigger profile of OCPP 1.6 (§3.3): asking a charge point for a message it would send by itself."""

from typing import Annotated

from ocppj.messages import Integer, Request, Response, at_least
from ocppj.v16.enums import Action, MessageTrigger, TriggerMessageStatus


class TriggerMessageResponse(Response):
    """TriggerMessage.conf (OCPP 1.6 §6.52), sent by the Charge Point."""

    action = Action.TriggerMessage

    status: TriggerMessageStatus
    """Whether the Charge Point will send the requested notification or not."""


class TriggerMessageRequest(Request):
    """TriggerMessage.req (OCPP 1.6 §6.51), sent by the Central System."""

    action = Action.TriggerMessage
    response = TriggerMessageResponse

    requested_message: MessageTrigger
    """The message that the Charge Point should send."""
    connector_id: Annotated[Integer, at_least(1)] | None = None
    """Only filled in when the request applies to a specific connector, > 0."""
