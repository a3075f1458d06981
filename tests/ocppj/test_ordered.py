"""UUIDs that begin with a time."""

from datetime import UTC, datetime
from random import Random
from uuid import RFC_4122, UUID

import pytest

from ocppj.ordered import RANDOM_BITS, put_time_first, uuid7

DIGEST = bytes(range(16))


def test_version_7_of_rfc_9562():
    """The example of its appendix A.6."""
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC).timestamp()

    found = uuid7(at, 0xCC3 << 62 | 0x18C4DC0C0C07398F)

    assert found == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert (found.version, found.variant) == (7, RFC_4122)


@pytest.mark.parametrize("chance", [0, (1 << RANDOM_BITS) - 1])
def test_whatever_chance_says_the_version_and_the_time_stay(chance: int):
    found = uuid7(1_700_000_000.123, chance)

    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == 1_700_000_000_123


def test_ids_are_in_the_order_of_their_times():
    random = Random(1)
    found = [uuid7(1_700_000_000 + number / 1000, random.getrandbits(RANDOM_BITS)) for number in range(1000)]

    assert found == sorted(found)
    assert len({uuid7(0, random.getrandbits(RANDOM_BITS)) for _ in range(1000)}) == 1000


def test_a_digest_keeps_its_last_ten_bytes_behind_the_time():
    assert put_time_first(1_700_000_000.123, DIGEST).bytes == (1_700_000_000_123).to_bytes(6) + DIGEST[6:]


@pytest.mark.parametrize("year", [1, 1969, 1970, 9999])
def test_any_time_can_be_put_first(year: int):
    at = datetime(year, 1, 2, tzinfo=UTC).timestamp()

    assert put_time_first(at, DIGEST) == put_time_first(at, DIGEST) != put_time_first(at + 1, DIGEST)
