"""What each resource does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.utils import timezone

from ocpp_app.api.charge_points import Sites
from ocpp_app.credentials import verify_key
from ocpp_app.models import (
    AnomalyKind,
    ApiToken,
    ChargePoint,
    Command,
    IdTag,
    Membership,
    Message,
    MeterValue,
    Role,
    Scope,
    SecurityEvent,
    Tariff,
    Transaction,
)
from tests.ocpp_app.api.world import NOW, Caller, Tenant, make_charge_point, make_transaction

pytestmark = pytest.mark.django_db


def ids(response: Any, name: str = "id") -> list[Any]:
    assert response.status_code == 200, response.content
    return [row[name] for row in response.json()["results"]]


def pointers(response: Any) -> list[str]:
    assert response.status_code == 400, response.content
    return [error["pointer"] for error in response.json()["errors"]]


# -- charge points ---------------------------------------------------------------------------------------------


def test_charge_point_is_created_without_a_password(admin: Caller, ours: Tenant) -> None:
    response = admin.post("charge-points/", {"identity": "CP 42", "name": "Gate"})
    assert response.status_code == 201
    assert response.json()["has_password"] is False
    row = ChargePoint.objects.get(identity="CP 42")
    assert (row.organisation, row.name, row.registration_status) == (ours.organisation, "Gate", "Accepted")
    assert admin.get("charge-points/CP%2042/").json()["connected"] is False


def test_charge_point_is_created_with_a_password_that_nobody_can_read(admin: Caller) -> None:
    response = admin.post("charge-points/", {"identity": "CP43", "password": "0123456789abcdefghij"})
    assert response.status_code == 201
    assert "0123456789" not in response.content.decode()
    assert response.json()["has_password"] is True
    assert verify_key(b"0123456789abcdefghij", ChargePoint.objects.get(identity="CP43").authorization_key)


@pytest.mark.parametrize("key", ["1e400", "1.5", "true", "[1]", '{"id": 1}', '"x"', "1" + "0" * 30, "-1"])
@pytest.mark.parametrize("field", ["site", "tariff"])
def test_key_that_is_none_is_refused(field: str, key: str, admin: Caller) -> None:
    """1e400 is infinity once it is read."""
    body = {"data": f'{{"{field}": {key}}}', "content_type": "application/json", "headers": admin.headers}
    response = admin.client.patch("/api/v1/charge-points/ours-1/", **body)
    assert pointers(response) == [f"/{field}"]


def test_renewed_password_is_shown_once(admin: Caller, ours: Tenant) -> None:
    password = admin.post("charge-points/ours-1/renew-password/").json()["password"]
    assert verify_key(password.encode(), ChargePoint.objects.get(identity="ours-1").authorization_key)
    assert password not in admin.get("charge-points/ours-1/").content.decode()


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"identity": "a/b"}, "/identity"),
        ({"identity": ""}, "/identity"),
        ({}, "/identity"),
        ({"identity": "CP1", "password": "short"}, "/password"),
        ({"identity": "CP1", "unknown_id_tag": "maybe"}, "/unknown_id_tag"),
    ],
)
def test_what_is_wrong_with_a_charge_point_is_named(sent: Any, pointer: str, admin: Caller) -> None:
    assert pointers(admin.post("charge-points/", sent)) == [pointer]


def test_taken_identity_is_a_conflict(admin: Caller, theirs: Tenant) -> None:
    assert admin.post("charge-points/", {"identity": "theirs-1"}).status_code == 409


def test_what_belongs_to_others_cannot_be_referred_to(admin: Caller, theirs: Tenant) -> None:
    sent = {"identity": "CP1", "site": theirs.site.pk, "groups": [theirs.group.pk], "tariff": theirs.tariff.pk}
    assert sorted(pointers(admin.post("charge-points/", sent))) == ["/groups", "/site", "/tariff"]
    assert pointers(admin.post("charge-points/", {"identity": "CP1", "organisation": "theirs"})) == ["/organisation"]


def test_superuser_cannot_mix_organisations(ours: Tenant, theirs: Tenant, admin_client: Client) -> None:
    sent = {"identity": "CP1", "organisation": "ours", "site": theirs.site.pk}
    response = admin_client.post("/api/v1/charge-points/", sent, "application/json")
    assert pointers(response) == ["/site"]
    response = admin_client.post("/api/v1/charge-points/", {"identity": "CP1"}, "application/json")
    assert pointers(response) == ["/organisation"]  # there are several


def test_update_writes_only_what_it_names(admin: Caller, ours: Tenant) -> None:
    response = admin.patch("charge-points/ours-1/", {"name": "New", "groups": [ours.group.pk]})
    assert response.status_code == 200
    assert (response.json()["name"], response.json()["groups"]) == ("New", [ours.group.pk])
    assert response.json()["site"] == ours.site.pk
    assert pointers(admin.patch("charge-points/ours-1/", {"identity": "other"})) == ["/identity"]


def test_if_match_of_an_older_state_changes_nothing(admin: Caller, ours: Tenant) -> None:
    etag = admin.get("charge-points/ours-1/")["ETag"]
    changed = admin.patch("charge-points/ours-1/", {"name": "first"}, If_Match=etag)
    assert changed.status_code == 200
    late = admin.patch("charge-points/ours-1/", {"name": "second"}, If_Match=etag)
    assert late.status_code == 412
    assert late["ETag"] == changed["ETag"] == admin.get("charge-points/ours-1/")["ETag"]
    assert ChargePoint.objects.get(identity="ours-1").name == "first"
    assert admin.delete("charge-points/ours-1/", If_Match=etag).status_code == 412


def test_a_heartbeat_does_not_spoil_the_etag(admin: Caller, ours: Tenant) -> None:
    etag = admin.get("charge-points/ours-1/")["ETag"]
    ChargePoint.objects.update(last_seen_at=timezone.now(), firmware_version="2")
    assert admin.get("charge-points/ours-1/")["ETag"] == etag


def test_charge_point_with_transactions_is_not_deleted(admin: Caller, ours: Tenant) -> None:
    response = admin.delete("charge-points/ours-1/")
    assert response.status_code == 409
    assert "transactions" in response.json()["detail"]
    ChargePoint.objects.create(identity="unused", organisation=ours.organisation)
    assert admin.delete("charge-points/unused/").status_code == 204


def test_approve_and_reject(operator: Caller, ours: Tenant) -> None:
    assert operator.post("charge-points/ours-1/reject/").json()["registration_status"] == "Rejected"
    assert operator.post("charge-points/ours-1/approve/").json()["registration_status"] == "Accepted"


def test_connectors_show_what_is_going_on(reader: Caller, ours: Tenant) -> None:
    Transaction.objects.filter(pk=ours.transaction.pk).update(last_power_w=11_000.0)
    first, second = reader.get("charge-points/ours-1/").json()["connectors"]
    assert (first["number"], first["active_transaction"], first["power_w"]) == (1, ours.transaction.pk, 11_000.0)
    assert (second["number"], second["active_transaction"], second["power_w"]) == (2, None, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["ours-1", "ours-2"]),
        ("connected=true", ["ours-1"]),
        ("connected=false", ["ours-2"]),
        ("registration_status=Pending", ["ours-2"]),
        ("status=Available", ["ours-1"]),
        ("search=ours-2", ["ours-2"]),
        ("search=Depot ours", ["ours-1"]),
        ("ordering=-identity", ["ours-2", "ours-1"]),
        ("vendor=Vendor", ["ours-1"]),
        ("organisation=theirs", []),
    ],
)
def test_charge_points_are_found(query: str, found: list[str], reader: Caller, ours: Tenant, theirs: Tenant) -> None:
    ChargePoint.objects.create(identity="ours-2", organisation=ours.organisation, registration_status="Pending")
    assert ids(reader.get(f"charge-points/?{query}"), "identity") == found


def test_pages_follow_each_other(reader: Caller, ours: Tenant) -> None:
    for number in range(2, 8):
        make_charge_point(ours.organisation, f"ours-{number}")
    seen: list[str] = []
    address: str | None = "charge-points/?page_size=3"
    while address:
        page = reader.get(address).json()
        seen += [row["identity"] for row in page["results"]]
        address = page["next"] and page["next"].removeprefix("http://testserver")
    assert seen == [f"ours-{number}" for number in range(1, 8)]
    assert reader.get("charge-points/?cursor=nonsense").status_code == 404
    assert reader.get("transactions/?cursor=cD1hYmM=").status_code == 404  # p=abc: not a key
    assert reader.get("charge-points/?ordering=last_seen_at").status_code == 400


# -- transactions ----------------------------------------------------------------------------------------------


def test_transactions_come_newest_first_and_are_filtered(reader: Caller, ours: Tenant) -> None:
    first = ours.transaction
    second = make_transaction(ours.charge_point, started_at=NOW + timedelta(days=1), is_active=False, id_tag="TAG2")
    second.anomalies.update(resolved_at=NOW)
    third = make_transaction(make_charge_point(ours.organisation, "ours-2"), started_at=NOW + timedelta(days=2))
    third.anomalies.all().delete()
    both = [second.pk, first.pk]
    for query, found in {
        "": [third.pk, *both],
        "charge_point=ours-1": both,
        "connector=2": [],
        "id_tag=tag2": [second.pk],
        "active=true": [third.pk, first.pk],
        "active=false": [second.pk],
        "started_from=2025-03-05T00:00:00Z": [third.pk, second.pk],
        "started_before=2025-03-05T00:00:00Z": [first.pk],
        "anomaly=any": both,
        "anomaly=unresolved": [first.pk],
        "anomaly=none": [third.pk],
        f"anomaly={AnomalyKind.LOWER_METER}": both,
        "ordering=started_at": [first.pk, second.pk, third.pk],
    }.items():
        assert ids(reader.get(f"transactions/?{query}")) == found, query
    assert pointers(reader.get("transactions/?started_from=yesterday")) == ["/started_from"]


def test_transaction_is_shown_by_the_id_on_the_wire(reader: Caller, ours: Tenant) -> None:
    shown = reader.get(f"transactions/{ours.transaction.pk}/").json()
    assert (shown["id"], shown["charge_point"], shown["connector"]) == (ours.transaction.pk, "ours-1", 1)
    assert shown["anomalies"][0]["kind"] == "lower_meter"


def test_closing_keeps_who_and_why(operator: Caller, ours: Tenant) -> None:
    response = operator.post(f"transactions/{ours.transaction.pk}/close/", {"reason": "never stopped"})
    assert response.status_code == 200, response.content
    shown = response.json()
    assert (shown["is_active"], shown["closed_by"], shown["close_note"]) == (False, "back_office", "never stopped")
    assert operator.post(f"transactions/{ours.transaction.pk}/close/", {"reason": "again"}).status_code == 409
    assert pointers(operator.post(f"transactions/{ours.transaction.pk}/close/", {})) == ["/reason"]


def test_anomaly_is_resolved_once(operator: Caller, ours: Tenant) -> None:
    anomaly = ours.transaction.anomalies.get()
    assert operator.post(f"anomalies/{anomaly.pk}/resolve/", {"note": "meter replaced"}).json()["resolved_at"]
    assert operator.post(f"anomalies/{anomaly.pk}/resolve/", {"note": "again"}).status_code == 409
    assert ids(operator.get("anomalies/?resolved=false")) == []


# -- meter values ----------------------------------------------------------------------------------------------


def test_meter_values_of_a_transaction(reader: Caller, ours: Tenant) -> None:
    shown = reader.get(f"meter-values/?transaction={ours.transaction.pk}").json()["results"]
    assert [row["energy_wh"] for row in shown] == [1200.0, 1100.0, 1000.0]
    assert pointers(reader.get("meter-values/")) == ["/transaction"]
    assert ids(reader.get("meter-values/?charge_point=ours-1&taken_from=2025-03-04T12:32:00Z")) == [shown[0]["id"]]


def test_series_is_thinned_out(reader: Caller, ours: Tenant) -> None:
    transaction = make_transaction(ours.charge_point, meter_values=100)
    whole = reader.get(f"meter-values/series/?transaction={transaction.pk}").json()["points"]
    assert [point["count"] for point in whole] == [1] * 100
    points = reader.get(f"meter-values/series/?transaction={transaction.pk}&points=10").json()["points"]
    assert len(points) == 10
    assert sum(point["count"] for point in points) == 100
    assert points[-1]["energy_wh"] == 1000 + 9900
    assert points[0]["power_max_w"] > points[0]["power_w"] >= 6000
    assert pointers(reader.get("meter-values/series/")) == ["/transaction"]


def test_series_of_others_is_empty(reader: Caller, theirs: Tenant) -> None:
    assert MeterValue.objects.filter(transaction=theirs.transaction).exists()
    assert reader.get(f"meter-values/series/?transaction={theirs.transaction.pk}").json()["points"] == []


# -- idTags ----------------------------------------------------------------------------------------------------


def test_id_tag_with_everything(admin: Caller, ours: Tenant) -> None:
    sent = {
        "id_tag": "Child1",
        "parent": ours.id_tag.pk,
        "expires_at": "2001-01-01T00:00:00Z",
        "is_blocked": True,
        "concurrent_limit": None,
        "groups": [ours.group.pk],
        "tariff": ours.tariff.pk,
        "note": "Ann",
    }
    response = admin.post("id-tags/", sent)
    assert response.status_code == 201, response.content
    assert {name: response.json()[name] for name in sent} == sent
    assert admin.post("id-tags/", {"id_tag": "CHILD1"}).status_code == 409  # upper and lower case are the same
    key = response.json()["id"]
    assert ids(admin.get("id-tags/?id_tag=cHILD1&blocked=true&expired=true")) == [key]
    assert ids(admin.get("id-tags/?expired=false")) == [ours.id_tag.pk]
    assert admin.patch(f"id-tags/{key}/", {"is_blocked": False, "id_tag": "child2"}).json()["id_tag"] == "child2"
    assert IdTag.objects.get(pk=key).key == "CHILD2"
    assert pointers(admin.patch(f"id-tags/{key}/", {"parent": key})) == ["/parent"]
    assert admin.delete(f"id-tags/{key}/").status_code == 204
    assert pointers(admin.post("id-tags/", {"id_tag": "x" * 21})) == ["/id_tag"]


def test_id_tag_of_others_is_no_parent(admin: Caller, theirs: Tenant) -> None:
    assert pointers(admin.post("id-tags/", {"id_tag": "T", "parent": theirs.id_tag.pk})) == ["/parent"]


# -- tariffs, sites, messages ----------------------------------------------------------------------------------


def test_tariff_with_windows(admin: Caller) -> None:
    window = {
        "name": "night",
        "starts_at": "22:00:00",
        "ends_at": "06:00:00",
        "price_per_kwh": "0.20000",
        "sunday": False,
    }
    response = admin.post("tariffs/", {"name": "Home", "currency": "EUR", "price_per_kwh": "0.30", "windows": [window]})
    assert response.status_code == 201, response.content
    key, etag = response.json()["id"], response["ETag"]
    assert response.json()["windows"][0]["sunday"] is False
    changed = admin.patch(f"tariffs/{key}/", {"windows": []}, If_Match=etag)
    assert changed.json()["windows"] == []
    assert admin.patch(f"tariffs/{key}/", {"windows": [window]}, If_Match=etag).status_code == 412
    assert Tariff.objects.get(pk=key).windows.count() == 0
    assert pointers(admin.post("tariffs/", {"name": "Bad", "currency": "eur"})) == ["/currency"]


def test_messages_are_filtered(reader: Caller, ours: Tenant) -> None:
    message = Message.objects.get(charge_point=ours.charge_point)
    for query, found in {
        "charge_point=ours-1&action=Heartbeat&direction=in": [message.pk],
        "direction=out": [],
        "at_from=2025-03-05T00:00:00Z": [],
        "at_before=2025-03-05T00:00:00Z": [message.pk],
    }.items():
        assert ids(reader.get(f"messages/?{query}")) == found, query


# -- who may ---------------------------------------------------------------------------------------------------


def test_token_expires_and_its_use_is_noted(ours: Tenant) -> None:
    caller = ours.caller(Scope.READ)
    token = ApiToken.objects.get()
    assert token.last_used_at is None
    assert caller.get("charge-points/").status_code == 200
    token.refresh_from_db()
    assert token.last_used_at is not None
    ApiToken.objects.update(expires_at=timezone.now())
    assert "expired" in caller.get("charge-points/").json()["detail"]


def test_secret_of_a_token_is_not_stored(ours: Tenant) -> None:
    token, secret = ApiToken.issue(organisation=ours.organisation, name="x")
    assert secret.startswith("ocpp_")
    assert secret not in {str(value) for value in ApiToken.objects.values().get(pk=token.pk).values()}
    assert Caller(secret[:-1]).get("charge-points/").status_code == 401


def test_token_does_no_more_than_its_user(ours: Tenant) -> None:
    user = get_user_model().objects.create_user("viewer")
    caller = ours.caller(Scope.ADMIN, user)
    assert caller.get("charge-points/").status_code == 403  # no member
    membership = Membership.objects.create(user=user, organisation=ours.organisation, role=Role.VIEWER)
    assert caller.get("charge-points/").status_code == 200
    assert caller.post("charge-points/ours-1/approve/").status_code == 403
    membership.role = Role.ADMIN
    membership.save()
    assert caller.post("charge-points/ours-1/approve/").status_code == 200
    user.is_active = False
    user.save()
    assert caller.get("charge-points/").status_code == 401


def test_django_permission_widens_a_role_within_its_organisation(ours: Tenant, theirs: Tenant, client: Client) -> None:
    user = get_user_model().objects.create_user("ann")
    user.user_permissions.add(Permission.objects.get(codename="change_transaction"))
    Membership.objects.create(user=user, organisation=ours.organisation, role=Role.VIEWER)
    client.force_login(user)

    def close(transaction: Transaction) -> int:
        return client.post(
            f"/api/v1/transactions/{transaction.pk}/close/", {"reason": "x"}, "application/json"
        ).status_code

    assert close(ours.transaction) == 200
    assert close(theirs.transaction) == 404
    assert client.post("/api/v1/charge-points/ours-1/approve/").status_code == 403
    limited = ours.caller(Scope.READ, user)
    assert limited.post(f"transactions/{ours.transaction.pk}/close/", {"reason": "x"}).status_code == 403


def test_role_of_one_organisation_is_none_in_another(ours: Tenant, theirs: Tenant, client: Client) -> None:
    user = get_user_model().objects.create_user("ann")
    Membership.objects.create(user=user, organisation=ours.organisation, role=Role.ADMIN)
    Membership.objects.create(user=user, organisation=theirs.organisation, role=Role.VIEWER)
    client.force_login(user)
    assert client.post("/api/v1/charge-points/ours-1/approve/").status_code == 200
    assert client.post("/api/v1/charge-points/theirs-1/approve/").status_code == 403
    sent = {"identity": "CP1", "organisation": "theirs"}
    assert client.post("/api/v1/charge-points/", sent, "application/json").status_code == 403


def test_browser_session_needs_the_csrf_token(ours: Tenant) -> None:
    user = get_user_model().objects.create_superuser("root")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/charge-points/").status_code == 200
    assert browser.post("/api/v1/charge-points/ours-1/approve/").status_code == 403


def test_too_many_requests_are_told_when_to_come_back(ours: Tenant, settings: Any) -> None:
    settings.OCPP_API_THROTTLE = "2/min"
    caller = ours.caller(Scope.READ)
    assert [caller.get("charge-points/").status_code for _ in range(2)] == [200, 200]
    refused = caller.get("charge-points/")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert ours.caller(Scope.READ).get("charge-points/").status_code == 200  # another's


@pytest.mark.parametrize(
    "body", ['{"identity": "a\\u0000"}', '{"identity": "\\ud800"}', "{", "[1", '{"identity": NaN}']
)
def test_json_that_cannot_be_stored_is_refused(body: str, admin: Caller) -> None:
    response = admin.client.post("/api/v1/charge-points/", body, "application/json", headers=admin.headers)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


class Broken(Sites):
    def rows(self) -> Any:
        raise ZeroDivisionError("a secret of ours")


def test_our_own_fault_is_a_problem_and_in_the_log(admin: Caller, caplog: Any) -> None:
    request = RequestFactory().get("/broken", headers=admin.headers)
    response = Broken.as_view({"get": "list"})(request).render()
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in response.content.decode()


# -- manage.py create_api_token --------------------------------------------------------------------------------


def test_command_prints_a_token_that_works(ours: Tenant, capsys: Any) -> None:
    call_command(
        "create_api_token", "billing", "--organisation", "ours", "--scope", "operate", "--expires", "2099-01-01T00:00Z"
    )
    secret = capsys.readouterr().out.strip()
    assert Caller(secret).post("charge-points/ours-1/approve/").status_code == 200
    token = ApiToken.objects.get()
    assert (token.name, token.scope, token.expires_at.year) == ("billing", "operate", 2099)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--organisation", "nobody"), "There are: default, ours"),
        (("--user", "nobody"), "There is no user 'nobody'"),
        (("--expires", "soon"), "Write it like"),
        (("--expires", "2030-13-01T00:00Z"), "Write it like"),
    ],
)
def test_command_says_what_is_wrong(arguments: tuple[str, ...], said: str, ours: Tenant) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("create_api_token", "billing", *arguments)


def test_batch_over_several_organisations_is_a_superusers(
    ours: Tenant, theirs: Tenant, client: Client, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("both")
    for tenant in (ours, theirs):
        Membership.objects.create(user=user, organisation=tenant.organisation, role=Role.OPERATOR)
    client.force_login(user)
    data = {"filter": {"all": True}, "action": "Reset", "payload": {"type": "Soft"}}
    before = Command.objects.count()
    response = client.post("/api/v1/command-batches/", data, content_type="application/json")
    assert (response.status_code, Command.objects.count()) == (400, before)
    assert "several organisations" in response.content.decode()


# -- security ------------------------------------------------------------------------------------------------------


def test_audit_log_says_who_did_what_to_whom(ours: Tenant, theirs: Tenant, admin: Caller, operator: Caller) -> None:
    identity = ours.charge_point.identity
    assert admin.post(f"charge-points/{identity}/reject/").status_code == 200
    (entry,) = admin.get(f"audit-log/?charge_point={identity}&action=registration%20Rejected").json()["results"]
    assert (entry["actor"], entry["subject"], entry["organisation"]) == ("token admin", identity, "ours")
    assert admin.get(f"audit-log/{entry['id']}/").json() == entry
    assert operator.get("audit-log/").status_code == 403
    shown = {row["organisation"] for row in admin.get("audit-log/?page_size=100").json()["results"]}
    assert shown == {"ours"}
    for method in ("patch", "delete"):
        assert (
            getattr(admin.client, method)(f"/api/v1/audit-log/{entry['id']}/", headers=admin.headers).status_code == 405
        )


def test_who_was_kept_out_and_who_got_new_keys(ours: Tenant, theirs: Tenant, reader: Caller) -> None:
    SecurityEvent.objects.create(kind="unknown_identity", detail="X", hour=NOW, first_at=NOW, last_at=NOW)
    identity = ours.charge_point.identity
    (event,) = reader.get("access-events/").json()["results"]
    assert (event["kind"], event["charge_point"], event["count"]) == ("wrong_credentials", identity, 1)
    assert reader.get("access-events/?kind=hijack").json()["results"] == []
    (upgrade,) = reader.get(f"security-upgrades/?state=done&charge_point={identity}").json()["results"]
    assert (upgrade["target"], upgrade["state"], upgrade["requested_by"]) == (1, "done", None)
