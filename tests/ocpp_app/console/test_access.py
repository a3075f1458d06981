"""Who sees and may do what: every address of the console, taken from its table."""

import re
from typing import Any

import pytest
from django.test import Client

from ocpp_app.models import ChargePoint, Command, Role, Transaction
from scripts.screenshots.pages import BUTTONS, FILES
from tests.ocpp_app.console.world import FREE, QUERIES, Tenant, addresses, body_of, person

OPERATES = {"quick", "send", "reserve", "transaction-close", "anomaly", "batch-choose", "batch-send", "campaign-add"}
"""Pages for who may operate."""
ADMINISTERS = {
    "charge-point-add", "tag-add", "tag", "tag-delete", "tags-import", "tariff-add", "tariff", "tariff-delete",
    "people", "member-add", "member", "member-delete", "organisation", "tokens", "token-add", "token-delete",
    "webhooks", "webhook-add", "webhook", "webhook-delete", "webhook-deliveries",
    "profile-add", "profile-change", "profile-delete", "firmware-add", "firmware-delete",
}  # fmt: skip
"""Pages for who may register and change."""
FOUNDS = {"organisation-add"}
"""For superusers."""
GENERAL = {"overview", "energy", "power", "login", "logout", "language", "state"}
"""Addresses that name no row."""


def own_rows(tenant: Tenant) -> dict[str, str]:
    """The addresses that lead to one row."""
    return {name: address for name, address in addresses(tenant).items() if re.search(r"/\d+|/[0-9a-f-]{36}", address)}


@pytest.fixture(autouse=True)
def _known(ours: Tenant) -> None:
    assert addresses(ours).keys() >= BUTTONS | OPERATES | ADMINISTERS | FOUNDS | GENERAL | QUERIES.keys()


def test_nobody_sees_anything_without_signing_in(ours: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name in FREE:
            continue
        for answer in (Client().get(address), Client().post(address)):
            assert answer.status_code in (302, 405) or "Location" in answer.headers, name
            if answer.status_code == 302:
                assert answer.headers["Location"].startswith("/login/"), name


def test_a_part_that_updates_itself_leads_to_the_login_once_the_session_has_ended(ours: Tenant) -> None:
    answer = Client().get("/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content, answer.headers["HX-Redirect"]) == (200, b"", "/login/")


def test_a_viewer_sees_every_page_and_none_that_changes_something(viewer: Client, ours: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name in BUTTONS:
            continue
        expected = 403 if name in OPERATES | ADMINISTERS | FOUNDS else 302 if name == "login" else 200
        assert viewer.get(address).status_code == expected, name
    assert [
        viewer.post(address).status_code
        for name, address in addresses(ours).items()
        if name in BUTTONS - {"logout", "language"}
    ] == [403] * (len(BUTTONS) - 2)
    assert Command.objects.filter(source="console").count() == 0


def test_an_operator_sees_the_forms_and_not_those_of_who_administers(operator: Client, ours: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name in BUTTONS:
            continue
        expected = 403 if name in ADMINISTERS | FOUNDS else 302 if name == "login" else 200
        assert operator.get(address).status_code == expected, name


def test_an_admin_sees_everything_of_the_organisation(admin: Client, ours: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name not in BUTTONS | FREE:
            assert admin.get(address).status_code == (403 if name in FOUNDS else 200), name


def test_nobody_reaches_rows_of_another_organisation(admin: Client, theirs: Tenant) -> None:
    before = (
        Command.objects.count(),
        list(ChargePoint.objects.values_list("registration_status", "authorization_key")),
    )
    rows = own_rows(theirs)
    assert len(rows) > 15
    for name, address in rows.items():
        assert {admin.get(address).status_code, admin.post(address).status_code} <= {404, 405}, name
    assert before == (
        Command.objects.count(),
        list(ChargePoint.objects.values_list("registration_status", "authorization_key")),
    )
    assert Transaction.objects.get(pk=theirs.transaction.pk).is_active


def test_no_list_shows_rows_of_another_organisation(admin: Client, ours: Tenant, theirs: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name not in BUTTONS | FREE:
            assert "theirs" not in body_of(admin.get(address)), name
    assert "theirs" in body_of(person(None, is_superuser=True).get("/charge-points/"))


def test_a_member_of_two_organisations_operates_in_one_only(ours: Tenant, theirs: Tenant) -> None:
    client: Any = person(ours, Role.OPERATOR)
    theirs.organisation.memberships.create(user=client.user, role=Role.VIEWER)
    page = body_of(client.get("/charge-points/"))
    assert ("ours-1" in page, "theirs-1" in page) == (True, True)
    assert client.get(f"/charge-points/{ours.charge_point.pk}/commands/Reset/").status_code == 200
    assert client.get(f"/charge-points/{theirs.charge_point.pk}/commands/Reset/").status_code == 403
    assert "Start" in body_of(client.get(f"/charge-points/{ours.charge_point.pk}/"))
    assert "/ask/" not in body_of(client.get(f"/charge-points/{theirs.charge_point.pk}/"))


def test_whoever_belongs_to_no_organisation_is_told_whom_to_ask(ours: Tenant) -> None:
    page = body_of(person(None).get("/"))
    assert "no member of any organisation" in page
    assert "ours" not in page


def test_everything_that_a_charge_point_says_is_shown_and_not_run(admin: Client, ours: Tenant) -> None:
    seen = 0
    for name, address in addresses(ours).items():
        if name in BUTTONS | FREE or name in FILES:
            continue
        page = body_of(admin.get(address))
        assert "<script>alert" not in page, name
        seen += "&lt;script&gt;alert" in page
    assert seen > 8


def test_no_page_has_inline_scripts_styles_or_handlers(admin: Client, ours: Tenant) -> None:
    for name, address in addresses(ours).items():
        if name in BUTTONS or name in FILES:
            continue
        page = body_of(admin.get(address))
        assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", page), name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), name
