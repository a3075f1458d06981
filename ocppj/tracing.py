"""What gateway and worker agree on about the trace of a frame, without a word to each other: the relay id says it all.

Trace id                  the relay id
id of the gateway's span  its last 8 bytes; the worker's spans are children of it
whether it is recorded    its lowest 56 bits against the ratio, as in OpenTelemetry's consistent probability sampling

Nothing here knows OpenTelemetry: ``wsgate.tracing`` and ``ocpp_app.monitoring.tracing`` make its spans of these.
"""

from uuid import UUID

from ocppj import frames
from ocppj.envelope import Frame
from ocppj.errors import FrameError
from ocppj.frames import Call, CallError, CallResult

ADVICE = 'install OpenTelemetry with pip install "django-ocpp-csms[otel]"'
"""For whoever has switched it on without having it."""
RANDOM_BITS = 56
"""Of a version 7 UUID all of these are random: its time is in the first 48."""
LAST_8_BYTES = (1 << 64) - 1
MAX_ACTION = 50
"""A longer action is none; the name of a span is no place for a charge point's payload."""
MAX_UNIQUE_ID = 64
KINDS: dict[type, str] = {CallResult: "CALLRESULT", CallError: "CALLERROR", FrameError: "malformed"}

Attributes = dict[str, str | int | float | bool]


class Sampling:
    """Which frames are traced: of ratio 1 all, of 0.01 every hundredth, and on all processes the same ones. A process
    with a higher ratio traces those of a lower one, too."""

    def __init__(self, ratio: float) -> None:
        self._from = round((1 - ratio) * (1 << RANDOM_BITS))

    def __contains__(self, relay_id: UUID) -> bool:
        return relay_id.int & ((1 << RANDOM_BITS) - 1) >= self._from and relay_id.int != 0


def root_span_id(relay_id: UUID) -> int:
    """The id of the gateway's span; never 0, which is none."""
    return relay_id.int & LAST_8_BYTES or 1


def decoded(request: Frame) -> frames.Frame | FrameError:
    """The frame in a request, or what is wrong with it."""
    try:
        return frames.decode(request.raw)
    except FrameError as error:
        return error


def name_of(frame: frames.Frame | FrameError) -> str:
    """A span's name: ``BootNotification frame``, ``CALLRESULT frame``."""
    if isinstance(frame, Call):
        return f"{frame.action if _is_word(frame.action) else 'CALL'} frame"
    return f"{KINDS[type(frame)]} frame"


def attributes_of(request: Frame, frame: frames.Frame | FrameError) -> Attributes:
    """What the spans of both sides say of a frame: whose it is and which, never what is in it."""
    attributes: Attributes = {
        "ocpp.charge_point": request.identity,
        "ocpp.session": str(request.session),
        "ocpp.relay_id": str(request.relay_id),
        "ocpp.frame.bytes": len(request.raw),
    }
    if isinstance(frame.unique_id, str) or (isinstance(frame.unique_id, int) and frame.unique_id.bit_length() < 64):
        attributes["ocpp.unique_id"] = str(frame.unique_id)[:MAX_UNIQUE_ID]
    if isinstance(frame, Call) and _is_word(frame.action):
        attributes["ocpp.action"] = frame.action
    return attributes


def _is_word(action: str) -> bool:
    return len(action) <= MAX_ACTION and action.isascii() and action.isalnum()
