"""Debian's and Ubuntu's packages, installed where we may: as root."""

import os
import shutil
from functools import cache

from .errors import ServiceMissing
from .processes import run

QUIET = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def is_usable() -> bool:
    """Whether packages can be installed here without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@cache
def update() -> None:
    """Fetches the package lists, once per run."""
    run(["apt-get", "update", "-qq"], what="apt-get update", env=QUIET)


def install(*packages: str) -> None:
    """Installs packages without the recommended extras; ServiceMissing with apt's words when it cannot."""
    update()
    print(f"Installing {', '.join(packages)} with apt-get …", flush=True)
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    run(command, what=f"apt-get install {' '.join(packages)}", env=QUIET)


def has_candidate(package: str) -> bool:
    """Whether apt knows this package as a real one (on Ubuntu, chromium is only a pointer to a snap)."""
    update()
    listing = run(["apt-cache", "policy", package], what="apt-cache", env=QUIET)
    candidate = next((line for line in listing.splitlines() if "Candidate:" in line), "(none)")
    return "(none)" not in candidate and "snap" not in candidate


def explain_missing(what: str, package: str) -> ServiceMissing:
    """The error for a machine on which we may not install."""
    return ServiceMissing(
        f"{what} is not installed, and only root can install it. Either\n"
        f"    sudo apt-get install --no-install-recommends {package}\n"
        f"or start Docker (an engine that `docker info` reaches), then run the same command again."
    )
