"""Tags, reports, tariffs, people, API tokens, webhooks, configuration, commands to many."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ocpp_app.models import (
    ApiToken,
    Command,
    CommandBatch,
    ConfigurationKey,
    DeliveryState,
    IdTag,
    Membership,
    Organisation,
    Role,
    Tariff,
    Transaction,
    WebhookDelivery,
    WebhookSubscription,
)
from ocpp_app.models.api_token import digest_of
from tests.ocpp_app.console.world import Tenant, body_of, make_charge_point, person, text_of


def secret_on(page: str) -> str:
    found = re.search(r'<code id="key">([^<]+)</code>', page)
    assert found is not None, page
    return found[1]


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("tags.csv", data)


def test_a_tag_is_made_changed_and_deleted(admin: Client, ours: Tenant) -> None:
    member = get_user_model().objects.get(username="ours-member")
    new = {
        "id_tag": "Tag2",
        "organisation": ours.organisation.pk,
        "parent_name": "tag1",
        "owner_name": member.username,
        "expires_at": "2020-01-01T00:00:00",
    }
    assert admin.post("/tags/add/", new).status_code == 302
    tag = IdTag.objects.get(id_tag="Tag2")
    assert (tag.parent, tag.owner) == (ours.id_tag, member)
    assert "expired" in text_of(admin.get("/tags/?q=tag2"))
    page = text_of(admin.post("/tags/add/", {**new, "id_tag": "TAG2", "parent_name": "nobody", "owner_name": "nobody"}))
    for said in ("has this idTag already", "no such idTag", "No member of your organisations has this user name"):
        assert said in page
    changed = {"id_tag": "Tag2", "is_blocked": "on", "concurrent_limit": "3"}
    assert admin.post(f"/tags/{tag.pk}/", changed).status_code == 302
    tag.refresh_from_db()
    assert (tag.is_blocked, tag.parent, tag.concurrent_limit) == (True, None, 3)
    assert admin.post(f"/tags/{tag.pk}/delete/").status_code == 302
    assert not IdTag.objects.filter(pk=tag.pk).exists()


def test_tags_go_out_and_come_in_as_csv(admin: Client, ours: Tenant, theirs: Tenant) -> None:
    assert body_of(admin.get("/tags.csv")).count("TAG1") == 1  # ours, not theirs
    form = {"organisation": ours.organisation.pk}
    wrong = admin.post("/tags/import/", {**form, "file": upload(b"id_tag,blocked\nA,perhaps\n")})
    assert "Nothing was imported" in text_of(wrong)
    good = b"id_tag,note\nA,first\nB,second\n"
    checked = admin.post("/tags/import/", {**form, "file": upload(good), "dry_run": "on"})
    assert "2 would be new" in text_of(checked)
    foreign = admin.post("/tags/import/", {"organisation": theirs.organisation.pk, "file": upload(good)})
    assert "valid choice" in text_of(foreign)
    assert not IdTag.objects.filter(id_tag="A").exists()
    admin.post("/tags/import/", {**form, "file": upload(good)})
    made = IdTag.objects.filter(organisation=ours.organisation, id_tag__in="AB").values_list("note", flat=True)
    assert set(made) == {"first", "second"}


def test_a_report_sums_the_viewers_organisations(viewer: Client, ours: Tenant, theirs: Tenant) -> None:
    Transaction.objects.update(is_active=False, stopped_at=timezone.now(), energy_wh=4200, duration_s=3600)
    count = Transaction.objects.filter(organisation=ours.organisation).count()
    page = text_of(viewer.get("/reports/?by=charge_point"))
    assert f"ours-1 {count} {4.2 * count:.2f} kWh" in page.replace("\xa0", " ")
    assert "theirs" not in page
    assert f"ours-1,{count},{4.2 * count:.3f}," in body_of(viewer.get("/reports/?by=charge_point&format=csv"))
    assert "The last day is before the first" in text_of(viewer.get("/reports/?first=2025-02-01&last=2025-01-01"))
    assert "No transaction ended in this time." in text_of(viewer.get("/reports/?first=2001-01-01&last=2001-01-02"))


def test_a_tariff_with_windows(admin: Client, ours: Tenant) -> None:
    window = {"name": "night", "position": "0", "monday": "on", "starts_at": "22:00", "ends_at": "06:00"}
    prices = dict.fromkeys(("price_per_minute", "price_per_start", "idle_price_per_minute", "idle_grace_minutes"), "0")
    new: dict[str, Any] = {
        "name": "Guests",
        "organisation": ours.organisation.pk,
        "currency": "eur",
        "time_zone": "Europe/Berlin",
        "price_per_kwh": "0.40",
        **prices,
        "windows-TOTAL_FORMS": "1",
        "windows-INITIAL_FORMS": "0",
        **{f"windows-0-{name}": value for name, value in window.items()},
    }
    assert admin.post("/tariffs/add/", new).status_code == 302
    tariff = Tariff.objects.get(name="Guests")
    assert (tariff.currency, tariff.windows.get().name, tariff.windows.get().tuesday) == ("EUR", "night", False)
    assert admin.post("/tariffs/add/", new).status_code == 200  # the name is taken
    assert "no time zone" in text_of(admin.post("/tariffs/add/", {**new, "name": "X", "time_zone": "Mars"}))
    ours.charge_point.tariff = tariff
    ours.charge_point.save()
    assert "still needed by: charge points" in text_of(admin.post(f"/tariffs/{tariff.pk}/delete/", follow=True))
    assert Tariff.objects.filter(name="Guests").count() == 1


def test_a_member_without_an_account_gets_one_with_a_password_shown_once(admin: Client, ours: Tenant) -> None:
    new = {"username": "dora", "organisation": ours.organisation.pk, "role": "operator"}
    password = secret_on(body_of(admin.post("/people/add/", new)))
    client = Client()
    form = f"/charge-points/{ours.charge_point.pk}/commands/Reset/"
    assert client.post("/login/", {"username": "dora", "password": password}).status_code == 302
    assert client.get(form).status_code == 200
    assert "is a member already" in text_of(admin.post("/people/add/", new))
    row = Membership.objects.get(user__username="dora")
    assert admin.post(f"/people/{row.pk}/", {"role": "viewer"}).status_code == 302
    assert client.get(form).status_code == 403
    assert admin.post(f"/people/{row.pk}/delete/").status_code == 302
    assert client.get(form).status_code == 404


def test_nobody_makes_members_of_another_organisation(admin: Client, theirs: Tenant) -> None:
    page = admin.post("/people/add/", {"username": "evil", "organisation": theirs.organisation.pk, "role": "admin"})
    assert "valid choice" in text_of(page)
    assert not get_user_model().objects.filter(username="evil").exists()


def test_superusers_found_organisations(ours: Tenant) -> None:
    client = person(None, is_superuser=True)
    assert client.post("/organisations/add/", {"name": "New", "slug": "new"}).status_code == 302
    assert Organisation.objects.filter(slug="new").exists()


def test_a_token_is_shown_once_and_revoked(admin: Client, ours: Tenant) -> None:
    new = {"name": "billing", "organisation": ours.organisation.pk, "scope": "read"}
    secret = secret_on(body_of(admin.post("/tokens/add/", new)))
    token = ApiToken.objects.get(digest=digest_of(secret))
    assert secret not in body_of(admin.get("/tokens/"))
    assert admin.post(f"/tokens/{token.pk}/delete/").status_code == 302
    assert not ApiToken.objects.filter(pk=token.pk).exists()


def test_a_webhook_with_its_deliveries(admin: Client, ours: Tenant) -> None:
    new = {
        "name": "invoices",
        "organisation": ours.organisation.pk,
        "url": "https://example.org/hook",
        "events": ["transaction.*"],
        "is_active": "on",
    }
    assert secret_on(body_of(admin.post("/webhooks/add/", new)))
    row = WebhookSubscription.objects.get(name="invoices")
    assert row.events == ["transaction.*"]
    assert admin.post("/webhooks/add/", {**new, "url": "ftp://example.org/"}).status_code == 200
    assert admin.post(f"/webhooks/{row.pk}/", {**new, "name": "bills"}).status_code == 302
    row.refresh_from_db()
    assert row.name == "bills"
    given_up = WebhookDelivery.objects.filter(
        subscription__organisation=ours.organisation, state=DeliveryState.GIVEN_UP
    )
    failed = given_up.order_by("-pk")[0]
    address = f"/webhooks/{failed.subscription_id}/"
    assert "given up" in text_of(admin.get(f"{address}deliveries/"))
    assert admin.post(f"{address}again/", {"delivery": failed.pk}).status_code == 302
    failed.refresh_from_db()
    assert failed.state == DeliveryState.REPLAY
    assert admin.post(f"/webhooks/{row.pk}/delete/").status_code == 302


def test_a_configuration_key_is_wanted_and_let_go(operator: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/configuration/change/"
    said = operator.post(address, {"key": "MeterValueSampleInterval", "value": "30"}, follow=True)
    assert "MeterValueSampleInterval is sent, now or when it connects." in text_of(said)
    row = ConfigurationKey.objects.get(key="MeterValueSampleInterval")
    assert (row.wanted, row.is_own) == ("30", True)
    secret = operator.post(address, {"key": "AuthorizationKey", "value": "x" * 20}, follow=True)
    assert "holds a secret" in text_of(secret)
    operator.post(address, {"key": "MeterValueSampleInterval", "do": "forget"})
    row.refresh_from_db()
    assert row.wanted is None


@pytest.mark.parametrize(("query", "size"), [("?state=online", 2), ("?q=ours-2", 1)])
def test_a_command_goes_to_those_of_the_filter(operator: Client, ours: Tenant, query: str, size: int) -> None:
    make_charge_point(ours.organisation, "ours-2")
    assert f"to {size} charge point" in text_of(operator.get(f"/batches/choose/{query}"))
    answer: Any = operator.post(f"/batches/send/Reset/{query}", {"type": "Soft", "keep": "3600"})
    batch = CommandBatch.objects.get(source="console")
    assert answer.headers["Location"] == f"/batches/{batch.pk}/"
    assert (batch.size, batch.requested_by) == (size, operator.user)  # type: ignore[attr-defined]
    assert f"0 of {size} are done" in text_of(operator.get(f"/batches/{batch.pk}/"))
    assert operator.post(f"/batches/{batch.pk}/cancel/").status_code == 302
    assert f"{size} of {size} are done" in text_of(operator.get(f"/batches/{batch.pk}/"))


def test_a_command_to_all_goes_where_one_operates(ours: Tenant, theirs: Tenant) -> None:
    client = person(ours, Role.OPERATOR)
    theirs.organisation.memberships.create(user=client.user, role=Role.VIEWER)  # type: ignore[attr-defined]
    client.post("/batches/send/Reset/", {"type": "Soft", "keep": "3600"})
    sent = Command.objects.filter(batch__source="console")
    assert set(sent.values_list("charge_point__organisation", flat=True)) == {ours.organisation.pk}
