"""The gate in front of the handshake: how many sockets an address has, and which of all have sent no request yet."""

from collections import Counter
from typing import TYPE_CHECKING

from wsgate import limits
from wsgate.config import Config
from wsgate.limits import Incidents
from wsgate.origin import is_within, key_of
from wsgate.tally import Tally

if TYPE_CHECKING:
    from wsgate.websocket import Websocket


ROOM_AFTER_S = 2.0
"""So long may there be more sockets without a request than allowed: of thousands that come at once all are accepted
before the first is read."""


class Pending:
    """Sockets that have sent no request, by address. Which address has most of them is known without looking."""

    def __init__(self) -> None:
        self._address_of: dict[Websocket, str] = {}
        self._of_address: dict[str, dict[Websocket, None]] = {}  # the oldest first
        self._having: dict[int, dict[str, None]] = {}  # addresses, by how many they have
        self._most = 0

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, websocket: "Websocket", address: str) -> None:
        self._address_of[websocket] = address
        sockets = self._of_address.setdefault(address, {})
        sockets[websocket] = None
        self._count(address, len(sockets) - 1, len(sockets))

    def discard(self, websocket: "Websocket") -> None:
        address = self._address_of.pop(websocket, None)
        if address is None:
            return
        sockets = self._of_address[address]
        del sockets[websocket]
        if not sockets:
            del self._of_address[address]
        self._count(address, len(sockets) + 1, len(sockets))

    def first_to_go(self) -> "Websocket":
        """The oldest of the address with most of them; there must be one."""
        address = next(iter(self._having[self._most]))
        return next(iter(self._of_address[address]))

    def _count(self, address: str, before: int, after: int) -> None:
        if before:
            del self._having[before][address]
            if not self._having[before]:
                del self._having[before]
        if after:
            self._having.setdefault(after, {})[address] = None
        if after > self._most or self._most not in self._having:
            self._most = after


class Gate:
    """Every socket goes through ``enter`` … ``arrived`` … ``leave``."""

    def __init__(self, config: Config, incidents: Incidents) -> None:
        self._config = config
        self.incidents = incidents
        self.tally = Tally()
        self._per_address: Counter[str] = Counter()
        self._pending = Pending()
        self._is_crowded = False

    @property
    def pending(self) -> int:
        """Sockets that have not sent their request."""
        return len(self._pending)

    def enter(self, websocket: "Websocket", address: str, now: float) -> bool:
        """A socket was accepted; False when it is to be dropped at once. A trusted proxy's is counted by ``count``."""
        if not is_within(address, self._config.trusted_proxies) and not self.count(websocket, address, now):
            return False
        self._pending.add(websocket, key_of(address))
        if len(self._pending) > self._config.max_pending_handshakes and not self._is_crowded:
            self._is_crowded = True
            websocket.loop.call_later(ROOM_AFTER_S, self._make_room)
        return True

    def _make_room(self) -> None:
        """Whoever means it has sent the request long ago: of those who have most, the oldest are the ones to go."""
        self._is_crowded = False
        while len(self._pending) > self._config.max_pending_handshakes:
            oldest = self._pending.first_to_go()
            self._pending.discard(oldest)
            self.incidents.note(limits.PENDING_HANDSHAKES, oldest.peer_address, oldest.loop.time())
            oldest.abort()

    def count(self, websocket: "Websocket", address: str, now: float) -> bool:
        """Count a socket under its address until it leaves; False, and not counted, when there are too many."""
        key = key_of(address)
        if self._per_address[key] >= self._config.max_connections_per_address:
            self.incidents.note(limits.CONNECTIONS_PER_ADDRESS, key, now)
            return False
        self._per_address[key] += 1
        websocket.counted_as = key
        return True

    def arrived(self, websocket: "Websocket") -> None:
        """Its request is here."""
        self._pending.discard(websocket)

    def leave(self, websocket: "Websocket") -> None:
        """Its TCP connection is gone; may be called again."""
        self._pending.discard(websocket)
        key, websocket.counted_as = websocket.counted_as, ""
        if key:
            self._per_address[key] -= 1
            if self._per_address[key] <= 0:
                del self._per_address[key]
