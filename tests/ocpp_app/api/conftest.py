"""Two organisations with one row at least of everything, and tokens of each scope."""

from typing import Any

import pytest
from django.core.cache import cache

from ocpp_app.models import Scope
from tests.ocpp_app.api.world import Caller, Tenant, make_tenant


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    settings.OCPP_API_THROTTLE = ""
    cache.clear()  # what a token of another test with the same key has asked for


@pytest.fixture
def ours(db: None) -> Tenant:
    return make_tenant("ours")


@pytest.fixture
def theirs(db: None) -> Tenant:
    return make_tenant("theirs")


@pytest.fixture
def admin(ours: Tenant) -> Caller:
    return ours.caller(Scope.ADMIN)


@pytest.fixture
def operator(ours: Tenant) -> Caller:
    return ours.caller(Scope.OPERATE)


@pytest.fixture
def reader(ours: Tenant) -> Caller:
    return ours.caller(Scope.READ)
