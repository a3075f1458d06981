"""An idTag that loses a right costs the charge points that may still remember it a ClearCache, and no others."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app import authorization_caches, local_lists
from ocpp_app.models import (
    AuthorizationCache,
    ChargePointGroup,
    Command,
    IdTag,
    ListSelection,
    Organisation,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.tag_upkeep import keep_lists_and_caches
from tests.ocpp_app.test_local_lists import answer, newest, refuse, say_limits
from tests.ocpp_app.wire import Wire

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _known_tags(tag: IdTag, wire: Wire) -> None:
    """TAG1 is as charge points were told."""
    IdTag.objects.create(id_tag="FAMILY")
    IdTag.objects.filter(pk=tag.pk).update(expires_at=timezone.now() + timedelta(days=30))
    keep_lists_and_caches()
    assert cleared(wire) == 0


def cleared(wire: Wire) -> int:
    """How many ClearCache.req the charge point was sent."""
    return Command.objects.filter(charge_point=wire.charge_point, action="ClearCache").count()


def cache_of(wire: Wire) -> AuthorizationCache:
    return AuthorizationCache.objects.get(charge_point=wire.charge_point)


def block() -> None:
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()


def change(**values: Any) -> Callable[[IdTag], Any]:
    return lambda tag: IdTag.objects.filter(pk=tag.pk).update(**values)


def group(tag: IdTag) -> None:
    tag.groups.add(ChargePointGroup.objects.create(name="Only here"))


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        pytest.param(change(is_blocked=True), 1, id="blocked"),
        pytest.param(change(expires_at=timezone.now()), 1, id="ends earlier"),
        pytest.param(lambda tag: tag.delete(), 1, id="deleted"),
        pytest.param(lambda tag: change(parent=IdTag.objects.get(id_tag="FAMILY"))(tag), 1, id="another parent"),
        pytest.param(change(id_tag="TAG2", key="TAG2"), 1, id="renamed"),
        pytest.param(group, 1, id="only for a group"),
        pytest.param(change(expires_at=None), 0, id="ends never"),
        pytest.param(change(note="Lost?", concurrent_limit=3), 0, id="a note"),
        pytest.param(lambda tag: IdTag.objects.create(id_tag="NEW", is_blocked=True), 0, id="a new one"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "5.4")
def test_cache_is_cleared_when_an_idtag_loses_a_right(act: Any, expected: int, wire: Wire, tag: IdTag) -> None:
    act(tag)
    for _repetition in range(2):
        keep_lists_and_caches()
    assert cleared(wire) == expected


def test_tag_that_becomes_free_of_groups_or_unblocked_costs_nothing(wire: Wire, tag: IdTag) -> None:
    group(tag)
    keep_lists_and_caches()
    answer(wire)
    tag.groups.clear()
    keep_lists_and_caches()
    assert cleared(wire) == 1
    IdTag.objects.filter(pk=tag.pk).update(is_blocked=True)
    keep_lists_and_caches()
    answer(wire)
    IdTag.objects.filter(pk=tag.pk).update(is_blocked=False)
    keep_lists_and_caches()
    assert cleared(wire) == 2


def test_tag_of_another_organisation_costs_nothing(wire: Wire) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    foreign = IdTag.objects.create(id_tag="FOREIGN", organisation=other)
    keep_lists_and_caches()
    IdTag.objects.filter(pk=foreign.pk).update(is_blocked=True)
    keep_lists_and_caches()
    assert cleared(wire) == 0


def test_answer_is_kept(wire: Wire) -> None:
    block()
    assert cache_of(wire).outdated_at is not None
    answer(wire)
    row = cache_of(wire)
    assert (row.status, row.outdated_at, row.command) == ("Accepted", None, newest(wire))
    assert row.cleared_at is not None


@pytest.mark.spec("OCPP 1.6", "errata 3.23")
@pytest.mark.parametrize(
    "say", [lambda wire: answer(wire, '{"status":"Rejected"}'), lambda wire: refuse(wire, "NotSupported")]
)
def test_charge_point_that_has_no_cache_is_not_asked_again(say: Any, wire: Wire) -> None:
    block()
    say(wire)
    row = cache_of(wire)
    assert (row.outdated_at, row.cleared_at) == (None, None)
    IdTag.objects.filter(id_tag="FAMILY").update(is_blocked=True)
    keep_lists_and_caches()
    assert cleared(wire) == 1


def test_charge_point_that_says_it_has_no_cache_is_not_asked(wire: Wire) -> None:
    say_limits(wire, AuthorizationCacheEnabled="false")
    block()
    assert cleared(wire) == 0


def test_charge_point_that_is_not_connected_is_asked_when_it_is(connect: Connect, wire: Wire) -> None:
    wire.close()
    block()
    assert cleared(wire) == 0
    again = connect()
    keep_lists_and_caches()
    assert cleared(again) == 1


def test_unanswered_request_is_repeated_later(wire: Wire) -> None:
    block()
    wire.tell(str(newest(wire).pk), "sent")
    wire.tell(str(newest(wire).pk), "timed_out")
    keep_lists_and_caches()
    assert cleared(wire) == 1
    AuthorizationCache.objects.update(retry_at=timezone.now())
    keep_lists_and_caches()
    assert cleared(wire) == 2


def test_right_lost_while_the_cache_is_being_cleared_costs_another_request(wire: Wire) -> None:
    block()
    IdTag.objects.filter(id_tag="FAMILY").update(is_blocked=True)
    first = newest(wire)
    keep_lists_and_caches()
    assert wire.call(f'[3,"{first.pk}",{{"status":"Accepted"}}]') is None
    keep_lists_and_caches()
    assert cleared(wire) == 2


@pytest.mark.spec("OCPP 1.6", "3.5.3")
def test_tag_on_the_local_list_is_blocked_there_and_the_cache_left_alone(wire: Wire) -> None:
    local_lists.keep_local_list("CP001", ListSelection.ALL)
    keep_lists_and_caches()
    answer(wire, '{"listVersion":0}')
    answer(wire)
    block()
    assert cleared(wire) == 0
    assert newest(wire).action == "SendLocalList"
    say_limits(wire, LocalAuthListEnabled="false")
    answer(wire)
    IdTag.objects.filter(id_tag="FAMILY").update(is_blocked=True)
    keep_lists_and_caches()
    assert cleared(wire) == 1, "the list is switched off"


def test_setting_switches_it_off(wire: Wire, settings: Any) -> None:
    settings.OCPP_CLEAR_CACHE = False
    block()
    assert cleared(wire) == 0


def test_imported_tags_are_remembered_some_at_a_time(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorization_caches, "NEW_AT_ONCE", 10)
    IdTag.objects.bulk_create(IdTag(id_tag=f"NEW{number}", key=f"NEW{number}") for number in range(25))
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    runs = [keep_lists_and_caches() for _run in range(3)]
    assert runs == [True, True, False]
    assert not IdTag.objects.filter(told=None).exists()
    assert cleared(wire) == 1
