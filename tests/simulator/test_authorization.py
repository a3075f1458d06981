"""The local authorization list and the cache (OCPP 1.6 §3.5, §5.15)."""

from datetime import timedelta

import pytest

from ocppj.v16 import AuthorizationData, AuthorizationStatus, IdTagInfo, UpdateStatus, UpdateType
from simulator.authorization import CACHE_SIZE, Cache, LocalList, is_accepted
from tests.simulator.wire import START

ACCEPTED = IdTagInfo(status=AuthorizationStatus.Accepted)
BLOCKED = IdTagInfo(status=AuthorizationStatus.Blocked)


def entry(id_tag: str, info: IdTagInfo | None = ACCEPTED) -> AuthorizationData:
    return AuthorizationData(id_tag=id_tag, id_tag_info=info)


def test_full_update_replaces_and_differential_update_changes():
    one = LocalList(max_length=10)

    assert one.update(UpdateType.Full, 3, [entry("A"), entry("B")]) == UpdateStatus.Accepted
    assert one.update(UpdateType.Differential, 4, [entry("B", None), entry("C", BLOCKED)]) == UpdateStatus.Accepted

    assert (one.version, set(one.entries)) == (4, {"a", "c"})
    assert one.get("c").status == AuthorizationStatus.Blocked
    assert one.update(UpdateType.Full, 2, [entry("D")]) == UpdateStatus.Accepted
    assert (one.version, set(one.entries)) == (2, {"d"})


@pytest.mark.spec("OCPP 1.6", "7.47")
@pytest.mark.parametrize("version", [3, 2])
def test_differential_update_to_the_same_or_an_older_version_is_a_mismatch(version):
    one = LocalList(max_length=10)
    one.update(UpdateType.Full, 3, [entry("A")])

    assert one.update(UpdateType.Differential, version, [entry("B")]) == UpdateStatus.VersionMismatch
    assert set(one.entries) == {"a"}


@pytest.mark.parametrize(
    ("update_type", "version", "entries"),
    [
        (UpdateType.Full, 1, [entry("A"), entry("a")]),
        (UpdateType.Full, 1, [entry("A", None)]),
        (UpdateType.Full, 0, [entry("A")]),
        (UpdateType.Full, 1, [entry(f"T{number}") for number in range(11)]),
    ],
    ids=["same tag twice", "full without idTagInfo", "version 0 (errata 3.52)", "longer than LocalAuthListMaxLength"],
)
def test_an_update_that_fails_leaves_the_list_as_it_is(update_type, version, entries):
    one = LocalList(max_length=10)
    one.update(UpdateType.Full, 5, [entry("Z")])

    assert one.update(update_type, version, entries) == UpdateStatus.Failed
    assert (one.version, set(one.entries)) == (5, {"z"})


@pytest.mark.spec("OCPP 1.6", "5.10")
def test_version_of_an_empty_list_is_0():
    one = LocalList(max_length=10)
    assert one.reported_version == 0
    one.update(UpdateType.Full, 7, [entry("A")])
    assert one.reported_version == 7
    one.update(UpdateType.Full, 8, [])
    assert one.reported_version == 0


def test_an_expired_entry_is_not_accepted():
    info = IdTagInfo(status=AuthorizationStatus.Accepted, expiry_date=START)

    assert is_accepted(info, START - timedelta(seconds=1))
    assert not is_accepted(info, START)


@pytest.mark.spec("OCPP 1.6", "3.5.1")
def test_a_full_cache_forgets_a_rejected_tag_first_and_then_the_oldest():
    cache = Cache()
    for number in range(CACHE_SIZE - 1):
        cache.put(f"T{number}", ACCEPTED)
    cache.put("BAD", BLOCKED)

    cache.put("NEW1", ACCEPTED)
    assert (cache.get("bad"), cache.get("t0")) == (None, ACCEPTED)
    cache.put("NEW2", ACCEPTED)
    assert (cache.get("T0"), cache.get("new2"), len(cache)) == (None, ACCEPTED, CACHE_SIZE)
