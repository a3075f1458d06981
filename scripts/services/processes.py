"""Accounts and processes: who a server runs as, whether it lives, how it is stopped."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import ServiceMissing


def as_account(account: str) -> dict[str, Any]:
    """Arguments for subprocess that drop root for this account; none where we are not root anyway."""
    if os.geteuid() != 0:
        return {}
    return {"user": account, "group": account, "extra_groups": []}


def make_private_dir(path: Path, account: str) -> Path:
    """A folder that only this account can enter (only ourselves, where we are not root)."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    if os.geteuid() == 0:
        shutil.chown(path, account, account)
    return path


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Polls until the condition holds; False when it still does not after timeout_s seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def terminate(pid: int, timeout_s: float = 30) -> None:
    """SIGTERM, and SIGKILL when the process still lives after timeout_s seconds."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            return
        if wait_for(lambda: not is_alive(pid), timeout_s):
            return


def run(command: list[str], *, what: str, **options: Any) -> str:
    """Runs a command and returns what it printed; ServiceMissing with its last lines when it fails."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if result.returncode:
        raise ServiceMissing(f"{what} failed:\n{last_lines(result.stdout)}")
    return result.stdout


def last_lines(text: str, count: int = 15) -> str:
    """The end of a log, indented, for a message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-count:])
