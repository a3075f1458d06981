"""The gateway as a whole: composition, start, and an end in good order."""

import asyncio
import contextlib
import functools
import logging
import socket
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, serve

from ocppj.envelope import CloseSession, Command, CommandReport, Reply, Request
from ocppj.tracing import ADVICE
from wsgate.admin import AdminListener
from wsgate.announcer import Announcer
from wsgate.carrier import Carrier
from wsgate.config import Address, Config, new_name
from wsgate.errors import ConfigError
from wsgate.gate import Gate
from wsgate.handshake import Doorkeeper, select_subprotocol
from wsgate.limits import Incidents
from wsgate.listeners import BACKLOG, open_listeners
from wsgate.metrics import Pages
from wsgate.registry import Registry
from wsgate.relay import Relay, new_id, wall_clock
from wsgate.tls import TLS
from wsgate.websocket import Websocket
from wsgate.writer import DIRECT_WRITE_BYTES

if TYPE_CHECKING:
    from wsgate.tracing import Tracing

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 4
"""Read ahead of the session; it has its own queue, and each frame may be as large as allowed."""
SERVICE_RESTART = 1012
LEAVING_REASON = "The gateway restarts, connect again."

# The library's debug log shows headers, the Authorization among them, and its info log has lines for every connection.
library_logger = logging.getLogger("wsgate.library")
library_logger.setLevel(logging.WARNING)


class Gateway:
    """A gateway that can be embedded: ``await start()``, ``addresses``, ``await stop()``, all in one event loop.

    Signals are the caller's. Making it raises ``ConfigError`` for certificates that cannot be used, and for tracing
    without OpenTelemetry; ``start`` when an address cannot be listened on.
    """

    def __init__(self, config: Config, carrier: Carrier) -> None:
        self._config = config
        self._carrier = carrier
        self._registry = Registry()
        self._open_sockets: set[Websocket] = set()
        self._servers: list[Server] = []
        self._announcing: asyncio.Task[None] | None = None
        self.incidents = Incidents()
        self.gate = Gate(config, self.incidents)
        self.pages = Pages(self)
        self._admin = AdminListener(config.admin_listen, self.pages)
        self._tls = None if config.tls is None else TLS(config.tls)
        self.name = new_name(config.name)
        """Unique for each run; sessions name their gateway by it."""
        self._tracing = _tracing(config.tracing, self.name) if config.tracing else None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the real ports."""
        names = [sock.getsockname() for server in self._servers for sock in server.sockets]
        return [Address(name[0], name[1]) for name in names]

    @property
    def admin_addresses(self) -> list[Address]:
        """Where it answers those who look after it, with the real ports."""
        return self._admin.addresses

    @property
    def connections(self) -> int:
        """How many charge points are connected."""
        return len(self._registry)

    @property
    def sockets(self) -> int:
        """How many TCP connections stand, those in their handshake included."""
        return len(self._open_sockets)

    @property
    def unanswered(self) -> int:
        """How many requests the backend has not answered yet."""
        return len(self._relay)

    @property
    def oldest_unanswered_s(self) -> float:
        """How long the oldest of them has waited."""
        return self._relay.oldest_s

    @property
    def is_broker_connected(self) -> bool:
        """Whether the carrier has its connection; in one process it always has."""
        return self._relay.is_connected

    @property
    def is_backend_down(self) -> bool:
        """Whether broker or backend have been away for longer than an outage is borne."""
        return self._relay.is_down

    async def start(self) -> None:
        """Listen, and connect to the broker meanwhile."""
        sockets = open_listeners(self._config.listen, self._config.tcp_user_timeout_s)
        self._relay = Relay(self._config, self._carrier, self.name, self.gate.tally, self._tracing)
        self._relay.receiver = Switchboard(self._relay, self._registry)
        self._doorkeeper = Doorkeeper(self._config, self._relay, self._registry, self.gate, self.pages)
        self._announcer = Announcer(self._config, self._relay, self._registry, self.incidents)
        await self._relay.start()
        self._announcing = asyncio.create_task(self._announcer.run())
        for sock in sockets:
            self._servers.append(await self._serve(sock))
        await self._admin.start()
        logger.info("Gateway %s listens on %s", self.name, ", ".join(f"{host}:{port}" for host, port in self.addresses))

    def reload_certificates(self) -> None:
        """Read the TLS files again: for handshakes from now on, open sockets stay.

        Files that cannot be used are logged, and the old ones stay in use.
        """
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except ConfigError as error:
            logger.error("The certificates stay as they were: %s", error)
        else:
            logger.info("The certificates have been read again")

    async def stop(self) -> None:
        """Leave in good order: no new connections, answers delivered, sockets closed with 1012, the backend told.

        Takes no longer than ``drain_s`` and a few seconds to say goodbye to backend and broker.
        """
        if self._doorkeeper.is_closed:
            return
        deadline = asyncio.get_running_loop().time() + self._config.drain_s
        self._doorkeeper.is_closed = self.pages.is_leaving = True
        for server in self._servers:
            server.close(close_connections=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline - self._config.drain_s / 4):
                await self._retire_all()
        for connection in self._registry:
            connection.close(SERVICE_RESTART, LEAVING_REASON)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._registry.wait_empty()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.goodbye_s):
                await self._say_goodbye()
        await self._finish()
        logger.info("Gateway %s has stopped", self.name)

    # -- inside ----------------------------------------------------------------------------------------------

    async def _serve(self, sock: socket.socket) -> Server:
        config, doorkeeper = self._config, self._doorkeeper
        # The library calls it like the class that it asks for.
        create_connection: Any = functools.partial(
            Websocket, open_sockets=self._open_sockets, config=config, gate=self.gate, tls=self._tls
        )
        return await serve(
            doorkeeper.serve,
            sock=sock,
            backlog=BACKLOG,
            create_connection=create_connection,
            process_request=doorkeeper.process_request,
            process_response=doorkeeper.process_response,
            select_subprotocol=select_subprotocol,
            compression=None,
            server_header=None,
            open_timeout=config.handshake_timeout_s + config.connect_timeout_s,
            close_timeout=config.close_timeout_s,
            ping_interval=None,
            max_size=config.max_frame_bytes,
            max_queue=MAX_QUEUED_FRAMES,
            write_limit=DIRECT_WRITE_BYTES,
            logger=library_logger,
        )

    async def _retire_all(self) -> None:
        """Close all sockets, a few at a time, each after the answer it waits for."""
        connections = list(self._registry)
        rate = max(self._config.closes_per_second, len(connections) / (self._config.drain_s / 2))
        per_step = max(1, int(rate / 20))
        for start in range(0, len(connections), per_step):
            for connection in connections[start : start + per_step]:
                connection.retire(SERVICE_RESTART, LEAVING_REASON)
            await asyncio.sleep(1 / 20 if start + per_step < len(connections) else 0)
        await self._registry.wait_empty()

    async def _say_goodbye(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        await self._relay.wait_answered()
        await self._announcer.leave()

    async def _finish(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        for websocket in list(self._open_sockets):
            websocket.abort()
        for server in self._servers:
            await server.wait_closed()
        self._admin.stop()
        await self._relay.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)


def _tracing(ratio: float, gateway: str) -> "Tracing":
    try:
        from wsgate.tracing import Tracing
    except ImportError as error:
        raise ConfigError(f"--tracing is {ratio:g}, but {error.name} is missing: {ADVICE}, or leave it at 0.") from None
    try:
        return Tracing(ratio, gateway)
    except ValueError as error:
        raise ConfigError(f"--tracing: an OTEL_… variable cannot be used: {error}.") from None


class Switchboard:
    """Brings what the backend sends on its own to the session it is for."""

    def __init__(self, relay: Relay, registry: Registry) -> None:
        self._relay = relay
        self._registry = registry

    def command(self, command: Command) -> None:
        connection = self._registry.get(command.session)
        if connection is not None:
            connection.command(command)
        else:
            report = CommandReport(
                new_id(), command.session, command.identity, wall_clock(), command.unique_id, "unsent"
            )
            self._relay.submit(report, self)

    def close_session(self, item: CloseSession) -> None:
        connection = self._registry.get(item.session)
        if connection is not None:
            connection.close(item.code, item.reason)

    def replied(self, request: Request, reply: Reply | None) -> None:
        """Nothing waits for the reply to a report."""

    def held_too_long(self, request: Request) -> None:
        """A report is kept until the backend is back."""
