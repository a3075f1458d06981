"""One request on its way through a worker, its frame decoded once."""

import uuid
from dataclasses import dataclass

from msgspec import structs

from ocppj import envelope, frames
from ocppj.errors import FrameError
from ocppj.frames import Call, CallError, CallResult
from ocppj.secrets import without_one_time_addresses

Items = dict[str, list[envelope.Reply]]
"""What is to be sent, by queue."""


@dataclass(slots=True)
class Work:
    """One request, where it came from, and its frame once decoded."""

    request: envelope.Request
    gateway: str
    reply_to: str
    frame: frames.Frame | FrameError | None = None
    command_action: str = ""
    """The action of the command that the frame answers, once it is known."""

    def __post_init__(self) -> None:
        if isinstance(self.request, envelope.Frame):
            # Nothing that is kept or shown of it, whatever its field, lets anybody else use the address.
            raw = without_one_time_addresses(self.request.raw)
            if raw is not self.request.raw:
                self.request = structs.replace(self.request, raw=raw)
            try:
                self.frame = frames.decode(self.request.raw)
            except FrameError as error:
                self.frame = error

    @property
    def identity(self) -> str | None:
        return None if isinstance(self.request, envelope.Announce) else self.request.identity

    @property
    def action(self) -> str:
        """The action of a CALL; otherwise the kind of request."""
        return self.frame.action if isinstance(self.frame, Call) else type(self.request).__name__

    def log_fields(self) -> dict[str, str]:
        """What a line of the log says of it (``logs.FIELDS``)."""
        frame, request = self.frame, self.request
        unique_id = getattr(request if frame is None else frame, "unique_id", None)
        return {
            "charge_point": self.identity or "",
            "session": str(getattr(request, "session", "")),
            "action": frame.action if isinstance(frame, Call) else self.command_action,
            "unique_id": "" if unique_id is None else str(unique_id),
        }

    @property
    def command_ids(self) -> list[uuid.UUID]:
        """The commands that an answer, a report or a disconnect is about."""
        unique_ids: tuple[object, ...] = ()
        if isinstance(self.request, envelope.CommandReport):
            unique_ids = (self.request.unique_id,)
        elif isinstance(self.request, envelope.Disconnect):
            unique_ids = (*self.request.unsent, *self.request.unanswered)
        elif isinstance(self.frame, CallResult | CallError):
            unique_ids = (self.frame.unique_id,)
        return [command_id for unique_id in unique_ids if (command_id := as_uuid(unique_id)) is not None]


def as_uuid(unique_id: object) -> uuid.UUID | None:
    """A unique id as our commands have them; None for one that cannot be ours."""
    try:
        parsed = uuid.UUID(str(unique_id))
    except ValueError:
        return None
    return parsed if str(parsed) == unique_id else None  # OCPP-J 1.6 §4.2.2: exactly the same id
