"""A real gateway on a free port, real websocket clients, and a small backend that speaks the envelope."""

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect

from ocppj import envelope, frames
from ocppj.envelope import (
    Announce,
    AnnounceReply,
    Command,
    CommandReport,
    Connect,
    ConnectReply,
    Disconnect,
    Done,
    Frame,
    FrameReply,
    Reply,
    Request,
    ToBackend,
    ToGateway,
)
from ocppj.errors import FrameError
from wsgate.config import Address, Config
from wsgate.memory import MemoryCarrier
from wsgate.server import Gateway

PATIENCE_S = 10
"""How long a test waits for what must happen; nothing waits this long when all is well."""
QUICK = Config(
    listen=(Address("127.0.0.1", 0),),
    handshake_timeout_s=2,
    connect_timeout_s=2,
    close_timeout_s=0.5,
    outage_grace_s=30,
    outage_spread_s=0.05,
    retry_after_s=10,
    return_delay_s=0.02,
    announce_interval_s=30,
    drain_s=4,
    goodbye_s=0.2,
)
"""Short where a test waits for the end of it, long where it must not come in between."""

HEARTBEAT = '[2,"{}","Heartbeat",{{}}]'
T = TypeVar("T")


class Backend:
    """Answers what gateways send, by default like an accommodating central system; a test changes what it needs to.

    ``silent`` holds kinds of requests that get no reply. Everything that came is kept, message by message.
    """

    def __init__(self) -> None:
        self.messages: list[ToBackend] = []
        self.silent: set[type] = set()
        self.settings = envelope.SessionSettings(ping_interval_s=None)
        self.on_connect: Callable[[Connect], list[Reply]] = self.accept
        self.on_frame: Callable[[Frame], list[Reply]] = self.answer
        self.resend_sessions = False
        self._news = asyncio.Event()

    # -- carrying out ---------------------------------------------------------------------------------------------

    def handle(self, data: bytes) -> bytes | None:
        """Take a ``ToBackend``; what comes back is the ``ToGateway`` that answers it."""
        message = envelope.decode_to_backend(data)
        self.messages.append(message)
        self._news.set()
        items = [item for request in message.requests for item in self.reply(request)]
        return envelope.encode(ToGateway(envelope.VERSION, tuple(items))) if items else None

    def reply(self, request: Request) -> list[Reply]:
        if type(request) in self.silent:
            return []
        if isinstance(request, Connect):
            return self.on_connect(request)
        if isinstance(request, Frame):
            return self.on_frame(request)
        if isinstance(request, Announce):
            return [AnnounceReply(request.relay_id, self.resend_sessions)]
        return [Done(request.relay_id)]

    def accept(self, request: Connect) -> list[Reply]:
        return [ConnectReply(request.relay_id, True, settings=self.settings)]

    def answer(self, request: Frame) -> list[Reply]:
        return [FrameReply(request.relay_id, answer_to(request))]

    # -- looking ------------------------------------------------------------------------------------------------------

    def all(self, kind: type[T]) -> list[T]:
        return [request for message in self.messages for request in message.requests if isinstance(request, kind)]

    async def wait_for(self, kind: type[T], number: int = 1, where: Callable[[T], bool] = lambda _: True) -> list[T]:
        """So many requests of this kind, as soon as they have come."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [request for request in self.all(kind) if where(request)]) < number:
                self._news.clear()
                await self._news.wait()
        return found

    async def one(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> T:
        return (await self.wait_for(kind, 1, where))[0]

    async def reported(self, state: str) -> CommandReport:
        return await self.one(CommandReport, lambda report: report.state == state)

    async def disconnected(self, session: UUID) -> Disconnect:
        return await self.one(Disconnect, lambda request: request.session == session)


def answer_to(request: Frame) -> bytes | None:
    try:
        frame = frames.decode(request.raw)
    except FrameError as error:
        return None if error.unique_id is None else frames.encode(frames.call_error_for(error, error.unique_id))
    return frames.encode(frames.CallResult(frame.unique_id)) if isinstance(frame, frames.Call) else None


@dataclasses.dataclass
class Site:
    """One gateway over the memory carrier."""

    gateway: Gateway
    backend: Backend
    carrier: MemoryCarrier

    @property
    def port(self) -> int:
        return self.gateway.addresses[0].port

    def url(self, path: str = "/ocpp/CP001") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def connect(self, path: str = "/ocpp/CP001", **kwargs: Any) -> connect:
        return connect(self.url(path), **{"subprotocols": ["ocpp1.6"], "compression": None, "proxy": None, **kwargs})

    def connect_tls(self, context: ssl.SSLContext, path: str = "/ocpp/CP001", **kwargs: Any) -> Any:
        options = {"subprotocols": ["ocpp1.6"], "compression": None, "proxy": None, "ssl": context, **kwargs}
        return connect(f"wss://127.0.0.1:{self.port}{path}", **options)

    def send(self, *items: Reply) -> None:
        """The backend says something of its own accord."""
        self.carrier.deliver(envelope.encode(ToGateway(envelope.VERSION, items)))

    async def session(self, number: int = 1) -> UUID:
        """The id of the session that connected as the n-th."""
        return (await self.backend.wait_for(Connect, number))[number - 1].session

    async def command(self, unique_id: str, session: UUID | None = None, **kwargs: Any) -> None:
        self.send(
            Command(
                session or await self.session(),
                "CP001",
                unique_id,
                f'[2,"{unique_id}","Reset",{{"type":"Soft"}}]'.encode(),
                **kwargs,
            )
        )


@contextlib.asynccontextmanager
async def running_site(backend: Backend | None = None, **changes: Any) -> AsyncIterator[Site]:
    """A gateway with a backend in memory; stopped at the end."""
    backend = backend or Backend()

    def submit(data: bytes) -> None:
        answer = backend.handle(data)
        if answer is not None:
            carrier.deliver(answer)

    carrier = MemoryCarrier(submit)
    gateway = Gateway(dataclasses.replace(QUICK, **changes), carrier)
    await gateway.start()
    try:
        yield Site(gateway, backend, carrier)
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await gateway.stop()


async def receive(websocket: ClientConnection) -> str:
    """The next message, soon."""
    async with asyncio.timeout(PATIENCE_S):
        return await websocket.recv(decode=True)


async def closed(websocket: ClientConnection) -> int | None:
    """The close code, once the connection is closed by the other side."""
    async with asyncio.timeout(PATIENCE_S):
        await websocket.wait_closed()
    return websocket.close_code


async def until(condition: Callable[[], bool]) -> None:
    """Return when ``condition`` holds; for what sends no event of its own. Looks again in each pass of the loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)
