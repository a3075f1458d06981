"""One line for each event, after COMMIT."""

import logging

import pytest

from ocpp_app.commands import issue_command
from ocppj.v16 import ResetRequest, ResetType
from tests.ocpp_app.conftest import Connect

pytestmark = pytest.mark.django_db

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One\nx", "firmwareVersion": "1.0"}


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and message of each, and each names its charge point."""
    records = [record for record in caplog.records if record.name == "ocpp_app.events"]
    assert {record.charge_point for record in records} == {"CP001"}  # type: ignore[attr-defined]
    return [(record.levelname, record.getMessage()) for record in records]


def test_a_session_leaves_one_line_for_each_event(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    wire = connect("CP001")
    with caplog.at_level(logging.INFO, "ocpp_app.events"):
        wire.ask("BootNotification", BOOT)
        wire.ask("Heartbeat", {})
        start = {"connectorId": 2, "idTag": "SECRETTAG", "meterStart": 100, "timestamp": "2026-01-31T12:00:00Z"}
        number = wire.ask("StartTransaction", start)["transactionId"]
        stop = {"transactionId": number, "meterStop": 50, "timestamp": "2026-01-31T12:00:10Z", "reason": "Local"}
        wire.ask("StopTransaction", stop)
    found = lines(caplog)
    assert found[0] == ("INFO", "booted, registration Accepted: Acme One\nx 1.0")
    assert ("INFO", f"transaction {number} started on connector 2") in found
    assert any(line.startswith(f"transaction {number} stopped, ") and line.endswith(": Local") for _, line in found)
    assert ("WARNING", f"transaction {number} wants a look: lower_meter") in found
    assert "SECRETTAG" not in caplog.text


def test_a_command_leaves_a_line_when_it_has_ended(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    wire = connect("CP001")
    with caplog.at_level(logging.INFO, "ocpp_app.events"):
        for answer in ('[3,"%s",{"status":"Accepted"}]', '[4,"%s","InternalError","",{}]'):
            command = issue_command("CP001", ResetRequest(type=ResetType.Soft), wait=False)
            wire.tell(str(command.pk), "sent")
            wire.call(answer % command.pk)
    assert lines(caplog) == [("INFO", "Reset answered: Accepted"), ("WARNING", "Reset ended as error")]
