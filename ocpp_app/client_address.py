"""Where a web request comes from: its socket's peer, or what a trusted proxy says of the client behind it."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from ocpp_app import conf


def client_address(request: HttpRequest) -> str:
    """The client's address: the last one in X-Forwarded-For that is no trusted proxy's (``OCPP_TRUSTED_PROXIES``).

    What others write into that header is ignored; empty where there is no address at all (a unix socket).
    """
    peer = str(request.META.get("REMOTE_ADDR") or "")
    if not _is_trusted(_parsed(peer)):
        return peer
    for hop in reversed(str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")):
        address = _parsed(hop.strip())
        if address is None:
            break  # what stands before something unreadable may have been made up
        if not _is_trusted(address):
            return str(address)
    return peer


def key_of(address: str) -> str:
    """What an address is counted under: itself, or the /64 of an IPv6 one, which one host has to itself."""
    parsed = _parsed(address)
    return str(IPv6Network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _is_trusted(address: IPv4Address | IPv6Address | None) -> bool:
    return address is not None and any(address in ip_network(text, strict=False) for text in conf.trusted_proxies())


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
