"""A TCP proxy to cut, hold and refuse connections to a real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards bytes to a server; a test breaks it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.accepted = 0
        """How many connections have been taken so far."""

    @property
    def port(self) -> int:
        return self._port

    async def open(self) -> None:
        """Take connections, always on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections until ``open``."""
        assert self._server is not None
        self._server.close()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def hold(self) -> None:
        """Read nothing more from clients, as a broker does with a blocked connection; the way back stays open."""
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            self._writers |= {writer, server_writer}
            try:
                await asyncio.gather(
                    self._pipe(reader, server_writer, self._flows), self._pipe(server_reader, writer, None)
                )
            finally:
                self._writers -= {writer, server_writer}
                server_writer.transport.abort()
        writer.transport.abort()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event | None
    ) -> None:
        while data := await reader.read(65536):
            if flows is not None:
                await flows.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy in front of the server that ``url`` names, and the URL that goes through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    await proxy.open()
    credentials, at, _ = parts.netloc.rpartition("@")
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{proxy.port}"))
    finally:
        proxy.release()
        proxy.refuse()
        proxy.cut()
