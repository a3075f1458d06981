"""Ask a charge point for a message, and wait until it comes (OCPP 1.6 §5.17, security whitepaper §5.7).

status = trigger("CP001", MessageTrigger.StatusNotification, connector_id=1)
"""

import time
import uuid
from datetime import timedelta
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from ocpp_app.batch import TRIGGERED_BY
from ocpp_app.commands import issue_command, load
from ocpp_app.errors import CommandTimedOut, TriggerRefused
from ocpp_app.models import ChargePoint, Command, Direction, Message
from ocppj import frames
from ocppj.errors import FrameError, PayloadError
from ocppj.frames import Call
from ocppj.messages import Request
from ocppj.v16 import (
    ExtendedTriggerMessageRequest,
    MessageTrigger,
    MessageTriggerEnumType,
    TriggerMessageRequest,
    TriggerMessageStatus,
)
from ocppj.versions import protocol

LOOK_EVERY_S = 0.2
"""The message is an ordinary one, and no worker knows that somebody waits for it: the frame log is read until it is
there."""
SKEW = timedelta(hours=1)
"""The clocks of gateway and web server are not as far apart: what is older is not looked through."""


def trigger(
    charge_point: str | ChargePoint,
    requested_message: MessageTrigger | MessageTriggerEnumType,
    *,
    connector_id: int | None = None,
    timeout: float = 30,
    requested_by: Any = None,
    source: str = "trigger",
) -> Request:
    """The typed message that the charge point sends because it is asked to; a ``MessageTriggerEnumType`` goes out as
    ExtendedTriggerMessage.

    ``connector_id``: the message is that of this connector. ``timeout``: seconds until the message is there. One that
    came by itself meanwhile counts as well (§5.17). Raises ``TriggerRefused`` where the charge point does not send it,
    ``CommandTimedOut`` where it said that it would and nothing came in time, and as ``issue_command`` with ``wait``.
    """
    deadline = time.monotonic() + timeout
    target = load(charge_point)
    after = Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    message, key = _message(requested_message, connector_id), f"trigger:{uuid.uuid4()}"
    options: dict[str, Any] = {"requested_by": requested_by, "source": source, "idempotency_key": key}
    response: Any = issue_command(target, message, wait=True, timeout=timeout, **options)
    command = Command.objects.get(charge_point=target, idempotency_key=key)
    if response.status != TriggerMessageStatus.Accepted:
        raise TriggerRefused(f"{target.identity} answers {requested_message}: {response.status}.", command)
    broken = ""
    while True:
        for row in _candidates(target, requested_message, after):
            after = row.pk
            try:
                found = _typed(target, row)
            except (FrameError, PayloadError) as error:
                broken = f" One came that breaks its type: {error}"
                continue
            if connector_id is None or getattr(found, "connector_id", connector_id) == connector_id:
                return found
        if time.monotonic() >= deadline:
            raise CommandTimedOut(
                f"{target.identity} has accepted to send {requested_message}; it did not come within {timeout:g} s."
                f"{broken}",
                command,
            )
        time.sleep(LOOK_EVERY_S)


@wraps(trigger)
def _trigger_and_disconnect(*arguments: Any, **options: Any) -> Request:
    try:
        return trigger(*arguments, **options)
    finally:
        connection.close()  # a thread of a pool: nobody else would close the connection that it has opened


atrigger = sync_to_async(_trigger_and_disconnect, thread_sensitive=False)
"""``trigger`` for async callers: ``await atrigger(…)``."""


def _message(requested: MessageTrigger | MessageTriggerEnumType, connector_id: int | None) -> Request:
    if isinstance(requested, MessageTriggerEnumType):
        return ExtendedTriggerMessageRequest(requested_message=requested, connector_id=connector_id)
    return TriggerMessageRequest(requested_message=requested, connector_id=connector_id)


def _candidates(charge_point: ChargePoint, requested: str, after: int) -> list[Message]:
    actions = {str(requested), *(action for action, names in TRIGGERED_BY.items() if requested in names)}
    inbound = Message.objects.filter(charge_point=charge_point, direction=Direction.INBOUND, action__in=actions)
    return list(inbound.filter(pk__gt=after, at__gte=timezone.now() - SKEW).order_by("pk"))


def _typed(charge_point: ChargePoint, row: Message) -> Request:
    frame = frames.decode(row.raw.encode())
    assert isinstance(frame, Call)
    found: Any = protocol(charge_point.protocol).decode_request(frame.action, frame.payload).message
    assert isinstance(found, Request)
    return found
