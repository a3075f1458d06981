"""What can be wrong with a payload, and the OCPP-J error code it is answered with: the one place that maps them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ocppj.errors import ErrorCode, PayloadError

MAX_QUOTE_LENGTH = 40
"""A CALLERROR's description holds 255 characters (OCPP-J 1.6 §4.2.3), so a value is quoted in part."""


class Fault(StrEnum):
    """One way in which a payload breaks its message type."""

    not_json = "not JSON"
    too_deep = "too deep"
    not_an_object = "not an object"
    unknown_field = "unknown field"
    missing_field = "missing field"
    too_few_items = "too few items"
    wrong_type = "wrong type"
    too_long = "too long"
    unknown_value = "unknown value"
    bad_format = "bad format"
    out_of_range = "out of range"
    not_a_multiple = "not a multiple"
    broken_rule = "broken rule"
    unknown_action = "unknown action"


ERROR_CODES: Mapping[Fault, ErrorCode] = MappingProxyType(
    {
        # A limit of ours that the table does not know; frames nested too deeply are answered alike.
        Fault.too_deep: ErrorCode.ProtocolError,
        # "Payload for Action is syntactically incorrect or not conform the PDU structure for Action"
        Fault.not_json: ErrorCode.FormationViolation,
        Fault.not_an_object: ErrorCode.FormationViolation,
        Fault.unknown_field: ErrorCode.FormationViolation,
        # "at least one of the fields violates occurence constraints"
        Fault.missing_field: ErrorCode.OccurenceConstraintViolation,
        Fault.too_few_items: ErrorCode.OccurenceConstraintViolation,
        # 'at least one of the fields violates data type constraints (e.g. "somestring": 12)'
        Fault.wrong_type: ErrorCode.TypeConstraintViolation,
        # "at least one field contains an invalid value"; for enumerations see also OCPP 1.6 errata 3.24, 3.38 and 3.39
        Fault.too_long: ErrorCode.PropertyConstraintViolation,
        Fault.unknown_value: ErrorCode.PropertyConstraintViolation,
        Fault.bad_format: ErrorCode.PropertyConstraintViolation,
        Fault.out_of_range: ErrorCode.PropertyConstraintViolation,
        Fault.not_a_multiple: ErrorCode.PropertyConstraintViolation,
        Fault.broken_rule: ErrorCode.PropertyConstraintViolation,
        # "Requested Action is not known by receiver"
        Fault.unknown_action: ErrorCode.NotImplemented,
    }
)
"""Fault → error code (OCPP-J 1.6 §4.2.3, table 7; the misspelt names are the specification's: errata 5.1 and 5.2)."""


class Refusal(Exception):
    """A fault on its way up to the message; each level it passes puts its own step before the path."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.path = ""

    def inside(self, step: str) -> "Refusal":
        """Return itself, one level further up: ``step`` is a field's wire name or an index such as ``[0]``."""
        separator = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{separator}{self.path}"
        return self

    def as_error(self) -> PayloadError:
        """The ``PayloadError`` to raise to the caller, with the code of ``ERROR_CODES`` and the field in its
        description."""
        description = f"{self.path}: {self.reason}" if self.path else self.reason
        return PayloadError(ERROR_CODES[self.fault], description, field=self.path)


def quote(value: object) -> str:
    """``value`` as it may stand in an error's description: its ``repr``, cut at 40 characters."""
    # An attacker's value may be long: cut it before repr() walks all of it.
    text = repr(value[:MAX_QUOTE_LENGTH] if isinstance(value, str) else value)
    return text if len(text) <= MAX_QUOTE_LENGTH else f"{text[:MAX_QUOTE_LENGTH]}…"
