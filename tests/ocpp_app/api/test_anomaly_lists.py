"""Lists of transactions with an anomaly are led by an index of those that have one."""

from typing import Any

import pytest
from django.db import connection

from ocpp_app.api.transactions import TransactionFilters
from ocpp_app.models import Anomaly, AnomalyKind, Transaction
from tests.ocpp_app.api.world import NOW, Tenant, make_tenant, make_transaction


@pytest.fixture
def ours(db: None) -> Tenant:
    return make_tenant("ours")


def listed(tenant: Tenant, wanted: str) -> Any:
    filters = TransactionFilters(data={"anomaly": wanted})
    filters.is_valid(raise_exception=True)
    return filters.narrow(Transaction.objects.filter(organisation=tenant.organisation.pk)).order_by("-pk")


@pytest.mark.parametrize("wanted", ["any", "unresolved", AnomalyKind.LOWER_METER])
def test_the_index_of_those_that_have_one_leads(ours: Tenant, wanted: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # so few rows would be read without an index
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
            )
            cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    plan = listed(ours, wanted)[:50].explain()
    assert "ocpp_tx_odd" in plan, plan


def test_each_list_has_what_it_says(ours: Tenant) -> None:
    plain, resolved, open_one = (make_transaction(ours.charge_point) for _ in range(3))
    Anomaly.objects.exclude(transaction=ours.transaction).delete()
    resolved.anomalies.create(kind=AnomalyKind.ORPHANED, found_at=NOW, resolved_at=NOW)
    open_one.anomalies.create(kind=AnomalyKind.LOWER_METER, found_at=NOW)
    every = {"any": {resolved, open_one}, "none": {plain}, AnomalyKind.ORPHANED: {resolved}}
    for wanted, expected in every.items():
        assert set(listed(ours, wanted)) - {ours.transaction} == expected, wanted
    assert open_one in listed(ours, "unresolved")
    assert resolved not in listed(ours, "unresolved")


def test_one_that_nobody_has_any_more_is_no_longer_listed(ours: Tenant) -> None:
    Anomaly.objects.filter(transaction=ours.transaction).delete()
    assert list(listed(ours, "any")) == []
    assert list(listed(ours, "none")) == [ours.transaction]
