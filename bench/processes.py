"""CPU time and memory of processes, from /proc (Linux)."""

import os
import socket
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LISTEN = "0A"
LOCAL = ("127.0.0.1", "::1", "localhost")


def cpu_s(pids: Iterable[int]) -> float:
    """The CPU time that these processes, their descendants and their ended children have used."""
    stats = _all_stats()
    children: dict[int, list[int]] = defaultdict(list)
    for pid, fields in stats.items():
        children[int(fields[1])].append(pid)
    ticks = 0
    todo = [pid for pid in pids if pid in stats]
    while todo:
        pid = todo.pop()
        ticks += sum(int(field) for field in stats[pid][11:15])  # utime stime cutime cstime
        todo.extend(children[pid])
    return ticks * TICK_S


def rss_bytes(pids: Iterable[int]) -> int:
    """The resident memory of these processes."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * PAGE_BYTES


def server_of(url: str) -> list[int]:
    """The process that listens where this URL points to; empty when it runs elsewhere or may not be looked at."""
    parts = urlsplit(url)
    if parts.hostname not in LOCAL or parts.port is None:
        return []
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(parts.port)}
    holders = [pid for pid in _pids() if inodes.intersection(_links(Path(f"/proc/{pid}/fd")))]
    # Backends inherit the postmaster's sockets: the oldest is the server, the others are its descendants.
    stats = _all_stats()
    return sorted(holders, key=lambda pid: int(stats[pid][19]))[:1]


def _all_stats() -> dict[int, list[str]]:
    """By process id: the fields of /proc/<pid>/stat behind the name, from the state on."""
    stats = {}
    for pid in _pids():
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        stats[pid] = text.rpartition(")")[2].split()
    return stats


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.append(fields[9])
    return inodes


def _links(folder: Path) -> set[str]:
    links = set()
    try:
        for entry in os.scandir(folder):
            links.add(os.readlink(entry.path))
    except OSError:  # it has ended, or belongs to somebody else
        pass
    return links


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
    return port
