"""Real processes: started, waited for by what they show, signalled, and always stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90.0
"""How long a test waits for what must happen; nothing waits this long when all is well."""
POLL_S = 0.02
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
"""All that a process gets of this machine's environment: no AMQP_URL, no settings of a developer."""
TAIL_LINES = 60


def environment(**variables: str) -> dict[str, str]:
    """The environment of a process: a little of ours, and these variables."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", "ENV_FILE": os.devnull, **variables}


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as something is true; ``AssertionError`` naming it when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(POLL_S)


class Process:
    """One program; its output goes to a file, which is kept over a restart."""

    def __init__(self, name: str, command: list[str], variables: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.command = command
        self.log = folder / f"{name}.log"
        self._environment = dict(variables)
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at_offset = 0

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it, or start it again, in a session of its own: what it starts itself is stopped with it."""
        assert not self.is_running, f"{self.name} runs already"
        self._started_at_offset = self.mark()
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen.pid

    @property
    def children(self) -> list[int]:
        """The processes that it has started and that run (zombies do not)."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in listed if is_alive(int(pid))]

    def send(self, signum: int) -> None:
        """A signal to the process itself, as Ctrl-C or a supervisor would send it."""
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """kill -9, without a chance to say goodbye."""
        self.send(signal.SIGKILL)
        assert self._popen is not None
        self._popen.wait(PATIENCE_S)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit code, as soon as it has ended."""
        assert self._popen is not None
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout_s:g} s\n{self.tail()}") from None

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = PATIENCE_S) -> int:
        """Ask it to end, and wait for it; its exit code."""
        self.send(signum)
        return self.wait(timeout_s)

    def end(self) -> None:
        """See to it that neither the process nor anything that it has started is left, at once."""
        if self._popen is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(PATIENCE_S)

    # -- output ----------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """Where its output ends now, for ``output`` and ``wait_for_output``."""
        return self.log.stat().st_size if self.log.exists() else 0

    def output(self, since: int = 0) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def tail(self) -> str:
        """The end of its output, for a message."""
        return "\n".join(self.output().splitlines()[-TAIL_LINES:])

    def wait_for_output(
        self, text: str, *, times: int = 1, since: int | None = None, timeout_s: float = PATIENCE_S
    ) -> None:
        """Return when it has written this text so often since ``since`` (by default since it was started last)."""
        start = self._started_at_offset if since is None else since

        def is_there() -> bool:
            found = self.output(start).count(text) >= times
            assert found or self.is_running, f"{self.name} has ended\n{self.tail()}"
            return found

        wait_until(is_there, f"{self.name} writes {text!r}", timeout_s)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """These processes stand still meanwhile."""
    _send_each(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _send_each(pids, signal.SIGCONT)


def _send_each(pids: list[int], signum: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # somebody else has ended it
            os.kill(pid, signum)
