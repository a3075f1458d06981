"""The system under attack in one process, as ``runcsms`` runs it: gateway and worker over the memory relay."""

import asyncio
import base64
import contextlib
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from django.db import connection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ocpp_app import commands
from ocpp_app.models import ChargePoint, SecurityEvent, Session
from ocpp_app.relay.memory import MemoryRelay
from ocpp_app.rpc.worker import Worker
from tests.certificates import Authority, Pair, client_context
from wsgate.config import Address, Config, TLSConfig
from wsgate.memory import MemoryCarrier
from wsgate.server import Gateway

KEY, OTHER_KEY = "0123456789abcdef-owner", "0123456789abcdef-honest"
PATIENCE_S = 20.0
"""How long a test waits for what must happen; nothing waits this long when all is well."""
QUICK_S = 5.0
"""Within this an undisturbed charge point gets its answer, attack or not; ordinarily within milliseconds."""
DROPPED = -1
"""Instead of an HTTP status: the connection was dropped without one."""

T = TypeVar("T")


@dataclasses.dataclass
class Pki:
    """Certificates; each client's subject is in its name."""

    authority: Authority
    server: Pair
    owner: Pair
    neighbour: Pair
    other_operator: Pair
    revoked: Pair
    self_signed: Pair
    crl: str = ""


class System:
    """A running gateway and worker, and the honest charge point that is connected all the time."""

    def __init__(self, pki: Pki, gateway: Gateway, is_tls: bool) -> None:
        self.pki = pki
        self.gateway = gateway
        self.is_tls = is_tls
        self.honest: ClientConnection

    @property
    def port(self) -> int:
        return self.gateway.addresses[0].port

    # -- connecting --------------------------------------------------------------------------------------------

    def connect(self, path: str, client: Pair | None = None, address: str = "127.0.0.1", **options: Any) -> Any:
        """A websocket to this path; ``client`` shows a certificate, ``address`` is where it comes from."""
        context = client_context(self.pki.authority, client) if self.is_tls else None
        url = f"{'wss' if self.is_tls else 'ws'}://127.0.0.1:{self.port}{path}"
        given = {
            "subprotocols": ["ocpp1.6"],
            "compression": None,
            "proxy": None,
            "close_timeout": 0.5,
            "ssl": context,
            "open_timeout": PATIENCE_S,
        }
        return connect(url, **{"local_addr": (address, 0), **given, **options})

    async def status(self, path: str, *arguments: Any, **options: Any) -> int:
        """The HTTP status that somebody gets: 101 where he is let in (he leaves at once)."""
        try:
            async with self.connect(path, *arguments, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code
        except (OSError, ConnectionClosed, InvalidHandshake, EOFError):
            return DROPPED

    def owner(self, **options: Any) -> Any:
        """The charge point that is attacked, by its password."""
        return self.connect("/ocpp/OWNER", **{"additional_headers": basic("OWNER", KEY), **options})

    # -- afterwards ----------------------------------------------------------------------------------------------

    async def is_unharmed(self) -> None:
        """The honest charge point is answered at once, and has never lost its connection."""
        await self.honest.send('[2,"beat","Heartbeat",{}]')
        async with asyncio.timeout(QUICK_S):
            answer = json.loads(await self.honest.recv())
        assert answer[:2] == [3, "beat"]
        assert await in_database(lambda: Session.objects.filter(charge_point__identity="HONEST").count()) == 1

    async def seen(self, kind: str, identity: str = "", address: str = "") -> SecurityEvent:
        """The security event of this kind, as soon as it is there."""
        found: list[SecurityEvent] = []

        def look() -> bool:
            named = {"identity": identity, "remote_address": address}
            found[:] = SecurityEvent.objects.filter(
                kind=kind, **{name: value for name, value in named.items() if value}
            )
            return bool(found)

        async with asyncio.timeout(PATIENCE_S):
            while not await in_database(look):
                await asyncio.sleep(0.05)
        return found[0]

    async def is_connected(self, identity: str) -> bool:
        return await in_database(lambda: ChargePoint.objects.get(identity=identity).is_connected)

    def hits(self, kind: str) -> int:
        """The counter at /metrics."""
        return self.gateway.incidents.totals[kind]


@contextlib.asynccontextmanager
async def running_worker() -> AsyncIterator[MemoryRelay]:
    """A worker in a thread, and the relay that leads to it."""
    relay = MemoryRelay()
    worker = Worker(relay, name="attacked")
    thread = threading.Thread(target=worker.run, name="worker")
    commands.use_memory_relay(relay)
    thread.start()
    try:
        yield relay
    finally:
        worker.stop()
        await asyncio.to_thread(thread.join, PATIENCE_S)
        commands.forget_memory_relay(relay)
        assert not thread.is_alive()


@contextlib.asynccontextmanager
async def gateway_on(relay: MemoryRelay, pki: Pki, *, tls: bool, **limits: Any) -> AsyncIterator[System]:
    """A gateway in front of this relay; one at a time."""
    carrier = MemoryCarrier(relay.submit)
    relay.deliver_to_gateway = carrier.deliver
    files = TLSConfig(
        pairs=((pki.server.certificate, pki.server.key),), client_ca=pki.authority.certificate, crl=pki.crl
    )
    quick: dict[str, Any] = {"announce_interval_s": 0.1, "close_timeout_s": 0.5, "drain_s": 2, "goodbye_s": 0.5}
    config = Config(listen=(Address("127.0.0.1", 0),), tls=files if tls else None, **{**quick, **limits})
    gateway = Gateway(config, carrier)
    await gateway.start()
    try:
        yield System(pki, gateway, tls)
    finally:
        await gateway.stop()


@contextlib.asynccontextmanager
async def attacked(pki: Pki, *, tls: bool = True, **limits: Any) -> AsyncIterator[System]:
    """A running system; at the end the honest charge point must not have noticed anything."""
    async with (
        running_worker() as relay,
        gateway_on(relay, pki, tls=tls, **limits) as system,
        system.connect("/ocpp/HONEST", additional_headers=basic("HONEST", OTHER_KEY)) as system.honest,
    ):
        await system.is_unharmed()
        yield system
        await system.is_unharmed()


async def in_database(ask: Callable[[], T]) -> T:
    """What ``ask`` finds, in a thread of its own whose connection is closed afterwards."""

    def asked() -> T:
        try:
            return ask()
        finally:
            connection.close()

    return await asyncio.to_thread(asked)


def basic(identity: str, password: str | bytes) -> dict[str, str]:
    """The Authorization header."""
    secret = password.encode() if isinstance(password, str) else password
    return {"Authorization": "Basic " + base64.b64encode(identity.encode() + b":" + secret).decode()}


async def ask(websocket: ClientConnection, frame: str) -> list[Any]:
    """Send a frame; the answer."""
    await websocket.send(frame)
    async with asyncio.timeout(PATIENCE_S):
        return list(json.loads(await websocket.recv()))


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; looks again in each pass of the loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)
