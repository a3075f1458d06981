"""Local authorization lists: what a charge point has is what it accepted, and what is missing is sent."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app import local_lists, upkeep
from ocpp_app.commands import issue_command
from ocpp_app.models import (
    ChargePointGroup,
    Command,
    IdTag,
    ListSelection,
    ListState,
    LocalList,
    Organisation,
)
from ocpp_app.outbound import raw_call
from ocppj.v16 import (
    AuthorizationData,
    AuthorizationStatus,
    GetConfigurationRequest,
    IdTagInfo,
    SendLocalListRequest,
    UpdateType,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.tag_upkeep import keep_lists_and_caches
from tests.ocpp_app.wire import Wire

pytestmark = pytest.mark.django_db

ACCEPTED = '{"status":"Accepted"}'


@pytest.fixture(autouse=True)
def _tags(db: None) -> None:
    IdTag.objects.all().delete()
    for number in range(3):
        IdTag.objects.create(id_tag=f"TAG{number}")


def list_of(wire: Wire) -> LocalList:
    return LocalList.objects.get(charge_point=wire.charge_point)


def has(wire: Wire) -> dict[str, str]:
    """What we believe the charge point has: the status of each idTag."""
    return dict(list_of(wire).entries.values_list("id_tag", "status"))


def newest(wire: Wire) -> Command:
    return Command.objects.filter(charge_point=wire.charge_point).latest("created_at")


def sent(wire: Wire) -> tuple[str, dict[str, Any]]:
    """The action and payload of the newest command."""
    action, payload = json.loads(raw_call(newest(wire)))[2:]
    return action, payload


def tags_in(payload: dict[str, Any]) -> dict[str, str | None]:
    """The idTags of an update, each with its status; None: it is to be deleted."""
    listed = payload["localAuthorizationList"]
    return {one["idTag"]: one.get("idTagInfo", {}).get("status") for one in listed}


def answer(wire: Wire, payload: str = ACCEPTED, **fields: Any) -> None:
    """The charge point's answer to the newest command."""
    assert wire.call(f'[3,"{newest(wire).pk}",{payload}]', **fields) is None


def refuse(wire: Wire, code: str) -> None:
    assert wire.call(f'[4,"{newest(wire).pk}","{code}","No.",{{}}]') is None


def commands(wire: Wire) -> int:
    return Command.objects.filter(charge_point=wire.charge_point).count()


def pass_time(wire: Wire, **fields: Any) -> None:
    """What was to wait is due now."""
    LocalList.objects.filter(charge_point=wire.charge_point).update(retry_at=timezone.now(), **fields)


def keep(wire: Wire, selection: ListSelection = ListSelection.ALL, **options: Any) -> None:
    local_lists.keep_local_list(wire.identity, selection, **options)
    keep_lists_and_caches()


def in_sync(wire: Wire, version: int = 0) -> None:
    """A charge point whose list is as it is to be."""
    keep(wire)
    answer(wire, f'{{"listVersion":{version}}}')
    while sent(wire)[0] == "SendLocalList" and newest(wire).state != "answered":
        answer(wire)
    assert list_of(wire).state == ListState.IN_SYNC


def say_limits(wire: Wire, **limits: Any) -> None:
    """What the charge point has said of itself in GetConfiguration.conf."""
    listed = [{"key": name, "readonly": True, "value": str(value)} for name, value in limits.items()]
    command = issue_command(wire.identity, GetConfigurationRequest(key=list(limits)))
    assert wire.call(f'[3,"{command.pk}",{json.dumps({"configurationKey": listed})}]') is None
    command.delete()


# -- the first time ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "3.5.2")
def test_version_is_asked_for_and_then_the_full_list_is_sent_with_a_higher_one(wire: Wire) -> None:
    keep(wire)
    assert sent(wire) == ("GetLocalListVersion", {})
    answer(wire, '{"listVersion":41}')
    action, payload = sent(wire)
    assert (action, payload["updateType"], payload["listVersion"]) == ("SendLocalList", "Full", 42)
    assert tags_in(payload) == dict.fromkeys(("TAG0", "TAG1", "TAG2"), "Accepted")
    assert has(wire) == {}
    answer(wire)
    row = list_of(wire)
    assert has(wire) == dict.fromkeys(("TAG0", "TAG1", "TAG2"), "Accepted")
    assert (row.state, row.version, row.reported_version) == (ListState.IN_SYNC, 42, 41)
    keep_lists_and_caches()
    assert commands(wire) == 2


@pytest.mark.spec("OCPP 1.6", "9.2.3")
def test_long_list_is_sent_in_chunks_the_first_full_the_others_differential(wire: Wire) -> None:
    say_limits(wire, SendLocalListMaxLength=2)
    IdTag.objects.create(id_tag="TAG3")
    IdTag.objects.create(id_tag="TAG4")
    keep(wire)
    answer(wire, '{"listVersion":0}')
    seen = []
    for _chunk in range(3):
        payload = sent(wire)[1]
        seen.append((payload["updateType"], payload["listVersion"], sorted(tags_in(payload))))
        answer(wire)
    assert seen == [
        ("Full", 1, ["TAG0", "TAG1"]),
        ("Differential", 2, ["TAG2", "TAG3"]),
        ("Differential", 3, ["TAG4"]),
    ]
    assert (len(has(wire)), list_of(wire).state, list_of(wire).version) == (5, ListState.IN_SYNC, 3)


def test_list_that_is_not_kept_is_left_alone(wire: Wire) -> None:
    keep(wire, ListSelection.OFF)
    assert commands(wire) == 0


def test_charge_point_that_is_not_connected_gets_its_list_when_it_is(connect: Connect) -> None:
    wire = connect()
    wire.close()
    keep(wire)
    assert commands(wire) == 0
    assert list_of(wire).state == ListState.PENDING
    again = connect()
    keep_lists_and_caches()
    assert sent(again)[0] == "GetLocalListVersion"


def test_so_many_lists_in_one_run_and_the_next_goes_on(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "AT_ONCE", 2)
    for number in range(5):
        local_lists.keep_local_list(connect(f"CP{number}").identity, ListSelection.ALL)
    counts = []
    for _run in range(4):
        keep_lists_and_caches()
        counts.append(Command.objects.filter(action="GetLocalListVersion").count())
    assert counts == [2, 4, 5, 5]


# -- which tags --------------------------------------------------------------------------------------------------------


def test_all_is_who_may_charge_here_and_who_is_blocked_or_expired_as_such(wire: Wire) -> None:
    group = ChargePointGroup.objects.create(name="Elsewhere")
    IdTag.objects.get(id_tag="TAG0").groups.add(group)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    IdTag.objects.filter(id_tag="TAG2").update(expires_at=timezone.now() - timedelta(days=1))
    IdTag.objects.create(id_tag="FOREIGN", organisation=Organisation.objects.create(name="Other", slug="other"))
    own = ChargePointGroup.objects.create(name="Own")
    own.charge_points.add(wire.charge_point)
    IdTag.objects.create(id_tag="HERE", parent=IdTag.objects.get(id_tag="TAG1")).groups.add(own, group)
    in_sync(wire)
    assert has(wire) == {"TAG1": "Blocked", "TAG2": "Expired", "HERE": "Accepted"}
    assert list_of(wire).entries.get(key="HERE").parent_id_tag == "TAG1"


def test_chosen_tags_are_those_and_no_others(wire: Wire) -> None:
    in_sync(wire)
    keep(wire, ListSelection.CHOSEN, tags=[IdTag.objects.get(id_tag="TAG1")])
    answer(wire)
    assert has(wire) == {"TAG1": "Accepted"}
    keep(wire, ListSelection.CHOSEN, tags=[])
    answer(wire)
    assert has(wire) == {}
    assert list_of(wire).state == ListState.IN_SYNC


def test_chosen_tag_of_another_organisation_is_refused(wire: Wire) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    with pytest.raises(ValueError, match="own organisation"):
        keep(wire, ListSelection.CHOSEN, tags=[IdTag.objects.create(id_tag="FOREIGN", organisation=other)])


@pytest.mark.spec("OCPP 1.6", "9.2.2")
def test_what_has_no_room_is_left_out_who_may_charge_comes_first(wire: Wire) -> None:
    say_limits(wire, LocalAuthListMaxLength=2)
    IdTag.objects.filter(id_tag="TAG0").update(is_blocked=True)
    in_sync(wire)
    assert sorted(has(wire)) == ["TAG1", "TAG2"]
    assert list_of(wire).omitted_count == 1


# -- changes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda tag: IdTag.objects.filter(pk=tag.pk).update(is_blocked=True), "Blocked", id="blocked"),
        pytest.param(
            lambda tag: IdTag.objects.filter(pk=tag.pk).update(expires_at=timezone.now() - timedelta(1)),
            "Expired",
            id="expired",
        ),
        pytest.param(lambda tag: tag.delete(), None, id="deleted"),
        pytest.param(
            lambda tag: IdTag.objects.filter(pk=tag.pk).update(parent=IdTag.objects.get(id_tag="TAG0")),
            "Accepted",
            id="parent",
        ),
    ],
)
def test_changed_tag_is_sent_alone_in_a_differential_update(change: Any, expected: str | None, wire: Wire) -> None:
    in_sync(wire)
    change(IdTag.objects.get(id_tag="TAG1"))
    keep_lists_and_caches()
    assert list_of(wire).state == ListState.PENDING
    payload = sent(wire)[1]
    assert (payload["updateType"], payload["listVersion"], tags_in(payload)) == ("Differential", 2, {"TAG1": expected})
    answer(wire)
    assert has(wire).get("TAG1") == expected
    assert list_of(wire).state == ListState.IN_SYNC


def test_changes_of_some_seconds_travel_together(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag__in=("TAG0", "TAG1")).update(is_blocked=True)
    IdTag.objects.create(id_tag="TAG9")
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before + 1
    assert len(tags_in(sent(wire)[1])) == 3


def test_change_while_an_update_is_under_way_follows_it(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG0").update(is_blocked=True)
    keep_lists_and_caches()
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before, "one update at a time"
    answer(wire)
    assert tags_in(sent(wire)[1]) == {"TAG1": "Blocked"}


def test_when_everything_changes_the_full_list_is_shorter(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.update(is_blocked=True)
    keep_lists_and_caches()
    assert sent(wire)[1]["updateType"] == "Full"


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["VersionMismatch", "Failed"])
@pytest.mark.spec("OCPP 1.6", "5.15")
def test_refused_differential_update_is_followed_by_a_full_one(status: str, wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()
    answer(wire, f'{{"status":"{status}"}}')
    if status == "VersionMismatch":  # somebody else has sent one with a higher version: which?
        assert sent(wire)[0] == "GetLocalListVersion"
        answer(wire, '{"listVersion":900}')
    payload = sent(wire)[1]
    assert payload["updateType"] == "Full"
    assert payload["listVersion"] == (901 if status == "VersionMismatch" else 3)
    answer(wire)
    assert has(wire)["TAG1"] == "Blocked"
    assert list_of(wire).state == ListState.IN_SYNC


def test_version_mismatch_is_followed_by_a_full_list_even_if_the_version_is_ours(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()
    answer(wire, '{"status":"VersionMismatch"}')
    answer(wire, '{"listVersion":1}')
    assert (sent(wire)[1]["updateType"], sent(wire)[1]["listVersion"]) == ("Full", 3)


def test_failed_full_update_changes_nothing_and_is_tried_again_later_with_less(wire: Wire) -> None:
    IdTag.objects.bulk_create(
        IdTag(id_tag=f"CARD{n}", key=f"CARD{n}", organisation=Organisation.default()) for n in range(60)
    )
    keep(wire)
    answer(wire, '{"listVersion":0}')
    assert len(tags_in(sent(wire)[1])) == 50
    answer(wire, '{"status":"Failed"}')
    row = list_of(wire)
    assert (row.state, row.detail, row.version, has(wire)) == (ListState.FAILED, "Failed", 0, {})
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before, "not at once"
    pass_time(wire)
    keep_lists_and_caches()
    assert len(tags_in(sent(wire)[1])) == 25


def test_failed_update_is_tried_at_once_when_the_tags_change(wire: Wire) -> None:
    keep(wire)
    answer(wire, '{"listVersion":0}')
    answer(wire, '{"status":"Failed"}')
    IdTag.objects.create(id_tag="TAG9")
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before + 1


@pytest.mark.parametrize(
    ("version", "say"),
    [
        pytest.param(None, lambda wire: answer(wire, '{"listVersion":-1}'), id="version -1"),
        pytest.param(None, lambda wire: refuse(wire, "NotImplemented"), id="GetLocalListVersion not implemented"),
        pytest.param(0, lambda wire: answer(wire, '{"status":"NotSupported"}'), id="status"),
        pytest.param(0, lambda wire: refuse(wire, "NotSupported"), id="CALLERROR"),
    ],
)
@pytest.mark.spec("OCPP 1.6", "5.10")
def test_charge_point_without_a_list_is_left_alone_until_somebody_asks(
    version: int | None, say: Any, wire: Wire
) -> None:
    keep(wire)
    if version is not None:
        answer(wire, f'{{"listVersion":{version}}}')
    say(wire)
    assert list_of(wire).state == ListState.NOT_SUPPORTED
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before
    local_lists.send_again(list_of(wire))
    keep_lists_and_caches()
    assert sent(wire)[0] == "GetLocalListVersion"


@pytest.mark.spec("OCPP 1.6", "3.5.2")
def test_charge_point_without_a_list_is_asked_again_when_it_has_booted(wire: Wire) -> None:
    keep(wire)
    answer(wire, '{"listVersion":-1}')
    wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    keep_lists_and_caches()
    assert sent(wire)[0] == "GetLocalListVersion"
    answer(wire, '{"listVersion":0}')  # LocalAuthListEnabled was switched on
    assert sent(wire)[0] == "SendLocalList"


def test_full_update_with_a_version_mismatch_does_not_go_round_in_circles(wire: Wire) -> None:
    keep(wire)
    answer(wire, '{"listVersion":5}')
    answer(wire, '{"status":"VersionMismatch"}')
    assert sent(wire)[0] == "GetLocalListVersion"
    answer(wire, '{"listVersion":5}')
    assert newest(wire).state == "answered", "nothing more for now"
    assert list_of(wire).state == ListState.FAILED


@pytest.mark.parametrize(("reported", "is_applied"), [(2, True), (1, False)])
def test_after_an_unanswered_update_the_version_says_whether_it_was_applied(
    reported: int, is_applied: bool, wire: Wire
) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()
    wire.tell(str(newest(wire).pk), "sent")
    wire.tell(str(newest(wire).pk), "timed_out")
    before = commands(wire)
    keep_lists_and_caches()
    assert commands(wire) == before, "gently"
    pass_time(wire)
    keep_lists_and_caches()
    assert sent(wire)[0] == "GetLocalListVersion"
    answer(wire, f'{{"listVersion":{reported}}}')
    assert has(wire)["TAG1"] == ("Blocked" if is_applied else "Accepted")
    if not is_applied:
        assert (sent(wire)[1]["listVersion"], tags_in(sent(wire)[1])) == (3, {"TAG1": "Blocked"})
        answer(wire)
    assert list_of(wire).state == ListState.IN_SYNC


def test_late_answer_to_an_update_counts(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()
    wire.tell(str(newest(wire).pk), "sent")
    wire.tell(str(newest(wire).pk), "timed_out")
    answer(wire, late=True)
    assert has(wire)["TAG1"] == "Blocked"
    assert (list_of(wire).state, list_of(wire).version) == (ListState.IN_SYNC, 2)


def test_version_that_is_not_ours_means_that_the_whole_list_is_sent(wire: Wire) -> None:
    in_sync(wire)
    wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    keep_lists_and_caches()
    assert sent(wire)[0] == "GetLocalListVersion"
    answer(wire, '{"listVersion":77}')
    assert has(wire) == {}, "nobody knows what it has"
    assert (sent(wire)[1]["updateType"], sent(wire)[1]["listVersion"]) == ("Full", 78)


def test_same_version_after_a_boot_costs_one_question(wire: Wire) -> None:
    in_sync(wire)
    wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    before = commands(wire)
    keep_lists_and_caches()
    answer(wire, '{"listVersion":1}')
    keep_lists_and_caches()
    assert commands(wire) == before + 1
    assert list_of(wire).state == ListState.IN_SYNC


def test_version_numbers_begin_anew_with_a_full_list_after_the_highest(wire: Wire) -> None:
    in_sync(wire, version=2**31 - 2)
    assert list_of(wire).version == 2**31 - 1
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    keep_lists_and_caches()
    assert (sent(wire)[1]["updateType"], sent(wire)[1]["listVersion"]) == ("Full", 1)
    answer(wire)
    IdTag.objects.filter(id_tag="TAG2").update(is_blocked=True)
    keep_lists_and_caches()
    assert (sent(wire)[1]["updateType"], sent(wire)[1]["listVersion"]) == ("Differential", 2)


def test_list_that_somebody_sends_by_hand_is_known_as_well(wire: Wire) -> None:
    entry = AuthorizationData(id_tag="HAND", id_tag_info=IdTagInfo(status=AuthorizationStatus.Accepted))
    message = SendLocalListRequest(list_version=9, update_type=UpdateType.Full, local_authorization_list=[entry])
    issue_command("CP001", message)
    answer(wire)
    assert (has(wire), list_of(wire).version) == ({"HAND": "Accepted"}, 9)
    assert commands(wire) == 1, "nobody has asked us to keep it"


def test_comparison_shows_both_sides(wire: Wire) -> None:
    in_sync(wire)
    IdTag.objects.filter(id_tag="TAG1").update(is_blocked=True)
    IdTag.objects.filter(id_tag="TAG2").delete()
    found = {key: (has and has.status, goal and goal.status) for key, has, goal in local_lists.compare(list_of(wire))}
    assert found == {"TAG1": ("Accepted", "Blocked"), "TAG2": ("Accepted", None)}
