"""Listening sockets, made ready for tens of thousands of charge points behind mobile networks."""

import contextlib
import socket
from collections.abc import Iterable

from wsgate.config import Address
from wsgate.errors import ConfigError

BACKLOG = 4096
"""After an outage everybody comes back within a second. The kernel caps it at net.core.somaxconn."""
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 20, 10, 2
"""A silent socket whose peer is gone is found after 40 s, like one with unacknowledged data (TCP_USER_TIMEOUT)."""


def open_listeners(addresses: Iterable[Address], tcp_user_timeout_s: float) -> list[socket.socket]:
    """Bound sockets, not listening yet, for all addresses; accepted ones inherit their options.

    Raises ``ConfigError`` when an address cannot be bound.
    """
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(sock) for address in addresses for sock in _bind(address)]
        for sock in sockets:
            _set_options(sock, tcp_user_timeout_s)
        opened.pop_all()
    return sockets


def _bind(address: Address) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"Cannot listen on {address.host}:{address.port}: the host is not known ({error}).") from None
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, kind, protocol, _, where in dict.fromkeys(found):
            sock = opened.enter_context(socket.socket(family, kind, protocol))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind(where)
            except OSError as error:
                raise ConfigError(f"Cannot listen on {address.host}:{address.port}: {error.strerror}.") from None
            sockets.append(sock)
        opened.pop_all()
    return sockets


def _set_options(sock: socket.socket, tcp_user_timeout_s: float) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_PROBES,
        "TCP_USER_TIMEOUT": int(tcp_user_timeout_s * 1000),
    }
    for name, value in options.items():
        option = getattr(socket, name, None)  # macOS has not all of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
