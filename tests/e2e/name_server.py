"""A name server as Docker has one: each name of a service stands for the addresses of all its replicas."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

A, IN = 1, 1
HEADER = struct.Struct(">6H")


@contextmanager
def name_server(addresses: dict[str, list[str]]) -> Iterator[int]:
    """The UDP port of a server that knows these names, which may change meanwhile; it has no other record of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(server, addresses), name="name server", daemon=True)
        thread.start()
        try:
            yield port
        finally:
            server.sendto(b"", ("127.0.0.1", port))
            thread.join()


def _serve(server: socket.socket, addresses: dict[str, list[str]]) -> None:
    while True:
        query, client = server.recvfrom(4096)
        if not query:
            return
        server.sendto(_answer(query, addresses), client)


def _answer(query: bytes, addresses: dict[str, list[str]]) -> bytes:
    """RFC 1035 §4.1: the question again, and an A record for each address."""
    labels, position = [], HEADER.size
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode())
        position += 1 + length
    kind, _class = struct.unpack(">2H", query[position + 1 : position + 5])
    name = ".".join(labels).lower()
    found = addresses.get(name, []) if kind == A else []
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", A, IN, 1, 4) + socket.inet_aton(text) for text in found)
    code = 0 if name in addresses else 3
    header = HEADER.pack(struct.unpack(">H", query[:2])[0], 0x8580 | code, 1, len(found), 0, 0)
    return header + query[HEADER.size : position + 5] + records
