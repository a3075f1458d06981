"""Reservations and reports over the API."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import ChargePoint, Reservation, Scope, Transaction
from tests.ocpp_app.api.world import Caller, Tenant, make_tenant, make_transaction
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.site import Site, call_of, sends
from tests.ocpp_app.wire import Wire

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


def order(**values: Any) -> dict[str, Any]:
    until = (timezone.now() + timedelta(hours=1)).isoformat()
    return {"charge_point": "CP001", "connector": 1, "id_tag": "TAG1", "expires_at": until, **values}


def test_reservation_is_made_and_cancelled(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire, '[3,"%s",{"status":"Accepted"}]')
    made = caller.post("reservations/", order(wait=30))
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["status"], shown["charge_point"], shown["connector"]) == ("Accepted", "CP001", 1)
    action, payload = call_of(site.commands[0])
    assert (action, payload["reservationId"], payload["idTag"]) == ("ReserveNow", shown["id"], "TAG1")
    assert caller.get("reservations/?status=Accepted&charge_point=CP001").json()["results"] == [shown]
    cancelled = caller.post(f"reservations/{shown['id']}/cancel/", {"wait": 30})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "Cancelled")


def test_refusal_of_the_charge_point_is_its_status(site: Site, wire: Wire, caller: Caller) -> None:
    site.answer = sends(wire, '[3,"%s",{"status":"Occupied"}]')
    made = caller.post("reservations/", order(wait=30))
    assert (made.status_code, made.json()["status"]) == (201, "Occupied")
    site.answer = sends(wire, '[4,"%s","NotSupported","none",{}]')
    failed = caller.post("reservations/", order(wait=30))
    assert (failed.status_code, failed.json()["error_code"]) == (502, "NotSupported")
    assert failed.json()["reservation"]["status"] == "Rejected"


def test_offline_is_a_conflict_unless_it_may_wait(caller: Caller, tenant: Tenant) -> None:
    ChargePoint.objects.create(identity="CP001", organisation=tenant.organisation)
    count = Reservation.objects.count()
    assert caller.post("reservations/", order()).status_code == 409
    assert Reservation.objects.count() == count
    queued = caller.post("reservations/", order(queue=True))
    assert (queued.status_code, queued.json()["status"]) == (202, "Requested")


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"id_tag": "x" * 21}, "/id_tag"),
        ({"connector": -1}, "/connector"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"charge_point": "theirs-1"}, "/charge_point"),
        ({"wait": 1000}, "/wait"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], pointer: str, wire: Wire, caller: Caller) -> None:
    make_tenant("theirs")
    response = caller.post("reservations/", order(**values))
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


# -- reports -----------------------------------------------------------------------------------------------------


def test_report_has_what_was_charged_and_nothing_of_others(tenant: Tenant) -> None:
    ended = {"is_active": False, "energy_wh": 1500, "duration_s": 600, "currency": "EUR", "cost_minor": 59}
    for organisation in (tenant, make_tenant("theirs")):
        for day in (1, 31):
            stopped_at = f"2025-03-{day:02}T12:00:00Z"
            make_transaction(organisation.charge_point, stopped_at=stopped_at, **ended)
    Transaction.objects.filter(is_active=True).delete()
    reader = tenant.caller(Scope.READ)
    shown = reader.get("reports/?by=charge_point&first=2025-03-01&last=2025-03-30").json()
    row = {"currency": "EUR", "sessions": 1, "energy_wh": 1500, "duration_s": 600, "cost": "0.5900"}
    doubt = {"in_doubt": 0, "doubtful_wh": 0}
    assert shown["rows"] == [{"name": "ours-1", **row, **doubt}]
    assert [total["sessions"] for total in shown["totals"]] == [1]
    assert reader.get("reports/?by=month&last=2025-03-31").json()["rows"][0]["sessions"] == 2
    asked = "reports/?by=charge_point&first=2025-03-01&last=2025-03-30"
    for answer in (reader.get(f"{asked}&format=csv"), reader.get(asked, Accept="text/csv")):
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        lines = b"".join(answer.streaming_content).decode().splitlines()
        assert (lines[0].split(",")[0], lines[1].split(",")[:3]) == ("charge_point", ["ours-1", "1", "1.500"])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("by=colour", "/by"),
        ("first=yesterday", "/first"),
        ("first=2025-03-02&last=2025-03-01", "/first"),
        ("last=0001-01-01", "/last"),
        ("time_zone=Mars", "/time_zone"),
        ("month=1", "/month"),
        ("by=colour&format=csv", "/by"),
    ],
)
def test_what_is_wrong_with_a_period_is_named(query: str, pointer: str, tenant: Tenant) -> None:
    response = tenant.caller(Scope.READ).get(f"reports/?{query}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
