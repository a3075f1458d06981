"""A charge point on a bare websocket that is sent commands: it records every CALL, and answers as it likes."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.actions import ACTIONS

RETRY_S = 0.1
"""Between two attempts to connect."""


@dataclass(frozen=True)
class Received:
    """A CALL as it came in; ``at`` is on the clock of ``time.monotonic``."""

    unique_id: str
    action: str
    raw: str
    at: float
    beside: tuple[str, ...] = ()
    """The unique ids of the CALLs that had come before it, on this connection, and had no answer yet."""


@dataclass
class Commanded:
    """One charge point. ``behave`` is called for each CALL; it answers, or does not.

    Whenever its connection ends it connects again, to the next of ``urls``, until it is switched off.
    """

    urls: list[str]
    identity: str
    behave: Callable[["Commanded", Received], Awaitable[None]]
    received: list[Received] = field(default_factory=list)
    own_answers: int = 0
    """How many CALLs of its own have been answered."""

    def __post_init__(self) -> None:
        self._websocket: ClientConnection | None = None
        self._unanswered: dict[str, None] = {}
        self._numbers = itertools.count(1)
        self._life: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._life is not None
        self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life

    # -- what it says ----------------------------------------------------------------------------------------

    async def answer(self, unique_id: str, payload: str) -> None:
        self._unanswered.pop(unique_id, None)
        await self.send(f'[3,"{unique_id}",{payload}]')

    async def fail(self, unique_id: str, code: str, description: str) -> None:
        self._unanswered.pop(unique_id, None)
        await self.send(json.dumps([4, unique_id, code, description, {"a": 1}]))

    async def send(self, raw: str) -> None:
        with suppress(ConnectionClosed):  # it is sent to nobody, as by a charge point whose network is gone
            if self._websocket is not None:
                await self._websocket.send(raw)

    async def hang_up(self) -> None:
        """Cut the connection without a word."""
        assert self._websocket is not None
        self._websocket.transport.abort()

    async def call(self, action: str, payload: dict[str, Any] | None = None) -> None:
        """Send a CALL and wait for its answer."""
        answers = self.own_answers
        self._answered.clear()
        await self.send(json.dumps([2, f"own-{next(self._numbers)}", action, payload or {}]))
        while self.own_answers == answers:
            await self._answered.wait()
            self._answered.clear()

    # -- life ------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        for url in itertools.cycle(self.urls):
            with suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                async with connect(
                    f"{url}/{self.identity}", subprotocols=[Subprotocol("ocpp1.6")], compression=None, proxy=None
                ) as self._websocket:
                    self._unanswered.clear()
                    async for raw in self._websocket:
                        await self._take(str(raw))
            await asyncio.sleep(RETRY_S)

    async def _take(self, raw: str) -> None:
        at = time.monotonic()
        frame = json.loads(raw)
        if frame[0] == 2:
            received = Received(frame[1], frame[2], raw, at, tuple(self._unanswered))
            self.received.append(received)
            self._unanswered[received.unique_id] = None
            await self.behave(self, received)
        else:
            assert frame[0] == 3, raw
            self.own_answers += 1
            self._answered.set()


async def obey(charger: Commanded, received: Received) -> None:
    """Do what is asked for, and say so."""
    await charger.answer(received.unique_id, ACTIONS[received.action].answer)


async def keep_silent(_charger: Commanded, _received: Received) -> None:
    """Never answer anything."""
