"""Where a connection comes from: the socket's own peer, or what a trusted proxy says of the charge point behind it.

Headers that a proxy adds, believed from ``--trusted-proxies`` only and ignored from everybody else:

- ``X-Forwarded-For``: the last address in it that is no trusted proxy itself;
- ``X-Forwarded-Proto``: ``https`` or ``wss`` when the charge point's own connection is TLS;
- ``X-SSL-Client-Verify: SUCCESS`` with ``X-SSL-Client-S-DN`` (the subject as of RFC 4514, ``CN=SN001,O=Operator``),
  and if wanted ``X-SSL-Client-Serial`` and ``X-SSL-Client-Fingerprint``: the client certificate that the proxy has
  verified. nginx has them as ``$ssl_client_verify``, ``$ssl_client_s_dn``, ``$ssl_client_serial`` and
  ``$ssl_client_fingerprint``. The proxy must set or clear all four on every request.
"""

import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from websockets.datastructures import Headers

from ocppj.envelope import ClientCertificate
from wsgate.config import Network

SECURE_PROTOCOLS = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class Origin:
    """The charge point's own end of the connection, as far as it can be believed."""

    address: str = ""
    is_secure: bool = False
    certificate: ClientCertificate | None = None


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of these networks; an IPv4 address mapped into IPv6 counts as the IPv4 one."""
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=1024)  # bounded: proxies and strangers name addresses
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address, with or without port and brackets; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def key_of(address: str) -> str:
    """What an address is counted under: itself, or the /64 of an IPv6 one, which one host has to itself."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def behind_proxy(headers: Headers, socket_peer: Origin, trusted: tuple[Network, ...]) -> Origin:
    """The origin of a request whose socket is from ``socket_peer``."""
    if not is_within(socket_peer.address, trusted):
        return socket_peer
    secure = _last(headers, "X-Forwarded-Proto").lower() in SECURE_PROTOCOLS
    return Origin(
        address=_forwarded_for(headers, trusted) or socket_peer.address,
        is_secure=secure,
        certificate=_certificate(headers) if secure else None,
    )


def _forwarded_for(headers: Headers, trusted: tuple[Network, ...]) -> str:
    hops = [hop for value in headers.get_all("X-Forwarded-For") for hop in value.split(",")]
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            return ""  # what stands before something unreadable may have been made up
        if not any(address in network for network in trusted):
            return str(address)
    return ""


def _last(headers: Headers, name: str) -> str:
    values = headers.get_all(name)
    return values[-1].rpartition(",")[2].strip() if values else ""


def _only(headers: Headers, name: str) -> str:
    values = headers.get_all(name)
    return values[0].strip() if len(values) == 1 else ""


def _certificate(headers: Headers) -> ClientCertificate | None:
    if _only(headers, "X-SSL-Client-Verify") != "SUCCESS":
        return None
    subject = parse_dn(_only(headers, "X-SSL-Client-S-DN"))
    if not subject:
        return None
    return ClientCertificate(
        common_names=tuple(value for name, value in subject if name in ("CN", "2.5.4.3")),
        organisations=tuple(value for name, value in subject if name in ("O", "2.5.4.10")),
        serial=_only(headers, "X-SSL-Client-Serial"),
        fingerprint=_only(headers, "X-SSL-Client-Fingerprint"),
    )


def parse_dn(text: str) -> list[tuple[str, str]]:
    """The attributes of a distinguished name (RFC 4514) as (TYPE, value); empty when it is none.

    Escapes count, so that a value such as ``a\\,O=Operator`` is one value and no second attribute.
    """
    attributes: list[tuple[str, bytearray]] = []
    name, value, in_value, position = "", bytearray(), False, 0
    while position < len(text):
        character = text[position]
        position += 1
        if not in_value:
            if character == "=":
                in_value = True
            elif character in ',+;\\"':
                return []
            else:
                name += character
        elif character == "\\":
            taken, length = _unescape(text, position)
            if not length:
                return []
            value += taken
            position += length
        elif character in ",+;":
            attributes.append((name.strip().upper(), value))
            name, value, in_value = "", bytearray(), False
        elif character == '"':
            return []  # the quoted form of RFC 1779 is not used by any proxy of today
        else:
            value += character.encode()
    if not in_value:
        return []
    attributes.append((name.strip().upper(), value))
    return [(name, value.decode("utf-8", "replace").strip()) for name, value in attributes]


def _unescape(text: str, position: int) -> tuple[bytes, int]:
    pair = text[position : position + 2]
    if len(pair) == 2 and all(digit in string.hexdigits for digit in pair):
        return bytes.fromhex(pair), 2
    return pair[:1].encode(), len(pair[:1])
