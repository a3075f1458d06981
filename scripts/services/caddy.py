"""Caddy, the proxy of docker-compose.yml: the one on the PATH, or Debian's package, unpacked and not installed."""

import shutil
import subprocess

from . import apt
from .errors import ServiceMissing
from .state import STATE_DIR

NAME = "caddy"
LABEL = "Caddy"
FOLDER = STATE_DIR / "tools" / "caddy"


def works(path: str | None) -> bool:
    """Whether there is such a program, and it starts."""
    try:
        return bool(path) and subprocess.run([str(path), "version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def discover(scope: str = "tests") -> str | None:
    """The path of a Caddy that starts, or None."""
    candidates = (shutil.which("caddy"), str(FOLDER / "usr" / "bin" / "caddy"))
    return next((path for path in candidates if path and works(path)), None)


def start() -> None:
    """Unpacks Debian's package into this clone: an installed one would take ports 80 and 2019 by itself."""
    if shutil.which("apt-get") is None:
        raise ServiceMissing("Caddy is not installed: see https://caddyserver.com/docs/install")
    apt.unpack("caddy", FOLDER)


def stop() -> bool:
    """Nothing runs, so nothing is stopped."""
    return False
