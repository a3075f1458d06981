"""Runs programs together in the foreground: one ends, or Ctrl-C, and all are stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

STOP_TIMEOUT_S = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Part:
    """One program: what people call it, its command, and the log it writes (None: the terminal)."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path | None = None
    stop_timeout_s: float = STOP_TIMEOUT_S
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches only us, and we stop it in order."""
        output = self.log.open("wb") if self.log else None
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        if output:
            output.close()

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def send(self, signum: int) -> None:
        """A signal to the program and all it has started; nothing if it has ended."""
        if self.process is not None and not self.has_ended():
            os.killpg(self.process.pid, signum)

    def describe_end(self) -> str:
        """Says that it ended by itself, how, and the end of its log."""
        status = self.process.returncode if self.process else None
        how = f"by {signal.Signals(-status).name}" if status is not None and status < 0 else f"with exit code {status}"
        text = f"{self.name} ended {how}."
        if self.log and self.log.exists():
            lines = self.log.read_text(errors="replace").strip().splitlines()[-20:]
            text += f" The end of {self.log}:\n" + "\n".join(f"    {line}" for line in lines)
        return text


@dataclass
class Foreground:
    """The parts that run now. Use as a context manager: leaving it stops them, the last one started first."""

    parts: list[Part] = field(default_factory=list)
    stop_asked: bool = False
    previous_group: int | None = None

    def __enter__(self) -> "Foreground":
        self.previous_group = take_terminal()
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._ask_to_stop)
        return self

    def __exit__(self, *_: object) -> None:
        for part in reversed(self.parts):
            stop(part)
        if self.previous_group is not None:
            give_terminal(self.previous_group)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        if self.stop_asked:  # asked twice: no more waiting
            for part in self.parts:
                part.send(signal.SIGKILL)
        self.stop_asked = True

    def start(self, part: Part) -> None:
        self.parts.append(part)
        part.start()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Polls until condition() holds; False when a part ended, a stop was asked for, or after timeout_s seconds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.stop_asked or self.ended() or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def ended(self) -> Part | None:
        """A part that ended by itself, if there is one."""
        return next((part for part in self.parts if part.has_ended()), None)

    def wait(self, watch: Callable[[], None] = lambda: None) -> Part | None:
        """Waits for Ctrl-C (None) or for a part that ends by itself (that part); calls watch every half second."""
        while not self.stop_asked:
            if part := self.ended():
                return part
            watch()
            time.sleep(0.5)
        return None


def stop(part: Part) -> None:
    """SIGTERM, then SIGKILL after part.stop_timeout_s seconds."""
    part.send(signal.SIGTERM)
    try:
        if part.process:
            part.process.wait(part.stop_timeout_s)
    except subprocess.TimeoutExpired:
        print(f"{part.name} did not stop within {part.stop_timeout_s:.0f} s and was killed.", file=sys.stderr)
        part.send(signal.SIGKILL)


def take_terminal() -> int | None:
    """Makes Ctrl-C reach this program alone, not the `make` around it, which would call an orderly stop an error.

    Returns the process group to give the terminal back to. None, and nothing is changed, where we do not own the
    terminal's foreground: in a pipe, in CI, as a background job.
    """
    group = os.getpgrp()
    if group == os.getpid() or not set_foreground_group(expected=group, new=os.getpid()):
        return None
    return group


def give_terminal(group: int) -> None:
    """Puts the process group from which we took the terminal into its foreground again."""
    set_foreground_group(expected=os.getpgrp(), new=group)


def set_foreground_group(expected: int, new: int) -> bool:
    """Gives the terminal to group `new` if `expected` has it now; False otherwise, or without a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return False
    try:
        if os.tcgetpgrp(terminal) != expected:
            return False
        # Ctrl-Z would stop us under a shell that waits for `make`.
        for signum in (signal.SIGTTOU, signal.SIGTSTP):
            signal.signal(signum, signal.SIG_IGN)
        if new == os.getpid():
            os.setpgid(0, 0)
        os.tcsetpgrp(terminal, new)
    finally:
        os.close(terminal)
    return True
