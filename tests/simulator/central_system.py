"""A small central system on a real websocket: it answers, refuses, holds back and calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.simulator.wire import ANSWERS

PATIENCE_S = 15.0


class CentralSystem:
    """Answers each CALL with ``answers[action]`` (an action without one stays unanswered), and keeps every frame."""

    def __init__(self) -> None:
        self.answers: dict[str, str | list[str]] = dict(ANSWERS)
        self.calls: list[tuple[str, list[Any]]] = []
        """(path, CALL) in the order of arrival, over all connections."""
        self.handshakes: list[tuple[str, dict[str, str]]] = []
        self.refusals: list[HTTPStatus] = []
        """The next handshakes are answered with these."""
        self.may_shake_hands = asyncio.Event()
        self.may_shake_hands.set()
        self.most_outstanding = 0
        self.closed: list[int] = []
        """The codes with which connections ended."""
        self._connections: dict[str, ServerConnection] = {}
        self._answered: dict[str, asyncio.Future[list[Any]]] = {}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Event]] = []
        self._server: Server | None = None
        self._outstanding = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"ws://{host}:{port}/ocpp"

    # -- what it saw

    def actions(self) -> list[str]:
        return [call[2] for _, call in self.calls]

    def payloads(self, action: str) -> list[Any]:
        return [call[3] for _, call in self.calls if call[2] == action]

    async def until(self, condition: Callable[[], bool]) -> None:
        if condition():
            return
        happened = asyncio.Event()
        waiter = (condition, happened)
        self._waiters.append(waiter)
        async with asyncio.timeout(PATIENCE_S):
            await happened.wait()
        self._waiters.remove(waiter)

    async def until_called(self, action: str, count: int = 1) -> list[Any]:
        await self.until(lambda: len(self.payloads(action)) >= count)
        return self.payloads(action)

    # -- what it does

    async def call(self, action: str, payload: str = "{}", *, unique_id: str = "cs-1") -> Any:
        """Call the charge point that is connected, and wait: its payload, or [code, description]."""
        answered = self._answered[unique_id] = asyncio.get_running_loop().create_future()
        await self._only_connection().send(f'[2,"{unique_id}","{action}",{payload}]')
        async with asyncio.timeout(PATIENCE_S):
            answer = await answered
        return answer[2] if answer[0] == 3 else answer[2:4]

    async def send(self, raw: str) -> None:
        await self._only_connection().send(raw)

    async def disconnect(self, code: int = 1012) -> None:
        await self._only_connection().close(code)

    def _only_connection(self) -> ServerConnection:
        [connection] = self._connections.values()
        return connection

    # -- the websocket

    async def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append((request.path, dict(request.headers.raw_items())))
        self._tell()
        await self.may_shake_hands.wait()
        if self.refusals:
            return connection.respond(self.refusals.pop(0), "not now\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        self._connections[path] = connection
        self._outstanding = 0
        self._tell()
        try:
            async for raw in connection:
                await self._take(connection, path, json.loads(raw))
        except ConnectionClosed:
            pass
        finally:
            if self._connections.get(path) is connection:
                del self._connections[path]
            self.closed.append(connection.close_code or 0)
            self._tell()

    async def _take(self, connection: ServerConnection, path: str, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._answered[frame[1]].set_result(frame)
            return
        self.calls.append((path, frame))
        self._outstanding += 1
        self.most_outstanding = max(self.most_outstanding, self._outstanding)
        if frame[2] in self.answers:
            self._outstanding -= 1
            await connection.send(self._answer_to(frame))
        self._tell()

    def _answer_to(self, frame: list[Any]) -> str:
        answer = self.answers[frame[2]]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer.startswith("CALLERROR"):
            return f'[4,"{frame[1]}","{answer.split()[1]}","as the test wants it",{{}}]'
        return f'[3,"{frame[1]}",{answer}]'

    def _tell(self) -> None:
        for condition, happened in self._waiters:
            if condition():
                happened.set()


@asynccontextmanager
async def running() -> AsyncIterator[CentralSystem]:
    """A central system on a free port of this machine."""
    system = CentralSystem()
    async with serve(
        system._serve,
        "127.0.0.1",
        0,
        process_request=system._handshake,
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        system._server = server
        yield system
