"""The opening and the end of a charge point's websocket, and how long to wait before the next one (OCPP-J 1.6 §3)."""

import base64
import random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from ocppj.v16 import PROTOCOL

LONGEST_BACK_OFF_S = 15.0
OPEN_TIMEOUT_S = 20.0
PING_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 2.0
GOING_AWAY = 1001

_CLOSE_CODES: dict[int | None, str] = {
    1000: "OK",
    1001: "going away",
    1006: "without a word",
    1012: "service restart",
    1013: "try again later",
}


async def open_websocket(url: str, identity: str, password: bytes | None, *, ping_interval_s: int) -> ClientConnection:
    """Shake hands as a charge point does; ``ping_interval_s`` 0 sends no pings (OCPP-J 1.6 §7).

    Raises what ``websockets`` does: ``OSError``, ``InvalidHandshake``, ``InvalidURI``, ``TimeoutError``, ``EOFError``.
    """
    return await connect(
        url,
        subprotocols=[Subprotocol(PROTOCOL.subprotocol)],
        compression=None,
        additional_headers=_credentials(identity, password),
        proxy=None,
        open_timeout=OPEN_TIMEOUT_S,
        ping_interval=ping_interval_s or None,
        ping_timeout=PING_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
    )


class BackOff:
    """How long to wait before the next attempt: longer each time, never the same for all (OCPP-J 1.6 errata 3.3)."""

    def __init__(self) -> None:
        self._failures = 0

    def next_s(self) -> float:
        """Real seconds to wait now, at most ``LONGEST_BACK_OFF_S``."""
        longest_s = min(LONGEST_BACK_OFF_S, 2.0 ** min(self._failures, 10))
        self._failures += 1
        return longest_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """A connection has stood for a while: begin anew."""
        self._failures = 0


def describe_end(websocket: ClientConnection) -> str:
    """How a connection ended, for a log."""
    code = websocket.close_code
    return f"{code} {websocket.close_reason or _CLOSE_CODES.get(code, '')}".strip()


def describe_failure(error: BaseException) -> str:
    """Why something over the network did not work, for a log."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, InvalidStatus):
        response = error.response
        words = (response.body or b"").decode("utf-8", "replace").strip()
        return f"HTTP {response.status_code} {response.reason_phrase} {words[:100]}".strip()
    return str(error) or type(error).__name__


def _credentials(identity: str, password: bytes | None) -> dict[str, str]:
    """HTTP basic authentication (OCPP-J 1.6 §6.2.2)."""
    if password is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(identity.encode() + b':' + password).decode()}"}
