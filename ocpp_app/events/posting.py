"""One HTTP POST of an event: pinned to a checked address, never redirected, never for long."""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from ocpp_app.events import addresses, signing
from ocpp_app.events.addresses import AddressRefused, Target

TIMEOUT_S = 10.0
"""For connecting, and for each answer to what was sent."""
LONGEST_S = 30.0
"""Whoever answers drop by drop is cut off after so long; see ``Poster.abort``."""
KEPT_FOR_S = 60.0
"""How long a connection is used before the name is looked up again."""
SHOWN_OF_ANSWER = 500
UNREACHABLE = frozenset({429, 502, 503, 504})
"""HTTP status codes with which a receiver says that it cannot take anything just now (RFC 9110 §15.6, RFC 6585)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended; no ``status_code``: no answer came, ``error`` says why."""

    status_code: int | None
    error: str = ""
    response: str = ""
    duration_s: float = 0.0

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_unreachable(self) -> bool:
        """Whether the receiver as a whole seems to be away, and not only this event unwelcome."""
        return self.status_code is None or self.status_code in UNREACHABLE


def headers_of(
    message_id: str, secrets: list[str], body: bytes, now: datetime, *, attempt: int, is_replay: bool
) -> dict[str, str]:
    """The headers of an attempt; signed with each of the secrets."""
    timestamp = int(now.timestamp())
    signatures = [signing.signature(secret, message_id, timestamp, body) for secret in secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": "django-ocpp-csms",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
        "webhook-attempt": str(attempt),
    }
    return {**headers, "webhook-replay": "true"} if is_replay else headers


class Poster:
    """Posts to one URL, on one connection while that holds. One thread uses it; ``abort`` may be called by another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: _Connection | None = None
        self._until = 0.0
        self.began_at: float | None = None
        """When the present attempt began (``time.monotonic``); None between two."""

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one attempt; it raises nothing that the receiver, the name server or the network can cause."""
        self.began_at = started = time.monotonic()
        try:
            answer = self._post(headers, body)
        except AddressRefused as error:
            answer = Answer(None, str(error))
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            answer = Answer(None, _words(error))
        finally:
            self.began_at = None
        if answer.status_code is None:
            self.close()
        return Answer(answer.status_code, answer.error, answer.response, time.monotonic() - started)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """End the present attempt, which then fails."""
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._connection is not None and time.monotonic() < self._until:
            try:
                return self._ask(self._connection, headers, body)
            except (ConnectionError, http.client.BadStatusLine):  # an idle connection that it has closed meanwhile
                pass
        self.close()
        self._connection = _Connection(addresses.parse(self.url))
        self._until = time.monotonic() + KEPT_FOR_S
        return self._ask(self._connection, headers, body)

    def _ask(self, connection: "_Connection", headers: Mapping[str, str], body: bytes) -> Answer:
        connection.request("POST", connection.target.path, body, dict(headers))
        response = connection.getresponse()
        beginning = response.read(SHOWN_OF_ANSWER)
        if response.read(1):  # more than anybody reads
            self.close()
        code = response.status
        error = "" if 200 <= code < 300 else f"HTTP {code}"
        if 300 <= code < 400:
            error = f"HTTP {code}: redirects are not followed; subscribe with the final address."
        return Answer(code, error, beginning.decode("utf-8", "replace").replace("\0", "\ufffd"))


class _Connection(http.client.HTTPConnection):
    """A connection to one of the checked addresses; the certificate is that of the name all the same."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.default_port = addresses.PORTS[target.scheme]
        super().__init__(target.host, target.port, timeout=TIMEOUT_S)
        self._is_aborted = False

    def abort(self) -> None:
        """End whatever the other thread does with it: connecting and shaking hands as well."""
        self._is_aborted = True
        if (used := self.sock) is not None:
            with suppress(OSError):  # not the method of a TLS socket, which the other thread is using
                socket.socket.shutdown(used, socket.SHUT_RDWR)

    def connect(self) -> None:
        try:
            self._open()
            if not self.target.is_plain:
                # ``sock`` is the one in use at all times, for ``abort``.
                self.sock = _tls().wrap_socket(
                    self.sock, server_hostname=self.target.host, do_handshake_on_connect=False
                )
                self._go_on()
                self.sock.do_handshake()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        failure: OSError = OSError("its name has no address")
        for address in addresses.resolve(self.target):
            self.sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            self._go_on()
            try:
                self.sock.settimeout(TIMEOUT_S)
                self.sock.connect((address, self.target.port))
            except OSError as error:
                self.close()
                failure = error
            else:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return
        self._go_on()
        raise failure

    def _go_on(self) -> None:
        if self._is_aborted:
            raise OSError(f"no answer within {LONGEST_S:g} s")


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are verified as the system does; SSL_CERT_FILE names further authorities."""
    return ssl.create_default_context()


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, socket.gaierror):
        return f"the name of its host is not known: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens at its port: {error.strerror or error}"
    return (str(error) or type(error).__name__)[:255]
