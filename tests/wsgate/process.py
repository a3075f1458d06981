"""``python -m wsgate`` as a process of its own."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.wsgate.site import PATIENCE_S

ROOT = Path(__file__).parents[2]


class Process:
    """``python -m wsgate``; its log is read until it says what a test waits for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""

    async def says(self, pattern: str) -> re.Match[str]:
        assert self._process.stderr is not None
        async with asyncio.timeout(3 * PATIENCE_S):
            while (found := re.search(pattern, self.log)) is None:
                line = await self._process.stderr.readline()
                assert line, f"The process has ended without {pattern!r}:\n{self.log}"
                self.log += line.decode()
        return found

    async def port(self) -> int:
        return int((await self.says(r"listens on 127\.0\.0\.1:(\d+)"))[1])

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ends(self) -> int:
        assert self._process.stderr is not None
        async with asyncio.timeout(3 * PATIENCE_S):
            self.log += (await self._process.stderr.read()).decode()
            return await self._process.wait()


@contextlib.asynccontextmanager
async def wsgate(*options: str, **environment: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wsgate", *options,
        cwd=ROOT, env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
