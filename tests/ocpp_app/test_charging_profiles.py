"""Charging profiles: what is installed where is what the charge point has accepted and not lost since."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from ocpp_app import upkeep
from ocpp_app.charging_profiles import assign, clear_profiles, for_remote_start, send_profile, unassign
from ocpp_app.commands import issue_command
from ocpp_app.errors import ChargePointOffline, ProfileNotSendable
from ocpp_app.models import (
    ChargePointGroup,
    ChargingProfile,
    Command,
    CompositeSchedule,
    Organisation,
    ProfileInstallation,
    ProfilePurpose,
    Transaction,
)
from ocppj.v16 import GetCompositeScheduleRequest, RemoteStartTransactionRequest
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_local_lists import answer, commands, newest, refuse, sent
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

START = datetime(2025, 1, 1, tzinfo=UTC)


def make_profile(purpose: str = "TxDefaultProfile", limit: str = "16", **fields: Any) -> ChargingProfile:
    values = {"description": "Night", "kind": "Absolute", "start_schedule": START, **fields}
    profile = ChargingProfile.objects.create(purpose=purpose, **values)
    profile.periods.create(start_period_s=0, limit=limit)
    profile.periods.create(start_period_s=3600, limit="8.5", number_phases=1)
    return profile


def installed(wire: Wire) -> set[tuple[int, int | None]]:
    """The profiles that the charge point has: chargingProfileId and connector."""
    rows = ProfileInstallation.objects.filter(charge_point=wire.charge_point).installed()
    return set(rows.values_list("profile_id", "connector_number"))


def start(wire: Wire, connector: int = 1) -> Charging:
    timestamp = timezone.now().isoformat().replace("+00:00", "Z")
    return Charging(wire, connector=connector).start(timestamp=timestamp)


def send(wire: Wire, profile: ChargingProfile, connector: int = 0, status: str = "Accepted") -> None:
    send_profile(profile, wire.identity, connector)
    answer(wire, f'{{"status":"{status}"}}')


# -- sending -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "7.8")
def test_profile_goes_out_with_its_own_id_and_is_installed_once_accepted(wire: Wire, admin_user: Any) -> None:
    profile = make_profile(
        kind="Recurring",
        recurrency_kind="Daily",
        stack_level=3,
        valid_to=START.replace(year=2040),
        duration_s=86_400,
        min_charging_rate=Decimal("6.0"),
    )
    command = send_profile(profile, "CP001", 2, requested_by=admin_user)
    assert installed(wire) == set()
    assert ProfileInstallation.objects.get().state == "requested"
    assert sent(wire) == (
        "SetChargingProfile",
        {
            "connectorId": 2,
            "csChargingProfiles": {
                "chargingProfileId": profile.pk,
                "stackLevel": 3,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Recurring",
                "recurrencyKind": "Daily",
                "validTo": "2040-01-01T00:00:00Z",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": 16},
                        {"startPeriod": 3600, "limit": 8.5, "numberPhases": 1},
                    ],
                    "duration": 86_400,
                    "startSchedule": "2025-01-01T00:00:00Z",
                    "minChargingRate": 6,
                },
            },
        },
    )
    answer(wire)
    assert installed(wire) == {(profile.pk, 2)}
    row = ProfileInstallation.objects.get()
    assert (row.charging_profile, row.answer, row.command, command.requested_by) == (
        profile,
        "Accepted",
        command,
        admin_user,
    )


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_refused_profile_is_not_installed_and_says_why(status: str, wire: Wire) -> None:
    send(wire, make_profile(), status=status)
    row = ProfileInstallation.objects.get()
    assert (installed(wire), row.state, row.answer) == (set(), "refused", status)


def test_error_keeps_what_was_installed_before(wire: Wire) -> None:
    profile = make_profile()
    send(wire, profile)
    before = ProfileInstallation.objects.get().payload
    profile.periods.filter(start_period_s=0).update(limit=32)
    send_profile(profile, "CP001", 0)
    refuse(wire, "PropertyConstraintViolation")
    row = ProfileInstallation.objects.get()
    assert (installed(wire), row.payload, row.answer) == ({(profile.pk, 0)}, before, "PropertyConstraintViolation")


def test_profile_for_a_charge_point_that_is_not_connected_leaves_nothing_behind(wire: Wire) -> None:
    wire.close()
    with pytest.raises(ChargePointOffline):
        send_profile(make_profile(), "CP001", 0)
    assert not ProfileInstallation.objects.exists()


# -- replaced and cleared ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        pytest.param({"connector": 1}, {"connector": 1}, {"second"}, id="same purpose, level and connector"),
        pytest.param({"connector": 0}, {"connector": 1}, {"first", "second"}, id="for one connector only"),
        pytest.param({"connector": 1}, {"connector": 1, "stack_level": 1}, {"first", "second"}, id="another level"),
        pytest.param(
            {"connector": 0}, {"connector": 0, "purpose": "ChargePointMaxProfile"}, {"first", "second"}, id="purpose"
        ),
    ],
)
@pytest.mark.spec("OCPP 1.6", "3.13.2")
def test_profile_replaces_that_of_its_place(first: Any, second: Any, left: set[str], wire: Wire) -> None:
    profiles = {}
    for name, fields in (("first", first), ("second", second)):
        connector = fields.pop("connector")
        profiles[name] = make_profile(**fields)
        send(wire, profiles[name], connector)
    assert {profile_id for profile_id, _connector in installed(wire)} == {profiles[name].pk for name in left}


@pytest.mark.spec("OCPP 1.6", "5.16.3")
def test_same_id_on_another_connector_moves_the_profile(wire: Wire) -> None:
    profile = make_profile()
    send(wire, profile, 1)
    send(wire, profile, 2)
    assert installed(wire) == {(profile.pk, 2)}


@pytest.mark.parametrize(
    ("named", "left"),
    [
        pytest.param({}, set(), id="all"),
        pytest.param({"connector": 1}, {"night0", "max"}, id="connector"),
        pytest.param({"purpose": ProfilePurpose.TX_DEFAULT}, {"max"}, id="purpose"),
        pytest.param({"purpose": ProfilePurpose.TX_DEFAULT, "connector": 0}, {"max", "night1"}, id="and"),
        pytest.param({"stack_level": 5}, {"night0", "night1"}, id="level"),
    ],
)
@pytest.mark.parametrize("status", ["Accepted", "Unknown"])
@pytest.mark.spec("OCPP 1.6", "errata 3.26")
def test_cleared_profiles_are_gone_and_unknown_ones_were_not_there(
    status: str, named: Any, left: set[str], wire: Wire
) -> None:
    profiles = {
        "max": make_profile("ChargePointMaxProfile", stack_level=5),
        "night0": make_profile(),
        "night1": make_profile(),
    }
    for name, connector in (("max", 0), ("night0", 0), ("night1", 1)):
        send(wire, profiles[name], connector)
    clear_profiles("CP001", **named)
    answer(wire, f'{{"status":"{status}"}}')
    assert {profile_id for profile_id, _connector in installed(wire)} == {profiles[name].pk for name in left}


def test_profile_is_cleared_by_its_id_alone(wire: Wire) -> None:
    kept, gone = make_profile(), make_profile(stack_level=1)
    send(wire, kept)
    send(wire, gone)
    clear_profiles("CP001", profile_id=gone.pk)
    assert sent(wire) == ("ClearChargingProfile", {"id": gone.pk})
    answer(wire)
    assert installed(wire) == {(kept.pk, 0)}


def test_failed_clearing_changes_nothing(wire: Wire) -> None:
    profile = make_profile()
    send(wire, profile)
    clear_profiles("CP001")
    refuse(wire, "NotSupported")
    assert installed(wire) == {(profile.pk, 0)}


def test_profile_of_somebody_else_is_known_as_well(wire: Wire) -> None:
    send(wire, make_profile())
    foreign = json.loads(newest(wire).frame)[3]["csChargingProfiles"]
    message = {"connectorId": 1, "csChargingProfiles": {**foreign, "chargingProfileId": 4711}}
    Command.objects.create(
        charge_point=wire.charge_point,
        action="SetChargingProfile",
        payload=message,
        state="sent",
        timeout_s=30,
        created_at=timezone.now(),
    )
    answer(wire)
    assert (4711, 1) in installed(wire)
    assert ProfileInstallation.objects.get(profile_id=4711).charging_profile is None


# -- transactions ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.16")
def test_tx_profile_gets_its_transaction_when_it_is_sent_and_ends_with_it(wire: Wire) -> None:
    charging = start(wire, connector=2)
    profile = make_profile("TxProfile")
    send_profile(profile, "CP001", 2)
    assert sent(wire)[1]["csChargingProfiles"]["transactionId"] == charging.row.pk
    answer(wire)
    assert installed(wire) == {(profile.pk, 2)}
    assert ProfileInstallation.objects.get().transaction == charging.row
    charging.stop(1, 5000)
    assert installed(wire) == set(), "at once"
    upkeep.keep_charging_profiles()
    assert not ProfileInstallation.objects.exists()


@pytest.mark.parametrize("name", ["none", "ended", "foreign"])
def test_tx_profile_needs_an_active_transaction_of_the_charge_point(name: str, wire: Wire, connect: Connect) -> None:
    transaction = None
    if name == "ended":
        charging = start(wire)
        charging.stop(1, 5000)
        transaction = charging.row
    if name == "foreign":
        transaction = start(connect("CP002")).row
    with pytest.raises(ProfileNotSendable, match="active"):
        send_profile(make_profile("TxProfile"), "CP001", 1, transaction=transaction)
    assert commands(wire) == 0


def test_only_a_tx_profile_is_for_a_transaction(wire: Wire) -> None:
    with pytest.raises(ProfileNotSendable, match="Only a TxProfile"):
        send_profile(make_profile(), "CP001", 1, transaction=start(wire).row)


@pytest.mark.spec("OCPP 1.6", "errata 3.41")
def test_remote_start_carries_a_tx_profile_without_transaction_that_gets_it_later(wire: Wire) -> None:
    profile = make_profile("TxProfile")
    message = RemoteStartTransactionRequest(id_tag="TAG1", charging_profile=for_remote_start(profile))
    issue_command("CP001", message)
    carried = sent(wire)[1]["chargingProfile"]
    assert carried["chargingProfilePurpose"] == "TxProfile"
    assert "transactionId" not in carried
    answer(wire)
    assert installed(wire) == {(profile.pk, None)}
    charging = start(wire, connector=2)
    upkeep.keep_charging_profiles()
    assert installed(wire) == {(profile.pk, 2)}
    assert ProfileInstallation.objects.get().transaction == charging.row
    charging.stop(1, 5000)
    assert installed(wire) == set()


def test_profile_of_a_refused_remote_start_is_not_installed(wire: Wire) -> None:
    message = RemoteStartTransactionRequest(id_tag="TAG1", charging_profile=for_remote_start(make_profile("TxProfile")))
    issue_command("CP001", message)
    answer(wire, '{"status":"Rejected"}')
    assert installed(wire) == set()


def test_profile_of_a_remote_start_that_never_began_is_forgotten(wire: Wire) -> None:
    message = RemoteStartTransactionRequest(id_tag="TAG1", charging_profile=for_remote_start(make_profile("TxProfile")))
    issue_command("CP001", message)
    answer(wire)
    upkeep.keep_charging_profiles()
    assert ProfileInstallation.objects.count() == 1
    ProfileInstallation.objects.update(status_at=timezone.now() - timedelta(minutes=11))
    upkeep.keep_charging_profiles()
    assert not ProfileInstallation.objects.exists()


def test_other_purposes_do_not_go_with_a_remote_start() -> None:
    with pytest.raises(ProfileNotSendable, match="takes a TxProfile"):
        for_remote_start(make_profile())


# -- assigned ----------------------------------------------------------------------------------------------------------


def test_assigned_profile_is_sent_and_cleared_again(wire: Wire) -> None:
    profile = make_profile()
    assignment = assign(profile, charge_point=wire.charge_point, connector=1)
    upkeep.keep_charging_profiles()
    assert (sent(wire)[0], newest(wire).source) == ("SetChargingProfile", "charging profile")
    answer(wire)
    upkeep.keep_charging_profiles()
    assert (installed(wire), commands(wire)) == ({(profile.pk, 1)}, 1)
    unassign(assignment)
    upkeep.keep_charging_profiles()
    assert sent(wire) == ("ClearChargingProfile", {"id": profile.pk})
    answer(wire)
    assert installed(wire) == set()


@pytest.mark.spec("OCPP 1.6", "3.13.1")
def test_what_makes_room_leaves_first_then_connector_0_then_what_overrides_it(wire: Wire) -> None:
    old = assign(make_profile(), charge_point=wire.charge_point, connector=1)
    upkeep.keep_charging_profiles()
    answer(wire)
    unassign(old)
    for connector in (3, 0, 2):
        assign(make_profile(), charge_point=wire.charge_point, connector=connector)
    upkeep.keep_charging_profiles()
    later = list(Command.objects.order_by("created_at", "pk"))[1:]
    assert [(row.action, row.payload.get("connectorId")) for row in later] == [
        ("ClearChargingProfile", None),
        ("SetChargingProfile", 0),
        ("SetChargingProfile", 2),
        ("SetChargingProfile", 3),
    ]


def test_changed_profile_is_sent_again(wire: Wire) -> None:
    profile = make_profile()
    assign(profile, charge_point=wire.charge_point)
    upkeep.keep_charging_profiles()
    answer(wire)
    profile.periods.filter(start_period_s=0).update(limit=10)
    upkeep.keep_charging_profiles()
    assert sent(wire)[1]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10
    answer(wire)
    upkeep.keep_charging_profiles()
    assert commands(wire) == 2


def test_deleted_profile_is_cleared_where_it_was_assigned(wire: Wire) -> None:
    profile = make_profile()
    assign(profile, charge_point=wire.charge_point)
    upkeep.keep_charging_profiles()
    answer(wire)
    key = profile.pk
    profile.delete()
    upkeep.keep_charging_profiles()
    assert sent(wire) == ("ClearChargingProfile", {"id": key})


def test_charge_points_of_a_group_get_its_profile_also_those_that_come_later(wire: Wire, connect: Connect) -> None:
    group = ChargePointGroup.objects.create(name="Depot")
    late = connect("CP002")
    group.charge_points.add(wire.charge_point)
    profile = make_profile("ChargePointMaxProfile")
    assign(profile, group=group)
    upkeep.keep_charging_profiles()
    assert (commands(wire), commands(late)) == (1, 0)
    group.charge_points.add(late.charge_point)
    upkeep.keep_charging_profiles()
    answer(late)
    assert installed(late) == {(profile.pk, 0)}
    group.charge_points.remove(late.charge_point)
    upkeep.keep_charging_profiles()
    assert sent(late) == ("ClearChargingProfile", {"id": profile.pk})


def test_own_profile_counts_before_that_of_the_group(wire: Wire) -> None:
    group = ChargePointGroup.objects.create(name="Depot")
    group.charge_points.add(wire.charge_point)
    own, of_group = make_profile(), make_profile()
    assign(own, charge_point=wire.charge_point)
    assign(of_group, group=group)
    for _repetition in range(3):
        upkeep.keep_charging_profiles()
        if newest(wire).state != "answered":
            answer(wire)
    assert (installed(wire), commands(wire)) == ({(own.pk, 0)}, 1)


def test_charge_point_that_is_not_connected_gets_its_profile_when_it_is(wire: Wire, connect: Connect) -> None:
    wire.close()
    assign(make_profile(), charge_point=wire.charge_point)
    upkeep.keep_charging_profiles()
    assert commands(wire) == 0
    connect()
    upkeep.keep_charging_profiles()
    assert commands(wire) == 1


def test_refused_assignment_is_not_sent_all_the_time(wire: Wire) -> None:
    assign(make_profile(), charge_point=wire.charge_point)
    upkeep.keep_charging_profiles()
    answer(wire, '{"status":"Rejected"}')
    upkeep.keep_charging_profiles()
    assert commands(wire) == 1
    ProfileInstallation.objects.update(asked_at=timezone.now() - timedelta(hours=2))
    upkeep.keep_charging_profiles()
    assert commands(wire) == 2


@pytest.mark.parametrize(
    ("purpose", "connector", "field"),
    [("TxProfile", 1, "charging_profile"), ("ChargePointMaxProfile", 1, "connector_number")],
)
def test_assignment_that_ocpp_does_not_allow_names_the_field(
    purpose: str, connector: int, field: str, wire: Wire
) -> None:
    with pytest.raises(ValidationError) as error:
        assign(make_profile(purpose), charge_point=wire.charge_point, connector=connector)
    assert list(error.value.message_dict) == [field]


def test_assignment_stays_within_the_organisation(wire: Wire) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    with pytest.raises(ValidationError) as error:
        assign(make_profile(organisation=other), charge_point=wire.charge_point)
    assert list(error.value.message_dict) == ["charge_point"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "Recurring"}, "recurrency_kind"),
        ({"kind": "Absolute", "recurrency_kind": "Daily"}, "recurrency_kind"),
        ({"kind": "Relative"}, "start_schedule"),
        ({"kind": "Absolute", "start_schedule": None}, "start_schedule"),
        ({"valid_from": START, "valid_to": START}, "valid_to"),
    ],
)
def test_profile_that_ocpp_does_not_allow_names_the_field(fields: Any, field: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_profile(**fields).full_clean()
    assert list(error.value.message_dict) == [field]


# -- composite schedules -----------------------------------------------------------------------------------------------


def composite(wire: Wire, payload: str) -> CompositeSchedule:
    issue_command("CP001", GetCompositeScheduleRequest(connector_id=1, duration=7200))
    answer(wire, payload)
    return CompositeSchedule.objects.get()


@pytest.mark.spec("OCPP 1.6", "5.7")
def test_composite_schedule_has_absolute_times(wire: Wire) -> None:
    row = composite(
        wire,
        '{"status":"Accepted","connectorId":1,"scheduleStart":"2025-03-04T12:00:00Z","chargingSchedule":'
        '{"duration":7200,"chargingRateUnit":"W","chargingSchedulePeriod":'
        '[{"startPeriod":0,"limit":11000},{"startPeriod":3600,"limit":6000.5,"numberPhases":3},'
        '{"startPeriod":9000,"limit":1}]}}',
    )
    assert (row.connector_number, row.charging_rate_unit) == (1, "W")
    assert (row.starts_at, row.ends_at) == (datetime(2025, 3, 4, 12, tzinfo=UTC), datetime(2025, 3, 4, 14, tzinfo=UTC))
    assert row.periods == [
        {
            "start": "2025-03-04T12:00:00+00:00",
            "end": "2025-03-04T13:00:00+00:00",
            "limit": 11000.0,
            "number_phases": None,
        },
        {
            "start": "2025-03-04T13:00:00+00:00",
            "end": "2025-03-04T14:00:00+00:00",
            "limit": 6000.5,
            "number_phases": 3,
        },
    ]
    assert row.steps() == [(0.0, 11000.0), (3600.0, 6000.5)]


@pytest.mark.parametrize(
    ("payload", "periods"),
    [
        pytest.param('{"status":"Rejected"}', 0, id="rejected"),
        pytest.param('{"status":"Accepted"}', 0, id="nothing in it"),
        pytest.param(
            '{"status":"Accepted","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":'
            '[{"startPeriod":0,"limit":16}]}}',
            1,
            id="neither start, duration nor connector",
        ),
        pytest.param(
            '{"status":"Accepted","scheduleStart":"9999-12-31T23:59:59Z","chargingSchedule":{"chargingRateUnit":"A",'
            '"duration":999999999999,"chargingSchedulePeriod":[{"startPeriod":0,"limit":16}]}}',
            1,
            id="at the end of time",
        ),
    ],
)
def test_poor_composite_schedule_is_kept_as_far_as_it_goes(payload: str, periods: int, wire: Wire) -> None:
    row = composite(wire, payload)
    assert (row.connector_number, len(row.periods)) == (1, periods)


def test_profile_is_gone_with_the_transaction_that_the_back_office_closes(wire: Wire) -> None:
    start(wire)
    profile = make_profile("TxProfile")
    send(wire, profile, 1)
    Transaction.objects.update(is_active=False)
    assert installed(wire) == set()
