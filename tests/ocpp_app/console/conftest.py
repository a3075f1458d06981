"""Two organisations, and people with each role in the first."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from ocpp_app.models import Role
from tests.ocpp_app.console.world import Tenant, make_alive, make_tenant, person


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    cache.clear()


@pytest.fixture
def ours(db: None) -> Tenant:
    make_alive()
    return make_tenant("ours")


@pytest.fixture
def theirs(db: None) -> Tenant:
    return make_tenant("theirs")


@pytest.fixture
def viewer(ours: Tenant) -> Client:
    return person(ours, Role.VIEWER)


@pytest.fixture
def operator(ours: Tenant) -> Client:
    return person(ours, Role.OPERATOR)


@pytest.fixture
def admin(ours: Tenant) -> Client:
    return person(ours, Role.ADMIN)
