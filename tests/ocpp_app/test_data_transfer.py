"""DataTransfer: vendor messages reach the handler that the settings name, and no other."""

from typing import Any

import pytest
from django.core.checks import run_checks

from ocpp_app.errors import CallRefused
from ocpp_app.middleware import OCPPRequest, OCPPResponse
from ocpp_app.models import Command
from ocppj.errors import ErrorCode
from ocppj.v16 import DataTransferResponse, DataTransferStatus, ResetRequest, ResetType
from tests.ocpp_app.wire import Wire, error

pytestmark = [pytest.mark.django_db, pytest.mark.spec("OCPP 1.6", "4.3")]

TRANSFER = '[2,"1","DataTransfer",{"vendorId":"%s","messageId":"%s","data":"%s"}]'


def echo(request: OCPPRequest) -> str | None:
    return request.message.data


def refuse(request: OCPPRequest) -> DataTransferResponse:
    return DataTransferResponse(status=DataTransferStatus.Rejected, data=f"not {request.charge_point.identity}")


def reset(request: OCPPRequest) -> OCPPResponse:
    response = OCPPResponse(DataTransferResponse(status=DataTransferStatus.Accepted))
    response.add_command(ResetRequest(type=ResetType.Soft))
    return response


def fail(request: OCPPRequest) -> None:
    raise CallRefused(ErrorCode.PropertyConstraintViolation, "data: not understood")


@pytest.fixture(autouse=True)
def _handlers(settings: Any) -> None:
    settings.OCPP_DATA_TRANSFER_HANDLERS = {
        ("com.example", "Echo"): f"{__name__}.echo",
        ("com.example", "Refuse"): refuse,
        ("com.example", "Reset"): reset,
        ("com.example", "Fail"): fail,
        ("org.other", None): echo,
    }


@pytest.mark.parametrize(
    ("vendor", "message", "answer"),
    [
        ("com.example", "Echo", {"status": "Accepted", "data": "42"}),
        ("COM.Example", "ECHO", {"status": "Accepted", "data": "42"}),
        ("com.example", "Refuse", {"status": "Rejected", "data": "not CP001"}),
        ("com.example", "Reset", {"status": "Accepted"}),
        ("com.example", "Sing", {"status": "UnknownMessageId"}),
        ("com.example", "", {"status": "UnknownMessageId"}),
        ("org.other", "Anything", {"status": "Accepted", "data": "42"}),
        ("org.other", "", {"status": "Accepted", "data": "42"}),
        ("net.stranger", "Echo", {"status": "UnknownVendorId"}),
    ],
)
def test_a_vendor_message_reaches_its_handler(vendor: str, message: str, answer: dict[str, str], wire: Wire) -> None:
    assert wire.ask("DataTransfer", {"vendorId": vendor, "messageId": message, "data": "42"}) == answer


def test_a_message_without_an_id_reaches_the_handler_of_the_whole_vendor(wire: Wire) -> None:
    assert wire.ask("DataTransfer", {"vendorId": "org.other"}) == {"status": "Accepted"}
    assert wire.ask("DataTransfer", {"vendorId": "com.example"}) == {"status": "UnknownMessageId"}


def test_a_handler_can_call_the_charge_point_and_can_refuse(wire: Wire) -> None:
    wire.ask("DataTransfer", {"vendorId": "com.example", "messageId": "Reset"})
    assert Command.objects.get(charge_point=wire.charge_point).action == "Reset"
    assert error(wire.call(TRANSFER % ("com.example", "Fail", ""))) == "PropertyConstraintViolation"


def test_without_handlers_every_vendor_is_unknown(wire: Wire, settings: Any) -> None:
    settings.OCPP_DATA_TRANSFER_HANDLERS = {}
    assert wire.ask("DataTransfer", {"vendorId": "com.example"}) == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    "handlers",
    [
        pytest.param({"com.example": echo}, id="a key that is no pair"),
        pytest.param({("", "Echo"): echo}, id="no vendor"),
        pytest.param({("com.example", 7): echo}, id="a number as message id"),
        pytest.param({("com.example", "Echo"): "myapp.nowhere.echo"}, id="a module that is not there"),
        pytest.param({("com.example", "Echo"): "wire"}, id="no dotted path"),
        pytest.param({("com.example", "Echo"): f"{__name__}.TRANSFER"}, id="nothing that can be called"),
        pytest.param([], id="no mapping"),
    ],
)
def test_wrong_settings_are_found(handlers: Any, settings: Any) -> None:
    settings.OCPP_DATA_TRANSFER_HANDLERS = handlers
    (found,) = [check for check in run_checks() if check.id == "ocpp_app.E009"]
    assert found.hint


def test_right_settings_pass() -> None:
    assert not [check for check in run_checks() if check.id == "ocpp_app.E009"]
