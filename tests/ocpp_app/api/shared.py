"""Two tenants for all tests of a module that imports these fixtures, none of whose tests commits."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ocpp_app.api.world import Tenant, make_tenant
from tests.shared_rows import shared_rows


@pytest.fixture(scope="module", name="tenants")
def kept_tenants(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Tenant, Tenant]]:
    with shared_rows(django_db_blocker):
        yield make_tenant("ours"), make_tenant("theirs")


@pytest.fixture(name="ours")
def kept_ours(tenants: tuple[Tenant, Tenant], db: None) -> Tenant:
    return copy.deepcopy(tenants[0])


@pytest.fixture(name="theirs")
def kept_theirs(tenants: tuple[Tenant, Tenant], db: None) -> Tenant:
    return copy.deepcopy(tenants[1])
