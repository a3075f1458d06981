"""What can be set on a gateway: command line options, each also an environment variable ``WSGATE_…``."""

import argparse
import os
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ocppj.queues import QUEUE_TYPES, RPC_QUEUE, broker_urls
from wsgate.errors import ConfigError

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")

EPILOG = """\
Every option is also an environment variable: --amqp-url is WSGATE_AMQP_URL, --listen is WSGATE_LISTEN. What is secret
may stand in a file: WSGATE_AMQP_URL_FILE names it.
A charge point connects to ws://HOST:PORT/ocpp/IDENTITY: the last segment of the path is its identity, percent-encoded.
With --tls-cert it is wss://; SIGHUP reads the certificates anew, and open connections stay. Behind a proxy that ends
TLS name it in --trusted-proxies: what it says in X-Forwarded-For, X-Forwarded-Proto and X-SSL-Client-* is believed.
GET /healthz answers 200 while the process works, /readyz while charge points should come, /metrics has its counters: on
the same port, and with --admin-listen HOST:PORT on one that is not for charge points. SIGTERM ends it in good order:
no new connections, answers that are on their way are delivered, the sockets are closed with 1012 and the backend is
told. Start as many as you like.
"""

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one, an empty host means all interfaces."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class TLSConfig:
    """PEM files. ``pairs``: chains with their keys, one RSA and one ECDSA for all suites of A00.FR.317."""

    pairs: tuple[tuple[str, str], ...]
    client_ca: str = ""
    """Whose client certificates are valid (profile 3); without it none is asked for."""
    crl: str = ""
    """The certificates that those have revoked."""


def new_name(prefix: str = "") -> str:
    """A name for this run of the process: sessions name their gateway by it, so no other run may ever have it."""
    return f"{prefix or socket.gethostname()}-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything a ``Gateway`` can be told; times in seconds, sizes in bytes, defaults as on the command line."""

    listen: tuple[Address, ...] = (Address("127.0.0.1", 9000),)
    name: str = ""
    """Prefix of the gateway's name; the host's name when empty."""
    tls: TLSConfig | None = None
    """None: plain TCP, be it behind a proxy that ends TLS or on a network of one's own."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose forwarded headers are believed; see ``wsgate.origin``."""
    browser_origins: tuple[str, ...] = ()
    """The pages whose websockets may bring their credentials in a subprotocol; see ``wsgate.browsers``."""
    metrics_from: tuple[Network, ...] = LOOPBACK
    """Who may read /metrics."""
    admin_listen: tuple[Address, ...] = ()
    """Where /healthz, /readyz and /metrics are answered to whoever asks; they always are on ``listen``."""

    tracing: float = 0.0
    """The share of frames whose way is told to OpenTelemetry, 0 to 1; 0: of none. See ``wsgate.tracing``."""

    # the peer
    max_connections_per_address: int = 10_000
    """Sockets of one IPv4 address or IPv6 /64, those in their handshake included: a fleet behind one NAT has room, and
    one address cannot take all the files of the process."""
    max_pending_handshakes: int = 4096
    """Sockets that have not sent their request yet; one more, and the oldest of the address with most is dropped."""
    max_frames_per_second: float = 200.0
    """Of one charge point; above, after a burst of two seconds' worth, its socket is read no faster."""
    max_bytes_per_second: float = 1 << 20
    """The same for bytes; no less than the largest frame fits into the burst."""
    failed_attempts_per_minute: float = 10.0
    """Refused handshakes of one address, and of one identity, after a burst of as many; then they get 429."""
    max_frame_bytes: int = 1 << 18
    """A larger websocket message closes its connection with 1009."""
    max_waiting_calls: int = 64
    """When so many CALLs of a charge point wait for their turn, its socket is not read until one is answered."""
    handshake_timeout_s: float = 10.0
    """To send the opening request."""
    connect_timeout_s: float = 15.0
    """For the backend's answer to it; then the handshake gets 503. Wide enough for thousands that come back at once."""
    close_timeout_s: float = 5.0
    """For the peer's part of the closing handshake."""
    max_write_buffer_bytes: int = 1 << 20
    """A charge point that lets more than this pile up is disconnected."""
    write_timeout_s: float = 60.0
    """So is one that takes nothing for so long."""
    tcp_user_timeout_s: float = 40.0
    """How long sent data may stay unacknowledged before the kernel gives a connection up."""

    # the backend
    outage_grace_s: float = 20.0
    """How long requests are held while broker or backend are away; then their sockets are closed with 1013."""
    outage_spread_s: float = 10.0
    """Those closings are spread over so long."""
    retry_after_s: float = 5.0
    """A request unanswered for so long is published again, with the same relay id …"""
    max_retries: int = 2
    """… so often."""
    return_delay_s: float = 0.5
    """How long to wait before publishing again what the broker returned."""
    report_keep_s: float = 300.0
    """How long what a charge point will not repeat (answers, disconnects, command reports) is kept for the backend."""
    announce_interval_s: float = 10.0
    max_batch_requests: int = 128
    max_batch_bytes: int = 256 * 1024
    """One message to the backend carries no more than so many requests and (but for a single larger one) bytes."""

    # the end
    drain_s: float = 8.0
    """How long a graceful stop may take. Below the ten seconds that ``docker stop`` gives."""
    goodbye_s: float = 2.0
    """At the end of it, for the backend to note what has ended; it finds out by itself if it is away."""
    closes_per_second: int = 500
    """A graceful stop closes sockets no faster, as long as ``drain_s`` allows it: they all come back somewhere else."""


@dataclass(frozen=True, kw_only=True)
class AMQPConfig:
    """The broker's URL (amqp:// or amqps://, parameters as of aio-pika; several, separated by commas, for a cluster)
    and the queue that the workers consume."""

    url: str = "amqp://guest:guest@127.0.0.1:5672/"
    queue: str = RPC_QUEUE
    queue_type: str = "classic"
    """``quorum`` for a broker cluster: the queue then survives the loss of a node."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line as a whole."""

    gateway: Config
    amqp: AMQPConfig
    log_level: str = "INFO"
    log_format: str = "text"


def read_options(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Options:
    """The options from the command line and, where it is silent, the environment.

    Raises ``ConfigError`` for a bad environment variable; a bad option ends the process with argparse's message and
    status 2.
    """
    environment = os.environ if environment is None else environment
    options = command_line()
    options.set_defaults(**_from_environment(options, environment))
    values = options.parse_args(arguments)
    numbers = {field: getattr(values, _dest(option)) for option, field, _, _ in NUMBERS}
    listen = tuple(address for part in values.listen for address in part)
    return Options(
        gateway=Config(
            listen=listen,
            name=values.name,
            tls=_tls(values),
            trusted_proxies=_flat(values.trusted_proxies),
            browser_origins=tuple(origin for part in values.browser_origins for origin in part),
            metrics_from=_flat(values.metrics_from),
            admin_listen=tuple(address for part in values.admin_listen for address in part),
            **numbers,
        ),
        amqp=AMQPConfig(url=values.amqp_url, queue=values.queue, queue_type=values.queue_type),
        log_level=values.log_level,
        log_format=values.log_format,
    )


def parse_listen(text: str) -> tuple[Address, ...]:
    """``HOST:PORT``, several separated by commas; an IPv6 host in brackets, an empty one for all interfaces.

    Raises ``ValueError``.
    """
    return tuple(_parse_address(part.strip()) for part in text.split(",") if part.strip())


def _parse_address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT, such as 0.0.0.0:9000 or [::]:9000")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, such as [::]:9000")
    return Address(host, int(port))


# -- the command line ----------------------------------------------------------------------------------------


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400")
    return value


def positive_int(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e12:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


NUMBERS: tuple[tuple[str, str, Callable[[str], float], str], ...] = (
    ("--max-frame-bytes", "max_frame_bytes", positive_int, "largest message of a charge point"),
    ("--max-waiting-calls", "max_waiting_calls", positive_int, "CALLs of one charge point that may wait"),
    ("--handshake-timeout", "handshake_timeout_s", _positive, "seconds to send the opening request"),
    ("--connect-timeout", "connect_timeout_s", _positive, "seconds the backend has to let a charge point in"),
    ("--outage-grace", "outage_grace_s", _positive, "seconds to hold requests while broker or backend are away"),
    ("--max-connections-per-address", "max_connections_per_address", positive_int, "sockets of one address"),
    ("--max-pending-handshakes", "max_pending_handshakes", positive_int, "sockets without a request yet"),
    ("--max-frames-per-second", "max_frames_per_second", _rate, "of one charge point, before it is slowed down"),
    ("--max-bytes-per-second", "max_bytes_per_second", _rate, "of one charge point, before it is slowed down"),
    ("--failed-attempts-per-minute", "failed_attempts_per_minute", _rate, "of an address or identity, then 429"),
    ("--drain-seconds", "drain_s", _positive, "seconds a graceful stop may take"),
    ("--tracing", "tracing", _share, "share of frames to trace with OpenTelemetry, 0 to 1, such as 0.01; 0: none"),
)
"""Option, field of ``Config``, type and help of all that is a number."""


class _Append(argparse.Action):
    """Like ``append``, but the first use replaces the default."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        given = [*getattr(namespace, f"given_{self.dest}", ()), values]
        setattr(namespace, f"given_{self.dest}", given)
        setattr(namespace, self.dest, given)


def command_line() -> argparse.ArgumentParser:
    """The command line, with its help; ``read_options`` reads it."""
    default, broker = Config(), AMQPConfig()
    parser = argparse.ArgumentParser(
        prog="python -m wsgate",
        description="Websocket gateway for OCPP 1.6J charge points: takes their connections, relays their frames.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def add(option: str, help_text: str, default: Any, shown: str = "", **kwargs: Any) -> None:
        parser.add_argument(option, default=default, help=f"{help_text} (default: {shown or default})", **kwargs)

    where = ("where to listen; may be repeated or comma separated", [default.listen], "127.0.0.1:9000")
    add("--listen", *where, metavar="HOST:PORT", type=_listen, action=_Append)
    add("--amqp-url", "the broker; of a cluster all nodes, comma separated", broker.url, metavar="URL", type=_amqp_url)
    add("--queue", "the queue that the workers consume", broker.queue, metavar="NAME", type=_queue_name)
    add("--queue-type", "quorum for a broker cluster", broker.queue_type, choices=QUEUE_TYPES)
    add("--name", "prefix of this gateway's name", "", "the host's name", metavar="NAME", type=_name)
    files: Any = {"metavar": "FILE", "action": _Append, "type": _file}
    add("--tls-cert", "certificate chain, PEM; repeat it for a second kind of key", [], "no TLS", **files)
    add("--tls-key", "its private key; as often as --tls-cert, in the same order", [], "none", **files)
    add("--client-ca", "CAs of client certificates (security profile 3)", "", "none", metavar="FILE", type=_file)
    add("--crl", "their revoked certificates", "", "none", metavar="FILE", type=_file)
    networks: Any = {"metavar": "CIDR", "action": _Append, "type": _networks}
    add("--trusted-proxies", "whose forwarded headers are believed; comma separated", [], "nobody's", **networks)
    add(
        "--browser-origins", "pages whose charge points may log in, such as https://csms.example.com; comma separated",
        [], "none", metavar="ORIGIN", action=_Append, type=_origins,
    )  # fmt: skip
    add("--metrics-from", "who may read /metrics; comma separated", [LOOPBACK], "this machine", **networks)
    admin: Any = (
        "where to answer /healthz, /readyz and /metrics to everybody who gets there, without TLS",
        [],
        "nowhere else",
    )
    add("--admin-listen", *admin, metavar="HOST:PORT", type=_listen, action=_Append)
    for option, field, convert, help_text in NUMBERS:
        add(option, help_text, getattr(default, field), metavar="N", type=convert)
    add("--log-level", "what to log; DEBUG includes payloads", "INFO", choices=LOG_LEVELS, type=str.upper)
    add("--log-format", "how to log", "text", choices=LOG_FORMATS)
    return parser


def _dest(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def _from_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for action in parser._actions:
        variable = f"WSGATE_{action.dest.upper()}"
        text = environment.get(variable) or _from_file(f"{variable}_FILE", environment)
        if action.dest == "help" or not text:
            continue
        values[action.dest] = _converted(action, variable, text)
    return values


def _from_file(variable: str, environment: Mapping[str, str]) -> str:
    """The content of the file that the variable names: how secrets come in containers."""
    path = environment.get(variable)
    try:
        return Path(path).read_text().strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file that {variable} names cannot be read: {error}.") from None


def _converted(action: argparse.Action, variable: str, text: str) -> Any:
    convert: Any = action.type or str
    try:
        value = convert(text)
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise ConfigError(f"The environment variable {variable} cannot be used: {error}.") from None
    if action.choices is not None and value not in action.choices:
        raise ConfigError(f"The environment variable {variable} is {text!r}; use one of {', '.join(action.choices)}.")
    return [value] if isinstance(action, _Append) else value


def _listen(text: str) -> tuple[Address, ...]:
    try:
        addresses = parse_listen(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not addresses:
        raise argparse.ArgumentTypeError("no address given; use HOST:PORT, such as 0.0.0.0:9000")
    return addresses


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; use networks such as 10.0.0.0/8,192.0.2.7") from None


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/").lower() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise argparse.ArgumentTypeError(
                f"{origin} is no origin, such as https://csms.example.com or http://[::1]:80"
            )
    return origins


def _file(text: str) -> str:
    if text and not os.access(text, os.R_OK):
        raise argparse.ArgumentTypeError(f"{text} is not there, or must not be read")
    return text


def _flat(values: Sequence[Sequence[Network]]) -> tuple[Network, ...]:
    return tuple(network for part in values for network in part)


def _tls(values: argparse.Namespace) -> TLSConfig | None:
    certificates, keys = values.tls_cert, values.tls_key
    if len(certificates) != len(keys):
        raise ConfigError("Every --tls-cert needs its --tls-key, in the same order.")
    if not certificates:
        if values.client_ca or values.crl:
            raise ConfigError(
                "--client-ca and --crl need --tls-cert and --tls-key: without TLS nobody shows a certificate."
            )
        return None
    if values.crl and not values.client_ca:
        raise ConfigError("--crl needs --client-ca: it says which of those certificates are revoked.")
    return TLSConfig(pairs=tuple(zip(certificates, keys, strict=True)), client_ca=values.client_ca, crl=values.crl)


def _amqp_url(text: str) -> str:
    parts = [urlsplit(url) for url in broker_urls(text)]
    if not parts or any(each.scheme not in ("amqp", "amqps") or not each.hostname for each in parts):
        # The text itself may carry a password: it is not repeated.
        raise argparse.ArgumentTypeError("not a broker's URL, such as amqp://user:password@host:5672/vhost")
    return text


def _queue_name(text: str) -> str:
    if not 0 < len(text.encode()) <= 255:
        raise argparse.ArgumentTypeError("a queue's name has 1 to 255 bytes")
    return text


def _name(text: str) -> str:
    if len(text) > 64 or not text.isprintable():
        raise argparse.ArgumentTypeError("a name has at most 64 printable characters")
    return text
