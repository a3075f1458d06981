"""A car is plugged in, nobody shows a tag: charging starts by itself where that is wanted."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ocpp_app.commands import issue_command
from ocpp_app.models import Command, CommandState, IdTag, RegistrationStatus
from ocppj import envelope
from ocppj.v16 import RemoteStartTransactionRequest
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, result

pytestmark = pytest.mark.django_db

STATUS = '[2,"s","StatusNotification",{"connectorId":%d,"errorCode":"NoError","status":"%s"}]'
PREPARING = STATUS % (1, "Preparing")


def remote_starts(wire: Wire) -> list[Any]:
    """The payloads of the RemoteStartTransaction.req that left for this charge point."""
    calls = [json.loads(command.raw) for command in wire.commands]
    return [payload for _type, _unique_id, action, payload in calls if action == "RemoteStartTransaction"]


def test_preparing_starts_with_the_anonymous_tag(wire: Wire) -> None:
    wire.call(PREPARING)
    assert remote_starts(wire) == [{"connectorId": 1, "idTag": "anonymous"}]
    row = Command.objects.get()
    (command,) = wire.commands
    assert (row.state, row.session_id, row.source) == (CommandState.DISPATCHED, wire.session, "auto remote start")
    assert (command.session, command.unique_id, command.delay_s) == (wire.session, str(row.pk), 0.0)


def test_the_migrated_tag_anonymous_is_accepted_without_a_limit(wire: Wire) -> None:
    assert not IdTag.objects.filter(id_tag="anonymous", organisation__is_default=True, is_blocked=True).exists()
    for connector in (1, 2, 3):
        payload = {"connectorId": connector, "idTag": "anonymous", "meterStart": 0, "timestamp": ago()}
        assert wire.ask("StartTransaction", payload)["idTagInfo"] == {"status": "Accepted"}


def test_remote_start_leaves_behind_the_answer(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.frame(PREPARING)
    gateway.backend.process(gateway.pack(request))
    items = [item for _queue, item in gateway.backend.published]
    assert [type(item) for item in items] == [envelope.FrameReply, envelope.Command]
    assert {queue for queue, _item in gateway.backend.published} == {gateway.queue}


def test_charge_points_that_refuse_a_quick_remote_start_get_it_later(connect: Connect) -> None:
    wire = connect(vendor="United Chargers Inc.", model="Grizzl-E Smart")
    wire.call(PREPARING)
    assert wire.commands[0].delay_s == 1.0


@pytest.mark.parametrize(
    ("setting", "own", "starts"), [(True, None, 1), (True, False, 0), (False, None, 0), (False, True, 1)]
)
def test_setting_and_the_charge_points_own(
    setting: bool, own: bool | None, starts: int, settings: Any, connect: Connect
) -> None:
    settings.OCPP_AUTO_REMOTE_START = setting
    wire = connect(auto_remote_start=own)
    wire.call(PREPARING)
    assert len(remote_starts(wire)) == starts


def start(wire: Wire, connector: int) -> None:
    payload = {"connectorId": connector, "idTag": "TAG1", "meterStart": 0, "timestamp": ago()}
    wire.ask("StartTransaction", payload)


@pytest.mark.parametrize(
    ("before", "raw", "starts"),
    [
        pytest.param(lambda wire: None, STATUS % (1, "Charging"), 0, id="another status"),
        pytest.param(lambda wire: None, STATUS % (0, "Preparing"), 0, id="connector 0"),
        pytest.param(lambda wire: wire.call(STATUS % (1, "Reserved")), PREPARING, 0, id="a reserved connector"),
        pytest.param(lambda wire: wire.call(STATUS % (2, "Reserved")), PREPARING, 1, id="another is reserved"),
        pytest.param(lambda wire: start(wire, 1), PREPARING, 0, id="an open transaction"),
        pytest.param(lambda wire: start(wire, 2), PREPARING, 1, id="an open transaction on another"),
        pytest.param(lambda wire: wire.ask("Authorize", {"idTag": "X"}), PREPARING, 0, id="a tag was shown"),
        pytest.param(
            lambda wire: wire.ask("Authorize", {"idTag": "X"}, at=time.time() - 61), PREPARING, 1, id="a minute ago"
        ),
    ],
)
def test_when_it_starts(before: Callable[[Wire], Any], raw: str, starts: int, wire: Wire) -> None:
    before(wire)
    wire.call(raw)
    assert len(remote_starts(wire)) == starts


def test_a_tag_shown_in_the_same_batch_counts(wire: Wire, gateway: GatewayEnd) -> None:
    gateway.send(wire.frame('[2,"a","Authorize",{"idTag":"X"}]'), wire.frame(PREPARING))
    assert remote_starts(wire) == []


def test_a_tag_shown_at_another_charge_point_does_not_count(wire: Wire, connect: Connect) -> None:
    connect("CP002").ask("Authorize", {"idTag": "X"})
    wire.call(PREPARING)
    assert len(remote_starts(wire)) == 1


@pytest.mark.parametrize(
    ("connector_id", "answer", "starts"),
    [
        pytest.param(1, None, 0, id="not answered yet"),
        pytest.param(1, "Accepted", 0, id="accepted"),
        pytest.param(None, "Accepted", 0, id="the charge point chooses the connector"),
        pytest.param(2, "Accepted", 1, id="another connector"),
        pytest.param(1, "Rejected", 1, id="rejected"),
    ],
)
def test_a_remote_start_of_somebody_else_is_not_disturbed(
    connector_id: int | None, answer: str | None, starts: int, wire: Wire
) -> None:
    command = issue_command("CP001", RemoteStartTransactionRequest(id_tag="DRIVER", connector_id=connector_id))
    if answer is not None:
        wire.call(f'[3,"{command.pk}",{{"status":"{answer}"}}]')
    wire.call(PREPARING)
    assert len(remote_starts(wire)) == starts


def test_redelivered_status_starts_once(wire: Wire, gateway: GatewayEnd) -> None:
    request = wire.frame(PREPARING)
    gateway.send(request)
    gateway.send(request)
    assert len(remote_starts(wire)) == Command.objects.count() == 1


def test_status_of_a_replaced_session_starts_nothing(wire: Wire, connect: Connect) -> None:
    connect()
    wire.call(PREPARING)
    assert not Command.objects.exists()


@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
@pytest.mark.spec("OCPP 1.6", "4.2")
def test_nothing_starts_where_the_charge_point_is_not_accepted(status: str, connect: Connect) -> None:
    wire = connect(registration_status=status)
    wire.call(PREPARING)
    assert not Command.objects.exists()


def test_remote_start_goes_to_the_gateways_newest_queue(wire: Wire, gateway: GatewayEnd) -> None:
    gateway.queue = "queue after a reconnect, not announced yet"
    wire.call(PREPARING)
    assert [queue for queue, _item in gateway.backend.published] == [gateway.queue]


def test_answer_to_the_remote_start_is_kept_with_it(wire: Wire) -> None:
    wire.call(PREPARING)
    unique_id = wire.commands[0].unique_id
    wire.tell(unique_id, "sent")
    assert wire.call(f'[3,"{unique_id}",{{"status":"Rejected"}}]') is None
    row = Command.objects.get()
    assert (row.state, row.status, row.response) == (CommandState.ANSWERED, "Rejected", {"status": "Rejected"})
    assert result(wire.call('[2,"h","Heartbeat",{}]'))
