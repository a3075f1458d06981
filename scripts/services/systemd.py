"""systemd-analyze, which reads the units in deploy/systemd."""

import shutil

from . import apt

NAME = "systemd"
LABEL = "systemd"


def discover(scope: str = "tests") -> str | None:
    """The path of systemd-analyze, or None."""
    return shutil.which("systemd-analyze")


def start() -> None:
    """Installs it: nothing of it runs where process 1 is another program."""
    if not apt.is_usable():
        raise apt.explain_missing("systemd-analyze", "systemd")
    apt.install("systemd")


def stop() -> bool:
    """Nothing runs, so nothing is stopped."""
    return False
