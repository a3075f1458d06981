"""An event as other systems get it: the same bytes on the exchange, for a webhook and from the API."""

from datetime import datetime
from uuid import UUID

import msgspec

from ocpp_app.events.catalogue import TYPES
from ocpp_app.models import Event


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What every event tells; ``data`` is of the shape that its ``type`` and ``version`` say."""

    id: UUID
    """The same in every attempt, and wherever it is delivered."""
    type: str
    version: int
    at: datetime
    sequence: int
    """Rises with every event of the charge point; what you have not subscribed to leaves a gap."""
    organisation: str
    charge_point: str
    data: msgspec.Raw


_encode = msgspec.json.Encoder().encode


def encode(event: Event) -> bytes:
    """The event as JSON; it needs its charge point and its organisation."""
    kind = TYPES.get(event.type)
    return _encode(
        Body(
            id=event.uid,
            type=event.type,
            version=kind.version if kind is not None else 1,
            at=event.at,
            sequence=event.sequence,
            organisation=event.organisation.slug,
            charge_point=event.charge_point.identity,
            data=msgspec.Raw(event.data.encode()),
        )
    )
