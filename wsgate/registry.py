"""Who is connected to this gateway: sessions by id, and the one current session of each identity."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from wsgate.connection import ChargePointConnection


class Registry:
    """The sessions that the backend has let in and that have not ended."""

    def __init__(self) -> None:
        self._by_session: dict[UUID, ChargePointConnection] = {}
        self._by_identity: dict[str, ChargePointConnection] = {}
        self._leaving: dict[UUID, ChargePointConnection] = {}
        self._expected: set[UUID] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> "Iterator[ChargePointConnection]":
        """A snapshot: sessions may come and go meanwhile."""
        return iter(list(self._by_session.values()))

    def add(self, connection: "ChargePointConnection") -> "ChargePointConnection | None":
        """Take a session in; what comes back is the older one of the same identity, to be closed by the caller."""
        replaced = self._by_identity.get(connection.identity)
        self._by_session[connection.session_id] = connection
        self._is_empty.clear()
        self._by_identity[connection.identity] = connection
        return replaced

    def remove(self, connection: "ChargePointConnection") -> None:
        """A session has ended; end with ``forget``. A newer one of the same identity stays."""
        if self._by_session.pop(connection.session_id, None) is not None:
            self._leaving[connection.session_id] = connection
        if self._by_identity.get(connection.identity) is connection:
            del self._by_identity[connection.identity]
        if not self._by_session:
            self._is_empty.set()

    def forget(self, connection: "ChargePointConnection") -> None:
        """The backend knows that a session has ended."""
        self._leaving.pop(connection.session_id, None)

    def get(self, session_id: UUID) -> "ChargePointConnection | None":
        """A session, until the backend knows of its end."""
        return self._by_session.get(session_id) or self._leaving.get(session_id)

    def expect(self, session_id: UUID) -> None:
        """The backend is asked about this session. It may hold it for open before we know; end with ``settle``."""
        self._expected.add(session_id)

    def settle(self, session_id: UUID) -> None:
        """The handshake is over, one way or the other."""
        self._expected.discard(session_id)

    def session_ids(self) -> tuple[UUID, ...]:
        """All sessions that may rightly be open with the backend."""
        return tuple(self._expected.union(self._by_session))

    async def wait_empty(self) -> None:
        """Return when the last session has ended."""
        await self._is_empty.wait()
