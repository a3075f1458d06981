"""Local lists and charging profiles over the API."""

from typing import Any

import pytest

from ocpp_app.models import (
    ChargePoint,
    ChargingProfile,
    Command,
    Connector,
    IdTag,
    LocalList,
    ProfileAssignment,
    ProfileInstallation,
    Scope,
)
from tests.ocpp_app.api.world import Caller, Tenant

pytestmark = pytest.mark.django_db

PROFILE: dict[str, Any] = {
    "description": "Night",
    "purpose": "TxDefaultProfile",
    "kind": "Recurring",
    "recurrency_kind": "Daily",
    "start_schedule": "2025-01-01T22:00:00Z",
    "duration_s": 28_800,
    "charging_rate_unit": "A",
    "periods": [{"start_period_s": 0, "limit": "16.0"}, {"start_period_s": 3600, "limit": "8.5", "number_phases": 1}],
}


@pytest.fixture
def operator(ours: Tenant) -> Caller:
    return ours.caller(Scope.OPERATE)


def profile_of(tenant: Tenant) -> int:
    """The chargingProfileId of its TxDefaultProfile."""
    return ChargingProfile.objects.get(organisation=tenant.organisation, purpose="TxDefaultProfile").pk


def pointers(response: Any) -> list[str]:
    assert response.status_code == 400, response.content
    return [error["pointer"] for error in response.json()["errors"]]


# -- local lists -------------------------------------------------------------------------------------------------------


def test_list_is_read_and_decided(operator: Caller, ours: Tenant) -> None:
    path = f"charge-points/{ours.charge_point.identity}/local-list/"
    before = operator.get(path)
    assert before.json()["selection"] == "all"
    assert (before.json()["version"], before.json()["entry_count"]) == (3, 1)
    response = operator.patch(path, {"selection": "chosen", "tags": [ours.id_tag.pk]}, If_Match=before["ETag"])
    assert (response.status_code, response.json()["tags"]) == (200, [ours.id_tag.pk])
    row = LocalList.objects.get(charge_point=ours.charge_point)
    assert (row.selection, list(row.tags.all())) == ("chosen", [ours.id_tag])
    assert operator.patch(path, {"selection": "off"}, If_Match=before["ETag"]).status_code == 412


def test_list_that_nobody_has_asked_for_is_off(operator: Caller, ours: Tenant) -> None:
    LocalList.objects.all().delete()
    path = f"charge-points/{ours.charge_point.identity}/local-list/"
    assert operator.get(path).json()["selection"] == "off"
    assert not LocalList.objects.exists()
    assert operator.patch(path, {"selection": "all"}).json()["selection"] == "all"


def test_chosen_tag_of_another_organisation_is_not_there(operator: Caller, ours: Tenant, theirs: Tenant) -> None:
    path = f"charge-points/{ours.charge_point.identity}/local-list/"
    assert pointers(operator.patch(path, {"tags": [theirs.id_tag.pk]})) == ["/tags"]


def test_entries_and_differences_are_shown(operator: Caller, ours: Tenant) -> None:
    path = f"charge-points/{ours.charge_point.identity}/local-list/"
    (entry,) = operator.get(f"{path}entries/?id_tag=gone").json()["results"]
    assert entry["id_tag"] == "GONE"
    found = operator.get(f"{path}differences/").json()["differences"]
    sides = {one["id_tag"]: tuple(side and side["status"] for side in (one["has"], one["wanted"])) for one in found}
    assert sides == {"GONE": (ours.charge_point.identity, None), "TAG1": (None, "Accepted")}


def test_list_is_sent_again(operator: Caller, ours: Tenant) -> None:
    LocalList.objects.update(needs_full=False, state="failed", attempts=3)
    path = f"charge-points/{ours.charge_point.identity}/local-list/send-again/"
    assert operator.post(path).status_code == 202
    row = LocalList.objects.get(charge_point=ours.charge_point)
    assert (row.needs_full, row.attempts, row.state) == (True, 0, "unknown")


# -- charging profiles -------------------------------------------------------------------------------------------------


def test_profile_is_made_changed_and_deleted(admin: Caller) -> None:
    made = admin.post("charging-profiles/", PROFILE)
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert made.json() == made.json() | {name: value for name, value in PROFILE.items() if name != "periods"}
    assert made.json()["periods"][1] == {"start_period_s": 3600, "limit": "8.5", "number_phases": 1}
    changed = admin.patch(
        f"charging-profiles/{key}/", {"periods": [{"start_period_s": 0, "limit": "6"}]}, If_Match=made["ETag"]
    )
    assert [period["limit"] for period in changed.json()["periods"]] == ["6.0"]
    assert admin.patch(f"charging-profiles/{key}/", {"stack_level": 1}, If_Match=made["ETag"]).status_code == 412
    assert admin.delete(f"charging-profiles/{key}/").status_code == 204


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"recurrency_kind": ""}, "/recurrency_kind"),
        ({"kind": "Relative", "recurrency_kind": ""}, "/start_schedule"),
        ({"start_schedule": None}, "/start_schedule"),
        ({"periods": []}, "/periods"),
        ({"periods": [{"start_period_s": 60, "limit": "6"}]}, "/periods"),
        ({"periods": [{"start_period_s": 0, "limit": "6"}, {"start_period_s": 0, "limit": "8"}]}, "/periods"),
        ({"periods": [{"start_period_s": 0, "limit": "6.25"}]}, "/periods/0/limit"),
        ({"periods": [{"start_period_s": 0, "limit": "6", "number_phases": 4}]}, "/periods/0/number_phases"),
        ({"purpose": "Other"}, "/purpose"),
        ({"stack_level": -1}, "/stack_level"),
    ],
)
def test_profile_that_ocpp_does_not_allow_names_the_field(change: Any, pointer: str, admin: Caller) -> None:
    assert pointer in [found[: len(pointer)] for found in pointers(admin.post("charging-profiles/", PROFILE | change))]


def test_profile_is_assigned_and_unassigned(operator: Caller, admin: Caller, ours: Tenant) -> None:
    key = admin.post("charging-profiles/", PROFILE).json()["id"]
    order = {"charging_profile": key, "charge_point": ours.charge_point.identity, "connector_number": 1}
    made = operator.post("charging-profile-assignments/", order)
    assert made.status_code == 201, made.content
    again = operator.post("charging-profile-assignments/", {**order, "connector_number": 2})
    assert (again.json()["id"], again.json()["connector_number"]) == (made.json()["id"], 2)
    assert operator.delete(f"charging-profile-assignments/{made.json()['id']}/").status_code == 204
    assert not ProfileAssignment.objects.filter(charging_profile=key).exists()


def test_assignment_that_makes_no_sense_names_the_field(
    operator: Caller, admin: Caller, ours: Tenant, theirs: Tenant
) -> None:
    key = admin.post("charging-profiles/", PROFILE).json()["id"]
    largest = admin.post("charging-profiles/", PROFILE | {"purpose": "ChargePointMaxProfile"}).json()["id"]
    where = {"charge_point": ours.charge_point.identity}
    for order, pointer in (
        ({"charging_profile": key}, "/non_field_errors"),
        ({"charging_profile": key, "group": ours.group.pk, **where}, "/non_field_errors"),
        ({"charging_profile": key, "group": theirs.group.pk}, "/group"),
        ({"charging_profile": largest, "connector_number": 1, **where}, "/connector_number"),
    ):
        found = pointers(operator.post("charging-profile-assignments/", order))
        assert found in ([pointer], ["/"], [""]), found


def test_tx_profile_is_sent_with_its_transaction(operator: Caller, admin: Caller, ours: Tenant) -> None:
    key = admin.post("charging-profiles/", PROFILE | {"purpose": "TxProfile"}).json()["id"]
    order = {"charge_point": ours.charge_point.identity, "transaction": ours.transaction.pk}
    response = operator.post(f"charging-profiles/{key}/send/", order)
    assert response.status_code == 202, response.content
    sent = response.json()["payload"]
    assert (sent["connectorId"], sent["csChargingProfiles"]["transactionId"]) == (1, ours.transaction.pk)
    row = ProfileInstallation.objects.get(profile_id=key)
    assert (row.state, row.transaction, str(row.command_id)) == ("requested", ours.transaction, response.json()["id"])
    shown = operator.get(f"charge-points/{ours.charge_point.identity}/charging-profiles/?state=requested").json()
    assert [one["profile_id"] for one in shown["results"]] == [key]


def test_tx_profile_without_a_transaction_is_a_conflict(operator: Caller, admin: Caller, ours: Tenant) -> None:
    key = admin.post("charging-profiles/", PROFILE | {"purpose": "TxProfile"}).json()["id"]
    assert Connector.objects.filter(charge_point=ours.charge_point, number=2).exists()
    response = operator.post(
        f"charging-profiles/{key}/send/", {"charge_point": ours.charge_point.identity, "connector": 2}
    )
    assert response.status_code == 409
    assert "none is active on connector 2" in response.json()["detail"]


def test_profile_is_cleared_at_a_charge_point(operator: Caller, ours: Tenant) -> None:
    key = profile_of(ours)
    response = operator.post(f"charging-profiles/{key}/clear/", {"charge_point": ours.charge_point.identity})
    assert response.status_code == 202
    assert (response.json()["action"], response.json()["payload"]) == ("ClearChargingProfile", {"id": key})


def test_profile_is_not_sent_to_another_organisation(operator: Caller, ours: Tenant, theirs: Tenant) -> None:
    key = profile_of(ours)
    before = Command.objects.count()
    response = operator.post(f"charging-profiles/{key}/send/", {"charge_point": theirs.charge_point.identity})
    assert pointers(response) == ["/charge_point"]
    assert Command.objects.count() == before


def test_offline_charge_point_is_a_conflict_or_a_queue(operator: Caller, ours: Tenant) -> None:
    ChargePoint.objects.update(session=None)
    key = profile_of(ours)
    order = {"charge_point": ours.charge_point.identity}
    assert operator.post(f"charging-profiles/{key}/send/", order).status_code == 409
    queued = operator.post(f"charging-profiles/{key}/send/", {**order, "expires_at": "2099-01-01T00:00:00Z"})
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")


def test_composite_schedule_can_be_plotted(operator: Caller, ours: Tenant) -> None:
    (shown,) = operator.get(f"charge-points/{ours.charge_point.identity}/composite-schedules/").json()["results"]
    (period,) = shown["periods"]
    assert (period["limit"], period["end"], period["number_phases"]) == (16.0, None, 3)
    assert period["start"].startswith("2025-03-04T12:30:45")


def test_id_tags_are_needed_no_longer_by_lists(admin: Caller, ours: Tenant) -> None:
    LocalList.objects.get(charge_point=ours.charge_point).tags.add(ours.id_tag)
    assert admin.delete(f"id-tags/{ours.id_tag.pk}/").status_code == 204
    assert not IdTag.objects.filter(pk=ours.id_tag.pk).exists()
