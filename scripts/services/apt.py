"""Debian's and Ubuntu's packages, installed where we may: as root."""

import os
import shutil
import time
from functools import cache
from pathlib import Path

from .errors import ServiceMissing
from .processes import run

QUIET = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def is_usable() -> bool:
    """Whether packages can be installed here without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


LISTS_PATIENCE_S = 120
"""How long we wait for another apt-get that fetches the lists: apt itself does not."""


@cache
def update() -> None:
    """Fetches the package lists, once per run."""
    deadline = time.monotonic() + LISTS_PATIENCE_S
    while True:
        try:
            run(["apt-get", "update", "-qq"], what="apt-get update", env=QUIET)
        except ServiceMissing as error:
            if "Could not get lock" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def install(*packages: str) -> None:
    """Installs packages without the recommended extras; ServiceMissing with apt's words when it cannot."""
    update()
    print(f"Installing {', '.join(packages)} with apt-get …", flush=True)
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    run(command, what=f"apt-get install {' '.join(packages)}", env=QUIET)


def unpack(package: str, folder: Path) -> None:
    """Unpacks a package into a folder, which is emptied before; nothing is installed, and nothing starts by itself."""
    if is_usable():
        update()
    download = folder / "download"
    shutil.rmtree(folder, ignore_errors=True)
    download.mkdir(parents=True)
    download.chmod(0o777)  # apt fetches as an account of its own
    run(["apt-get", "download", "-qq", package], what=f"apt-get download {package}", env=QUIET, cwd=download)
    (file,) = download.glob(f"{package}_*.deb")
    run(["dpkg-deb", "-x", str(file), str(folder)], what="dpkg-deb")
    shutil.rmtree(download)


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
