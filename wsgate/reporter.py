"""What one session tells the backend: its frames, what becomes of commands, and at last its end."""

from uuid import UUID

from ocppj.envelope import CommandReport, Disconnect, Frame, Request
from wsgate.carrier import Owner
from wsgate.relay import Relay, new_id, wall_clock


class Reporter:
    """Submits one session's requests; the owner gets the replies, and passes each of them on to ``replied``."""

    __slots__ = ("_farewell", "_identity", "_owner", "_relay", "_session_id", "_unreplied")

    def __init__(self, relay: Relay, owner: Owner, session_id: UUID, identity: str) -> None:
        self._relay = relay
        self._owner = owner
        self._session_id = session_id
        self._identity = identity
        self._unreplied = 0
        self._farewell: Disconnect | None = None

    def frame(self, raw: bytes, age_s: float = 0.0, *, late: bool = False, latency_s: float | None = None) -> UUID:
        """Relay a frame that came ``age_s`` ago; what comes back is the relay id that its reply will have."""
        relay_id = new_id()
        at = wall_clock() - age_s
        self._submit(Frame(relay_id, self._session_id, self._identity, at, raw, late, latency_s))
        return relay_id

    def command(self, unique_id: str, state: str) -> None:
        """Say what became of a CALL of ours."""
        self._submit(CommandReport(new_id(), self._session_id, self._identity, wall_clock(), unique_id, state))

    def farewell(self, code: int, reason: str, unsent: tuple[str, ...], unanswered: tuple[str, ...]) -> None:
        """Say that the session has ended, once everything else has been carried out.

        Several workers take requests in any order: a frame must not come after the end of its session.
        """
        self._farewell = Disconnect(
            new_id(), self._session_id, self._identity, wall_clock(), code, reason, unsent, unanswered
        )
        self._say_farewell()

    def replied(self) -> None:
        """One of our requests has got its reply, or has been given up."""
        self._unreplied -= 1
        self._say_farewell()

    def _say_farewell(self) -> None:
        if self._farewell is not None and self._unreplied == 0:
            farewell, self._farewell = self._farewell, None
            self._submit(farewell)

    def _submit(self, request: Request) -> None:
        self._unreplied += 1
        self._relay.submit(request, self._owner)
