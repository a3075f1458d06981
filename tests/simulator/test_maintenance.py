"""Firmware updates and diagnostics: the statuses of OCPP 1.6 §4.4 and §4.5, in the order of §5.9 and §5.19."""

import pytest

from simulator.maintenance import Download, Upload
from tests.simulator.wire import Wire

UPDATE = '{"location":"http://files.example/firmware-2.4.1.bin","retrieveDate":"2026-03-01T12:05:00Z"}'


def firmware_statuses(wire: Wire) -> list[str]:
    return [call["status"] for call in wire.calls("FirmwareStatusNotification")]


def take_job(wire: Wire) -> Download | Upload:
    [job] = wire.charge_point.maintenance.take_jobs()
    return job


def restart(wire: Wire) -> None:
    assert wire.charge_point.is_reset_due(wire.now)
    wire.lose()
    wire.charge_point.restart(wire.now)
    wire.connect()


@pytest.mark.spec("OCPP 1.6", "5.19")
def test_firmware_update_from_download_to_installed():
    wire = Wire().connect()
    assert wire.call("UpdateFirmware", UPDATE) == {}
    wire.pass_time(299)
    assert firmware_statuses(wire) == []
    wire.pass_time(1)
    assert firmware_statuses(wire) == ["Downloading"]

    wire.charge_point.maintenance.finished(take_job(wire), 1_000_000, wire.now)
    wire.pass_time(1)
    assert firmware_statuses(wire) == ["Downloading", "Downloaded", "Installing"]
    assert wire.status() == "Unavailable"
    wire.pass_time(60)
    restart(wire)

    assert firmware_statuses(wire)[-1] == "Installed"
    assert wire.calls("BootNotification")[-1]["firmwareVersion"] == "2.4.1"
    assert wire.status() == "Available"


@pytest.mark.spec("OCPP 1.6 errata", "3.49")
def test_installation_waits_for_the_end_of_the_transaction():
    wire = Wire(connectors=2).connect().charging(1)
    wire.call("UpdateFirmware", UPDATE)
    wire.pass_time(300)
    wire.charge_point.maintenance.finished(take_job(wire), 1, wire.now)
    wire.pass_time(600)
    assert firmware_statuses(wire) == ["Downloading", "Downloaded"]
    assert (wire.status(1), wire.status(2)) == ("Charging", "Unavailable")

    wire.tag("ABC", 1)
    wire.pass_time(1)

    assert firmware_statuses(wire)[-1] == "Installing"
    assert wire.status(1) == "Unavailable"


def test_download_that_fails_is_tried_again_as_often_as_asked():
    wire = Wire().connect()
    wire.call("UpdateFirmware", UPDATE.replace("}", ',"retries":1,"retryInterval":40}'))
    wire.pass_time(300)
    wire.charge_point.maintenance.finished(take_job(wire), None, wire.now)
    wire.pass_time(39)
    assert wire.charge_point.maintenance.take_jobs() == []
    wire.pass_time(1)
    wire.charge_point.maintenance.finished(take_job(wire), None, wire.now)
    wire.pass_time(600)

    assert firmware_statuses(wire) == ["Downloading", "DownloadFailed"] * 2
    assert wire.charge_point.maintenance.take_jobs() == []
    assert wire.status() == "Available"


def test_an_empty_file_is_no_firmware():
    wire = Wire().connect()
    wire.call("UpdateFirmware", UPDATE)
    wire.pass_time(300)
    wire.charge_point.maintenance.finished(take_job(wire), 0, wire.now)
    wire.pass_time(60)

    assert firmware_statuses(wire) == ["Downloading", "Downloaded", "InstallationFailed"]
    assert wire.status() == "Available"


def test_a_reset_in_the_middle_of_an_installation_fails_it():
    wire = Wire().connect()
    wire.call("UpdateFirmware", UPDATE)
    wire.pass_time(300)
    wire.charge_point.maintenance.finished(take_job(wire), 1, wire.now)
    wire.pass_time(1)
    wire.call("Reset", '{"type":"Hard"}')
    restart(wire)

    assert firmware_statuses(wire)[-1] == "InstallationFailed"
    assert wire.calls("BootNotification")[-1]["firmwareVersion"] == "1.0.0"


@pytest.mark.spec("OCPP 1.6", "5.9")
@pytest.mark.parametrize(("is_uploaded", "last"), [(True, "Uploaded"), (False, "UploadFailed")])
def test_diagnostics(is_uploaded, last):
    wire = Wire().connect()

    answer = wire.call("GetDiagnostics", '{"location":"http://files.example/upload/"}')

    assert answer == {"fileName": "CP001-20260301T120000Z.log"}
    job = take_job(wire)
    assert (job.url, job.file_name) == ("http://files.example/upload/", answer["fileName"])
    wire.call("TriggerMessage", '{"requestedMessage":"DiagnosticsStatusNotification"}', "cs-2")
    wire.charge_point.maintenance.finished(job, 5000 if is_uploaded else None, wire.now)
    wire.pass_time(1)
    wire.call("TriggerMessage", '{"requestedMessage":"DiagnosticsStatusNotification"}', "cs-3")
    statuses = [call["status"] for call in wire.calls("DiagnosticsStatusNotification")]
    assert statuses == ["Uploading", "Uploading", last, "Idle"]
