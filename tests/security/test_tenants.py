"""One organisation against another: every address of the API and the console, taken from their tables.

A new route is attacked without anybody thinking of it: by the keys in its address, and by those in its body.
"""

import json
import re
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import URLPattern

from ocpp_app.access import path_to_organisation
from ocpp_app.models import (
    ApiToken,
    ChargingProfile,
    Firmware,
    IdTag,
    Organisation,
    Role,
    Scope,
    SecurityEvent,
    SecurityEventKind,
)
from tests.ocpp_app.api.shared import kept_ours, kept_tenants, kept_theirs  # noqa: F401
from tests.ocpp_app.api.test_routes import LISTS, PAIRS, address, named, view_of
from tests.ocpp_app.api.test_schema import document
from tests.ocpp_app.api.world import ROOT, Caller, Tenant
from tests.ocpp_app.console import world as console
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire, ago

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    settings.OCPP_API_THROTTLE = ""


def everything_of(organisation: Organisation) -> dict[str, list[Any]]:
    """Every row of an organisation, with every value of it."""
    found = {}
    for model in apps.get_app_config("ocpp_app").get_models():
        try:
            path = path_to_organisation(model)
        except Exception:  # noqa: BLE001  a model that belongs to no organisation
            continue
        rows = model._default_manager.filter(**{path: organisation.pk}).order_by("pk")
        if model is not SecurityEvent:
            found[model.__name__] = list(rows.values())
    return found


def keys_of(tenant: Tenant) -> dict[str, Any]:
    """Rows of a tenant, by the names that bodies have for them."""
    return {
        "site": tenant.site.pk,
        "group": tenant.group.pk,
        "groups": [tenant.group.pk],
        "tariff": tenant.tariff.pk,
        "parent": tenant.id_tag.pk,
        "tag": tenant.id_tag.pk,
        "tags": [tenant.id_tag.id_tag],
        "transaction": tenant.transaction.pk,
        "charge_point": tenant.charge_point.identity,
        "charge_points": [tenant.charge_point.identity],
        "identities": [tenant.charge_point.identity],
        "firmware": row_of(Firmware, tenant).pk,
        "charging_profile": row_of(ChargingProfile, tenant).pk,
        "filter": {"site": tenant.site.pk, "group": tenant.group.pk},
    }


def row_of(model: type[Any], tenant: Tenant) -> Any:
    return model._default_manager.filter(**{path_to_organisation(model): tenant.organisation.pk}).first()


def links_across() -> list[str]:
    """Rows that point to a row of another organisation, over any link of any model."""
    found = []
    for model in filter(belongs, apps.get_app_config("ocpp_app").get_models()):
        for field in model._meta.get_fields():
            if not field.is_relation or field.auto_created or not belongs(field.related_model):
                continue
            ours, theirs = path_to_organisation(model), f"{field.name}__{path_to_organisation(field.related_model)}"
            linked = model._default_manager.exclude(**{theirs: None}).values_list(ours, theirs).distinct()
            found += [f"{model.__name__}.{field.name}" for here, there in linked if here != there]
    return found


def belongs(model: Any) -> bool:
    try:
        path_to_organisation(model)
    except ImproperlyConfigured:
        return False
    return model is not Organisation


def test_every_row_that_a_body_can_name_is_tried(ours: Tenant, theirs: Tenant) -> None:
    """Those that are named like a model; a new one is found here."""
    words = {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.__name__).lower()
        for model in apps.get_app_config("ocpp_app").get_models()
    }
    words |= {word.rpartition("_")[2] for word in words}
    named = {
        name
        for schema, described in document()["components"]["schemas"].items()
        if schema.endswith("Request") and not schema.startswith("Ocpp16")
        for name in described.get("properties", {})
    }
    rows = {name for name in named if name.removesuffix("s") in words} - {"organisation"}
    plain = {"command", "connector", "events", "id_tag", "note", "periods", "status", "values", "windows"}  # no keys
    assert rows - plain <= set(keys_of(theirs))
    assert rows >= {"site", "groups", "tariff", "tags", "firmware", "charging_profile"}


def bodies(ours: Tenant, theirs: Tenant) -> list[dict[str, Any]]:
    """What somebody of ours may send to get at what is theirs: keys of theirs beside keys of ours."""
    mine, foreign = ours.organisation.slug, theirs.organisation.slug
    keys = keys_of(theirs)
    common = {"name": "X", "identity": "X-1", "id_tag": "X1", "currency": "EUR", "url": "https://example.com/hook",
              "action": "Reset", "payload": {"type": "Soft"}, "events": ["*"], "note": "x"}  # fmt: skip
    return [{**common, "organisation": foreign}, {**common, "organisation": mine, **keys}, keys]


@pytest.fixture(scope="module")
def untouched(tenants: tuple[Tenant, Tenant], django_db_blocker: Any) -> dict[str, list[Any]]:
    """What is theirs, as every test finds it."""
    with django_db_blocker.unblock():
        return everything_of(tenants[1].organisation)


@pytest.mark.parametrize(("route", "method"), PAIRS, ids=named)
def test_no_route_reads_or_changes_what_is_theirs(
    route: URLPattern, method: str, ours: Tenant, theirs: Tenant, untouched: dict[str, list[Any]]
) -> None:
    caller = ours.caller(Scope.ADMIN)
    where, at_home = address(route, theirs), address(route, ours)
    answers = [caller.ask(method, where, body) for body in ({}, *bodies(ours, theirs))]
    if "<" in str(route.pattern):
        assert {answer.status_code for answer in answers} == {404}
        asked = SecurityEvent.objects.get(kind=SecurityEventKind.FOREIGN_ROW)
        assert asked.identity.startswith("token ")
        assert asked.count == len(answers)
    answers += [caller.ask(method, at_home, body) for body in bodies(ours, theirs)]
    assert all(answer.status_code < 500 for answer in answers)
    assert everything_of(theirs.organisation) == untouched
    assert method == "get" or links_across() == []


@pytest.mark.parametrize("route", LISTS, ids=named)
def test_no_filter_finds_what_is_theirs(route: URLPattern, ours: Tenant, theirs: Tenant) -> None:
    caller = ours.caller(Scope.ADMIN)  # a few lists are for administrators
    filters = view_of(route).filters
    foreign = {
        "organisation": theirs.organisation.slug, "site": theirs.site.pk, "group": theirs.group.pk,
        "charge_point": theirs.charge_point.identity, "transaction": theirs.transaction.pk,
        "id_tag": theirs.id_tag.id_tag, "parent": theirs.id_tag.pk, "search": theirs.charge_point.identity,
    }  # fmt: skip
    for name, value in foreign.items():
        if name != "search" and name not in filters().fields:
            continue
        where = address(route, ours)
        response = caller.get(f"{where}{'&' if '?' in where else '?'}{name}={value}")
        assert response.status_code in (200, 400)
        content = response.content.decode()
        assert f'"{theirs.charge_point.identity}"' not in json.dumps(json.loads(content).get("results", []))


def test_no_page_of_the_console_reads_or_changes_what_is_theirs(settings: Any) -> None:
    console.make_alive()
    ours, theirs = console.make_tenant("mine"), console.make_tenant("foreign")
    client: Client = console.person(ours, Role.ADMIN)
    untouched = everything_of(theirs.organisation)
    at_home = console.addresses(ours)
    for name, where in console.addresses(theirs).items():
        if name in console.FREE or where == at_home[name]:
            continue
        for answer in (client.get(where), client.post(where, {"organisation": theirs.organisation.pk})):
            assert answer.status_code in (404, 405), (name, answer.status_code)
    assert everything_of(theirs.organisation) == untouched
    assert SecurityEvent.objects.filter(kind=SecurityEventKind.FOREIGN_ROW).exists()


def test_token_does_not_outlive_what_it_stands_on(ours: Tenant, django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("u")
    membership = ours.organisation.memberships.create(user=user, role=Role.ADMIN)
    caller = ours.caller(Scope.ADMIN, user)
    assert caller.get("id-tags/").status_code == 200
    membership.delete()
    assert caller.get("id-tags/").status_code == 403
    ours.organisation.memberships.create(user=user, role=Role.VIEWER)
    assert caller.get("id-tags/").status_code == 200
    assert caller.post("id-tags/", {"id_tag": "N", "organisation": "ours"}).status_code == 403
    user.is_active = False
    user.save()
    assert caller.get("id-tags/").status_code == 401


@pytest.mark.parametrize("secret", ["ocpp_guess", "", "ocpp_" + "a" * 43, "'; --", "a" * 10_000])
def test_token_that_is_none(secret: str, ours: Tenant) -> None:
    _token, real = ApiToken.issue(organisation=ours.organisation, name="real", scope=Scope.READ)
    response = Caller(secret or " ").get("id-tags/")
    assert response.status_code == 401
    assert Caller().get(f"id-tags/?token={real}").status_code == 401
    if secret:
        assert SecurityEvent.objects.get(kind=SecurityEventKind.WRONG_TOKEN).detail == f"{ROOT}id-tags/"
    assert Caller(real).get("id-tags/").status_code == 200


# -- charge points against one another ---------------------------------------------------------------------------------


def test_charger_cannot_see_stop_or_alter_what_is_anothers(ours: Tenant, theirs: Tenant) -> None:
    gateway = GatewayEnd(Backend())
    wire = Wire(gateway, ours.charge_point.identity)
    assert wire.open().accepted
    untouched = everything_of(theirs.organisation)
    foreign = theirs.transaction.pk
    wire.ask("StopTransaction", {"transactionId": foreign, "meterStop": 9, "timestamp": ago(), "idTag": "TAG1"})
    meter = {"timestamp": ago(), "sampledValue": [{"value": "99999"}]}
    wire.ask("MeterValues", {"connectorId": 1, "transactionId": foreign, "meterValue": [meter]})
    command = theirs.charge_point.commands.get()
    for frame in (f'[3,"{command.pk}",{{"status":"Accepted"}}]', f'[4,"{command.pk}","GenericError","",{{}}]'):
        wire.call(frame)
    wire.tell(str(command.pk), "sent")
    gateway.send(wire.disconnect(unsent=(str(command.pk),), session=theirs.charge_point.session_id))
    assert everything_of(theirs.organisation) == untouched
    theirs.transaction.refresh_from_db()
    assert theirs.transaction.is_active


def test_tag_of_another_organisation_opens_nothing_here(ours: Tenant, theirs: Tenant, settings: Any) -> None:
    settings.OCPP_UNKNOWN_ID_TAG = "reject"
    IdTag.objects.create(organisation=theirs.organisation, id_tag="FOREIGN")
    wire = Wire(GatewayEnd(Backend()), ours.charge_point.identity)
    assert wire.open().accepted
    assert wire.ask("Authorize", {"idTag": "FOREIGN"})["idTagInfo"]["status"] == "Invalid"
    assert wire.ask("Authorize", {"idTag": "TAG1"})["idTagInfo"]["status"] == "Accepted"
