"""What a handler of the central system's calls gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocppj.messages import Response

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to send, and what to do when it is on its way."""

    response: Response
    after: Callable[[], object] | None = None


Handler = Callable[["ChargePoint", Any, float], Reply]
"""Takes the charge point, the typed request and ``now``; raises ``PayloadError`` to answer with a CALLERROR."""
