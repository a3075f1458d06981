"""Commands over the API, with a real worker and a charge point that answers."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import ChargePoint, Command, CommandState, Scope
from ocppj import envelope
from tests.ocpp_app.api.test_schema import document
from tests.ocpp_app.api.world import Caller, Tenant, make_tenant
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.site import Site, call_of, sends
from tests.ocpp_app.wire import Wire

SOFT = {"action": "Reset", "payload": {"type": "Soft"}}


pytestmark = commits


@pytest.fixture
def tenant(db: None, settings: Any) -> Tenant:
    settings.OCPP_RELAY = "memory"
    return make_tenant("ours")


@pytest.fixture
def site(tenant: Tenant) -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def wire(site: Site, tenant: Tenant) -> Wire:
    ChargePoint.objects.create(identity="CP001", security_profile=0, organisation=tenant.organisation)
    return site.connect("CP001")


@pytest.fixture
def caller(tenant: Tenant) -> Caller:
    return tenant.caller(Scope.OPERATE)


def order(caller: Caller, data: Any, **headers: str) -> Any:
    return caller.post("charge-points/CP001/commands/", data, **headers)


def test_with_wait_the_answer_is_the_charge_points_own(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire, '[3,"%s",{"status":"Accepted"}]')
    response = order(caller, {**SOFT, "wait": 30})
    assert response.status_code == 200, response.content
    shown = response.json()
    assert (shown["state"], shown["status"], shown["response"]) == ("answered", "Accepted", {"status": "Accepted"})
    assert (shown["charge_point"], shown["api_token"]) == ("CP001", "operate")
    (command,) = site.commands
    assert call_of(command) == ("Reset", {"type": "Soft"})
    assert caller.get(f"commands/{command.unique_id}/").json()["id"] == command.unique_id


def test_without_wait_the_command_is_on_its_way(site: Site, wire: Wire, caller: Caller) -> None:
    response = order(caller, SOFT)
    assert response.status_code == 202
    assert response.json()["state"] in ("queued", "dispatched")
    assert response.json()["expires_at"] is None


def test_call_error_is_a_bad_gateway_with_what_it_said(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire, '[4,"%s","NotSupported","no resets here",{}]')
    response = order(caller, {**SOFT, "wait": 30})
    assert response.status_code == 502
    problem = response.json()
    assert (problem["error_code"], problem["error_description"]) == ("NotSupported", "no resets here")
    assert problem["command"]["state"] == "error"
    assert response["Content-Type"] == "application/problem+json"


def test_no_answer_in_time_leaves_the_command_alive(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire)
    response = order(caller, {**SOFT, "wait": 1})
    assert response.status_code == 504
    assert response.json()["command"]["state"] in ("dispatched", "sent")
    (command,) = site.commands
    site.ask(wire.frame(f'[3,"{command.unique_id}",{{"status":"Accepted"}}]'))
    assert caller.get(f"commands/{command.unique_id}/").json()["status"] == "Accepted"


def test_lost_command_will_not_be_answered(site: Site, wire: Wire, caller: Caller) -> None:
    def hang_up(command: envelope.Command) -> Iterable[envelope.Request]:
        yield wire.report(command.unique_id, "sent")
        yield wire.disconnect(unanswered=(command.unique_id,))

    site.answer = hang_up
    response = order(caller, {**SOFT, "wait": 30})
    assert response.status_code == 504
    assert response.json()["command"]["state"] == "lost"


def test_offline_is_a_conflict_unless_it_may_wait(caller: Caller, tenant: Tenant) -> None:
    ChargePoint.objects.create(identity="CP001", organisation=tenant.organisation)
    response = order(caller, SOFT)
    assert response.status_code == 409
    assert "not connected" in response.json()["detail"]
    queued = order(caller, {**SOFT, "expires_at": (timezone.now() + timedelta(hours=1)).isoformat()})
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    cancelled = caller.post(f"commands/{queued.json()['id']}/cancel/")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert "operate" in cancelled.json()["reason"]


def test_repeated_key_sends_nothing(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire, '[3,"%s",{"status":"Accepted"}]')
    answers = [order(caller, {**SOFT, "wait": 30}, Idempotency_Key="abc") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.json()["id"] for answer in answers}) == len(site.commands) == 1
    assert order(caller, {"action": "ClearCache", "wait": 30}, Idempotency_Key="abc").status_code == 422
    assert order(caller, SOFT, Idempotency_Key="a b").status_code == 400
    assert Command.objects.filter(charge_point__identity="CP001").count() == 1


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"action": "Reset", "payload": {"type": "Warm"}}, "/payload/type"),
        ({"action": "Reset", "payload": {}}, "/payload/type"),
        ({"action": "Reset", "payload": {"type": "Soft", "why": "x"}}, "/payload/why"),
        ({"action": "Reset", "payload": []}, "/payload"),
        ({"action": "BootNotification", "payload": {}}, "/action"),
        ({"action": "Reboot"}, "/action"),
        ({}, "/action"),
        ({"action": "RemoteStartTransaction", "payload": {"idTag": "x" * 21}}, "/payload/idTag"),
        ({"action": "GetConfiguration", "payload": {"key": ["a", 5]}}, "/payload/key/1"),
        ({**SOFT, "wait": -1}, "/wait"),
        ({**SOFT, "wait": 1000}, "/wait"),
        ({**SOFT, "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
def test_what_the_message_forbids_is_named(data: Any, pointer: str, wire: Wire, caller: Caller) -> None:
    response = order(caller, data)
    assert response.status_code == 400, response.content
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_authorization_key_is_not_shown(site: Site, wire: Wire, tenant: Tenant) -> None:
    caller = tenant.caller(Scope.ADMIN)
    payload = {"key": "AuthorizationKey", "value": "0011223344556677889900112233445566778899"}
    response = order(caller, {"action": "ChangeConfiguration", "payload": payload})
    assert response.status_code == 202
    assert payload["value"] not in response.content.decode()
    assert payload["value"] not in caller.get("commands/").content.decode()


def test_charge_point_of_others_gets_no_command(caller: Caller, site: Site) -> None:
    theirs = make_tenant("theirs")
    foreign = Command.objects.get(charge_point=theirs.charge_point)
    site.connect(theirs.charge_point.identity)
    response = caller.post(f"charge-points/{theirs.charge_point.identity}/commands/", SOFT)
    assert response.status_code == 404
    # Housekeeping may ask it for something meanwhile.
    assert not Command.objects.exclude(pk=foreign.pk).filter(charge_point=theirs.charge_point, source="api").exists()
    assert caller.post(f"commands/{foreign.pk}/cancel/").status_code == 404
    foreign.refresh_from_db()
    assert (foreign.state == CommandState.CANCELLED, foreign.cancel_requested_at) == (False, None)


def test_schema_holds_every_action_that_we_may_send() -> None:
    schemas = document()["components"]["schemas"]
    mapping = schemas["CommandOrderRequest"]["discriminator"]["mapping"]
    assert {"Reset", "SetChargingProfile", "DataTransfer", "SignedUpdateFirmware"} <= set(mapping)
    assert "BootNotification" not in mapping
    reset = schemas[mapping["Reset"].rsplit("/", 1)[1]]
    assert reset["properties"]["action"] == {"type": "string", "const": "Reset"}
    assert reset["properties"]["payload"] == {"$ref": "#/components/schemas/Ocpp16ResetRequest"}
    assert schemas["Ocpp16ResetRequest"]["required"] == ["type"]
    assert schemas["Ocpp16ResetType"]["enum"] == ["Hard", "Soft"]
