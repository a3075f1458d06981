"""The relay of a small site: gateway, worker and web are threads of one process, the envelope's bytes go from hand to
hand."""

import queue
import time
from collections.abc import Callable, Sequence

from ocpp_app.errors import RelayUnavailable
from ocpp_app.relay.base import Items
from ocpp_app.relay.wakeups import Wakeups
from ocppj import envelope

WEB_QUEUE = "web"
"""Where wake-ups for waiting threads go; every other queue is the gateway's."""


class MemoryRelay:
    """Both ends of the relay; ``submit`` is called by the gateway's thread, ``deliver_to_gateway`` hands it the
    answers."""

    def __init__(self, deliver_to_gateway: Callable[[bytes], None] | None = None) -> None:
        self.deliver_to_gateway = deliver_to_gateway
        self.wakeups = Wakeups()
        self._messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._held: list[bytes] = []

    def submit(self, data: bytes) -> None:
        """Take a message from the gateway."""
        self._messages.put(data)

    # -- Carrier ---------------------------------------------------------------------------------------------

    def get(self, timeout_s: float) -> bytes | None:
        try:
            data = self._messages.get(timeout=timeout_s) if timeout_s > 0 else self._messages.get_nowait()
        except queue.Empty:
            return None
        self._held.append(data)
        return data

    def give_back(self) -> None:
        self._messages.put(self._held.pop())

    def publish(self, items: Items) -> None:
        for name, some in items.items():
            self.send(name, some)

    def acknowledge(self) -> None:
        self._held.clear()

    def look_ahead(self) -> Sequence[bytes]:
        return ()

    def idle(self, seconds: float) -> None:
        time.sleep(seconds)

    def undeliverable(self) -> list[envelope.Command]:
        return []

    def close(self) -> None:
        while self._held:
            self.give_back()

    # -- Publisher -------------------------------------------------------------------------------------------

    @property
    def reply_queue(self) -> str:
        return WEB_QUEUE

    def send(self, queue: str, items: Sequence[envelope.Reply]) -> bool:
        if queue == WEB_QUEUE:
            for item in items:
                if isinstance(item, envelope.CommandFinished):
                    self.wakeups.wake(item.unique_id)
            return True
        if self.deliver_to_gateway is None:
            raise RelayUnavailable("The gateway has not started yet.")
        self.deliver_to_gateway(envelope.encode(envelope.ToGateway(envelope.VERSION, tuple(items))))
        return True

    def wait(self, command_id: str, timeout_s: float) -> None:
        self.wakeups.wait(command_id, timeout_s)


class NoRelay:
    """The publisher of a process that has no relay (a shell beside ``runcsms``): commands stay in the database for it
    to pick up."""

    reply_queue = ""

    def send(self, queue: str, items: Sequence[envelope.Reply]) -> bool:
        raise RelayUnavailable(
            "This process has no relay; the command waits in the database until runcsms picks it up."
        )

    def wait(self, command_id: str, timeout_s: float) -> None:
        time.sleep(timeout_s)
