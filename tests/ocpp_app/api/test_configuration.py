"""Configuration over the API: what is there, what is wanted, templates, connectors out of use."""

from typing import Any

import pytest

from ocpp_app.models import (
    AuditEntry,
    ChargePointGroup,
    ConfigurationKey,
    ConfigurationTemplate,
    Inquiry,
    Organisation,
    WantedState,
)
from tests.ocpp_app.api.test_resources import pointers
from tests.ocpp_app.api.world import Caller, Tenant

pytestmark = pytest.mark.django_db

OF_OURS = "charge-points/ours-1"
INTERVAL = "MeterValueSampleInterval"


def rows(response: Any) -> list[Any]:
    assert response.status_code == 200, response.content
    found: list[Any] = response.json()["results"]
    return found


def test_values_are_wanted_and_shown_until_they_are_there(operator: Caller, ours: Tenant) -> None:
    values = {INTERVAL: "60", "HeartbeatInterval": "60.0"}
    response = operator.patch(f"{OF_OURS}/configuration/", {"values": values})
    assert response.status_code == 200
    heartbeat, interval = response.json()
    assert (interval["key"], interval["wanted"], interval["value"], interval["state"]) == (
        INTERVAL,
        "60",
        None,
        "to_send",
    )
    assert (heartbeat["state"], heartbeat["is_own"]) == ("in_force", True)
    assert Inquiry.objects.get(charge_point=ours.charge_point).due_at is not None
    listed = rows(operator.get(f"{OF_OURS}/configuration/"))
    assert [row["key"] for row in listed] == ["HeartbeatInterval", INTERVAL]
    assert [row["key"] for row in rows(operator.get(f"{OF_OURS}/configuration/?drift=true"))] == [INTERVAL]
    assert (
        rows(operator.get("configuration-keys/?drift=true&key=metervaluesampleinterval"))[0]["charge_point"] == "ours-1"
    )
    assert AuditEntry.objects.filter(action="configuration wanted", charge_point=ours.charge_point).count() == 1
    assert operator.patch(f"{OF_OURS}/configuration/", {"values": {INTERVAL: None}}).json()[0]["wanted"] is None


@pytest.mark.parametrize(
    ("values", "pointer", "detail"),
    [
        ({"AuthorizationKey": "0123456789abcdef"}, "/values/AuthorizationKey", "holds a secret"),
        ({"K" * 51: "1"}, f"/values/{'K' * 51}", "OCPP allows 50"),
        ({INTERVAL: "1" * 501}, f"/values/{INTERVAL}", "no more than 500"),
        ({"A": "1", "a": "2"}, "/values/a", "named twice"),
        ({f"K{number}": "1" for number in range(201)}, "/values", "too many"),
        ("60", "/values", "Expected a dictionary"),
    ],
)
def test_wish_that_cannot_be_is_refused_naming_the_key(
    values: Any, pointer: str, detail: str, operator: Caller, ours: Tenant
) -> None:
    response = operator.patch(f"{OF_OURS}/configuration/", {"values": values})
    assert pointers(response) == [pointer]
    assert detail in response.json()["errors"][0]["detail"]
    assert not ConfigurationKey.objects.filter(wanted__isnull=False).exists()


def test_refused_values_are_applied_again_and_all_is_read_again(operator: Caller, ours: Tenant) -> None:
    operator.patch(f"{OF_OURS}/configuration/", {"values": {INTERVAL: "60"}})
    ConfigurationKey.objects.filter(wanted="60").update(state=WantedState.REJECTED)
    response = operator.post(f"{OF_OURS}/apply-configuration/")
    assert (response.status_code, response.json()) == (202, {"identity": "ours-1", "values": 1})
    assert ConfigurationKey.objects.get(wanted="60").state == WantedState.TO_SEND
    Inquiry.objects.update(due_at=None)
    assert operator.post(f"{OF_OURS}/read-configuration/").status_code == 202
    assert Inquiry.objects.get(charge_point=ours.charge_point).due_at is not None


def test_template_is_made_changed_and_deleted(admin: Caller, ours: Tenant) -> None:
    wanted = {"name": "T", "model": "M*", "groups": [ours.group.pk], "values": {INTERVAL: "60", "A": ""}}
    made = admin.post("configuration-templates/", wanted)
    assert made.status_code == 201, made.content
    assert made.json()["values"] == {"A": "", INTERVAL: "60"}
    path = f"configuration-templates/{made.json()['id']}/"
    ConfigurationTemplate.objects.update(is_settled=True)
    stale = admin.get(path)["ETag"]
    changed = admin.patch(path, {"values": {INTERVAL: "90"}}, If_Match=stale)
    assert changed.json()["values"] == {INTERVAL: "90"}
    assert not ConfigurationTemplate.objects.get(name="T").is_settled
    assert admin.patch(path, {"position": 2}, If_Match=stale).status_code == 412
    assert pointers(admin.patch(path, {"values": {"WifiPassword": "x"}})) == ["/values/WifiPassword"]
    assert admin.post("configuration-templates/", {"name": "T"}).status_code == 409
    assert admin.delete(path).status_code == 204


def test_template_stays_in_its_organisation(admin: Caller, theirs: Tenant) -> None:
    group = ChargePointGroup.objects.get(organisation=Organisation.objects.get(slug="theirs"))
    assert pointers(admin.post("configuration-templates/", {"name": "T", "groups": [group.pk]})) == ["/groups"]


def test_connector_is_taken_out_of_use(operator: Caller, ours: Tenant) -> None:
    response = operator.patch(f"{OF_OURS}/availability/", {"connector": 2, "wanted": "Inoperative"})
    assert response.status_code == 200
    assert (response.json()["connector"], response.json()["state"]) == (2, "to_send")
    assert len(rows(operator.get(f"{OF_OURS}/availability/"))) == 2
    assert operator.patch(f"{OF_OURS}/availability/", {"connector": 0, "wanted": "Operative"}).status_code == 200
    assert pointers(operator.patch(f"{OF_OURS}/availability/", {"connector": 9, "wanted": "Operative"})) == [
        "/connector"
    ]
    assert pointers(operator.patch(f"{OF_OURS}/availability/", {"connector": 1, "wanted": "Off"})) == ["/wanted"]
