"""A port for those who look after the gateway: /healthz, /readyz and /metrics without TLS, apart from charge points."""

import asyncio
import contextlib
import http
from collections.abc import Sequence

from wsgate.config import Address
from wsgate.errors import ConfigError
from wsgate.metrics import TEXT, Pages

TIMEOUT_S = 5.0
MAX_REQUEST_BYTES = 8192


class AdminListener:
    """Answers one request on each connection. Whoever reaches the address may read: choose it accordingly."""

    def __init__(self, addresses: Sequence[Address], pages: Pages) -> None:
        self._wanted = addresses
        self._pages = pages
        self._servers: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the real ports."""
        names = [sock.getsockname() for server in self._servers for sock in server.sockets]
        return [Address(name[0], name[1]) for name in names]

    async def start(self) -> None:
        """Listen. Raises ``ConfigError``."""
        for host, port in self._wanted:
            try:
                server = await asyncio.start_server(self._serve, host or None, port, limit=MAX_REQUEST_BYTES)
            except OSError as error:
                raise ConfigError(f"--admin-listen {host}:{port} cannot be listened on: {error}.") from None
            self._servers.append(server)

    def stop(self) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        status, content_type, text = self._pages.page(path) or (404, TEXT, "Ask for /healthz, /readyz or /metrics.\n")
        if method not in ("GET", "HEAD"):
            status, content_type, text = 405, TEXT, "Only GET.\n"
        body = text.encode()
        lines = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode() + (b"" if method == "HEAD" else body)
