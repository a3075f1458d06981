"""UUIDs that begin with a time: a unique index over them is written to at its end.

Random ones go anywhere into it: once it is larger than memory, every row reads, and writes back, a page of its own.
"""

from uuid import UUID

RANDOM_BITS = 74
"""How many bits of a version 7 UUID are left to chance: 12 before its variant, 62 behind."""

_TAIL_BITS = 62
_VERSION = 7 << 76
_VARIANT = 2 << 62


def uuid7(at: float, chance: int) -> UUID:
    """The version 7 UUID (RFC 9562 §5.7) of a time, in seconds since 1970, and ``RANDOM_BITS`` random bits."""
    head, tail = chance >> _TAIL_BITS, chance & ((1 << _TAIL_BITS) - 1)
    return UUID(int=_milliseconds(at) << 80 | _VERSION | head << 64 | _VARIANT | tail)


def put_time_first(at: float, digest: bytes) -> UUID:
    """A digest of sixteen bytes whose first six give way to a time, in seconds since 1970; of any time, even of one
    before: the same comes out of the same."""
    return UUID(int=_milliseconds(at) << 80 | int.from_bytes(digest[6:]))


def _milliseconds(at: float) -> int:
    return int(at * 1000) & ((1 << 48) - 1)
