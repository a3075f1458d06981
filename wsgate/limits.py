"""How much of the gateway one peer may have, and what happens at the limit. Pure but for the log: times are arguments.

Every limit has an option (``wsgate.config``), a counter (/metrics), a log line, and an ``Incident`` that the backend
hears of with the next announcement.
"""

import hashlib
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ocppj.envelope import Incident
from wsgate.errors import HandshakeRefused
from wsgate.origin import key_of

logger = logging.getLogger(__name__)

CONNECTIONS_PER_ADDRESS = "connections_per_address"
PENDING_HANDSHAKES = "pending_handshakes"
SLOW_HANDSHAKE = "slow_handshake"
TLS_FAILED = "tls_failed"
FAILED_ATTEMPTS = "failed_attempts"
FRAME_RATE = "frame_rate"
BYTE_RATE = "byte_rate"
FRAME_SIZE = "frame_size"
INBOUND_QUEUE = "inbound_queue"
KINDS = {
    CONNECTIONS_PER_ADDRESS: "Refused: too many connections of one address. A proxy belongs into --trusted-proxies",
    PENDING_HANDSHAKES: "Dropped: too many sockets that send no request, and most of them from here",
    SLOW_HANDSHAKE: "Dropped: no complete request in time",
    TLS_FAILED: "Dropped: the TLS handshake failed",
    FAILED_ATTEMPTS: "Refused with 429: too many failed attempts",
    FRAME_RATE: "Slowed down: too many frames",
    BYTE_RATE: "Slowed down: too many bytes",
    FRAME_SIZE: "Closed with 1009: too large a frame",
    INBOUND_QUEUE: "Not read: too many CALLs wait for their turn",
}
"""What can happen, as the log says it."""

LOG_AGAIN_AFTER_S = 60.0
"""One line for each kind and address in so long, and at its end the number of the others: a flood must not fill the
disk …"""
MAX_NAMED = 100
"""… nor one from everywhere: so many lines, and then the others are counted together."""
MAX_TOLD = 50
"""Incidents in one announcement; the rest is summed up by kind."""
MAX_REMEMBERED = 10_000
"""Addresses or identities remembered at once; the longest unused are forgotten, which is to their favour."""

Key = TypeVar("Key", bound=Hashable)


class Bucket:
    """A token bucket: ``rate`` per second, ``burst`` at once."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = burst, now

    def take(self, amount: float, now: float) -> float:
        """Take out so much, into debt if need be; returns the seconds until the debt is paid, 0 without one."""
        self._fill(now)
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def is_empty(self, now: float) -> bool:
        self._fill(now)
        return self._level < 1

    def _fill(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now


class Buckets(Generic[Key]):
    """A bucket for each key; takes no more than there is in them."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()

    def take(self, key: Key, now: float) -> bool:
        """Take one; False when there is none left."""
        bucket = self._buckets.setdefault(key, Bucket(self._rate, self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.is_empty(now):
            return False
        bucket.take(1, now)
        return True

    def is_empty(self, key: Key, now: float) -> bool:
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.is_empty(now)


@dataclass(slots=True)
class _Interval:
    """The time after a line in which others like it are only counted."""

    began_at: float
    level: int
    left_out: int = 0


class Lines:
    """Log lines of what strangers can cause as often as they like."""

    def __init__(self) -> None:
        self._intervals: OrderedDict[tuple[str, str], _Interval] = OrderedDict()

    def write(self, level: int, kind: str, detail: str, address: str, now: float, identity: str = "") -> None:
        """Write this one, unless there was one of this kind from this address a short time ago."""
        self.sum_up(now)
        key = (kind, key_of(address))
        if key not in self._intervals and len(self._intervals) >= MAX_NAMED:
            key = (kind, "")
        if key in self._intervals:
            self._intervals[key].left_out += 1
            return
        self._intervals[key] = _Interval(now, level)
        fields = {"remote_address": address, "charge_point": identity}
        logger.log(level, "%s%s", kind, f": {detail}" if detail else "", extra=fields)

    def sum_up(self, now: float) -> None:
        """Say how many were left out, where the time is over. Call it every few seconds: a flood may have ended."""
        while self._intervals:
            (kind, address), interval = next(iter(self._intervals.items()))
            if now - interval.began_at < LOG_AGAIN_AFTER_S:
                break
            del self._intervals[kind, address]
            if interval.left_out:
                text = "%s: %d more in a minute%s"
                whose = "" if address else ", from many addresses"
                logger.log(interval.level, text, kind, interval.left_out, whose, extra={"remote_address": address})


class Incidents:
    """What the limits have caught: counted for ever, told to the backend once, logged now and then."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self._untold: Counter[tuple[str, str, str]] = Counter()
        self.lines = Lines()

    def note(self, kind: str, address: str, now: float, identity: str = "", detail: str = "") -> None:
        self.totals[kind] += 1
        key = (kind, address, identity)
        if key not in self._untold and len(self._untold) >= MAX_REMEMBERED:
            key = (kind, "", "")
        self._untold[key] += 1
        self.lines.write(logging.WARNING, KINDS[kind], detail, address, now, identity)

    def refused(self, why: HandshakeRefused, address: str, now: float) -> None:
        """Not counted here: a line for each status and address."""
        self.lines.write(logging.INFO, f"Handshake refused with {why.status}", why.text, address, now)

    def take(self) -> tuple[Incident, ...]:
        """What happened since the last call, the most frequent first."""
        untold, self._untold = self._untold, Counter()
        named = untold.most_common()
        rest: Counter[str] = Counter()
        for (kind, _, _), count in named[MAX_TOLD:]:
            rest[kind] += count
        told = [Incident(kind, address, identity, count) for (kind, address, identity), count in named[:MAX_TOLD]]
        return (*told, *(Incident(kind, "", "", count) for kind, count in rest.items()))

    def give_back(self, incidents: tuple[Incident, ...]) -> None:
        """These were not told after all."""
        for incident in incidents:
            self._untold[incident.kind, incident.address, incident.identity] += incident.count


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody at this address says that he is this charge point."""

    address: str
    identity: str
    password: bytes | None = None
    certificate: str = ""
    """A name for the client certificate that TLS has verified; empty without one."""

    @property
    def source(self) -> str:
        """Who takes turns with others: the certificate's owner, else whoever is at the address."""
        return self.certificate or self.address


class Attempts:
    """Failed attempts to get in, by address, identity and certificate. They decide what a failure is answered with,
    and whether attempts wait for their turn (``wsgate.turns``); none of them keeps out who has the right password."""

    def __init__(self, per_minute: float) -> None:
        rate, burst = per_minute / 60, max(1.0, per_minute)
        self._by_address: Buckets[str] = Buckets(rate, burst)
        self._by_identity: Buckets[str] = Buckets(rate, burst)
        self._by_certificate: Buckets[tuple[str, str]] = Buckets(rate, burst)
        self._proven: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._secret = secrets.token_bytes(16)

    def is_suspect(self, attempt: Attempt, now: float) -> bool:
        """Whether it waits for its turn: the identity is being guessed at.

        Not with the password that was right the last time at this address. Nor with a certificate, which nobody can
        guess, unless it is this certificate that has failed too often: its owner may guess passwords of others.
        """
        if attempt.certificate:
            return self._by_certificate.is_empty((attempt.certificate, attempt.identity), now)
        if not self._by_identity.is_empty(attempt.identity, now):
            return False
        proven = self._proven.get((attempt.address, attempt.identity))
        return attempt.password is None or proven != self._digest(attempt.password)

    def succeeded(self, attempt: Attempt) -> None:
        if attempt.password is not None:
            key = (attempt.address, attempt.identity)
            self._proven[key] = self._digest(attempt.password)
            self._proven.move_to_end(key)
            if len(self._proven) > MAX_REMEMBERED:
                self._proven.popitem(last=False)

    def failed(self, attempt: Attempt, now: float) -> bool:
        """Note a failure; True when there were too many."""
        left = [self._by_address.take(attempt.address, now), self._by_identity.take(attempt.identity, now)]
        if attempt.certificate:
            left.append(self._by_certificate.take((attempt.certificate, attempt.identity), now))
        return not all(left)

    def _digest(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._secret, digest_size=16).digest()
