"""The admin: every page of every model answers, evidence stays as it is, and no list grows slower with its rows.

All tests share one charge point with a row of everything; each leaves the rows as they were.
"""

import re
import uuid
from collections.abc import Iterator
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from ocpp_app.models import (
    Anomaly,
    ApiToken,
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    ChargingProfilePeriod,
    Command,
    ConfigurationKey,
    ConfigurationTemplate,
    FailedMessage,
    Firmware,
    IdTag,
    LocalList,
    Membership,
    Message,
    MeterValue,
    Organisation,
    ProfileAssignment,
    Session,
    Site,
    StatusHistory,
    Tariff,
    TariffWindow,
    TemplateValue,
    Transaction,
    WebhookSubscription,
)
from tests.ocpp_app.admin_world import (
    SCRIPT,
    act,
    add_page,
    changelist,
    count_queries,
    make_everything,
    make_script,
    page,
)
from tests.ocpp_app.conftest import storages_in
from tests.shared_rows import shared_rows

pytestmark = pytest.mark.django_db

EDITABLE = {
    Firmware,
    Organisation,
    Site,
    ChargePointGroup,
    ChargePoint,
    IdTag,
    Tariff,
    TariffWindow,
    Membership,
    ApiToken,
    WebhookSubscription,
}
EDITABLE |= {ConfigurationTemplate, TemplateValue, ConfigurationKey}
EDITABLE |= {LocalList, ChargingProfile, ChargingProfilePeriod, ProfileAssignment}
NOTES = {Anomaly, FailedMessage}
MODELS = sorted(apps.get_app_config("ocpp_app").get_models(), key=lambda model: model.__name__)
EVIDENCE = [model for model in MODELS if model not in EDITABLE | NOTES]


def named(model: type[models.Model]) -> str:
    return model.__name__


@pytest.fixture(scope="module")
def script(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The key of a charge point that calls itself a script, with one row at least of everything that belongs to it."""
    with override_settings(STORAGES=storages_in(tmp_path_factory.mktemp("files"))), shared_rows(django_db_blocker):
        yield make_script().pk


@pytest.fixture
def charge_point(script: int, db: None) -> ChargePoint:
    return ChargePoint.objects.get(pk=script)


@pytest.fixture(autouse=True)
def _plain_and_quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECURE_SSL_REDIRECT = False
    monkeypatch.setattr(admin.site, "enable_nav_sidebar", False)  # a list of all models beside each page


# -- every page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_every_model_is_in_the_admin(model: type[models.Model]) -> None:
    assert admin.site.is_registered(model)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_list_answers_and_escapes(model: type[models.Model], charge_point: ChargePoint, admin_client: Client) -> None:
    response = admin_client.get(changelist(model))
    assert response.status_code == 200
    assert len(response.context["cl"].result_list) == model._default_manager.count() > 0
    assert SCRIPT not in response.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_page_of_every_row_answers_and_escapes(
    model: type[models.Model], charge_point: ChargePoint, admin_client: Client
) -> None:
    for obj in model._default_manager.all():
        response = admin_client.get(page(obj))
        assert response.status_code == 200
        assert SCRIPT not in response.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_only_what_people_decide_can_be_added(model: type[models.Model], admin_client: Client) -> None:
    assert admin_client.get(add_page(model)).status_code == (200 if model in EDITABLE else 403)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_search_answers(model: type[models.Model], charge_point: ChargePoint, admin_client: Client) -> None:
    for term in (SCRIPT, "17", "9" * 30, '"', "'a b' c", str(uuid.uuid4())):
        assert admin_client.get(changelist(model), {"q": term}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_every_filter_answers(model: type[models.Model], charge_point: ChargePoint, admin_client: Client) -> None:
    Organisation.objects.create(name="Other", slug="other")  # nobody chooses between one
    changelist_view = admin_client.get(changelist(model)).context["cl"]
    filters = [[c["query_string"] for c in spec.choices(changelist_view)] for spec in changelist_view.filter_specs]
    assert bool(filters) == bool(changelist_view.list_filter)
    for choices in filters:
        for address in (choices[0], choices[1], choices[-1]):
            assert admin_client.get(changelist(model) + address).status_code == 200


def test_every_link_of_a_page_leads_somewhere(charge_point: ChargePoint, admin_client: Client) -> None:
    links = set()
    for model in MODELS:
        obj = model._default_manager.order_by("pk").last()
        assert obj is not None
        content = admin_client.get(page(obj)).content.decode()
        main = content[content.index('<div id="content-main">') :]
        links |= {unescape(href) for href in re.findall(r'href="(/admin/ocpp_app/[^"]*)"', main)}
    assert len(links) > len(MODELS)
    for address in links:
        response = admin_client.get(address)
        assert response.status_code == 200, address
        assert "e=1" not in response.request["QUERY_STRING"], address


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_times_have_seconds(model: type[models.Model], charge_point: ChargePoint, admin_client: Client) -> None:
    model_admin = admin.site.get_model_admin(model)
    fields = {f.name for f in model._meta.get_fields() if isinstance(f, models.DateTimeField)}
    if fields.intersection(model_admin.list_display):
        shown = re.findall(r"<time [^>]*>(.*?)</time>", admin_client.get(changelist(model)).content.decode())
        assert shown
        assert all(re.fullmatch(r"<span>\d{4}-\d\d-\d\d</span> <span>\d\d:\d\d:\d\d</span>", time) for time in shown)


# -- evidence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", EVIDENCE, ids=named)
def test_evidence_can_be_neither_changed_nor_deleted(
    model: type[models.Model], charge_point: ChargePoint, admin_client: Client
) -> None:
    obj = model._default_manager.order_by("pk").first()
    assert obj is not None
    before = list(model._default_manager.order_by("pk").values())
    posted = {f.name: "1" for f in model._meta.get_fields() if getattr(f, "concrete", False)}
    assert admin_client.post(page(obj), posted).status_code == 403
    assert admin_client.post(page(obj, "delete"), {"post": "yes"}).status_code == 403
    act(admin_client, "delete_selected", obj, post="yes")
    assert list(model._default_manager.order_by("pk").values()) == before


@pytest.mark.parametrize("model", sorted(NOTES, key=named), ids=named)
def test_only_the_note_can_be_written(model: Any, charge_point: ChargePoint, admin_client: Client) -> None:
    obj = model.objects.first()
    before = model.objects.values().get(pk=obj.pk)
    posted = dict.fromkeys(before, "1")
    assert admin_client.post(page(obj), {**posted, "note": "Looked at."}).status_code == 302
    after = model.objects.values().get(pk=obj.pk)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"note"} | ({"resolved_at", "resolved_by_id"} if model is Anomaly else set())
    assert admin_client.post(page(obj, "delete"), {"post": "yes"}).status_code == 403


# -- many rows ---------------------------------------------------------------------------------------------------------


def test_no_list_needs_more_queries_for_more_rows(admin_client: Client) -> None:
    def queries_of_lists() -> dict[str, int]:
        return {named(model): count_queries(partial(admin_client.get, changelist(model))) for model in MODELS}

    for number in range(3):
        make_everything(number)
    queries_of_lists()  # what is looked up once for a process
    few = queries_of_lists()
    for number in range(3, 12):
        make_everything(number)
    assert all(model._default_manager.count() >= 12 for model in MODELS)
    assert queries_of_lists() == few


@pytest.mark.parametrize("model", [Message, MeterValue, StatusHistory, Transaction, Session, Command], ids=named)
def test_no_list_of_a_big_table_counts_it_all(
    model: type[models.Model], charge_point: ChargePoint, admin_client: Client
) -> None:
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(changelist(model))
    table = model._meta.db_table
    counts = [q["sql"] for q in queries if q["sql"].startswith("SELECT COUNT(") and f'"{table}"' in q["sql"]]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)
    assert not any(
        "DISTINCT" in q["sql"] and f'FROM "{table}"' in q["sql"] for q in queries if model is not Transaction
    )
