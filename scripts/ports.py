"""Ports and addresses of what `make run` and `make cluster` start."""

import socket


def is_taken(host: str, port: int) -> bool:
    """Whether another program listens there already (or the address is not ours)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return True
    return False


def accepts(host: str, port: int) -> bool:
    """Whether a connection to it succeeds now."""
    try:
        socket.create_connection((reachable(host), port), timeout=2).close()
    except OSError:
        return False
    return True


def reachable(host: str) -> str:
    """The address to connect to from here when a server listens on this one."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def shown(host: str) -> str:
    """The address to show to a person: for a server on all addresses, the one by which the network knows us."""
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which of our addresses would be used
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
    return address


def explain_taken(host: str, wanted: dict[str, list[int]], command: str) -> str | None:
    """What to do about ports that are taken, a line each, for a person; None when all are free.

    wanted: the ports that follow from each make variable, the first of them being its value.
    """
    lines = [
        f"Port {port} is taken by another program. Choose another: make {command} {variable}={ports[0] + 100}"
        for variable, ports in wanted.items()
        for port in ports
        if is_taken(host, port)
    ]
    return "\n".join(lines) or None
