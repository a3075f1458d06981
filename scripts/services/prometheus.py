"""Prometheus and promtool, for deploy/monitoring: on the PATH, or Debian's package, unpacked, not installed."""

import shutil
import subprocess
from pathlib import Path

from . import apt
from .errors import ServiceMissing
from .state import STATE_DIR

NAME = "prometheus"
LABEL = "Prometheus"
FOLDER = STATE_DIR / "tools" / "prometheus"


def works(path: Path) -> bool:
    """Whether there is such a program with its promtool beside it, and both start."""
    try:
        return all(
            subprocess.run([program, "--version"], capture_output=True, timeout=30).returncode == 0
            for program in (path, path.with_name("promtool"))
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def discover(scope: str = "tests") -> str | None:
    """The path of a Prometheus that starts, with promtool in the same folder, or None."""
    installed = shutil.which("prometheus")
    candidates = [*([Path(installed)] if installed else []), FOLDER / "usr" / "bin" / "prometheus"]
    return next((str(path) for path in candidates if works(path)), None)


def start() -> None:
    """Unpacks Debian's package into this clone: an installed one would take port 9090 by itself."""
    if shutil.which("apt-get") is None:
        raise ServiceMissing("Prometheus is not installed: see https://prometheus.io/download/")
    apt.unpack("prometheus", FOLDER)


def stop() -> bool:
    """Nothing runs, so nothing is stopped."""
    return False
