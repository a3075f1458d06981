"""Chromium for the browser tests: Debian's package, or the one that Playwright brings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import apt
from .errors import ServiceMissing
from .processes import run

NAME = "chromium"
LABEL = "Chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def works(path: str) -> bool:
    """Whether this program starts (Ubuntu's chromium-browser may only be a pointer to a snap)."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def discover(scope: str = "tests") -> str | None:
    """The path of a Chromium that starts, or None. ServiceMissing when TEST_CHROMIUM is set but does not start."""
    if given := os.environ.get("TEST_CHROMIUM"):
        if not works(given):
            raise ServiceMissing(f"TEST_CHROMIUM is set, but {given} does not start")
        return given
    installed = (shutil.which(name) for name in NAMES)
    return next((path for path in [*installed, bundled()] if path and works(path)), None)


def bundled() -> str | None:
    """Where Playwright keeps its own Chromium, once `playwright install chromium` has brought it."""
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = sorted(cache.glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


def start() -> None:
    """Installs Chromium; it needs no running server."""
    if apt.is_usable() and apt.has_candidate("chromium"):
        apt.install("chromium", "libatomic1")  # the second is for the Node.js inside Playwright
        return
    command = [sys.executable, "-m", "playwright", "install", *(["--with-deps"] if apt.is_usable() else []), "chromium"]
    print("Fetching Chromium with Playwright …", flush=True)
    try:
        run(command, what="playwright install chromium")
    except ServiceMissing as error:
        raise ServiceMissing(
            f"{error}\nThe browser tests need Chromium. Install it (sudo apt-get install chromium), or name one: "
            "TEST_CHROMIUM=/path/to/chromium"
        ) from error


def stop() -> bool:
    """Nothing runs, so nothing is stopped."""
    return False
