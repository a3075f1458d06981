"""Messages to one charge point, in order: at once while it keeps up, else from a queue at its own pace."""

from collections import deque
from collections.abc import AsyncIterator

from wsgate.websocket import Websocket

DIRECT_WRITE_BYTES = 32 * 1024
"""While the kernel has no more than this to take, messages are written at once; above, they wait in our queue."""


class Writer:
    """The way to one websocket. After a ``write`` that returns False, see that ``catch_up`` runs."""

    __slots__ = ("_queue", "_websocket", "is_behind", "progress_at", "queued_bytes")

    def __init__(self, websocket: Websocket) -> None:
        self._websocket = websocket
        self._queue: deque[tuple[bytes, str | None]] | None = None  # most charge points never need one
        self.queued_bytes = 0
        self.is_behind = False
        """Whether messages are queued, or the last of them is on its way."""
        self.progress_at = 0.0
        """When the charge point last took something while it was behind."""

    def write(self, data: bytes, unique_id: str | None, now: float) -> bool:
        """Write a message (``unique_id`` if it is a CALL of ours), or queue it; says whether it has been written."""
        if not self.is_behind and self._websocket.unsent_bytes <= DIRECT_WRITE_BYTES:
            self._websocket.write(data)
            return True
        if self._queue is None:
            self._queue = deque()
        if not self.is_behind:
            self.is_behind, self.progress_at = True, now
        self._queue.append((data, unique_id))
        self.queued_bytes += len(data)
        return False

    async def catch_up(self) -> AsyncIterator[tuple[bytes, str | None]]:
        """Write what is queued, and give it out as it has been written; raises ``ConnectionClosed``."""
        while self._queue:
            data, unique_id = self._queue.popleft()
            self.queued_bytes -= len(data)
            await self._websocket.send(data, text=True)
            self.progress_at = self._websocket.loop.time()
            yield data, unique_id
        self.is_behind = False

    def queued_calls(self) -> list[str]:
        """Our CALLs that have not been written."""
        return [unique_id for _, unique_id in self._queue or () if unique_id is not None]
