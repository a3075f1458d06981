"""Each of the 26 messages of a central system: what goes out, and what is refused before it is sent."""

import json

import pytest
from msgspec.structs import force_setattr

from ocpp_app.commands import issue_command
from ocpp_app.models import ChargePoint, Command
from ocppj.errors import PayloadError
from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL, UnlockConnectorRequest
from tests.actions import ACTIONS, message
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_command_lifecycle import later

pytestmark = pytest.mark.django_db


def test_every_action_that_a_central_system_sends_is_here() -> None:
    sent = {name for name, spec in PROTOCOL.actions.items() if spec.sender is not Sender.charge_point}
    assert set(ACTIONS) == sent
    assert len(sent) == 26


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ["usual", "odd"])
def test_what_the_charge_point_should_decide_goes_out_as_it_was_asked_for(action: str, kind: str) -> None:
    ChargePoint.objects.create(identity="CP001")
    payload = getattr(ACTIONS[action], kind)
    command = issue_command("CP001", message(action, payload), expires_at=later(60))
    assert json.loads(command.frame) == [2, str(command.pk), action, json.loads(payload)]


@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_message_type_forbids_is_refused_naming_the_field(action: str) -> None:
    with pytest.raises(PayloadError) as caught:
        message(action, ACTIONS[action].wrong)
    assert caught.value.field == ACTIONS[action].field
    assert str(caught.value)


def test_what_was_built_wrong_is_refused_before_it_is_sent(connect: Connect) -> None:
    wire = connect()
    forged = UnlockConnectorRequest(connector_id=1)
    force_setattr(forged, "connector_id", 0)
    with pytest.raises(PayloadError, match="connectorId"):
        issue_command("CP001", forged)
    assert not wire.commands
    assert not Command.objects.exists()
