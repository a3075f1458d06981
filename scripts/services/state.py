"""What this clone remembers about its own instances, in .services/state.json (readable by its owner only)."""

import fcntl
import hashlib
import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parents[2]
STATE_DIR = CLONE / ".services"
SHARED_DATA = Path("/var/lib/django-ocpp-csms")

Instance = dict[str, Any]


def clone_id() -> str:
    """A name for this clone that no other clone on this machine has."""
    return f"{CLONE.name}-{hashlib.sha256(str(CLONE).encode()).hexdigest()[:8]}"


def data_dir() -> Path:
    """Where this clone's instances keep their files.

    As root they run under accounts of their own, which may be unable to enter the clone (below /root, say): then it is
    a folder of /var/lib.
    """
    path = SHARED_DATA / clone_id() if os.geteuid() == 0 else STATE_DIR / "data"
    path.mkdir(parents=True, exist_ok=True)
    (path / "clone").write_text(str(CLONE))
    return path


def load() -> dict[str, Instance]:
    """All own instances by service name; empty before the first start."""
    try:
        state: dict[str, Instance] = json.loads((STATE_DIR / "state.json").read_text())
    except FileNotFoundError:
        return {}
    return state


def save(service: str, instance: Instance | None) -> None:
    """Remembers the instance of a service, or forgets it (None)."""
    state = load()
    state.pop(service, None)
    if instance is not None:
        state[service] = instance
    STATE_DIR.mkdir(exist_ok=True)
    new = STATE_DIR / "state.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(state, indent=2) + "\n")
    new.rename(STATE_DIR / "state.json")


@contextmanager
def locked() -> Iterator[None]:
    """Only one process at a time starts or stops the services of this clone."""
    STATE_DIR.mkdir(exist_ok=True)
    with (STATE_DIR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(preferred: int | None = None) -> int:
    """A free port of 127.0.0.1, the preferred one if it is free; below the range that Linux gives to clients."""
    if preferred and is_free(preferred):
        return preferred
    return next(port for port in iter(lambda: random.randint(20000, 32000), None) if is_free(port))
