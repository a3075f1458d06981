"""The gate in front of the handshake: how many sockets an address has, and which of all have sent no request yet."""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from wsgate import limits
from wsgate.config import Config
from wsgate.limits import Incidents
from wsgate.origin import is_within, key_of
from wsgate.tally import Tally

if TYPE_CHECKING:
    from wsgate.websocket import Websocket


class Gate:
    """Every socket goes through ``enter`` … ``arrived`` … ``leave``."""

    def __init__(self, config: Config, incidents: Incidents) -> None:
        self._config = config
        self.incidents = incidents
        self.tally = Tally()
        self._per_address: Counter[str] = Counter()
        self._pending: OrderedDict[Websocket, None] = OrderedDict()

    @property
    def pending(self) -> int:
        """Sockets that have not sent their request."""
        return len(self._pending)

    def enter(self, websocket: "Websocket", address: str, now: float) -> bool:
        """A socket was accepted; False when it is to be dropped at once. A trusted proxy's is counted by ``count``."""
        if not is_within(address, self._config.trusted_proxies) and not self.count(websocket, address, now):
            return False
        if len(self._pending) >= self._config.max_pending_handshakes:
            # Whoever means it has sent the request long ago: the oldest is the one to go.
            oldest, _ = self._pending.popitem(last=False)
            self.incidents.note(limits.PENDING_HANDSHAKES, oldest.peer_address, now)
            oldest.abort()
        self._pending[websocket] = None
        return True

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
        self._pending.pop(websocket, None)

    def leave(self, websocket: "Websocket") -> None:
        """Its TCP connection is gone; may be called again."""
        self._pending.pop(websocket, None)
        key, websocket.counted_as = websocket.counted_as, ""
        if key:
            self._per_address[key] -= 1
            if self._per_address[key] <= 0:
                del self._per_address[key]
