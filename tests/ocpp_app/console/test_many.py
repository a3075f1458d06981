"""Charging profiles and firmware for many charge points at once."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ocpp_app import campaigns
from ocpp_app.models import (
    CampaignState,
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    Firmware,
    FirmwareCampaign,
    ProfileAssignment,
)
from tests.ocpp_app.console.world import Tenant, make_charge_point, text_of

PERIODS = {
    "periods-TOTAL_FORMS": "2",
    "periods-INITIAL_FORMS": "0",
    "periods-0-start_period_s": "0",
    "periods-0-limit": "16",
    "periods-1-start_period_s": "3600",
    "periods-1-limit": "32",
}


def profile_values(ours: Tenant, **values: Any) -> dict[str, Any]:
    return {
        "description": "Night",
        "organisation": ours.organisation.pk,
        "purpose": "TxDefaultProfile",
        "stack_level": "1",
        "kind": "Recurring",
        "recurrency_kind": "Daily",
        "start_schedule": "2026-01-01T00:00:00",
        "charging_rate_unit": "A",
        **PERIODS,
        **values,
    }


def make_profile(admin: Client, ours: Tenant) -> ChargingProfile:
    answer = admin.post("/profiles/add/", profile_values(ours))
    row = ChargingProfile.objects.get(description="Night")
    assert answer.headers["Location"] == f"/profiles/{row.pk}/"
    return row


# -- charging profiles -----------------------------------------------------------------------------------------


def test_a_profile_is_made_with_its_periods_and_drawn(admin: Client, ours: Tenant) -> None:
    row = make_profile(admin, ours)
    assert [(one.start_period_s, int(one.limit)) for one in row.periods.order_by("start_period_s")] == [
        (0, 16),
        (3600, 32),
    ]
    page = admin.get(f"/profiles/{row.pk}/").content.decode()
    assert '"data": [[0, 3600, 7200], [16.0, 32.0, 32.0]]' in page
    admin.post(f"/profiles/{row.pk}/change/", profile_values(ours, description="Day", **{"periods-TOTAL_FORMS": "0"}))
    row.refresh_from_db()
    assert row.description == "Night"  # without a period it would not be a profile


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"periods-0-start_period_s": "60"}, "The first period starts at 0"),
        ({"recurrency_kind": ""}, "Say whether it recurs daily or weekly."),
        ({"periods-1-limit": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_and_nothing_is_kept(
    admin: Client, ours: Tenant, values: Any, said: str
) -> None:
    assert said in text_of(admin.post("/profiles/add/", profile_values(ours, **values)))
    assert not ChargingProfile.objects.filter(description="Night").exists()


def test_a_profile_is_assigned_to_a_group_or_to_named_charge_points_and_taken_away(
    admin: Client, operator: Client, ours: Tenant
) -> None:
    row = make_profile(admin, ours)
    make_charge_point(ours.organisation, "ours-2")
    address = f"/profiles/{row.pk}/"
    named = operator.post(address, {"identities": "ours-1,\n ours-2", "connector": "1"}, follow=True)
    assert "It is assigned to 2 more places." in text_of(named)
    operator.post(address, {"group": ours.group.pk, "connector": "0"})
    places = ProfileAssignment.objects.filter(charging_profile=row).order_by("pk")
    assert [(one.charge_point and one.charge_point.identity, one.group, one.connector_number) for one in places] == [
        ("ours-1", None, 1),
        ("ours-2", None, 1),
        (None, ours.group, 0),
    ]
    assert {one.requested_by for one in places} == {operator.user}  # type: ignore[attr-defined]
    taken = operator.post(f"/assignments/{places[0].pk}/delete/", follow=True)
    assert "It is cleared there" in text_of(taken)
    assert places.all().count() == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"identities": "ours-1 theirs-1"}, "There is no charge point theirs-1."),
        ({"identities": " "}, "Choose a group, or name charge points: one of the two."),
        ({"identities": "ours-1", "connector": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_profile_goes_nowhere_when_one_place_is_wrong(
    admin: Client, ours: Tenant, theirs: Tenant, values: Any, said: str
) -> None:
    row = make_profile(admin, ours)
    assert said in text_of(admin.post(f"/profiles/{row.pk}/", {"connector": "0", **values}))
    group = ChargePointGroup.objects.get(organisation=theirs.organisation)
    assert "valid choice" in text_of(admin.post(f"/profiles/{row.pk}/", {"connector": "0", "group": group.pk}))
    assert not ProfileAssignment.objects.filter(charging_profile=row).exists()


def test_a_viewer_looks_at_profiles_and_assigns_none(viewer: Client, admin: Client, ours: Tenant) -> None:
    row = make_profile(admin, ours)
    assert "Assign it" not in text_of(viewer.get(f"/profiles/{row.pk}/"))
    assert viewer.post(f"/profiles/{row.pk}/", {"identities": "ours-1", "connector": "0"}).status_code == 403


# -- firmware --------------------------------------------------------------------------------------------------


@pytest.fixture
def firmware(admin: Client, ours: Tenant, settings: Any, private_files: Any) -> Firmware:
    settings.OCPP_TRANSFER_URL = "https://csms.example.com/transfer/"
    file = SimpleUploadedFile("M1 3.0.bin", b"new firmware")
    values = {"file": file, "version": "3.0", "vendor": "Vendor", "model": "M*", "organisation": ours.organisation.pk}
    assert admin.post("/firmware/add/", values).headers["Location"] == "/campaigns/"
    return Firmware.objects.get(version="3.0")


def test_firmware_is_kept_with_what_its_file_says(firmware: Firmware, admin: Client) -> None:
    assert (firmware.size, firmware.file_name) == (12, "M1_3.0.bin")
    assert firmware.uploaded_by == admin.user  # type: ignore[attr-defined]
    assert "M1_3.0.bin" in text_of(admin.get("/campaigns/"))


def test_firmware_with_half_a_signature_is_refused(admin: Client, ours: Tenant, private_files: Any) -> None:
    values = {"version": "4", "organisation": ours.organisation.pk, "signature": "QUFB"}
    file = SimpleUploadedFile("a.bin", b"x")
    assert "give both, or neither" in text_of(admin.post("/firmware/add/", {**values, "file": file}))
    empty = SimpleUploadedFile("a.bin", b"")
    assert "empty" in text_of(admin.post("/firmware/add/", {**values, "file": empty}))
    assert not Firmware.objects.filter(version="4").exists()


def test_a_campaign_begins_from_the_list_of_charge_points_and_is_followed(
    firmware: Firmware, operator: Client, ours: Tenant
) -> None:
    for number in (2, 3):
        make_charge_point(ours.organisation, f"ours-{number}")
    ChargePoint.objects.filter(identity__startswith="ours-").update(vendor="Vendor", model="M1")
    ChargePoint.objects.filter(identity="ours-3").update(firmware_version="3.0")
    page = operator.get("/campaigns/add/?q=ours-&as_targets=yes")
    named = page.context["form"].initial["identities"]
    assert named.split("\n")[:3] == ["ours-1", "ours-2", "ours-3"]
    values = {"firmware": firmware.pk, "wave_size": "1", "failures_allowed": "0", "hours_per_charge_point": "24"}
    begun = operator.post("/campaigns/add/", {**values, "identities": "ours-1 ours-2 ours-3"}, follow=True)
    campaign = FirmwareCampaign.objects.get(firmware=firmware)
    text = text_of(begun)
    assert "1 of 3 are done" in text
    assert "It has version 3.0 already." in text
    campaigns.review()
    assert "under way" in text_of(operator.get(f"/campaigns/{campaign.pk}/"))
    paused = operator.post(f"/campaigns/{campaign.pk}/change/", {"do": "pause"}, follow=True)
    assert "Nobody else begins." in text_of(paused)
    again = operator.post(f"/campaigns/{campaign.pk}/change/", {"do": "pause"}, follow=True)
    assert "it cannot be paused" in text_of(again)
    resumed = operator.post(f"/campaigns/{campaign.pk}/change/", {"do": "resume", "failures_allowed": "50%"})
    campaign.refresh_from_db()
    assert (resumed.status_code, campaign.state, campaign.failures_allowed) == (302, CampaignState.RUNNING, "50%")
    operator.post(f"/campaigns/{campaign.pk}/change/", {"do": "cancel"})
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.CANCELLED


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"wave_size": "many"}, "A number such as 5, or a share such as 10%."),
        ({"identities": "ours-9"}, "There is no charge point ours-9."),
        ({"model": "Other"}, "Nobody is left to be updated."),
    ],
)
def test_a_campaign_that_cannot_be_says_why(
    firmware: Firmware, operator: Client, ours: Tenant, values: dict[str, str], said: str
) -> None:
    ChargePoint.objects.filter(identity="ours-1").update(vendor="Vendor", model=values.pop("model", "M1"))
    whole = {"wave_size": "10%", "failures_allowed": "0", "hours_per_charge_point": "24", "identities": "ours-1"}
    page = operator.post("/campaigns/add/", {"firmware": firmware.pk, **whole, **values})
    assert said in text_of(page)
    assert not FirmwareCampaign.objects.filter(firmware=firmware).exists()
