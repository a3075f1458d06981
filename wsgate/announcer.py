"""Tells the backend every few seconds that this gateway lives, and which sessions it holds when that is in doubt."""

import asyncio
import contextlib
import math

from ocppj.envelope import Announce, AnnounceReply, Reply, Request
from wsgate.config import Config
from wsgate.limits import Incidents
from wsgate.registry import Registry
from wsgate.relay import Relay, new_id, wall_clock


class Announcer:
    """The owner of all ``Announce`` requests. A new one replaces one that was not answered."""

    def __init__(self, config: Config, relay: Relay, registry: Registry, incidents: Incidents) -> None:
        self._config = config
        self._relay = relay
        self._registry = registry
        self._incidents = incidents
        self._owes_sessions = True
        self._last: Announce | None = None
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Announce at each new connection to the broker and at the interval, until cancelled."""
        reconnected = self._relay.reconnected
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.announce_interval_s):
                    await reconnected.wait()
                    reconnected.clear()
                    self._owes_sessions = True
            self._announce()

    async def leave(self) -> None:
        """The last announcement; returns when the backend has noted it."""
        self._answered.clear()
        self._announce(leaving=True)
        await self._answered.wait()

    def _announce(self, *, leaving: bool = False) -> None:
        self._incidents.lines.sum_up(math.inf if leaving else asyncio.get_running_loop().time())
        if self._last is not None:
            self._relay.withdraw(self._last.relay_id)
            self._incidents.give_back(self._last.incidents)
        sessions = self._registry.session_ids() if self._owes_sessions else None
        self._last = Announce(new_id(), wall_clock(), len(self._registry), sessions, leaving, self._incidents.take())
        self._relay.submit(self._last, self)

    def replied(self, request: Request, reply: Reply | None) -> None:
        if isinstance(reply, AnnounceReply):
            self._owes_sessions = reply.resend_sessions
            self._last = None
            self._answered.set()

    def held_too_long(self, request: Request) -> None:
        """The next one replaces it."""
