"""The way from charge points to gateways: a TCP balancer that loses, doubles and cuts what it carries."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import unquote

HEAD_BYTES = 16 * 1024
IDENTITY = re.compile(rb"GET \S*/([^/\s?]+) HTTP/1\.1\r\n")


class Connection:
    """One charge point's socket, with its ways to one gateway or, where it is doubled, to both."""

    def __init__(self, identity: str, client: asyncio.StreamWriter) -> None:
        self.identity = identity
        self.client = client
        self.servers: list[asyncio.StreamWriter] = []
        self.is_lost = False
        """Nothing passes any more, in either direction, and neither end is told."""
        self.loses_answers = False
        """What the charge point sends arrives, what is sent to it does not."""
        self.loses_answers_to: bytes | None = None
        """From the first frame on that has this in it."""

    def note_sent(self, data: bytes) -> None:
        """Look at what the charge point sends."""
        if self.loses_answers_to is not None and self.loses_answers_to in unmasked(data):
            self.loses_answers = True

    def abort(self) -> None:
        for writer in (self.client, *self.servers):
            writer.transport.abort()


def unmasked(data: bytes) -> bytes:
    """The payload of the websocket frame that begins here (RFC 6455 §5.3); a charge point sends one at a time."""
    if len(data) < 8:
        return b""
    start = {126: 4, 127: 10}.get(data[1] & 0x7F, 2)
    mask, payload = data[start : start + 4], data[start + 4 :]
    return bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))


class Balancer:
    """Runs in a thread of its own; its methods may be called from any other."""

    def __init__(self, host: str, backends: list[int]) -> None:
        self.doubled: set[str] = set()
        """Whose next connections go to both gateways at once; only the first one's words come back."""
        self.connections: set[Connection] = set()
        self._host = host
        self._backends = backends
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._do(asyncio.start_server(self._serve, host, 0, limit=1 << 16, backlog=4096))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _do(self, coroutine: "Coroutine[Any, Any, Any]") -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _of(self, identities: Iterable[str]) -> list[Connection]:
        wanted = set(identities)
        return [connection for connection in tuple(self.connections) if connection.identity in wanted]

    def _each(self, identities: Iterable[str], action: Callable[[Connection], None]) -> None:
        found = self._of(identities)
        for connection in found:
            self._loop.call_soon_threadsafe(action, connection)

    def lose(self, identities: Iterable[str]) -> None:
        """From here on nothing of their present connections arrives anywhere."""

        def begin(connection: Connection) -> None:
            connection.is_lost = True

        self._each(identities, begin)

    def lose_answers(self, identities: Iterable[str], to: bytes | None = None) -> None:
        """From here on, or from the next frame on that has ``to`` in it, nothing of their present connections arrives
        at the charge points."""

        def begin(connection: Connection) -> None:
            connection.loses_answers, connection.loses_answers_to = to is None, to

        self._each(identities, begin)

    def cut(self, identities: Iterable[str]) -> None:
        """Reset their present connections, at both ends."""
        self._each(identities, Connection.abort)

    def gateway_ports(self, identity: str) -> list[int]:
        """Where the present connections of a charge point go."""
        writers = [writer for connection in self._of([identity]) for writer in connection.servers]
        return [writer.get_extra_info("peername")[1] for writer in writers if writer.get_extra_info("peername")]

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        for connection in tuple(self.connections):
            self._loop.call_soon_threadsafe(connection.abort)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # -- inside ----------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = IDENTITY.match(head)
            connection = Connection(unquote(found[1].decode()) if found else "", writer)
            readers = await self._dial(connection)
            for server in connection.servers:
                server.write(head)
            self.connections.add(connection)
            try:
                await self._carry(connection, reader, readers)
            finally:
                self.connections.discard(connection)
                if connection.is_lost:
                    writer.transport.abort()  # this end is over; the other one is not told, as long as we live
                else:
                    connection.abort()
        writer.transport.abort()

    async def _dial(self, connection: Connection) -> list[asyncio.StreamReader]:
        """The next gateway that listens; both for who is doubled. ``OSError`` where there is none."""
        self._turn += 1
        ports = [self._backends[(self._turn + number) % len(self._backends)] for number in range(len(self._backends))]
        readers: list[asyncio.StreamReader] = []
        wanted = len(ports) if connection.identity in self.doubled else 1
        for port in ports:
            if len(readers) < wanted:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection(self._host, port)
                    readers.append(reader)
                    connection.servers.append(writer)
        if not readers:
            raise ConnectionRefusedError
        return readers

    async def _carry(
        self, connection: Connection, client: asyncio.StreamReader, servers: list[asyncio.StreamReader]
    ) -> None:
        """Until either end of the first way is gone. A lost one goes on: what comes is read and forgotten."""
        first, *others = servers
        shadows = [asyncio.ensure_future(self._pump(connection, other, [])) for other in others]
        up = asyncio.ensure_future(self._pump(connection, client, connection.servers))
        down = asyncio.ensure_future(self._pump(connection, first, [connection.client]))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if connection.is_lost and up.done():
                await asyncio.wait({down})  # the charge point has gone; its gateway has to find that out by itself
        finally:
            for task in (up, down, *shadows):
                task.cancel()

    async def _pump(
        self, connection: Connection, reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if connection.client not in writers:
                    connection.note_sent(data)
                if connection.is_lost or (connection.loses_answers and connection.client in writers):
                    continue
                for writer in writers:
                    writer.write(data)
                    with contextlib.suppress(OSError):
                        await writer.drain()
