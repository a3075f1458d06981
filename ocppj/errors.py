"""Errors of the protocol core.

    OCPPJError
    ├── FrameError            what arrived is no OCPP-J frame (the peer's fault)
    ├── PayloadError          a payload breaks its message type (whose fault: who wrote it)
    ├── SessionError          our own code misuses a session (our fault)
    └── EnvelopeError         what came through the relay is no envelope we know (the other process's fault)

``FrameError`` and ``PayloadError`` carry the OCPP-J error code they are answered with (OCPP-J 1.6 §4.2.3).
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """ErrorCode of a CALLERROR (OCPP-J 1.6 §4.2.3, spelling as in the specification, errata 5.1 and 5.2)."""

    NotImplemented = "NotImplemented"
    """Requested Action is not known by receiver."""
    NotSupported = "NotSupported"
    """Requested Action is recognized but not supported by the receiver."""
    InternalError = "InternalError"
    """An internal error occurred and the receiver was not able to process the requested Action successfully."""
    ProtocolError = "ProtocolError"
    """Payload for Action is incomplete."""
    SecurityError = "SecurityError"
    """During the processing of Action a security issue occurred."""
    FormationViolation = "FormationViolation"
    """Payload for Action is syntactically incorrect or not conform the PDU structure for Action."""
    PropertyConstraintViolation = "PropertyConstraintViolation"
    """Payload is syntactically correct but at least one field contains an invalid value."""
    OccurenceConstraintViolation = "OccurenceConstraintViolation"
    """Payload is syntactically correct but at least one field violates occurrence constraints."""
    TypeConstraintViolation = "TypeConstraintViolation"
    """Payload is syntactically correct but at least one field violates data type constraints."""
    GenericError = "GenericError"
    """Any other error not covered by the previous ones."""


class OCPPJError(Exception):
    """Base of everything that ``ocppj`` raises on purpose."""


class FrameError(OCPPJError):
    """A websocket message that is not one of the three OCPP-J frames.

    ``unique_id`` is the frame's own where one could be read, else ``None``; ``is_call`` says whether it claimed to be
    a CALL
    (only a CALL is answered with a CALLERROR).
    """

    def __init__(
        self, code: ErrorCode, description: str, *, unique_id: str | None = None, is_call: bool = False
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.unique_id = unique_id
        self.is_call = is_call


class PayloadError(OCPPJError):
    """A payload that does not fit its message type; ``field`` is its path on the wire (``meterValue[0].timestamp``)
    or ``""``."""

    def __init__(self, code: ErrorCode, description: str, *, field: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.field = field


class SessionError(OCPPJError):
    """A session is used against its rules, for example a second answer to the same CALL."""


class EnvelopeError(OCPPJError):
    """Bytes from the relay that are no envelope of a version this process understands.

    ``version`` is what they claim, where it could be read. A receiver never acknowledges and drops such a message: it
    gives it back and says that the receiver has to be upgraded first.
    """

    def __init__(self, description: str, *, version: int | None = None) -> None:
        super().__init__(description)
        self.version = version
