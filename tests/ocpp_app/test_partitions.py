"""The frame log by months (``deploy/postgresql/partition_messages.sql``): what writes it, reads it and prunes it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from ocpp_app import retention
from ocpp_app.commands import issue_command
from ocpp_app.models import Message
from ocppj.v16 import ResetRequest, ResetType
from tests.ocpp_app.wire import GatewayEnd, Wire

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgresql" / "partition_messages.sql"
HEARTBEAT = '[2,"1","Heartbeat",{}]'

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _partitioned(wire: Wire, gateway: GatewayEnd) -> None:
    """A frame of before is there."""
    if connection.vendor != "postgresql":
        pytest.skip("partitions are PostgreSQL's")
    gateway.send(wire.frame(HEARTBEAT))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    connection.connection.execute(SCRIPT.read_text(), prepare=False)


def partitions() -> dict[str, int]:
    """The rows of each partition that has some."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, count(*) FROM ocpp_app_message GROUP BY 1")
        return dict(cursor.fetchall())


def keep(days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ocpp_keep_message_partitions(%s)", [days])


def make_message(wire: Wire, at: datetime) -> None:
    Message.objects.create(charge_point=wire.charge_point, direction="in", raw="[]", at=at)


def test_what_there_was_and_what_comes_is_in_the_log(wire: Wire, gateway: GatewayEnd) -> None:
    gateway.send(wire.frame(HEARTBEAT))
    assert partitions() == {"ocpp_app_message_first": 2}
    first, second = Message.objects.order_by("pk")
    assert first.pk < second.pk
    assert [row.action for row in wire.charge_point.messages.all()] == ["Heartbeat", "Heartbeat"]


def test_a_redelivered_request_is_answered_from_the_log(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.frame(HEARTBEAT)
    (first,) = gateway.send(request)
    (second,) = gateway.send(request)
    assert first.raw == second.raw
    assert Message.objects.filter(relay_id=request.relay_id).count() == 1


def test_a_command_and_its_answer_are_one_row(wire: Wire, gateway: GatewayEnd) -> None:
    command = issue_command("CP001", ResetRequest(type=ResetType.Soft))
    wire.tell(str(command.pk), "sent")
    gateway.send(wire.frame(f'[3,"{command.pk}",{{"status":"Accepted"}}]'))
    assert Message.objects.get(command=command).answer == f'[3,"{command.pk}",{{"status":"Accepted"}}]'


def test_months_come_and_go(wire: Wire) -> None:
    now = timezone.now()
    make_message(wire, now + timedelta(days=45))
    make_message(wire, now + timedelta(days=4000))
    found = partitions()
    assert found["ocpp_app_message_other"] == 1
    assert sorted(found.values()) == [1, 1, 1]
    keep(90)
    keep(90)
    assert partitions() == found
    keep(-40)  # as if the end of this month were long ago
    assert partitions() == {name: rows for name, rows in found.items() if name != "ocpp_app_message_first"}


def test_what_is_old_within_a_month_can_still_be_pruned(wire: Wire) -> None:
    make_message(wire, timezone.now() - timedelta(days=200))
    list(retention.steps({"messages": timedelta(days=90)}, timezone.now()))
    assert partitions() == {"ocpp_app_message_first": 1}
