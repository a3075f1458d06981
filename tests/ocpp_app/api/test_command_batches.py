"""One command to many charge points over the API: progress, and a result for each."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import ChargePoint, Command, CommandBatch, Scope
from tests.ocpp_app.api.test_schema import document
from tests.ocpp_app.api.world import Caller, Tenant, make_tenant
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.site import Site, sends

pytestmark = commits

SOFT = {"action": "Reset", "payload": {"type": "Soft"}}
ANSWERS = {"CP1": '[3,"%s",{"status":"Accepted"}]', "CP2": '[3,"%s",{"status":"Rejected"}]'}


@pytest.fixture
def tenant(db: None, settings: Any) -> Tenant:
    settings.OCPP_RELAY = "memory"
    tenant = make_tenant("ours")
    CommandBatch.objects.all().delete()
    Command.objects.all().delete()
    for identity in ("CP1", "CP2", "CP3"):
        ChargePoint.objects.create(
            identity=identity, security_profile=0, organisation=tenant.organisation, site=tenant.site, model="M2"
        )
    return tenant


@pytest.fixture
def site(tenant: Tenant) -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def caller(tenant: Tenant) -> Caller:
    return tenant.caller(Scope.OPERATE)


def order(caller: Caller, chosen: Any, data: Any = SOFT, **headers: str) -> Any:
    return caller.post("command-batches/", {**data, "filter": chosen}, **headers)


def test_progress_and_the_result_of_each_charge_point(site: Site, caller: Caller) -> None:
    wires = {identity: site.connect(identity) for identity in ANSWERS}
    site.answer = lambda command: sends(wires[command.identity], ANSWERS[command.identity])(command)
    response = order(caller, {"model": "M2"})
    assert response.status_code == 202, response.content
    batch = response.json()
    assert (batch["size"], batch["organisation"], batch["api_token"]) == (3, "ours", "operate")
    assert batch["filter"] == {"model": "M2"}
    while not batch["is_finished"]:
        batch = caller.get(f"command-batches/{batch['id']}/").json()
    assert (batch["finished"], batch["states"]) == (3, {"answered": 2, "expired": 1})
    assert batch["statuses"] == {"Accepted": 1, "Rejected": 1}
    results = caller.get(f"command-batches/{batch['id']}/commands/").json()["results"]
    assert {row["charge_point"]: (row["state"], row["status"], row["reason"]) for row in results} == {
        "CP1": ("answered", "Accepted", ""),
        "CP2": ("answered", "Rejected", ""),
        "CP3": ("expired", "", "is not connected; give expires_at to let the command wait for it."),
    }
    only = caller.get(f"command-batches/{batch['id']}/commands/?state=expired").json()["results"]
    assert [row["charge_point"] for row in only] == ["CP3"]
    assert caller.get("command-batches/?action=Reset").json()["results"][0]["id"] == batch["id"]
    assert len(caller.get(f"commands/?batch={batch['id']}").json()["results"]) == 3


def test_frames_and_durations_of_each_command_are_shown(site: Site, caller: Caller) -> None:
    wire = site.connect("CP1")
    site.answer = sends(wire, '[3, "%s", {"status":  "Accepted"}]')
    shown = caller.post("charge-points/CP1/commands/", {**SOFT, "wait": 30}).json()
    assert shown["frame"] == f'[2,"{shown["id"]}","Reset",{{"type":"Soft"}}]'
    assert shown["answer"] == f'[3, "{shown["id"]}", {{"status":  "Accepted"}}]'
    assert 0 <= shown["waited_s"] <= shown["took_s"]


def test_repeated_key_is_the_same_batch(caller: Caller) -> None:
    data = {**SOFT, "expires_at": (timezone.now() + timedelta(hours=1)).isoformat()}
    first = order(caller, {"identities": ["CP1", "CP2"]}, data, Idempotency_Key="k").json()
    assert order(caller, {"identities": ["CP1", "CP2"]}, data, Idempotency_Key="k").json()["id"] == first["id"]
    assert first["states"] == {"queued": 2}
    assert Command.objects.count() == 2
    assert order(caller, {"identities": ["CP3"]}, data, Idempotency_Key="k").status_code == 422


def test_batch_can_be_taken_back(caller: Caller) -> None:
    data = {**SOFT, "expires_at": (timezone.now() + timedelta(hours=1)).isoformat()}
    batch = order(caller, {"all": True}, data).json()
    assert batch["size"] == ChargePoint.objects.count()
    cancelled = caller.post(f"command-batches/{batch['id']}/cancel/").json()
    assert cancelled["states"] == {"cancelled": batch["size"]}
    assert set(Command.objects.filter(state="cancelled").values_list("reason", flat=True)) == {
        "cancelled by token operate"
    }


@pytest.mark.parametrize(
    ("chosen", "data", "pointer"),
    [
        ({}, SOFT, "/filter"),
        ({"all": False}, SOFT, "/filter"),
        ({"modell": "M2"}, SOFT, "/filter/modell"),
        ({"identities": ["CP1", "CP404"]}, SOFT, "/filter/identities"),
        ({"identities": ["theirs-1"]}, SOFT, "/filter/identities"),
        ({"model": "M9"}, SOFT, "/filter"),
        ({"model": "M2"}, {"action": "Reset", "payload": {"type": "Warm"}}, "/payload/type"),
        ({"model": "M2"}, {"action": "Heartbeat"}, "/action"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_sent(chosen: Any, data: Any, pointer: str, caller: Caller) -> None:
    make_tenant("theirs")
    before = Command.objects.count()
    response = order(caller, chosen, data)
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["pointer"].startswith(pointer), response.json()
    assert Command.objects.count() == before


def test_all_means_all_that_one_sees(caller: Caller) -> None:
    make_tenant("theirs")
    batch = order(caller, {"all": True}).json()
    chosen = Command.objects.filter(batch=batch["id"]).values_list("charge_point__organisation__slug", flat=True)
    assert set(chosen) == {"ours"}


def test_every_action_to_many_is_in_the_schema() -> None:
    schemas = document()["components"]["schemas"]
    actions = schemas["CommandBatchOrderRequest"]["discriminator"]["mapping"]
    assert len(actions) == 26
    assert schemas["ResetCommandToMany"]["required"] == ["action", "payload", "filter"]
