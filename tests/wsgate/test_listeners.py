"""Listening sockets: every address that is named, and the options that accepted sockets inherit."""

import socket

import pytest

from wsgate.config import Address
from wsgate.errors import ConfigError
from wsgate.listeners import open_listeners


def test_accepted_sockets_inherit_what_finds_dead_peers():
    [listener] = open_listeners([Address("127.0.0.1", 0)], tcp_user_timeout_s=40)
    with listener:
        listener.listen()
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
    with accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        found = {
            name: accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        }
    assert found.pop("TCP_USER_TIMEOUT") == 40_000
    assert found["TCP_KEEPIDLE"] + found["TCP_KEEPCNT"] * found["TCP_KEEPINTVL"] == 40


def test_every_address_of_a_host_is_taken():
    listeners = open_listeners([Address("127.0.0.1", 0), Address("", 0)], tcp_user_timeout_s=40)

    assert len(listeners) >= 2
    assert {listener.family for listener in listeners} >= {socket.AF_INET}
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("address", "reason"), [(Address("no-such-host.invalid", 0), "host is not known"), (Address("192.0.2.1", 0), "192")]
)
def test_address_that_cannot_be_used_is_explained(address, reason):
    with pytest.raises(ConfigError, match=reason):
        open_listeners([address], tcp_user_timeout_s=40)
