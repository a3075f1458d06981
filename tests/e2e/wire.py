"""A bare websocket client: frames as they are on the wire, nothing between the test and the gateway."""

import asyncio
import itertools
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

ANSWER_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Exchange:
    """A CALL of a charge point with the answer that it got, as they were on the wire."""

    unique_id: str
    action: str
    sent: str
    received: str

    @property
    def request(self) -> Any:
        return json.loads(self.sent)[3]

    @property
    def response(self) -> Any:
        return json.loads(self.received)[2]


class CallErrorReceived(Exception):
    """The central system answered with a CALLERROR; its code is the message."""


class Wire:
    """One connection of a charge point: one CALL at a time, and no command is known to it; ``exchanges`` is all that
    was answered."""

    def __init__(self, url: str, identity: str) -> None:
        self.identity = identity
        self.exchanges: list[Exchange] = []
        self._url = f"{url}/{identity}"
        self._unanswered: dict[str, tuple[str, str]] = {}
        self._numbers = itertools.count(1)
        self._websocket: ClientConnection

    async def __aenter__(self) -> Self:
        self._websocket = await connect(
            self._url,
            subprotocols=[Subprotocol("ocpp1.6")],
            compression=None,
            proxy=None,
            open_timeout=ANSWER_TIMEOUT_S,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._websocket.close()

    async def boot(self) -> dict[str, Any]:
        return await self.call("BootNotification", {"chargePointVendor": "Wire", "chargePointModel": "Bare"})

    async def call(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """The payload of the answer; ``CallErrorReceived`` for a CALLERROR."""
        unique_id = await self.send(action, payload)
        return await self.answer(unique_id)

    async def send(self, action: str, payload: dict[str, Any] | None = None) -> str:
        """Send a CALL and do not wait for its answer."""
        unique_id = f"{self.identity}-{next(self._numbers)}"
        frame = json.dumps([2, unique_id, action, payload or {}])
        self._unanswered[unique_id] = (action, frame)
        await self._websocket.send(frame)
        return unique_id

    async def answer(self, unique_id: str) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            received = await self._websocket.recv()
            while (frame := json.loads(received))[0] == 2:  # such as ClearCache, when a tag of all has changed
                await self._websocket.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
                received = await self._websocket.recv()
        assert frame[1] == unique_id, frame
        self.exchanges.append(Exchange(unique_id, *self._unanswered.pop(unique_id), str(received)))
        if frame[0] == 4:
            raise CallErrorReceived(frame[2])
        payload: dict[str, Any] = frame[2]
        return payload

    async def closed(self) -> tuple[int | None, str | None]:
        """Close code and reason, as soon as the central system has closed the connection."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._websocket.wait_closed()
        return self._websocket.close_code, self._websocket.close_reason
