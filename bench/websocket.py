"""A websocket client (RFC 6455) as lean as it can be, so that the load generator is never what is measured.

Text and control frames, fragments, closing handshake; no extensions. Its masking key is zero, which costs the server
exactly as much as any other and saves the client the XOR.
"""

import asyncio
import base64
import hashlib
import os
from typing import Protocol, cast

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_MASK = bytes(4)
NORMAL = 1000
ABNORMAL = 1006


class HandshakeFailed(Exception):
    """The server did not accept the websocket; the message is its status line, or what is wrong with its answer."""


class Owner(Protocol):
    """Who has the connection."""

    def text_received(self, text: bytes) -> None:
        """A complete text message."""

    def closed(self, code: int, reason: str) -> None:
        """The connection is gone; 1006 when the server did not say why."""


class Websocket(asyncio.Protocol):
    """One connection; make it with ``connect``, then call ``send``."""

    __slots__ = ("_buffer", "_close", "_fragments", "_key", "_opened", "_owner", "_request", "_transport")

    def __init__(self, owner: Owner, host: str, path: str, login: str, opened: "asyncio.Future[None]") -> None:
        self._owner = owner
        self._buffer = b""
        self._fragments: list[bytes] = []
        self._close = (ABNORMAL, "")
        self._key = base64.b64encode(os.urandom(16))
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\nUser-Agent: bench\r\n\r\n"
        ).encode()
        self._opened: asyncio.Future[None] | None = opened
        self._transport: asyncio.Transport | None = None

    def send(self, text: bytes) -> None:
        """Send one text message."""
        self._write(TEXT, text)

    def close(self) -> None:
        """Begin the closing handshake, unless the server was first; ``Owner.closed`` follows."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._write(CLOSE, NORMAL.to_bytes(2, "big"))

    # -- asyncio's calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if self._opened is not None:
            data = self._read_handshake(data)
        self._buffer = self._read_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._opened is not None:
            self._fail(f"The connection ended during the handshake: {exc}")
        else:
            self._owner.closed(*self._close)

    # -- reading ---------------------------------------------------------------------------------------------

    def _read_handshake(self, data: bytes) -> bytes:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            return data
        status, *lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        accept = base64.b64encode(hashlib.sha1(self._key + ACCEPT_SALT).digest())
        if status.split()[1:2] != [b"101"]:
            self._fail(status.decode("latin-1"))
        elif headers.get(b"sec-websocket-accept") != accept or headers.get(b"sec-websocket-protocol") != b"ocpp1.6":
            self._fail("The server's handshake lacks the right Sec-WebSocket-Accept or the subprotocol ocpp1.6.")
        else:
            assert self._opened is not None
            opened, self._opened = self._opened, None
            if not opened.done():
                opened.set_result(None)
            return rest
        return b""

    def _fail(self, reason: str) -> None:
        assert self._opened is not None
        assert self._transport is not None
        if not self._opened.done():
            self._opened.set_exception(HandshakeFailed(reason))
        self._transport.close()

    def _read_frames(self, data: bytes) -> bytes:
        """Handle all complete frames; returns the beginning of an incomplete one."""
        position, size = 0, len(data)
        while self._opened is None and size - position >= 2:
            length, start = data[position + 1] & 0x7F, position + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + length > size:
                break
            self._frame(data[position], data[start : start + length])
            position = start + length
        return data[position:] if position else data

    def _frame(self, first: int, payload: bytes) -> None:
        if first == 0x80 | TEXT:
            self._owner.text_received(payload)
            return
        is_final, opcode = first & 0x80, first & 0x0F
        if opcode in (CONTINUATION, TEXT, BINARY):
            self._fragments.append(payload)
            if is_final:
                message, self._fragments = b"".join(self._fragments), []
                self._owner.text_received(message)
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE:
            self._close = (int.from_bytes(payload[:2], "big") or ABNORMAL, payload[2:].decode("utf-8", "replace"))
            assert self._transport is not None
            self._write(CLOSE, payload[:2])
            self._transport.close()

    # -- writing ---------------------------------------------------------------------------------------------

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            header = bytes((0x80 | opcode, 0x80 | size))
        elif size < 1 << 16:
            header = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        else:
            header = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
        assert self._transport is not None
        self._transport.write(header + NO_MASK + payload)


async def connect(owner: Owner, host: str, port: int, path: str, login: str, timeout_s: float) -> Websocket:
    """An open websocket; ``login`` ("user:password") is for HTTP Basic.

    Raises ``HandshakeFailed``, ``OSError`` or ``TimeoutError``.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()
    async with asyncio.timeout(timeout_s):
        _, websocket = await loop.create_connection(
            lambda: Websocket(owner, f"{host}:{port}", path, login, opened), host, port
        )
        await opened
    return websocket
