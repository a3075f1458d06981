"""OCPP_MIDDLEWARE: a user's own chains, key by key."""

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from ocpp_app import chains
from ocpp_app.commands import issue_command
from ocpp_app.errors import CallRefused
from ocpp_app.middleware import (
    HeartbeatMiddleware,
    OCPPMiddleware,
    OCPPRequest,
    OCPPResponse,
    StartTransactionMiddleware,
)
from ocpp_app.models import Command, CommandState, Transaction
from ocppj.errors import ErrorCode
from ocppj.frames import MessageType
from ocppj.protocol import Sender
from ocppj.v16 import (
    PROTOCOL,
    Action,
    AuthorizationStatus,
    IdTagInfo,
    ResetRequest,
    ResetType,
    StartTransactionResponse,
    UnlockConnectorRequest,
)
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, error, result

pytestmark = pytest.mark.django_db

HEARTBEAT = (Action.Heartbeat, MessageType.call)
START = (Action.StartTransaction, MessageType.call)


class OnlyConnectorOne(OCPPMiddleware):
    """A user's middleware: only connector 1 may charge."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        if request.message.connector_id == 1:
            return response
        answer: Any = response.message
        refused = IdTagInfo(status=AuthorizationStatus.Blocked)
        return OCPPResponse(StartTransactionResponse(transaction_id=answer.transaction_id, id_tag_info=refused))


class Refuse(OCPPMiddleware):
    def handle(self, request: OCPPRequest) -> OCPPResponse:
        request.batch.change(request.charge_point, name="was here")
        raise CallRefused(ErrorCode.SecurityError, "x" * 300, {"why": "on purpose"})


class Silent(OCPPMiddleware):
    def handle(self, request: OCPPRequest) -> OCPPResponse:
        return OCPPResponse()


class UnlockAfterReset(OCPPMiddleware):
    """On the chain of an answer: a second command after the first was answered."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        response = self.next.handle(request)
        told = request.command.error_code if request.message is None else request.message.status  # type: ignore[union-attr]
        request.batch.change(request.charge_point, name=f"{request.action}: {told}")
        response.add_command(UnlockConnectorRequest(connector_id=1), delay_s=2.5)
        return response


def start(wire: Wire, connector: int) -> dict[str, Any]:
    payload = {"connectorId": connector, "idTag": "TAG1", "meterStart": 0, "timestamp": ago()}
    return wire.ask("StartTransaction", payload)


# -- the table ---------------------------------------------------------------------------------------------------------


def names_of(action: str, message_type: MessageType = MessageType.call) -> list[str]:
    """The classes of a chain, outermost first."""
    names, link = [], chains.chain(action, message_type)
    while link is not chains.END:
        names.append(type(link).__name__)
        link = link.next
    return names


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("Authorize", ["AuthorizeMiddleware"]),
        ("BootNotification", ["BootNotificationMiddleware"]),
        ("DataTransfer", ["DataTransferMiddleware"]),
        ("DiagnosticsStatusNotification", ["DiagnosticsStatusNotificationMiddleware"]),
        ("FirmwareStatusNotification", ["FirmwareStatusNotificationMiddleware"]),
        ("Heartbeat", ["HeartbeatMiddleware"]),
        ("MeterValues", ["MeterValuesMiddleware"]),
        (
            "StartTransaction",
            ["OrphanedTransactionMiddleware", "UseReservationMiddleware", "StartTransactionMiddleware"],
        ),
        (
            "StatusNotification",
            [
                "AutoRemoteStartMiddleware",
                "ReleaseReservationMiddleware",
                "AvailabilityMiddleware",
                "StatusNotificationMiddleware",
            ],
        ),
        ("StopTransaction", ["StopTransactionMiddleware"]),
    ],
)
def test_default_chains(action: str, names: list[str]) -> None:
    assert names_of(action) == names


def test_every_action_of_the_core_profile_is_answered(wire: Wire) -> None:
    at = ago()
    value = {"timestamp": at, "sampledValue": [{"value": "1"}]}
    for action, payload in {
        "Authorize": {"idTag": "TAG1"},
        "BootNotification": {"chargePointVendor": "V", "chargePointModel": "M"},
        "DataTransfer": {"vendorId": "org.acme", "data": {"any": ["thing"]}},
        "DiagnosticsStatusNotification": {"status": "Uploaded"},
        "FirmwareStatusNotification": {"status": "Installed"},
        "Heartbeat": {},
        "MeterValues": {"connectorId": 1, "meterValue": [value]},
        "StartTransaction": {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": at},
        "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "StopTransaction": {"transactionId": -1, "meterStop": 0, "timestamp": at},
    }.items():
        assert isinstance(wire.ask(action, payload), dict), action
    assert wire.ask("DataTransfer", {"vendorId": "org.acme"}) == {"status": "UnknownVendorId"}
    charge_point = wire.charge_point
    assert (charge_point.firmware_status, charge_point.diagnostics_status) == ("Installed", "Uploaded")


# -- a user's chain ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [OnlyConnectorOne, "docs.examples.only_connector_one.OnlyConnectorOne"])
def test_a_users_middleware_changes_an_answer(entry: Any, settings: Any, wire: Wire) -> None:
    settings.OCPP_UNKNOWN_ID_TAG = "accept"
    settings.OCPP_MIDDLEWARE = {START: [entry, "ocpp_app.middleware.StartTransactionMiddleware"]}
    assert start(wire, connector=1)["idTagInfo"] == {"status": "Accepted"}
    refused = start(wire, connector=2)
    assert refused["idTagInfo"] == {"status": "Blocked"}
    assert Transaction.objects.filter(pk=refused["transactionId"]).exists()


def test_a_key_replaces_the_chain_of_that_key_alone(settings: Any) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: [Silent, HeartbeatMiddleware], ("StartTransaction", 2): []}
    assert names_of("Heartbeat") == ["Silent", "HeartbeatMiddleware"]
    assert names_of("StartTransaction") == []
    assert names_of("StopTransaction") == ["StopTransactionMiddleware"]
    settings.OCPP_MIDDLEWARE = {}
    assert "StartTransactionMiddleware" in names_of("StartTransaction")


def test_a_chain_is_built_once_for_a_process(settings: Any) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: [Silent]}
    assert chains.chain("Heartbeat", MessageType.call) is chains.chain("Heartbeat", MessageType.call)


def test_orphans_are_a_middleware_of_their_own(settings: Any, wire: Wire) -> None:
    settings.OCPP_MIDDLEWARE = {START: [StartTransactionMiddleware]}
    start(wire, 1)
    start(wire, 1)
    assert Transaction.objects.filter(is_active=True).count() == 2


def test_a_refusal_is_a_callerror_and_keeps_what_was_done(settings: Any, wire: Wire) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: [Refuse]}
    answer = wire.call('[2,"1","Heartbeat",{}]')
    assert answer is not None
    assert json.loads(answer) == [4, "1", "SecurityError", "x" * 255, {"why": "on purpose"}]
    assert wire.charge_point.name == "was here"


def test_an_empty_chain_is_not_supported(settings: Any, wire: Wire) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: []}
    assert error(wire.call('[2,"1","Heartbeat",{}]')) == "NotSupported"


def test_every_action_that_a_charge_point_sends_has_a_chain() -> None:
    sent = {spec.action for spec in PROTOCOL.actions.values() if spec.sender is not Sender.central_system}
    assert {action for action in sent if (action, MessageType.call) not in chains.DEFAULT_CHAINS} == set()


def test_a_chain_without_an_answer_is_our_fault(settings: Any, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: [Silent]}
    assert error(wire.call('[2,"1","Heartbeat",{}]')) == "InternalError"
    assert "The chain of Heartbeat returned an OCPPResponse without a message." in caplog.text


@pytest.mark.parametrize(
    "entry", ["no.such.Middleware", "ocpp_app.middleware.NoSuch", "nodots", dict, "ocpp_app.models.ChargePoint", 17]
)
def test_what_is_no_middleware_is_named(entry: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="OCPP_MIDDLEWARE names"):
        chains.classes_of([entry])


# -- chains of answers -------------------------------------------------------------------------------------------------


def reset(wire: Wire) -> str:
    command = issue_command(wire.identity, ResetRequest(type=ResetType.Soft))
    wire.tell(str(command.pk), "sent")
    return str(command.pk)


@pytest.mark.parametrize(
    ("message_type", "answer", "name"),
    [
        (MessageType.call_result, '[3,"%s",{"status":"Accepted"}]', "Reset: Accepted"),
        (MessageType.call_error, '[4,"%s","NotSupported","no",{}]', "Reset: NotSupported"),
    ],
)
def test_answers_have_chains_of_their_own(
    message_type: MessageType, answer: str, name: str, settings: Any, wire: Wire, gateway: GatewayEnd
) -> None:
    settings.OCPP_MIDDLEWARE = {(Action.Reset, message_type): [UnlockAfterReset]}
    unique_id = reset(wire)
    assert wire.call(answer % unique_id) is None
    assert wire.charge_point.name == name
    (unlock,) = wire.commands
    assert (json.loads(unlock.raw)[2:], unlock.delay_s) == (["UnlockConnector", {"connectorId": 1}], 2.5)
    assert Command.objects.get(action="UnlockConnector").state == CommandState.DISPATCHED


def test_an_answer_that_breaks_its_message_type_has_no_chain(settings: Any, wire: Wire) -> None:
    settings.OCPP_MIDDLEWARE = {(Action.Reset, MessageType.call_result): [UnlockAfterReset]}
    unique_id = reset(wire)
    assert wire.call(f'[3,"{unique_id}",{{"status":[]}}]') is None
    command = Command.objects.get()
    assert (command.state, command.error_code, command.response) == ("error", "TypeConstraintViolation", {"status": []})
    assert wire.charge_point.name == ""


def test_request_tells_the_middleware_everything(settings: Any, wire: Wire) -> None:
    seen: list[OCPPRequest] = []

    class Look(OCPPMiddleware):
        def handle(self, request: OCPPRequest) -> OCPPResponse:
            seen.append(request)
            return self.next.handle(request)

    settings.OCPP_MIDDLEWARE = {HEARTBEAT: [Look, HeartbeatMiddleware]}
    raw = '[2,17,"Heartbeat",{"extra":1}]'
    assert result(wire.call(raw))
    (request,) = seen
    assert (request.charge_point.identity, request.session_id, request.is_current) == ("CP001", wire.session, True)
    assert (request.unique_id, request.action, request.message_type) == ("17", "Heartbeat", MessageType.call)
    assert (type(request.message).__name__, request.raw, request.command) == ("HeartbeatRequest", raw, None)
    assert [note.code for note in request.notes] == ["ExtraField"]
