"""Pages of the admin for local lists, caches and charging profiles: what they do, not only that they answer."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ocpp_app.models import (
    AuthorizationCache,
    ChargingProfile,
    Command,
    IdTag,
    ListSelection,
    LocalList,
    ProfileAssignment,
    ProfileInstallation,
)
from tests.ocpp_app.admin_world import act, add_page, form_of, page, text_of
from tests.ocpp_app.tag_upkeep import keep_lists_and_caches
from tests.ocpp_app.test_charging_profiles import make_profile, start
from tests.ocpp_app.test_local_lists import answer, newest, sent
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

SEND = "admin:ocpp_app_chargingprofile_send"


@pytest.fixture(autouse=True)
def _plain(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


def test_list_is_decided_on_its_page_and_shows_what_is_missing(wire: Wire, admin_client: Client) -> None:
    posted = {"charge_point": wire.charge_point.pk, "selection": "all", "tags": []}
    assert admin_client.post(add_page(LocalList), posted).status_code == 302
    row = LocalList.objects.get(charge_point=wire.charge_point)
    shown = text_of(admin_client.get(page(row)))
    assert "TAG1 - Accepted" in shown
    keep_lists_and_caches()
    answer(wire, '{"listVersion":0}')
    answer(wire)
    assert "as it is to be" in text_of(admin_client.get(page(row)))
    LocalList.objects.update(state="failed")
    form = form_of(admin_client.get(page(row))) | {"selection": "off"}
    assert admin_client.post(page(row), form).status_code == 302
    row.refresh_from_db()
    assert (row.selection, row.state) == ("off", "unknown")


def test_whole_list_is_sent_again(wire: Wire, admin_client: Client) -> None:
    row = LocalList.objects.create(
        charge_point=wire.charge_point, selection=ListSelection.ALL, state="not_supported", needs_full=False
    )
    assert "1 list is sent again" in text_of(act(admin_client, "send_again", row))
    row.refresh_from_db()
    assert (row.needs_full, row.state) == (True, "unknown")


def test_cache_is_cleared_from_its_list(wire: Wire, admin_client: Client) -> None:
    row = AuthorizationCache.objects.create(charge_point=wire.charge_point, status="Rejected")
    assert "1 cache is to be cleared" in text_of(act(admin_client, "clear", row))
    keep_lists_and_caches()
    assert newest(wire).action == "ClearCache"


def profile_form(client: Client, **values: str) -> dict[str, Any]:
    form = form_of(client.get(add_page(ChargingProfile)))
    return {
        **form,
        "description": "Night",
        "stack_level": "0",
        "periods-INITIAL_FORMS": "0",
        "assignments-INITIAL_FORMS": "0",
        "purpose": "TxDefaultProfile",
        "kind": "Absolute",
        "start_schedule_0": "2025-01-01",
        "start_schedule_1": "22:00",
        "periods-TOTAL_FORMS": "1",
        "periods-0-start_period_s": "0",
        "periods-0-limit": "16",
        **values,
    }


def test_profile_is_made_with_its_periods_and_assignment(wire: Wire, admin_client: Client, admin_user: Any) -> None:
    form = profile_form(
        admin_client,
        **{"assignments-TOTAL_FORMS": "1", "assignments-0-charge_point": str(wire.charge_point.pk)},
        **{"assignments-0-connector_number": "1"},
    )
    response = admin_client.post(add_page(ChargingProfile), form)
    assert response.status_code == 302, text_of(response)
    profile = ChargingProfile.objects.get()
    assert [period.limit for period in profile.periods.all()] == [16]
    row = ProfileAssignment.objects.get()
    assert (row.charge_point, row.connector_number, row.requested_by) == (wire.charge_point, 1, admin_user)
    assert 'class="ocpp-plot"' in admin_client.get(page(profile)).content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"periods-0-start_period_s": "60"}, "The first period starts at 0"),
        ({"kind": "Recurring"}, "Say whether it recurs"),
        ({"kind": "Relative"}, "starts with the transaction"),
    ],
)
def test_profile_that_ocpp_does_not_allow_is_refused(values: Any, said: str, admin_client: Client) -> None:
    response = admin_client.post(add_page(ChargingProfile), profile_form(admin_client, **values))
    assert said in text_of(response)
    assert not ChargingProfile.objects.exists()


def test_profile_is_copied_with_its_periods(admin_client: Client) -> None:
    profile = make_profile()
    assert "1 charging profile is copied" in text_of(act(admin_client, "copy", profile))
    copy = ChargingProfile.objects.exclude(pk=profile.pk).get()
    assert (copy.description, copy.periods.count(), profile.periods.count()) == ("Night (copy)", 2, 2)


def test_tx_profile_is_sent_to_the_transaction_on_the_connector(wire: Wire, admin_client: Client) -> None:
    profile = make_profile("TxProfile")
    order = {"charging_profile": profile.pk, "charge_point": wire.charge_point.pk, "connector": 1}
    assert "none is active on connector 1" in text_of(admin_client.post(reverse(SEND), order))
    charging = start(wire)
    assert admin_client.post(reverse(SEND), order).status_code == 302
    assert sent(wire)[1]["csChargingProfiles"]["transactionId"] == charging.row.pk


def test_installed_profile_is_cleared(wire: Wire, admin_client: Client) -> None:
    profile = make_profile()
    row = ProfileInstallation.objects.create(
        charge_point=wire.charge_point,
        connector_number=0,
        profile_id=profile.pk,
        purpose=profile.purpose,
        stack_level=0,
        state="installed",
        status_at=profile.created_at,
    )
    assert "asked to clear 1 profile" in text_of(act(admin_client, "clear", row))
    assert sent(wire) == ("ClearChargingProfile", {"id": profile.pk})


def test_who_may_only_look_sends_nothing(wire: Wire, client: Client) -> None:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    assert client.get(reverse(SEND)).status_code == 403
    row = LocalList.objects.create(charge_point=wire.charge_point, needs_full=False)
    act(client, "send_again", row)
    row.refresh_from_db()
    assert not row.needs_full
    assert not Command.objects.exists()
    assert IdTag.objects.exists()
