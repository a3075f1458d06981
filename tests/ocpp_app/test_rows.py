"""Instances made in one go equal what Django makes."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import models
from django.db.models.signals import post_init

from ocpp_app import rows
from ocpp_app.models import ChargePoint, Connector, Direction, Message, MeterValue, StatusHistory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def connector() -> Connector:
    return Connector.objects.create(charge_point=ChargePoint.objects.create(identity="CP001"), number=1)


def values_of(row: models.Model) -> dict[str, Any]:
    return {name: value for name, value in row.__dict__.items() if name != "_state"}


def test_every_field_has_its_value_or_its_default(connector: Connector) -> None:
    for model, values in (
        (StatusHistory, {"connector": connector, "status": "Charging", "received_at": NOW}),
        (MeterValue, {"connector": connector, "transaction": None, "timestamp": NOW, "sampled_values": []}),
        (Message, {"charge_point_id": connector.charge_point_id, "direction": Direction.INBOUND, "at": NOW}),
        (Connector, {}),
    ):
        made, expected = rows.new(model, **values), model(**values)
        assert values_of(made) == values_of(expected)
        assert (made._state.adding, made._state.db) == (True, None)


def test_parents_are_known_and_the_row_can_be_saved(connector: Connector) -> None:
    made = rows.new(StatusHistory, connector=connector, status="Charging", error_code="NoError", received_at=NOW)
    assert made.connector is connector
    made.save()
    assert StatusHistory.objects.get().connector == connector


def test_defaults_that_are_made_are_made_for_each() -> None:
    charge_points = [rows.new(ChargePoint, identity=name) for name in ("CP001", "CP002")]
    assert all(isinstance(row.organisation_id, int) for row in charge_points)
    first, second = (rows.new(Made) for _ in range(2))
    assert first.pk != second.pk
    assert isinstance(first.pk, uuid.UUID)


class Made(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        app_label = "tests"
        managed = False

    def __str__(self) -> str:
        return str(self.pk)


def test_who_listens_to_new_instances_hears_of_them(connector: Connector) -> None:
    heard: list[str] = []

    def listen(instance: StatusHistory, **_: Any) -> None:
        heard.append(instance.status)

    post_init.connect(listen, sender=StatusHistory)
    try:
        rows.new(StatusHistory, connector=connector, status="Charging", received_at=NOW)
    finally:
        post_init.disconnect(listen, sender=StatusHistory)
    assert heard == ["Charging"]
