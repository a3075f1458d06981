"""Every address of the API, taken from its table: a new one is tested without anybody thinking of it."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern

from ocpp_app.access import access_of_token, organisation_id_of, visible
from ocpp_app.api.resource import Resource
from ocpp_app.api.urls import resources
from ocpp_app.models import ApiToken, Scope
from tests.ocpp_app.api.shared import kept_ours, kept_tenants, kept_theirs  # noqa: F401
from tests.ocpp_app.api.world import ROOT, Caller, Tenant, make_charge_point, make_transaction

pytestmark = pytest.mark.django_db

PAIRS = [(route, method) for route in resources for method in route.callback.actions]  # type: ignore[attr-defined]
LISTS = [route for route in resources if "list" in route.callback.actions.values()]  # type: ignore[attr-defined]
INSIDE = [(route, method) for route, method in PAIRS if "<" in str(route.pattern)]
RANK = list(Scope)
MUST_BE_NARROWED = {"meter-values-list": "transaction={transaction}"}
"""Lists that are asked for only with a filter."""


def named(value: Any) -> str:
    return str(value.pattern) if isinstance(value, URLPattern) else str(value)


def view_of(route: URLPattern) -> Any:
    return route.callback.cls  # type: ignore[attr-defined]


def address(route: URLPattern, tenant: Tenant) -> str:
    """The route's address with keys of this tenant's rows."""
    where = str(route.pattern).replace("<str:identity>", tenant.charge_point.identity)
    where = where.replace("<uuid:batch>", str(tenant.organisation.command_batches.first().pk))  # type: ignore[union-attr]
    where = where.replace("<int:campaign>", str(tenant.organisation.firmware_campaigns.first().pk))  # type: ignore[union-attr]
    if "<" in where:
        model = view_of(route).model
        row = next(row for row in model._default_manager.all() if organisation_id_of(row) == tenant.organisation.pk)
        where = where.replace("<int:pk>", str(row.pk)).replace("<uuid:pk>", str(row.pk))
        where = where.replace("<uuid:uid>", str(getattr(row, "uid", "")))
    assert "<" not in where
    if query := MUST_BE_NARROWED.get(route.name or ""):
        where += "?" + query.format(transaction=tenant.transaction.pk)
    return ROOT + where


def scope_of(route: URLPattern, method: str) -> Scope:
    """What the view says that this needs."""
    view = view_of(route)(**route.callback.initkwargs)  # type: ignore[attr-defined]
    view.action = route.callback.actions[method]  # type: ignore[attr-defined]
    view.request = type("Asked", (), {"method": method.upper()})
    return view.scope  # type: ignore[no-any-return]


@pytest.mark.parametrize("route", resources, ids=named)
def test_everything_is_a_confined_resource(route: URLPattern) -> None:
    assert issubclass(view_of(route), Resource)


@pytest.mark.parametrize(("route", "method"), PAIRS, ids=named)
def test_without_a_token_nothing_is_told(route: URLPattern, method: str, ours: Tenant) -> None:
    response = Caller().ask(method, address(route, ours), {})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 401


@pytest.mark.parametrize(("route", "method"), PAIRS, ids=named)
def test_a_lower_scope_is_refused(route: URLPattern, method: str, ours: Tenant) -> None:
    needed = scope_of(route, method)
    for scope in RANK:
        response = ours.caller(scope).ask(method, address(route, ours), {})
        assert response.status_code < 500
        assert (response.status_code == 403) == (not scope.includes(needed)), (scope, response.content)


@pytest.mark.parametrize(("route", "method"), INSIDE, ids=named)
def test_rows_of_another_organisation_are_not_there(
    route: URLPattern, method: str, admin: Caller, theirs: Tenant
) -> None:
    response = admin.ask(method, address(route, theirs), {})
    assert response.status_code == 404
    assert theirs.organisation.slug not in json.dumps({**response.json(), "instance": ""})


@pytest.mark.parametrize("route", LISTS, ids=named)
def test_a_list_shows_what_is_visible_and_nothing_else(route: URLPattern, ours: Tenant, theirs: Tenant) -> None:
    response = ours.caller(scope_of(route, "get")).get(address(route, ours))
    assert response.status_code == 200
    model = view_of(route).model
    access = access_of_token(ApiToken.objects.get())
    assert 0 < len(response.json()["results"]) <= visible(model._default_manager.all(), access).count()
    assert theirs.charge_point.identity not in response.content.decode()
    assert f'"{theirs.organisation.slug}"' not in response.content.decode()


def count_queries(caller: Caller, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert caller.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize("route", LISTS, ids=named)
def test_a_list_needs_no_more_queries_for_more_rows(route: URLPattern, ours: Tenant) -> None:
    path, reader = address(route, ours), ours.caller(scope_of(route, "get"))
    reader.get(path)  # the last use of the token is written with its first
    few = count_queries(reader, path)
    for number in range(2, 8):
        charge_point = make_charge_point(ours.organisation, f"ours-{number}", site=ours.site)
        charge_point.groups.add(ours.group)
        make_transaction(charge_point)
    for number in range(6):
        make_transaction(ours.charge_point, is_active=bool(number % 2))
    assert count_queries(reader, path) == few


@pytest.mark.parametrize("route", LISTS, ids=named)
def test_an_unknown_parameter_is_an_error(route: URLPattern, ours: Tenant) -> None:
    path, reader = address(route, ours), ours.caller(scope_of(route, "get"))
    response = reader.get(f"{path}{'&' if '?' in path else '?'}charge_pont=x")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/charge_pont"


@pytest.mark.parametrize(
    "path", ["nothing/", "charge-points", "charge-points/%00/", "transactions/99999999999999999999/"]
)
def test_what_is_not_there_is_a_problem(path: str, admin: Caller) -> None:
    response = admin.get(path)
    assert response.status_code in (301, 404)
    if response.status_code == 404:
        assert response["Content-Type"] == "application/problem+json"
