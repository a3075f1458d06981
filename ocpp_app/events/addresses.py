"""Where webhooks may go: a URL is checked when it is written down, its address each time a connection is made.

Whoever subscribes must not be able to reach what only this server can: its own network, the cloud's metadata. A name is
resolved once, all that it resolves to is checked, and the connection goes to exactly that address: a name server that
answers differently the second time (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ocpp_app import conf

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in IPv6 clothes."""
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that has been given out for the public internet; not fec0::/10, 5f00::/16 and what comes next."""
SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24",
        "2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
"""Of IANA's registries of special-purpose addresses what Python takes for public, all of it or in some releases:
protocol assignments (Teredo among them), anycast to whatever stands nearest, documentation."""
PORTS = {"https": 443, "http": 80}


class AddressRefused(ValueError):
    """A URL, or what it resolves to, is none that webhooks may go to; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the parts that a request needs."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_plain(self) -> bool:
        """Whether nobody encrypts what is sent there."""
        return self.scheme == "http"


def parse(url: str) -> Target:
    """The parts of a URL; ``AddressRefused`` for what is none, and for an address in it that is not allowed."""
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise AddressRefused("An address has no spaces or control characters in it.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except (ValueError, UnicodeError) as error:
        raise AddressRefused(f"This is no URL: {error}.") from None
    if parts.scheme not in PORTS or not host:
        raise AddressRefused("Write it as https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("No user name or password in the address: check the signature instead.")
    if not url.isascii() and not (parts.path + parts.query).isascii():
        raise AddressRefused("Percent-encode what is not ASCII in the path.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.scheme, host, port or PORTS[parts.scheme], path)
    name = host.rstrip(".")  # with a dot at its end it is the same host
    literal = _literal(name)
    if literal is not None:
        check(literal, target)
    elif name == "localhost" or name.endswith(".localhost"):
        check(ipaddress.ip_address("127.0.0.1"), target)
    elif target.is_plain and not conf.webhook_allowed_networks():
        raise AddressRefused("Use https: plain http only goes to networks in OCPP_WEBHOOK_ALLOWED_NETWORKS.")
    return target


def resolve(target: Target) -> list[str]:
    """The addresses to connect to, best first; ``AddressRefused`` where one of them is not allowed, ``OSError`` where
    there is none."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        check(ipaddress.ip_address(address), target)
    return addresses


def check(address: Address, target: Target) -> None:
    """Raise ``AddressRefused`` unless webhooks may go to this address."""
    real = _unwrapped(address)
    if any(real in network for network in allowed_networks()):
        return
    if not _is_public(real):
        raise AddressRefused(
            f"{address} is not on the public internet: webhooks do not go there, unless "
            "OCPP_WEBHOOK_ALLOWED_NETWORKS names its network."
        )
    if target.is_plain:
        raise AddressRefused("Use https: plain http only goes to networks in OCPP_WEBHOOK_ALLOWED_NETWORKS.")


def _is_public(address: Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or any(address in network for network in SPECIAL)
    return address.is_global and not is_special and (address.version == 4 or address in GLOBAL_UNICAST)


def allowed_networks() -> Sequence[Network]:
    """The networks of one's own that webhooks may go to."""
    return [ipaddress.ip_network(network) for network in conf.webhook_allowed_networks()]


def _literal(host: str) -> Address | None:
    """The address that a host is, also in the odd spellings that the system takes (127.1, 0x7f000001)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))
    except OSError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
