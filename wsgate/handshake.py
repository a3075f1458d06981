"""The opening handshake (OCPP-J 1.6 §3): who is it, what does it speak, may it come in? The backend says the last."""

import asyncio
import base64
import binascii
import http
import random
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HTTPRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from ocppj.envelope import ClientCertificate, Connect, ConnectReply, Disconnect, Reply, Request
from wsgate.browsers import OFFERS, unpack_credentials
from wsgate.config import Config
from wsgate.connection import ABNORMAL, NORMAL, ChargePointConnection
from wsgate.errors import HandshakeRefused, TooManyAttempts
from wsgate.gate import Gate
from wsgate.limits import FAILED_ATTEMPTS, Attempt, Attempts
from wsgate.metrics import METRICS_PATH, Pages
from wsgate.origin import behind_proxy, is_within, key_of
from wsgate.registry import Registry
from wsgate.relay import Relay, new_id, wall_clock
from wsgate.turns import PAUSE_S, Turns
from wsgate.websocket import Websocket

SUBPROTOCOL = Subprotocol("ocpp1.6")
MAX_IDENTITY_LENGTH = 255
PROTOCOL_ERROR = 1002
RETRY_AFTER_S = (5, 15)
"""For 429 and 503. Drawn at random, so that those who are refused together do not come back together."""
FAILURES = frozenset({401, 403, 404, 429})
"""What the backend answers an attempt with that must not get in."""
PENALTY_S = 0.5
"""So much later comes the answer to a failure beyond the limit."""


# -- pure ----------------------------------------------------------------------------------------------------


def parse_identity(target: str) -> str:
    """The charge point's identity: the last segment of the request's path, percent-decoded (OCPP-J 1.6 §3.1.1).

    A trailing slash is tolerated. Raises ``HandshakeRefused``: 404 where there is none, 400 where it cannot be one.
    """
    segment = target.partition("?")[0].rstrip("/").rpartition("/")[2]
    try:
        identity = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise HandshakeRefused(400, "The charge point identity in the path is not percent-encoded UTF-8.") from None
    if not identity.strip():
        raise HandshakeRefused(404, "The path ends with the charge point's identity, as in /ocpp/CP001.")
    if len(identity) > MAX_IDENTITY_LENGTH:
        raise HandshakeRefused(400, f"A charge point identity has at most {MAX_IDENTITY_LENGTH} characters.")
    if not identity.isprintable() or identity in (".", ".."):
        raise HandshakeRefused(400, "The charge point identity contains characters that it must not have.")
    return identity


def parse_basic(header: str | None, identity: str) -> tuple[str | None, bytes | None]:
    """User name and password from an Authorization header; (None, None) where there is none that can be read.

    The password is bytes: an AuthorizationKey may be 20 arbitrary ones (OCPP-J 1.6 §6.2.2). The user name is the
    identity, so one that contains a colon is recognized.
    """
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None, None
    encoded = encoded.strip()
    try:
        credentials = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None, None
    own = identity.encode() + b":"
    if credentials.startswith(own):
        return identity, credentials[len(own) :]
    username, colon, password = credentials.partition(b":")
    if not colon:
        return None, None
    return username.decode("utf-8", "replace"), password


def select_subprotocol(websocket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """``ocpp1.6`` where it is offered; none otherwise, which ``Doorkeeper`` closes if anything else was offered
    (§3.2).
    """
    assert isinstance(websocket, Websocket)
    websocket.offered_subprotocols = tuple(offered)
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


# -- with the backend ----------------------------------------------------------------------------------------


class Admission:
    """One handshake that the backend is asked about; the owner of its ``Connect`` request."""

    def __init__(self, websocket: Websocket, config: Config, relay: Relay, registry: Registry, gate: Gate) -> None:
        self._gate = gate
        self._websocket = websocket
        self._config = config
        self._relay = relay
        self._registry = registry
        self._is_over = False
        self.reply: asyncio.Future[ConnectReply | None] = websocket.loop.create_future()

    async def ask(self, connect: Connect) -> ConnectReply:
        """The backend's verdict; raises ``HandshakeRefused`` (503) when it does not come in time."""
        self._registry.expect(connect.session)
        self._relay.submit(connect, self)
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                reply = await self.reply
        except TimeoutError:
            reply = None
        finally:
            self._is_over = True
            self._registry.settle(connect.session)
            # Published again now, it could only throw out the connection that the charge point makes next.
            self._relay.abandon(connect.relay_id)
        if reply is None:
            raise unavailable()
        return reply

    def replied(self, request: Request, reply: Reply | None) -> None:
        """Let the charge point in at once: commands for it may stand right behind the reply that accepts it."""
        if not isinstance(request, Connect):
            return  # the Disconnect of ``_take_back``
        if isinstance(reply, ConnectReply) and reply.accepted:
            if self._is_over or self._websocket.transport.is_closing():
                self._take_back(request)
            else:
                self._let_in(request, reply)
        if not self.reply.done():
            self.reply.set_result(reply if isinstance(reply, ConnectReply) else None)

    def held_too_long(self, request: Request) -> None:
        """The handshake has long got its 503; a late acceptance is still taken back until the relay gives up."""

    def _let_in(self, connect: Connect, reply: ConnectReply) -> None:
        connection = ChargePointConnection(
            self._websocket, connect.session, connect.identity, reply.settings,
            config=self._config, relay=self._relay, registry=self._registry, gate=self._gate,
        )  # fmt: skip
        self._websocket.protocol.max_message_size = min(reply.settings.max_frame_bytes, self._config.max_frame_bytes)
        self._websocket.charge_point = connection
        replaced = self._registry.add(connection)
        if replaced is not None:
            # Only now: who cannot authenticate must not be able to throw anybody out.
            replaced.close(NORMAL, "Replaced by a newer connection of the same charge point.")

    def _take_back(self, connect: Connect) -> None:
        """The backend has let in a charge point that has gone meanwhile, or got its 503."""
        disconnect = Disconnect(
            new_id(), connect.session, connect.identity, wall_clock(), ABNORMAL, "The handshake was not completed."
        )
        self._relay.submit(disconnect, self)


class Doorkeeper:
    """The three hooks that ``websockets`` calls during a handshake."""

    def __init__(self, config: Config, relay: Relay, registry: Registry, gate: Gate, pages: Pages) -> None:
        self._config = config
        self._relay = relay
        self._registry = registry
        self._gate = gate
        self._pages = pages
        self._attempts = Attempts(config.failed_attempts_per_minute)
        self._turns: defaultdict[str, Turns] = defaultdict(Turns)  # by identity, of those that are guessed at
        self.is_closed = False
        """Set when the gateway leaves: every handshake gets 503."""

    def process_request(self, websocket: ServerConnection, request: HTTPRequest) -> Response | None:
        """Before the handshake is looked at."""
        assert isinstance(websocket, Websocket)
        self._gate.arrived(websocket)
        websocket.origin = behind_proxy(request.headers, websocket.origin, self._config.trusted_proxies)
        if "Upgrade" not in request.headers and (page := self._page(websocket, request.path)) is not None:
            return page
        now = websocket.loop.time()
        if not websocket.counted_as and not self._gate.count(websocket, websocket.origin.address, now):
            return _response(websocket, too_many("There are too many connections from this address."))
        unpack_credentials(request.headers, self._config.browser_origins)
        offers = request.headers.get_all(OFFERS)
        if offers and not "".join(offers).strip():
            # An empty header offers nothing; the library would answer it with 400.
            del request.headers[OFFERS]
        return None

    def _page(self, websocket: Websocket, target: str) -> Response | None:
        """What is at this path for those who want no websocket."""
        path = urlsplit(target).path
        if path == METRICS_PATH and not is_within(websocket.origin.address, self._config.metrics_from):
            return None
        page = self._pages.page(path)
        if page is None:
            return None
        status, content_type, text = page
        response = websocket.respond(http.HTTPStatus(status), text)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = content_type
        websocket.is_for_page = True
        return response

    async def process_response(
        self, websocket: ServerConnection, request: HTTPRequest, response: Response
    ) -> Response | None:
        """When the handshake is in order as far as RFC 6455 goes: admit the charge point, or say why not."""
        assert isinstance(websocket, Websocket)
        handshakes = self._gate.tally.handshakes
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            if not websocket.is_for_page:
                handshakes[str(response.status_code)] += 1
            return None
        try:
            await self._admit(websocket, request)
            handshakes["protocol" if websocket.charge_point is None else "101"] += 1
        except HandshakeRefused as refused:
            handshakes[str(refused.status)] += 1
            self._gate.incidents.refused(refused, websocket.origin.address, websocket.loop.time())
            return _response(websocket, refused)
        return None

    async def _admit(self, websocket: Websocket, request: HTTPRequest) -> None:
        identity = parse_identity(request.path)
        if self.is_closed or self._relay.is_down:
            raise unavailable()
        if websocket.offered_subprotocols and websocket.subprotocol is None:
            return  # OCPP-J 1.6 §3.2: complete the handshake without the header, then close; see ``serve``
        username, password = parse_basic(_only(request, "Authorization"), identity)
        connect = Connect(
            relay_id=new_id(),
            session=new_id(),
            identity=identity,
            at=wall_clock(),
            remote_address=websocket.origin.address,
            path=request.path,
            subprotocol=websocket.subprotocol or "",
            username=username,
            password=password,
            user_agent=_only(request, "User-Agent") or "",
            secure=websocket.origin.is_secure,
            certificate=websocket.origin.certificate,
        )
        attempt = Attempt(key_of(websocket.origin.address), identity, password, _name_of(connect.certificate))
        try:
            if self._attempts.is_suspect(attempt, websocket.loop.time()):
                await self._in_turn(websocket, connect, attempt)
            else:
                await self._try(websocket, connect, attempt)
        except TooManyAttempts:
            self._gate.incidents.note(FAILED_ATTEMPTS, attempt.address, websocket.loop.time(), identity)
            await asyncio.sleep(PENALTY_S)
            raise

    async def _try(self, websocket: Websocket, connect: Connect, attempt: Attempt) -> None:
        """Ask the backend; raises ``HandshakeRefused``, 429 instead of its own status when there were too many."""
        reply = await Admission(websocket, self._config, self._relay, self._registry, self._gate).ask(connect)
        if reply.accepted:
            self._attempts.succeeded(attempt)
        elif reply.status in FAILURES and self._attempts.failed(attempt, websocket.loop.time()):
            raise TooManyAttempts(_retry_after())
        else:
            raise _refusal(reply)

    async def _in_turn(self, websocket: Websocket, connect: Connect, attempt: Attempt) -> None:
        """The same, where somebody guesses: not more at once than are borne."""
        turns = self._turns[attempt.identity]
        try:
            async with turns.turn(attempt.source) as is_mine:
                if not is_mine:
                    raise TooManyAttempts(_retry_after())
                try:
                    await self._try(websocket, connect, attempt)
                except HandshakeRefused:
                    await asyncio.sleep(PAUSE_S)
                    raise
        finally:
            if turns.is_idle:
                self._turns.pop(attempt.identity, None)

    async def serve(self, websocket: ServerConnection) -> None:
        """When the handshake is through: run the connection to its end."""
        assert isinstance(websocket, Websocket)
        websocket.forget_handshake()
        if websocket.charge_point is not None:
            await websocket.charge_point.run()
        else:
            await websocket.close(PROTOCOL_ERROR, f"This central system speaks {SUBPROTOCOL} only.")


def _name_of(certificate: ClientCertificate | None) -> str:
    """What a verified certificate is counted under; empty without one."""
    if certificate is None:
        return ""
    return certificate.fingerprint or "/".join((certificate.serial, *certificate.common_names))


def unavailable() -> HandshakeRefused:
    """Broker or backend are away, or this gateway is leaving."""
    return HandshakeRefused(503, "The central system is not available, try again later.", _retry_after())


def too_many(text: str) -> HandshakeRefused:
    """A limit of this gateway has been reached."""
    return HandshakeRefused(429, text, _retry_after())


def _refusal(reply: ConnectReply) -> HandshakeRefused:
    status = (
        reply.status if reply.status in set(http.HTTPStatus) and reply.status >= 400 else int(http.HTTPStatus.FORBIDDEN)
    )
    headers = {}
    if status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
    if status in (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE):
        headers.update(_retry_after())
    return HandshakeRefused(status, reply.reason or http.HTTPStatus(status).phrase, headers)


def _retry_after() -> dict[str, str]:
    return {"Retry-After": str(random.randint(*RETRY_AFTER_S))}


def _response(websocket: Websocket, refused: HandshakeRefused) -> Response:
    response = websocket.respond(refused.status, refused.text + "\n")
    for name, value in refused.headers.items():
        response.headers[name] = value
    return response


def _only(request: HTTPRequest, name: str) -> str | None:
    values = request.headers.get_all(name)
    return values[0] if len(values) == 1 else None
