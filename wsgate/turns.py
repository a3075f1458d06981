"""Who is looked at next, where somebody guesses: a few attempts at once, and the addresses they come from in turn.

Every attempt is looked at, so nobody who knows the password is locked out by those who do not; only how many are looked
at in a second is bounded. Who fills the line gives way in it to those who do not.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator

AT_ONCE = 8
PAUSE_S = 0.04
"""Before the next one after a failure: 8 in 40 ms are the 200 in a second that are looked at and fail."""
MAX_WAITING = 100
"""Half a second's worth; one more, and the last of the address with most of them gives way."""


class Turns:
    """The attempts to get in as one charge point. Use ``turn`` for each; it ends before the next one begins."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._waiting = 0
        self._lines: OrderedDict[str, deque[asyncio.Future[bool]]] = OrderedDict()

    @property
    def is_idle(self) -> bool:
        return self._free == AT_ONCE

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[bool]:
        """Wait for one's turn; False when there are too many, and others have more of a claim."""
        if self._free:
            self._free -= 1
        elif not await self._wait(address):
            yield False
            return
        try:
            yield True
        finally:
            self._next()

    async def _wait(self, address: str) -> bool:
        if self._waiting >= MAX_WAITING and not self._make_room(address):
            return False
        mine: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(address, deque()).append(mine)
        self._waiting += 1
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.result():
                self._next()  # its turn came as it left
            raise

    def _make_room(self, address: str) -> bool:
        """Send the last one of the longest line away, unless this address would then have the longest."""
        longest = max(self._lines.values(), key=len)
        if len(self._lines.get(address, ())) + 1 >= len(longest):
            return False
        self._waiting -= 1
        last = longest.pop()
        if not last.done():
            last.set_result(False)
        return True

    def _next(self) -> None:
        while self._lines:
            address, line = self._lines.popitem(last=False)
            first = line.popleft()
            self._waiting -= 1
            if line:
                self._lines[address] = line  # behind the other addresses
            if not first.done():
                first.set_result(True)
                return
        self._free += 1
