"""Who waits for which command in this process."""

import threading
from collections import defaultdict


class Wakeups:
    """Events by command id; any thread waits, one thread wakes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[threading.Event]] = defaultdict(list)

    def wait(self, command_id: str, timeout_s: float) -> None:
        """Return when ``wake`` was called for the command, or after ``timeout_s``."""
        event = threading.Event()
        with self._lock:
            self._events[command_id].append(event)
        try:
            event.wait(timeout_s)
        finally:
            with self._lock:
                self._events[command_id].remove(event)
                if not self._events[command_id]:
                    del self._events[command_id]

    def wake(self, command_id: str) -> None:
        """Wake all who wait for the command now."""
        with self._lock:
            for event in self._events.get(command_id, ()):
                event.set()
