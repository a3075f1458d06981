"""One OCPP version as data: its actions, who may send them, and their decoders."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from ocppj.faults import Fault, Refusal, quote
from ocppj.messages import Decoded, Request, Response, decode


class Sender(StrEnum):
    """Who may send an action's request."""

    charge_point = "charge_point"
    central_system = "central_system"
    both = "both"


class ActionSpec(msgspec.Struct, frozen=True):
    """One action: its message types, who sends the request, its feature profile and the section that describes it."""

    action: str
    request: type[Request]
    response: type[Response]
    sender: Sender
    profile: str
    section: str


class Protocol:
    """The messages of one OCPP version, under the name of its websocket subprotocol."""

    def __init__(self, subprotocol: str, actions: Iterable[ActionSpec]) -> None:
        self.subprotocol = subprotocol
        self.actions: Mapping[str, ActionSpec] = MappingProxyType({str(spec.action): spec for spec in actions})

    def __repr__(self) -> str:
        return f"<Protocol {self.subprotocol}: {len(self.actions)} actions>"

    def decode_request(self, action: str, payload: bytes | msgspec.Raw, *, strict: bool = False) -> Decoded:
        """Return the typed request in the payload of a CALL.

        ``strict`` refuses everything that the schemas forbid; otherwise the habits of ``NoteCode`` are taken and
        noted. Raises ``PayloadError``: NotImplemented for an action unknown to this version, else see ``ocppj.faults``
        (OCPP-J 1.6 §4.2.3).
        """
        return decode(self._spec(action).request, payload, strict=strict)

    def decode_response(self, action: str, payload: bytes | msgspec.Raw, *, strict: bool = False) -> Decoded:
        """Return the typed response in the payload of a CALLRESULT to ``action``; otherwise as ``decode_request``."""
        return decode(self._spec(action).response, payload, strict=strict)

    def _spec(self, action: str) -> ActionSpec:
        try:
            return self.actions[action]
        except KeyError:
            raise Refusal(
                Fault.unknown_action, f"{self.subprotocol} has no action {quote(action)}"
            ).as_error() from None
