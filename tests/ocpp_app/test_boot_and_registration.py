"""BootNotification, and what a charge point may say before it is accepted."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import ChargePoint, Command, Message, RegistrationStatus, Transaction
from ocpp_app.outbound import new_command
from ocpp_app.signals import charge_point_booted
from ocppj.v16 import MessageTrigger, TriggerMessageRequest
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, error, result

pytestmark = pytest.mark.django_db

BOOT = '[2,"b","BootNotification",{"chargePointVendor":"ACME","chargePointModel":"Box"}]'
OTHERS = [
    '[2,"1","Heartbeat",{}]',
    '[2,"1","Authorize",{"idTag":"TAG1"}]',
    f'[2,"1","StartTransaction",{{"connectorId":1,"idTag":"TAG1","meterStart":0,"timestamp":"{ago()}"}}]',
    '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]',
    '[2,"1","DataTransfer",{"vendorId":"ACME"}]',
]


@pytest.mark.parametrize(
    ("status", "interval"),
    [(RegistrationStatus.ACCEPTED, 3600), (RegistrationStatus.PENDING, 60), (RegistrationStatus.REJECTED, 60)],
)
@pytest.mark.spec("OCPP 1.6", "4.2")
def test_boot_is_answered_with_status_time_and_interval(status: str, interval: int, connect: Connect) -> None:
    answer = result(connect(registration_status=status).call(BOOT))
    assert (answer["status"], answer["interval"]) == (status, interval)
    time_sent = datetime.fromisoformat(answer["currentTime"])
    assert abs(time_sent - timezone.now()) < timedelta(seconds=10)


@pytest.mark.parametrize(("setting", "own", "interval"), [(900, None, 900), (900, 60, 60), (900, 0, 0)])
def test_heartbeat_interval(setting: int, own: int | None, interval: int, settings: Any, connect: Connect) -> None:
    settings.OCPP_HEARTBEAT_INTERVAL = setting
    wire = connect(heartbeat_interval_s=own)
    assert result(wire.call(BOOT))["interval"] == interval


def test_boot_keeps_what_the_charge_point_says_of_itself(wire: Wire) -> None:
    told = {
        "chargePointVendor": "ACME",
        "chargePointModel": "Box",
        "chargePointSerialNumber": "S-1",
        "chargeBoxSerialNumber": "B-1",
        "firmwareVersion": "1.2.3",
        "iccid": "89490200001234567890",
        "imsi": "262011234567890",
        "meterType": "DZG",
        "meterSerialNumber": "M-1",
    }
    booted: list[Any] = []
    charge_point_booted.connect(
        receive := lambda **kwargs: booted.append(kwargs["message"].firmware_version), weak=False
    )
    wire.ask("BootNotification", told)
    charge_point_booted.disconnect(receive)
    row = wire.charge_point
    assert (row.vendor, row.model, row.serial_number, row.charge_box_serial_number) == ("ACME", "Box", "S-1", "B-1")
    assert (row.firmware_version, row.iccid, row.imsi) == ("1.2.3", "89490200001234567890", "262011234567890")
    assert (row.meter_type, row.meter_serial_number, booted) == ("DZG", "M-1", ["1.2.3"])
    assert row.last_boot_at is not None
    wire.call(BOOT)  # what it no longer says is no longer true
    assert (wire.charge_point.firmware_version, wire.charge_point.meter_type) == ("", "")


def test_overlong_and_missing_descriptions_are_taken(wire: Wire) -> None:
    payload = {"chargePointVendor": "V" * 400, "chargePointModel": "Box\x00", "firmwareVersion": None, "extra": 1}
    assert wire.ask("BootNotification", payload)["status"] == "Accepted"
    assert (wire.charge_point.vendor, wire.charge_point.model) == ("V" * 255, "Box")


@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
@pytest.mark.parametrize("raw", OTHERS, ids=lambda raw: json.loads(raw)[2])
@pytest.mark.spec("OCPP-J 1.6 errata", "3.8")
def test_before_it_is_accepted_everything_else_is_a_security_error(status: str, raw: str, connect: Connect) -> None:
    wire = connect(registration_status=status)
    assert error(wire.call(raw)) == "SecurityError"
    assert not Transaction.objects.exists()
    assert Message.objects.get().answer_type == 4


@pytest.mark.parametrize("raw", OTHERS, ids=lambda raw: json.loads(raw)[2])
def test_messages_of_an_accepted_charge_point_are_taken_without_a_boot(raw: str, wire: Wire) -> None:
    """After a reconnect, and by some charge points always."""
    assert result(wire.call(raw)) is not None


def test_approval_takes_effect_with_the_next_message(connect: Connect) -> None:
    wire = connect(registration_status=RegistrationStatus.PENDING)
    assert error(wire.call(OTHERS[0])) == "SecurityError"
    ChargePoint.objects.update(registration_status=RegistrationStatus.ACCEPTED)
    assert result(wire.call(OTHERS[0]))
    assert result(wire.call(BOOT))["status"] == "Accepted"


# -- what we triggered -------------------------------------------------------------------------------------------------


def trigger(wire: Wire, message: MessageTrigger = MessageTrigger.StatusNotification, **fields: Any) -> Command:
    request = TriggerMessageRequest(requested_message=message)
    command = new_command(wire.charge_point, request, now=timezone.now(), state="dispatched", **fields)
    command.save()
    return command


STATUS = OTHERS[3]


@pytest.mark.parametrize("in_one_batch", [True, False])
@pytest.mark.spec("OCPP 1.6", "4.2")
def test_pending_charge_point_may_send_what_it_was_triggered_to_send(
    in_one_batch: bool, connect: Connect, gateway: GatewayEnd
) -> None:
    wire = connect(registration_status=RegistrationStatus.PENDING)
    command = trigger(wire)
    requests = [
        wire.report(str(command.pk), "sent"),
        wire.frame(f'[3,"{command.pk}",{{"status":"Accepted"}}]'),
        wire.frame(STATUS),
    ]
    for some in [requests] if in_one_batch else [[request] for request in requests]:
        replies = gateway.send(*some)
    assert result(replies[-1].raw.decode()) == {}
    assert error(wire.call(OTHERS[0])) == "SecurityError"  # and nothing else


def test_what_was_triggered_long_ago_is_no_longer_let_through(connect: Connect) -> None:
    wire = connect(registration_status=RegistrationStatus.PENDING)
    trigger(wire, sent_at=timezone.now() - timedelta(minutes=3))
    assert error(wire.call(STATUS)) == "SecurityError"


def test_what_another_charge_point_was_triggered_to_send_is_not_let_through(connect: Connect) -> None:
    wire = connect(registration_status=RegistrationStatus.PENDING)
    trigger(connect("CP002"), sent_at=timezone.now())
    assert error(wire.call(STATUS)) == "SecurityError"


@pytest.mark.spec("OCPP-J 1.6 errata", "3.8")
@pytest.mark.parametrize(
    "raw", ['[2,"1","StartTransaction",{}]', '[2,"1","NoSuchAction",{}]', '[2,"1","Heartbeat",{}]']
)
def test_any_call_before_acceptance_is_a_security_error_whatever_is_in_it(raw: str, wire: Wire) -> None:
    ChargePoint.objects.update(registration_status="Rejected")
    answer = wire.call(raw) or ""
    assert answer.startswith('[4,"1","SecurityError","This charge point is Rejected: ')


def test_a_call_of_the_central_systems_own_is_not_supported_whatever_is_in_it(wire: Wire) -> None:
    assert (wire.call('[2,"1","GetLog",{}]') or "").startswith('[4,"1","NotSupported"')
