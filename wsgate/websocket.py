"""The server side of one websocket, with what ``websockets`` leaves to be added.

Synchronous writes, a receive time, TLS that begins only after the gate has let the socket in, and limits of bytes and
of control frames.
"""

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event, State

from wsgate import limits
from wsgate.config import Config
from wsgate.gate import Gate
from wsgate.limits import Bucket
from wsgate.origin import Origin
from wsgate.tls import TLS, client_certificate

if TYPE_CHECKING:
    from wsgate.connection import ChargePointConnection

READ_BYTES = 16 * 1024
BURST_S = 2
"""So many seconds' worth of frames or bytes may come at once."""


class Websocket(ServerConnection):
    """A websocket to a charge point. It keeps itself in ``open_sockets`` while its TCP connection stands.

    ``charge_point`` is set as soon as the backend has let it in, which is before the handshake has been completed.
    """

    def __init__(
        self, *args: Any, open_sockets: "set[Websocket]", config: Config, gate: Gate, tls: TLS | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._open_sockets = open_sockets
        self._config = config
        self._gate = gate
        self._tls = tls
        self._raw: asyncio.Transport | None = None  # TCP, below TLS where there is any
        self._is_made = False
        self._early = b""  # read before ``start_tls``; later, decrypted before the transport was ours
        self._securing: asyncio.Task[None] | None = None
        self._held: list[bytes] = []
        self._release: asyncio.TimerHandle | None = None
        self.peer_address = ""
        self.counted_as = ""
        self.origin = Origin()
        """Who is at the other end; behind a trusted proxy as of the request."""
        burst = max(config.max_bytes_per_second * BURST_S, config.max_frame_bytes * 2)
        self._bytes = Bucket(config.max_bytes_per_second, burst, self.loop.time())
        rate = config.max_frames_per_second
        self.frames = Bucket(rate, max(1.0, rate * BURST_S), self.loop.time())
        """Messages are taken out of it where they are read (``wsgate.connection``), all other frames here."""
        self._frames_wait_s = 0.0
        self.offered_subprotocols: tuple[str, ...] = ()
        self.charge_point: ChargePointConnection | None = None
        self.is_for_page = False
        """It asked for a page such as /healthz, not for a websocket."""
        self.received_at = self.loop.time()
        """When anything at all came from the peer, on the loop's clock: a frame, or a pong, however wrong."""

    @property
    def is_open(self) -> bool:
        return self.protocol.state is State.OPEN

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Write one text message without waiting; ``is_open`` must hold.

        ``send`` does the same and waits while the peer is slow, for a third of a relayed frame's CPU time.
        """
        self.protocol.send_text(data)
        self.send_data()

    def write_ping(self) -> None:
        """Write a ping without expecting a particular pong; ``is_open`` must hold.

        ``ping`` keeps every ping until its pong comes: a leak with charge points whose pongs never match (Grizzl-E).
        """
        self.protocol.send_ping(b"")
        self.send_data()

    def forget_handshake(self) -> None:
        """Let go of the headers: a fifth of an idle connection's memory, and credentials among them."""
        if self.request is not None:
            self.request.headers = Headers()
        self.response = None

    def abort(self) -> None:
        """Drop the TCP connection without a closing handshake."""
        transport = self.transport if self._is_made else self._raw
        if transport is not None:
            transport.abort()

    # -- from accept to request ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._open_sockets.add(self)
        peer = transport.get_extra_info("peername")
        self.peer_address = str(peer[0]) if peer else ""
        if not self._gate.enter(self, self.peer_address, self.loop.time()):
            self._raw.abort()
            return
        if hasattr(transport, "max_size"):
            # asyncio allocates this much for every read, by default 256 KiB: a third of a relayed frame's CPU time.
            transport.max_size = READ_BYTES
        self.loop.call_later(self._config.handshake_timeout_s, self._require_request)
        if self._tls is None:
            self._open(self._raw)
        else:
            self._raw.pause_reading()
            self._securing = self.loop.create_task(self._secure(self._raw, self._tls))

    async def _secure(self, raw: asyncio.Transport, tls: TLS) -> None:
        if self._early:
            # uvloop begins to read all the same. Not before ``start_tls`` has put its protocol there, and stopped it.
            hello, self._early = self._early, b""
            self.loop.call_soon(_feed_buffered, raw, hello)
        try:
            secured = await self.loop.start_tls(
                raw,
                self,
                tls.context,
                server_side=True,
                ssl_handshake_timeout=self._config.handshake_timeout_s,
                ssl_shutdown_timeout=self._config.close_timeout_s,
            )
        except (OSError, ssl.SSLError, RuntimeError, AttributeError) as error:
            # AttributeError, RuntimeError: the loops' words for a transport that was closed meanwhile.
            secured = None
            if isinstance(error, ssl.SSLError):  # A00.FR.323, A00.FR.408
                reason = error.reason or type(error).__name__
                self._gate.incidents.note(limits.TLS_FAILED, self.peer_address, self.loop.time(), detail=reason)
        if secured is None or raw.is_closing():
            raw.abort()
            self._leave()
            return
        self._open(secured)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def _open(self, transport: asyncio.Transport) -> None:
        self._is_made = True
        ssl_object = transport.get_extra_info("ssl_object")
        self.origin = Origin(self.peer_address, ssl_object is not None, client_certificate(ssl_object))
        super().connection_made(transport)

    def _require_request(self) -> None:
        if self.request is None and self._raw is not None and not self._raw.is_closing():
            self._gate.incidents.note(limits.SLOW_HANDSHAKE, self.peer_address, self.loop.time())
            self._raw.abort()

    # -- bytes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._is_made:
            self._early += data
            return
        now = self.received_at = self.loop.time()
        self._gate.tally.received_bytes += len(data)
        if self.is_held:
            self._held.append(data)
            self.transport.pause_reading()  # the library, whose queue is empty again, reads on
            return
        wait_s = self._bytes.take(len(data), now)
        if wait_s:
            self._held.append(data)
            self._hold(limits.BYTE_RATE, wait_s, now)
        else:
            self._feed(data, now)

    def _feed(self, data: bytes, now: float) -> None:
        self._frames_wait_s = 0.0
        super().data_received(data)
        if self._frames_wait_s and not self.transport.is_closing():
            self._hold(limits.FRAME_RATE, self._frames_wait_s, now)

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if isinstance(event, Frame) and not (event.fin and event.opcode in DATA_OPCODES):
            # Pings, pongs, fragments: each costs as much as a message, and an answer if it is a ping.
            self._frames_wait_s = self.frames.take(1, self.received_at)

    @property
    def is_held(self) -> bool:
        """It is not read at present: there were too many bytes, or frames."""
        return self._release is not None

    def _hold(self, kind: str, wait_s: float, now: float) -> None:
        """Read nothing for a while; what has been read is kept back, so that it stays in order."""
        identity = "" if self.charge_point is None else self.charge_point.identity
        self._gate.incidents.note(kind, self.origin.address, now, identity)
        self.transport.pause_reading()
        self._release = self.loop.call_later(wait_s, self._go_on)

    def _go_on(self) -> None:
        if self._release is None:
            return
        self._release.cancel()
        self._release = None
        held, self._held = b"".join(self._held), []
        now = self.received_at = self.loop.time()  # what came meanwhile is only read now
        self._bytes.take(0, now)
        if not self.recv_messages.paused:  # the library reads on when its queue is empty
            with contextlib.suppress(RuntimeError):
                self.transport.resume_reading()  # first: what follows may pause it again
        if held:
            self._feed(held, now)

    def eof_received(self) -> None:
        if self._is_made:
            self._go_on()
            super().eof_received()

    # -- the end ---------------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.tally.gone += 1
        self._leave()
        if not self._is_made:
            return
        self._go_on()
        super().connection_lost(exc)
        if self.charge_point is not None:
            self.charge_point.lost()

    def _leave(self) -> None:
        self._open_sockets.discard(self)
        self._gate.leave(self)


def _feed_buffered(transport: asyncio.Transport, data: bytes) -> None:
    """Give bytes that were read already to the buffered protocol that a transport has now."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]
