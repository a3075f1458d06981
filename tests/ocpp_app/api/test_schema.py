"""The OpenAPI schema: valid, without a warning, and true of what the API does."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from ocpp_app.access import access_of_token, visible
from ocpp_app.api.urls import resources
from ocpp_app.models import ApiToken, Scope
from tests.ocpp_app.api.world import Tenant, make_tenant
from tests.ocpp_app.conftest import commits

EXAMPLES = int(os.environ.get("API_FUZZ_EXAMPLES", "4"))
"""Requests for each operation of each kind; `make fuzz-api` asks for more."""


def document() -> Any:
    response = Client(headers={"Accept": "application/vnd.oai.openapi+json"}).get("/api/v1/schema/")
    assert response.status_code == 200
    return json.loads(response.content)


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_schema_is_valid_openapi_3_1_without_a_warning(tmp_path: Any) -> None:
    file = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    assert file.read_text().startswith("openapi: 3.1")
    validate_schema(document())


def test_operation_ids_are_names_for_a_client_and_unique() -> None:
    names = [operation["operationId"] for _path, _method, operation in operations(document())]
    assert len(names) == len(set(names)) > 30
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert {
        "listChargePoints",
        "createChargePoint",
        "closeTransaction",
        "getMeterValueSeries",
        "renewWebhookSecret",
    } <= set(names)


def test_every_operation_tells_of_problems_and_needs_somebody() -> None:
    for path, method, operation in operations(document()):
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}, (path, method)
        assert {"token": []} in operation["security"], (path, method)
        assert operation["description"], (path, method)


def test_every_body_has_examples_and_they_are_valid() -> None:
    """But those with a file: no example can be one."""
    described = document()
    known = {**described, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    for path, method, operation in operations(described):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        examples = [] if body is None else body.get("examples", {}).values()
        assert body is None or examples, f"{method} {path} has no example"
        for example in examples:
            Draft202012Validator({**known, **body["schema"]}).validate(example["value"])


def test_docs_page_needs_no_other_host(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    page = Client().get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


@pytest.mark.timeout(60 + 30 * EXAMPLES)
@commits
def test_no_request_that_the_schema_allows_or_forbids_is_a_server_error(live_server: Any) -> None:
    ours = make_tenant("ours")
    _token, secret = ApiToken.issue(organisation=ours.organisation, name="fuzz", scope=Scope.ADMIN)
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=live_server.url, headers={"Authorization": f"Bearer {secret}"})
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with nothing_to_break(mode):
                ask_some(operation, mode, ours)
        asked.add((operation.path, operation.method))
    assert len(asked) == len(list(operations(document())))


def nothing_to_break(mode: GenerationMode) -> AbstractContextManager[None]:
    """An operation that takes everything has no request that its schema forbids."""
    return suppress(Unsatisfiable) if mode == GenerationMode.NEGATIVE else nullcontext()


def keys_of(path: str, ours: Tenant) -> dict[str, Any]:
    """Keys of rows that there are, for the parameters in an address."""
    known = {"identity": ours.charge_point.identity, "batch": ours.organisation.command_batches.get().pk}
    wanted = re.findall(r"{(\w+)}", path)
    if set(wanted) <= set(known):
        return {name: known[name] for name in wanted}
    here = path.removeprefix("/api/v1/")
    route = next(route for route in resources if re.sub(r"<\w+:\w+>", "{}", str(route.pattern)) == bare(here))
    model = route.callback.cls.model  # type: ignore[attr-defined]
    row = visible(model._default_manager.all(), access_of_token(ApiToken.objects.get())).order_by("pk").first()
    own = {name: getattr(row, name, None) or getattr(row, "pk", 0) for name in wanted}
    return {**own, **{name: known[name] for name in wanted if name in known}}


def bare(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


def ask_some(operation: Any, mode: GenerationMode, ours: Tenant) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_ours=booleans())
    def ask(case: Any, is_ours: bool) -> None:
        if is_ours and case.path_parameters:
            case.path_parameters.update(keys_of(operation.path, ours))
        case.call_and_validate(checks=[not_a_server_error])

    ask()
