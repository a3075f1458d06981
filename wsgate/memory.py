"""The memory carrier: gateway and worker in one process, as ``runcsms`` runs them."""

import asyncio
import contextlib
from collections.abc import Callable

from wsgate.carrier import Batch, CarrierListener


class MemoryCarrier:
    """Hands every ``ToBackend`` to ``submit``; takes every ``ToGateway`` from any thread through ``deliver``.

    ``submit`` is called in the gateway's event loop, so it only queues. What it raises counts as an outage: the
    request is handed in again after a short wait.
    """

    def __init__(self, submit: Callable[[bytes], None]) -> None:
        self._submit = submit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: CarrierListener | None = None

    @property
    def reply_to(self) -> str:
        return "memory"

    @property
    def is_ready(self) -> bool:
        return self._listener is not None

    async def start(self, listener: CarrierListener) -> None:
        self._loop, self._listener = asyncio.get_running_loop(), listener
        listener.connected()

    async def stop(self) -> None:
        self._listener = None

    def publish(self, data: bytes, batch: Batch) -> None:
        try:
            self._submit(data)
        except Exception:  # noqa: BLE001  the edge to the composition root's code
            if self._listener is not None:
                self._listener.returned(batch)

    def deliver(self, data: bytes) -> None:
        """Give the gateway a ``ToGateway``, from any thread; dropped when the gateway does not run."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed in between
                self._loop.call_soon_threadsafe(self._receive, data)

    def _receive(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.received(data)
