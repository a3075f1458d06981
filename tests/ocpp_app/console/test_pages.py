"""What the pages say and what their buttons do."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from ocpp_app import upkeep
from ocpp_app.console.connections import bar_of
from ocpp_app.credentials import verify_key
from ocpp_app.models import (
    AuditEntry,
    ChargePoint,
    Command,
    Direction,
    Gateway,
    IdTag,
    Lease,
    Message,
    PowerSample,
    RegistrationStatus,
    Reservation,
    Transaction,
)
from tests.ocpp_app.console.world import NOW, Tenant, body_of, make_charge_point, make_transaction, person, text_of


def chart_on(page: str, name: str) -> Any:
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


# -- signing in, zones, the state of the system ----------------------------------------------------------------


def test_signing_in_and_out_leads_where_one_wanted_to_go(ours: Tenant) -> None:
    get_user_model().objects.create_user("ada", password="a long enough password")
    client = Client()
    door = client.get("/transactions/").headers["Location"]
    assert door == "/login/?next=/transactions/"
    wrong = client.post(door, {"username": "ada", "password": "wrong", "next": "/transactions/"})
    assert "correct username and password" in text_of(wrong)
    right = {"username": "ada", "password": "a long enough password"}
    assert client.post(door, {**right, "next": "/transactions/"}).headers["Location"] == "/transactions/"
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.post(door, {**right, "next": "https://elsewhere.example/"}).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Berlin", "13:30:45"),
        ("Asia/Kolkata", "18:00:45"),
        ("../../etc/passwd", "12:30:45"),
        ("Nowhere", "12:30:45"),
    ],
)
def test_times_are_in_the_viewers_zone(viewer: Client, ours: Tenant, zone: str, shown: str) -> None:
    viewer.cookies["console_zone"] = zone
    assert f"2025-03-04 {shown}" in text_of(viewer.get(f"/transactions/{ours.transaction.pk}/"))


def test_a_dead_worker_shows_on_every_page(viewer: Client, ours: Tenant) -> None:
    assert "No worker" not in text_of(viewer.get("/"))
    Lease.objects.update(expires_at=datetime.now(UTC) - timedelta(minutes=5))
    for address in ("/", "/transactions/", "/state/"):
        assert "No worker is running. The last sign of one was at" in text_of(viewer.get(address))
    Lease.objects.all().delete()
    assert "None has run yet" in text_of(viewer.get("/"))


def test_silent_and_missing_gateways_show(viewer: Client, ours: Tenant) -> None:
    now = datetime.now(UTC)
    Gateway.objects.create(name="mute", last_announced_at=now - timedelta(minutes=2))
    assert "The gateway mute is silent." in text_of(viewer.get("/"))
    Gateway.objects.filter(name="mute").update(gone_at=now)  # housekeeping has found out
    assert "The gateway mute is silent." in text_of(viewer.get("/"))
    Gateway.objects.filter(name="mute").update(last_announced_at=now)  # it said good-bye
    assert "silent" not in text_of(viewer.get("/"))
    Gateway.objects.update(gone_at=now, last_announced_at=now)
    assert "No gateway is running." in text_of(viewer.get("/"))


# -- the overview ----------------------------------------------------------------------------------------------


def test_the_overview_counts_what_happens_now(viewer: Client, ours: Tenant) -> None:
    Transaction.objects.filter(pk=ours.transaction.pk).update(last_power_w=11_040)
    offline = make_charge_point(ours.organisation, "ours-offline")
    make_transaction(offline, last_power_w=5000)
    ChargePoint.objects.filter(pk=offline.pk).update(session=None)
    page = text_of(viewer.get("/"))
    assert "Connected 1 of 3" in page
    assert "Charging now 1" in page
    assert "Power now 11.0 kW" in page  # of one that is offline nobody knows what it draws


def test_energy_is_that_of_the_viewers_day_and_month(viewer: Client, ours: Tenant) -> None:
    Transaction.objects.update(is_active=False, stopped_at=timezone.now(), energy_wh=4200)
    old = make_transaction(ours.charge_point, is_active=False, stopped_at=NOW, energy_wh=90_000)
    assert old.pk
    assert "Energy today 4.2 kWh 4 kWh this month" in text_of(viewer.get("/overview/energy/"))


def test_power_is_noted_every_minute_and_drawn_with_its_gaps(viewer: Client, ours: Tenant, theirs: Tenant) -> None:
    Transaction.objects.filter(organisation=ours.organisation).update(last_power_w=11_000)
    PowerSample.objects.all().delete()
    old = timezone.now() - timedelta(days=9)
    PowerSample.objects.create(organisation=ours.organisation, at=old, power_w=1, charging=1)
    upkeep.note_power()
    noted = {sample.organisation_id: (sample.power_w, sample.charging) for sample in PowerSample.objects.all()}
    assert noted == {ours.organisation.pk: (11_000, 1), theirs.organisation.pk: (0, 1)}
    hour_ago = timezone.now() - timedelta(hours=1)
    PowerSample.objects.create(organisation=ours.organisation, at=hour_ago, power_w=7000, charging=1)
    data = chart_on(body_of(viewer.get("/overview/power/")), "power-data")["data"]
    assert data[1] == [7.0, None, 11.0]


# -- charge points ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"ours-1", "ours-2", "ours-new"}),
        ("?state=online", {"ours-1"}),
        ("?state=offline", {"ours-2", "ours-new"}),
        ("?state=charging", {"ours-1"}),
        ("?state=faulted", {"ours-1"}),
        ("?state=pending", {"ours-new"}),
        ("?q=OURS-2", {"ours-2"}),
        ("?q=ours acme", {"ours-2", "ours-new"}),
        ("?q=nothing", set()),
        ("?site=999&state=nonsense", set()),
    ],
)
def test_charge_points_are_searched_and_filtered(viewer: Client, ours: Tenant, query: str, found: set[str]) -> None:
    ChargePoint.objects.filter(registration_status="Pending").delete()
    for identity, status in (("ours-2", "Accepted"), ("ours-new", "Pending")):
        ChargePoint.objects.create(
            organisation=ours.organisation, identity=identity, vendor="Acme", registration_status=status
        )
    page = body_of(viewer.get(f"/charge-points/{query}"))
    assert set(re.findall(r"<strong>(ours-\w+)</strong>", page)) == found


def test_lists_go_on_behind_fifty_rows(viewer: Client, ours: Tenant) -> None:
    ChargePoint.objects.bulk_create(
        ChargePoint(organisation=ours.organisation, identity=f"A{number:03}") for number in range(60)
    )
    first, second = (body_of(viewer.get(f"/charge-points/?q=A0&page={number}")) for number in (1, 2))
    assert ("A049" in first, "A050" in first, 'rel="next"' in first) == (True, False, True)
    assert ("A050" in second, 'rel="prev"' in second) == (True, True)
    assert (
        viewer.get("/charge-points/?page=x").status_code
        == viewer.get("/charge-points/?page=99999999999").status_code
        == 200
    )


def test_a_charge_point_is_registered_with_its_address(admin: Client, ours: Tenant, settings: Any) -> None:
    settings.OCPP_WEBSOCKET_URL = "wss://{host}/ocpp"
    made = {"identity": "Tiefgarage 1", "organisation": ours.organisation.pk, "site": ours.site.pk}
    page = admin.post("/charge-points/add/", made, follow=True)
    assert "wss://testserver/ocpp/Tiefgarage%201" in text_of(page)
    again = text_of(admin.post("/charge-points/add/", made))
    assert "registered already" in again
    assert "no slash" in text_of(admin.post("/charge-points/add/", {**made, "identity": "a/b"}))


def test_rows_of_another_organisation_cannot_be_chosen(admin: Client, ours: Tenant, theirs: Tenant) -> None:
    made = {"identity": "NEW", "organisation": theirs.organisation.pk}
    assert "valid choice" in text_of(admin.post("/charge-points/add/", made))
    settings = {"site": theirs.site.pk, "unknown_id_tag": "", "auto_remote_start": "unknown", "is_strict": "unknown"}
    assert "valid choice" in text_of(admin.post(f"/charge-points/{ours.charge_point.pk}/access/", settings))
    assert not ChargePoint.objects.filter(identity="NEW").exists()


def test_settings_are_saved_without_touching_live_state(admin: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/access/"
    values = {
        "name": "At the door",
        "groups": [ours.group.pk],
        "auto_remote_start": "false",
        "is_strict": "unknown",
        "heartbeat_interval_s": "900",
    }
    assert admin.post(address, values).status_code == 302
    row = ChargePoint.objects.get(pk=ours.charge_point.pk)
    assert (row.name, row.auto_remote_start, row.is_strict, row.heartbeat_interval_s) == (
        "At the door",
        False,
        None,
        900,
    )
    assert list(row.groups.all()) == [ours.group]
    assert row.is_connected
    assert AuditEntry.objects.filter(action="ChargePoint changed", subject="ours-1").exists()


def test_approval_rejection_and_the_password_that_is_shown_once(
    admin: Client, operator: Client, ours: Tenant, settings: Any
) -> None:
    settings.OCPP_SECURITY_PROFILE = 1
    row = ChargePoint.objects.get(registration_status="Pending")
    refused = operator.post(f"/charge-points/{row.pk}/approve/", {"from": "approval"}, follow=True)
    assert "is not connected, so this was not sent" in text_of(refused)
    row.refresh_from_db()
    assert row.registration_status == RegistrationStatus.PENDING
    page = body_of(admin.post(f"/charge-points/{row.pk}/password/"))
    key = re.search(r'<code id="key">([0-9a-f]{40})</code>', page)
    assert key is not None
    row.refresh_from_db()
    assert verify_key(key[1].encode(), row.authorization_key)
    assert key[1] not in body_of(operator.get(f"/charge-points/{row.pk}/access/"))
    assert "is approved" in text_of(
        operator.post(f"/charge-points/{row.pk}/approve/", {"from": "approval"}, follow=True)
    )
    row.refresh_from_db()
    assert row.registration_status == RegistrationStatus.ACCEPTED
    operator.post(f"/charge-points/{row.pk}/reject/")
    row.refresh_from_db()
    assert row.registration_status == RegistrationStatus.REJECTED
    actions = list(AuditEntry.objects.filter(charge_point=row).order_by("pk").values_list("action", flat=True))
    assert actions[1:] == ["authorization key set", "registration Accepted", "registration Rejected"]


# -- commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "query", "data", "said", "action", "payload"),
    [
        (
            "start",
            "?connector=2",
            {"id_tag": "TAG1"},
            "connector 2",
            "RemoteStartTransaction",
            {"idTag": "TAG1", "connectorId": 2},
        ),
        (
            "unlock",
            "?connector=1",
            {},
            "which is charging there, is stopped first",
            "UnlockConnector",
            {"connectorId": 1},
        ),
        ("reset", "", {"type": "Hard"}, "1 transaction is in progress: it ends.", "Reset", {"type": "Hard"}),
    ],
)
def test_one_click_asks_says_what_will_happen_and_sends(
    operator: Client, ours: Tenant, name: str, query: str, data: Any, said: str, action: str, payload: Any
) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/ask/{name}/{query}"
    assert said in text_of(operator.get(address))
    answer = operator.post(address, data)
    command = Command.objects.get(source="console")
    assert answer.headers["Location"] == f"/commands/{command.pk}/"
    assert (command.action, command.payload, command.requested_by) == (action, payload, operator.user)  # type: ignore[attr-defined]


def test_stop_is_for_a_transaction_of_this_charge_point(operator: Client, ours: Tenant, theirs: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/ask/stop/?transaction="
    assert "0.50 kWh" in text_of(operator.get(f"{address}{ours.transaction.pk}"))
    for wrong in (theirs.transaction.pk, "", "x", 10**12):
        assert operator.get(f"{address}{wrong}").status_code == 404
    assert operator.get(f"/charge-points/{ours.charge_point.pk}/ask/explode/").status_code == 404


def test_a_form_sent_twice_is_one_command(operator: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/commands/Reset/"
    nonce = re.search(r'name="nonce" value="([0-9a-f-]+)"', body_of(operator.get(address)))
    assert nonce is not None
    answers = [operator.post(address, {"type": "Soft", "nonce": nonce[1]}).headers["Location"] for _ in range(2)]
    assert answers == [f"/commands/{Command.objects.get(source='console').pk}/"] * 2


def test_what_the_type_forbids_is_said_at_the_field_and_nothing_is_sent(operator: Client, ours: Tenant) -> None:
    page = operator.post(f"/charge-points/{ours.charge_point.pk}/commands/RemoteStartTransaction/", {"idTag": "X" * 21})
    assert "21 characters, at most 20 allowed" in text_of(page)
    assert not Command.objects.filter(source="console").exists()


def test_a_command_for_an_offline_charge_point_waits_if_one_says_so(operator: Client, ours: Tenant) -> None:
    ChargePoint.objects.filter(pk=ours.charge_point.pk).update(session=None)
    address = f"/charge-points/{ours.charge_point.pk}/commands/ClearCache/"
    assert "is not connected, so this was not sent" in text_of(operator.post(address, {"keep": ""}))
    page = operator.post(address, {"keep": "3600"}, follow=True)
    assert "It waits until the charge point is connected." in text_of(page)
    command = Command.objects.get(source="console")
    assert operator.post(f"/commands/{command.pk}/cancel/").status_code == 302
    command.refresh_from_db()
    assert command.state == "cancelled"
    assert "cancelled by user-" in text_of(operator.get(f"/commands/{command.pk}/"))


def test_the_answer_is_readable(viewer: Client, ours: Tenant) -> None:
    made = {"charge_point": ours.charge_point, "timeout_s": 30, "created_at": NOW, "finished_at": NOW, "payload": {}}
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}, {"startPeriod": 600, "limit": 8}],
        "duration": 900,
    }
    composite = Command.objects.create(
        action="GetCompositeSchedule",
        state="answered",
        status="Accepted",
        response={"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule},
        **made,
    )
    page = body_of(viewer.get(f"/commands/{composite.pk}/"))
    assert chart_on(page, "schedule-data")["data"] == [[0, 600, 900], [16, 8, 8]]
    failed = Command.objects.create(
        action="GetLog", state="error", error_code="NotImplemented", error_description="what?", **made
    )
    assert "NotImplemented what?" in text_of(viewer.get(f"/commands/{failed.pk}/"))
    secret = Command.objects.create(
        action="ChangeConfiguration",
        state="queued",
        **{**made, "finished_at": None, "payload": {"key": "AuthorizationKey", "value": "5ecret5ecret5ecret"}},
    )
    assert "5ecret" not in body_of(viewer.get(f"/commands/{secret.pk}/"))


def test_a_reservation_is_asked_for_and_given_up(operator: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/reserve/"
    operator.cookies["console_zone"] = "Europe/Berlin"
    assert "has passed" in text_of(
        operator.post(address, {"connector": 1, "id_tag": "TAG1", "expires_at": "2020-01-01T12:00:00"})
    )
    assert (
        operator.post(address, {"connector": 1, "id_tag": "TAG1", "expires_at": "2199-07-01T12:00:00"}).status_code
        == 302
    )
    row = Reservation.objects.filter(id_tag="TAG1").latest("pk")
    assert row.expires_at == datetime(2199, 7, 1, 10, tzinfo=UTC)
    answer = operator.post(f"/charge-points/{ours.charge_point.pk}/reservations/{row.pk}/cancel/", follow=True)
    assert "asked to cancel reservation" in text_of(answer)


# -- messages, connections -------------------------------------------------------------------------------------


def test_the_log_pairs_filters_and_pages(viewer: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/messages/"
    Message.objects.bulk_create(
        Message(
            charge_point=ours.charge_point,
            direction=Direction.OUTBOUND,
            action="Reset",
            raw='[2,"r","Reset",{"type":"Soft"}]',
            at=NOW - timedelta(hours=1, seconds=number),
        )
        for number in range(60)
    )
    page = body_of(viewer.get(address))
    assert "InternalError" in page
    assert "42&nbsp;ms" in page
    older = re.search(r'<a id="older" href="([^"]+)"', page)
    assert older is not None
    rest = body_of(viewer.get(address + older[1].replace("&amp;", "&")))
    assert (page.count("Soft"), rest.count("Soft")) != (0, 0)
    assert (
        page.count('<details id="m-') + rest.count('<details id="m-')
        == Message.objects.filter(charge_point=ours.charge_point).count()
    )
    assert body_of(viewer.get(f"{address}?direction=in")).count("type: Soft") == 0
    assert body_of(viewer.get(f"{address}?action=Authorize")).count('<details id="m-') == 1
    assert body_of(viewer.get(f"{address}?errors=1&direction=in")).count('<details id="m-') == 2


def test_the_log_comes_as_json_lines(viewer: Client, ours: Tenant) -> None:
    answer = viewer.get(f"/charge-points/{ours.charge_point.pk}/messages.jsonl?action=Heartbeat")
    (line,) = map(json.loads, body_of(answer).splitlines())
    assert (line["charge_point"], line["frame"], line["answer"]) == ("ours-1", '[2,"1","Heartbeat",{}]', '[3,"1",{}]')


def test_the_uptime_bar_says_how_long_it_was_connected() -> None:
    def day(number: float) -> datetime:
        return NOW + timedelta(days=number)

    bar = bar_of([(day(-1), None), (day(-8), day(-5)), (day(-6), day(-4))], day(-10), day(-7), NOW)
    assert [(round(x), round(width)) for x, width in bar.parts] == [(0, 286), (286, 143), (857, 143)]
    assert round(bar_of([(day(-1), None)], day(-2), day(-7), NOW).share) == 50
    assert round(bar_of([], day(-2), day(-7), NOW).unknown) == 714


# -- transactions ----------------------------------------------------------------------------------------------


def test_transactions_are_filtered_and_the_csv_is_what_the_filter_shows(viewer: Client, ours: Tenant) -> None:
    evil = make_transaction(
        ours.charge_point,
        id_tag="=cmd|' /C calc'!A0",
        is_active=False,
        stopped_at=NOW + timedelta(hours=1),
        duration_s=3600,
        stop_reason="@SUM(A1)",
    )
    viewer.cookies["console_zone"] = "Europe/Berlin"
    page = text_of(viewer.get("/transactions/?state=ended"))
    assert f" {evil.pk} " in page
    assert f" {ours.transaction.pk} ours-1" not in page
    lines = body_of(viewer.get("/transactions.csv?state=ended")).splitlines()
    assert lines[0].startswith("\ufeffid,charge_point")
    assert lines[1].startswith(
        f"{evil.pk},ours-1,1,'=cmd|' /C calc'!A0,2025-03-04 13:30:45,2025-03-04 14:30:45,3600,0.500"
    )
    assert "'@SUM(A1)" in lines[1]
    assert len(lines) == 2
    for query, count in (
        ("?charge_point=ours-1", 2),
        ("?charge_point=nobody", 0),
        ("?id_tag=tag1", 1),
        ("?first=2025-03-05", 0),
        ("?first=2025-03-04&last=2025-03-04", 2),
        ("?state=odd", 2),
        ("?first=nonsense", 0),
    ):
        assert len(body_of(viewer.get(f"/transactions.csv{query}")).splitlines()) == count + 1, query


def test_one_transaction_with_its_curve_and_its_frames(viewer: Client, ours: Tenant) -> None:
    page = body_of(viewer.get(f"/transactions/{ours.transaction.pk}/"))
    drawing = chart_on(page, "curve-data")
    assert [one["label"] for one in drawing["series"]] == ["Power", "Energy"]
    assert drawing["data"][2] == [0.0, 0.1, 0.2]
    assert "Authorize" in page


def test_a_transaction_is_closed_with_a_reason(operator: Client, ours: Tenant) -> None:
    address = f"/transactions/{ours.transaction.pk}/close/"
    assert operator.post(address, {"reason": ""}).status_code == 200
    assert operator.post(address, {"reason": "the charger burnt down"}).status_code == 302
    row = Transaction.objects.get(pk=ours.transaction.pk)
    assert (row.is_active, row.close_note, row.closed_by_user) == (False, "the charger burnt down", operator.user)  # type: ignore[attr-defined]
    assert "ended already" in text_of(operator.post(address, {"reason": "again"}, follow=True))


def test_an_anomaly_is_resolved_with_a_note(operator: Client, ours: Tenant) -> None:
    anomaly = ours.transaction.anomalies.get()
    assert operator.post(f"/anomalies/{anomaly.pk}/", {"note": " "}).status_code == 200
    page = operator.post(f"/anomalies/{anomaly.pk}/", {"note": "meter was exchanged"}, follow=True)
    assert "meter was exchanged" in text_of(page)
    anomaly.refresh_from_db()
    assert anomaly.resolved_by == operator.user  # type: ignore[attr-defined]
    assert "resolved it already" in text_of(operator.post(f"/anomalies/{anomaly.pk}/", {"note": "again"}, follow=True))


def test_empty_states_say_what_to_do_next(ours: Tenant) -> None:
    from ocpp_app.models import Organisation, Role

    empty = Organisation.objects.create(name="Empty", slug="empty")
    client = person(None)
    empty.memberships.create(user=client.user, role=Role.ADMIN)  # type: ignore[attr-defined]
    assert "Enter the address of this server" in text_of(client.get("/"))
    assert "Or register it here first" in text_of(client.get("/charge-points/"))
    assert "OCPP_UNKNOWN_CHARGE_POINT" in text_of(client.get("/approval/"))
    assert "A transaction appears here" in text_of(client.get("/transactions/"))
    assert IdTag.objects.filter(organisation=empty).count() == 0
