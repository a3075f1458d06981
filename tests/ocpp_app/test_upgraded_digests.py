"""Meter values that a release stored whose digests did not begin with a time: they do not count twice either."""

import importlib
import os
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from ocpp_app.models import MeterValue, MeterValueMean
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.test_roll_up import minutely, roll_all_up, send
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

migration: Any = importlib.import_module("ocpp_app.migrations.0027_lean_indexes")


@pytest.fixture
def charging(wire: Wire) -> Charging:
    return Charging(wire).start()


def older(digest: bytes) -> bytes:
    """The same without the time."""
    return os.urandom(6) + digest[6:]


def store_as_before() -> None:
    for value in MeterValue.objects.all():
        MeterValue.objects.filter(pk=value.pk).update(digest=uuid.UUID(bytes=older(value.digest.bytes)))


def migrate() -> None:
    migration.put_times_first(apps, connection.schema_editor())


def test_a_stop_that_repeats_what_an_open_transaction_has_stores_nothing_again(charging: Charging) -> None:
    values = minutely(5)
    send(charging, values)
    digests = set(MeterValue.objects.values_list("digest", flat=True))
    store_as_before()

    migrate()
    migrate()  # after an interruption

    assert set(MeterValue.objects.values_list("digest", flat=True)) == digests
    charging.stop(5, 1500, transactionData=values)
    assert MeterValue.objects.count() == 5


def test_those_of_ended_transactions_stay_as_they_are(charging: Charging) -> None:
    charging.meter(1, 1100)
    charging.stop(5, 1500)
    store_as_before()
    (before,) = MeterValue.objects.values_list("digest", flat=True)

    migrate()

    assert list(MeterValue.objects.values_list("digest", flat=True)) == [before]


def test_what_is_in_a_mean_is_known_by_the_rest_of_its_digest(charging: Charging) -> None:
    values = minutely(15)
    send(charging, values)
    charging.stop(15, 2500)
    assert roll_all_up() == 15
    mean = MeterValueMean.objects.get()
    stored = bytes(mean.digests)
    mean.digests = b"".join(older(stored[start : start + 16]) for start in range(0, len(stored), 16))
    mean.save()

    send(charging, values)
    assert MeterValue.objects.count() == 1
    charging.meter(3, 1234)
    assert MeterValue.objects.count() == 2
