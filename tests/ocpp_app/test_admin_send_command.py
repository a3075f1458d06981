"""The admin sends a command to the selected charge points, from a form made from its message."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ocpp_app.admin.command_form import MessageForm, specs
from ocpp_app.models import ChargePoint, Command, CommandBatch
from tests.ocpp_app.admin_world import text_of
from tests.ocpp_app.site import Site, call_of, sends

pytestmark = pytest.mark.django_db

LIST = "/admin/ocpp_app/chargepoint/"
PROFILE = {
    "message-connectorId": "1",
    "message-csChargingProfiles.chargingProfileId": "7",
    "message-csChargingProfiles.stackLevel": "0",
    "message-csChargingProfiles.chargingProfilePurpose": "TxDefaultProfile",
    "message-csChargingProfiles.chargingProfileKind": "Absolute",
    "message-csChargingProfiles.validTo_0": "2031-01-02",
    "message-csChargingProfiles.validTo_1": "03:04:05",
    "message-csChargingProfiles.chargingSchedule.chargingRateUnit": "A",
    "message-csChargingProfiles.chargingSchedule.chargingSchedulePeriod": '[{"startPeriod": 0, "limit": 8.1}]',
}


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    settings.OCPP_RELAY = "memory"


def post(client: Client, rows: Any, address: str = LIST, **fields: Any) -> Any:
    data = {"action": "send_command", "_selected_action": [row.pk for row in rows], "select_across": "0", **fields}
    return client.post(address, data)


def registered(*identities: str, **fields: Any) -> list[ChargePoint]:
    return [ChargePoint.objects.create(identity=identity, security_profile=0, **fields) for identity in identities]


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.mark.django_db(transaction=True)
def test_from_the_selection_to_the_result_of_each(site: Site, admin_client: Client) -> None:
    online, offline, _other = registered("CP1", "CP2", "CP3")
    site.answer = sends(site.connect("CP1"), '[3,"%s",{"status":"UnlockFailed"}]')
    chosen = post(admin_client, (online, offline))
    assert "To 2 charge points." in text_of(chosen)
    assert 'value="UnlockConnector"' in chosen.content.decode()
    form = post(admin_client, (online, offline), ocpp_action="UnlockConnector")
    assert "connectorId" in text_of(form)
    assert 'name="ocpp_action" value="UnlockConnector"' in form.content.decode()
    sent = post(
        admin_client,
        (online, offline),
        ocpp_action="UnlockConnector",
        **{"message-connectorId": "99", "message-wait_hours": ""},
    )
    batch = CommandBatch.objects.get()
    assert sent.url == reverse("admin:ocpp_app_commandbatch_change", args=(batch.pk,))
    while batch.states != {"answered": 1, "expired": 1}:
        batch = CommandBatch.objects.get()
    assert call_of(site.commands[0]) == ("UnlockConnector", {"connectorId": 99})  # it knows best
    text = text_of(admin_client.get(sent.url))
    assert "1 answered 1 expired" in text
    assert "1 UnlockFailed" in text
    assert {(row.source, str(row.requested_by)) for row in Command.objects.all()} == {("admin", "admin")}
    results = text_of(admin_client.get("/admin/ocpp_app/command/", {"batch": str(batch.pk)}))
    assert "CP1" in results
    assert "CP2" in results
    assert LogEntry.objects.get().object_id == str(batch.pk)


def test_all_of_a_filtered_list_are_meant(admin_client: Client) -> None:
    m1 = registered("CP1", "CP2", model="M1")
    registered("CP3", model="M2")
    response = post(
        admin_client,
        m1[:1],
        f"{LIST}?model=M1",
        select_across="1",
        ocpp_action="ClearCache",
        **{"message-wait_hours": "24"},
    )
    assert response.status_code == 302, text_of(response)
    batch = CommandBatch.objects.get()
    assert (batch.states, batch.selection) == ({"queued": 2}, {"admin": "model=M1"})
    assert batch.expires_at is not None
    admin_client.post(
        "/admin/ocpp_app/commandbatch/", {"action": "cancel", "_selected_action": [str(batch.pk)], "index": "0"}
    )
    assert CommandBatch.objects.get().states == {"cancelled": 2}


def test_nested_fields_lists_and_times_become_the_typed_message(admin_client: Client) -> None:
    row = registered("CP1")
    response = post(admin_client, row, ocpp_action="SetChargingProfile", **PROFILE, **{"message-wait_hours": "1"})
    assert response.status_code == 302, text_of(response)
    assert Command.objects.get().payload == {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 7,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "validTo": "2031-01-02T03:04:05Z",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1}],
            },
        },
    }
    post(
        admin_client,
        row,
        ocpp_action="GetConfiguration",
        **{"message-key": "A\r\n B \r\n\r\n", "message-wait_hours": "1"},
    )
    assert Command.objects.get(action="GetConfiguration").payload == {"key": ["A", "B"]}


@pytest.mark.parametrize(
    ("action", "fields", "complaint"),
    [
        ("Reset", {}, "type: This field is required."),
        ("UnlockConnector", {"message-connectorId": "0"}, "connectorId"),
        (
            "ChangeConfiguration",
            {"message-key": "k" * 51, "message-value": "1"},
            "key: Ensure this value has at most 50",
        ),
        (
            "SetChargingProfile",
            {**PROFILE, "message-csChargingProfiles.chargingSchedule.chargingSchedulePeriod": "[{]"},
            "csChargingProfiles.chargingSchedule.chargingSchedulePeriod: expected JSON",
        ),
        (
            "RemoteStartTransaction",
            {"message-idTag": "T", "message-chargingProfile.stackLevel": "0"},
            "chargingProfile",
        ),
    ],
)
def test_what_the_message_forbids_is_said_at_its_field(
    action: str, fields: dict[str, str], complaint: str, admin_client: Client
) -> None:
    response = post(admin_client, registered("CP1"), ocpp_action=action, **fields, **{"message-wait_hours": ""})
    assert response.status_code == 200
    errors = [f"{name}: {text}" for name, some in response.context["form"].errors.items() for text in some]
    assert any(complaint in error for error in errors), errors
    assert not Command.objects.exists()


@pytest.mark.parametrize("action", specs())
def test_every_message_has_a_form(action: str, admin_client: Client) -> None:
    form = MessageForm(specs()[action])
    page = unescape(post(admin_client, registered("CP1"), ocpp_action=action).content.decode())
    shown = set(re.findall(r'name="message-([\w.]+?)(?:_[01])?"', page)) - {"wait", "wait_hours"}
    assert shown == set(form.fields)


def test_who_may_not_send_is_not_offered_it(client: Client) -> None:
    user = get_user_model().objects.create_user("looks", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("view_chargepoint", "change_chargepoint")))
    client.force_login(user)
    registered("CP1")
    assert "send_command" not in client.get(LIST).content.decode()
    post(client, ChargePoint.objects.all(), ocpp_action="ClearCache", **{"message-wait_hours": "1"})
    assert not Command.objects.exists()
