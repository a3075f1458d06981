"""The OCPP versions this package speaks, by the name of their websocket subprotocol."""

from collections.abc import Mapping
from types import MappingProxyType

from ocppj import v16
from ocppj.protocol import ActionSpec, Protocol, Sender

__all__ = ["PROTOCOLS", "ActionSpec", "Protocol", "Sender", "protocol"]

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({one.subprotocol: one for one in (v16.PROTOCOL,)})
"""Subprotocol name → protocol. A later version's package stands beside ``ocppj.v16`` and gets its entry here."""


def protocol(subprotocol: str) -> Protocol:
    """Return the protocol of a websocket subprotocol such as ``ocpp1.6``.

    Raises ``LookupError`` for one that is not spoken here; a handshake compares with ``PROTOCOLS`` first (OCPP-J 1.6
    §3.2).
    """
    try:
        return PROTOCOLS[subprotocol]
    except KeyError:
        raise LookupError(
            f"no OCPP version under the subprotocol {subprotocol!r}; spoken are {', '.join(PROTOCOLS)}"
        ) from None
