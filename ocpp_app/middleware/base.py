"""What a middleware is given, what it returns, and how it is written."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ocpp_app.models import ChargePoint, Connector
from ocppj.frames import MessageType
from ocppj.messages import Message, Request, Response
from ocppj.tolerance import Note

if TYPE_CHECKING:
    from ocpp_app.batch import Batch
    from ocpp_app.models import Command


@dataclass(slots=True)
class OCPPRequest:
    """One message of a charge point on its way through a chain.

    ``message`` is the typed message: a request for ``MessageType.call``, the answer to our ``command`` for
    ``call_result``, None for ``call_error`` (read ``command.error_code``). ``is_current`` is False for a frame of a
    session that has been replaced: its effects count, but it must not overwrite newer live state.
    """

    batch: "Batch"
    charge_point: ChargePoint
    session_id: uuid.UUID
    is_current: bool
    received_at: datetime
    unique_id: str
    action: str
    message_type: MessageType
    message: Any
    raw: str
    notes: tuple[Note, ...] = ()
    command: "Command | None" = None

    def connector(self, number: int) -> Connector:
        """This charge point's connector with this number (made when first heard of)."""
        return self.batch.connector(self.charge_point, number)


@dataclass(slots=True)
class PlannedCommand:
    """A CALL that leaves after COMMIT and after the reply; see ``OCPPResponse.add_command``."""

    message: Request
    delay_s: float
    source: str
    expires_at: datetime | None = None


@dataclass(slots=True)
class OCPPResponse:
    """The answer of a chain; ``message`` is None where none is due (chains of ``call_result`` and ``call_error``)."""

    message: Response | None = None
    commands: list[PlannedCommand] = field(default_factory=list)

    def add_command(
        self,
        message: Request,
        *,
        delay_s: float = 0.0,
        source: str = "middleware",
        expires_at: datetime | None = None,
    ) -> None:
        """Send a CALL to this charge point after COMMIT and after the answer to this one.

        ``delay_s``: not earlier than so many seconds later. ``expires_at``: until then it waits should the charge point
        go offline or not be accepted; without it the command ends then. It is a ``Command`` row from the same
        transaction on; ``source`` says in it who asked.
        """
        self.commands.append(PlannedCommand(message, delay_s, source, expires_at))


class OCPPMiddleware:
    """One link of a chain. It answers itself, or lets the next one answer and looks on.

    A chain may run again when its batch is rolled back: act on the outside world only through
    ``transaction.on_commit``, a command, or a background task. Instances live as long as the process and serve one
    thread; keep no state about messages in them.
    """

    def __init__(self, next: "OCPPMiddleware") -> None:
        self.next = next

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        """Handle the request; raise ``CallRefused`` to answer with a CALLERROR."""
        return self.next.handle(request)


__all__ = ["Message", "OCPPMiddleware", "OCPPRequest", "OCPPResponse", "PlannedCommand"]
