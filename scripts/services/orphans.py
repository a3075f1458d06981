"""Instances whose clone was deleted without `make stop-services`: removed at the next start of any clone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import state
from .processes import terminate


def remove() -> None:
    """Stops and removes what belongs to clones that are gone; only root has such folders outside its clones."""
    if os.geteuid() != 0 or not state.SHARED_DATA.exists():
        return
    for home in state.SHARED_DATA.iterdir():
        if is_orphan(home):
            for pid in processes_of(home):
                terminate(pid)
            shutil.rmtree(home, ignore_errors=True)


def is_orphan(home: Path) -> bool:
    """Whether the clone that made this folder is gone."""
    try:
        clone = Path((home / "clone").read_text())
    except FileNotFoundError:
        return False
    return not (clone / ".services").exists()


def processes_of(home: Path) -> Iterator[int]:
    """Servers started on this folder: it stands in their command line or is their HOME."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            words = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"{home}/".encode() in words:
            yield int(process.name)
