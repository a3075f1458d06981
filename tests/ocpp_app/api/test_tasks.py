"""Firmware, diagnostics, certificates and security events over the API."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ocpp_app.models import (
    ChargePoint,
    Command,
    DiagnosticsTask,
    Firmware,
    FirmwareCampaign,
    InstalledCertificate,
    TaskStatus,
)
from tests.ocpp_app import pki
from tests.ocpp_app.api.world import ROOT, Caller, Tenant
from tests.ocpp_app.conftest import private_files  # noqa: F401  a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_files")]


@pytest.fixture(autouse=True)
def _reachable(settings: Any) -> None:
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer/"


def upload(caller: Caller, content: bytes = b"image", **fields: str) -> Any:
    data = {"version": "2.4.1", "file": SimpleUploadedFile("ac-2.4.1.bin", content), **fields}
    return caller.client.post(f"{ROOT}firmware/", data, headers=caller.headers)


def pointers(response: Any) -> list[str]:
    assert response.status_code == 400, response.content
    return [error["pointer"] for error in response.json()["errors"]]


# -- firmware ----------------------------------------------------------------------------------------------------------


def test_firmware_is_kept_with_its_checksum(admin: Caller, operator: Caller) -> None:
    response = upload(admin, vendor="Vendor")
    assert response.status_code == 201, response.content
    told = response.json()
    assert (told["size"], told["file_name"], told["is_signed"]) == (5, "ac-2.4.1.bin", False)
    assert told["sha256"] == "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
    assert upload(admin, vendor="Vendor").status_code == 409
    assert upload(operator, vendor="Else").status_code == 403
    with Firmware.objects.get(pk=told["id"]).file.open() as file:
        assert file.read() == b"image"


def test_wrong_firmware_is_named_by_its_field(admin: Caller) -> None:
    assert pointers(admin.post("firmware/", {"version": "1"})) == ["/file"]
    assert pointers(upload(admin, b"")) == ["/file"]
    assert pointers(upload(admin, signing_certificate="hello", signature="c2ln")) == ["/signing_certificate"]
    assert pointers(upload(admin, signature="c2ln")) == ["/signature"]
    row = upload(admin, signing_certificate=pki.pem(pki.root()), signature="c2ln")
    assert row.json()["is_signed"] is True


def test_update_is_asked_for_and_followed(ours: Tenant, operator: Caller) -> None:
    firmware = Firmware.objects.get(organisation=ours.organisation)
    order = {"charge_point": "ours-1", "firmware": firmware.pk, "retries": 1}
    response = operator.post("firmware-updates/", order)
    assert response.status_code == 202, response.content
    told = response.json()
    assert (told["state"], told["source"], told["api_token"]) == ("requested", "api", "operate")
    assert Command.objects.get(pk=told["command"]).action == "UpdateFirmware"
    TaskStatus.objects.create(
        charge_point=ours.charge_point,
        firmware_task_id=told["id"],
        action="FirmwareStatusNotification",
        status="Downloading",
        received_at="2025-01-01T00:00:00Z",
    )
    shown = operator.get(f"firmware-updates/{told['id']}/").json()
    assert [status["status"] for status in shown["statuses"]] == ["Downloading"]


def test_update_that_is_not_possible_says_why(ours: Tenant, theirs: Tenant, operator: Caller, settings: Any) -> None:
    firmware = Firmware.objects.get(organisation=ours.organisation)
    foreign = Firmware.objects.get(organisation=theirs.organisation)
    order = {"charge_point": "ours-1", "firmware": firmware.pk}
    assert pointers(operator.post("firmware-updates/", {**order, "firmware": foreign.pk})) == ["/firmware"]
    assert pointers(operator.post("firmware-updates/", {**order, "charge_point": "theirs-1"})) == ["/charge_point"]
    assert pointers(operator.post("firmware-updates/", {**order, "retries": -1})) == ["/retries"]
    refused = operator.post("firmware-updates/", {**order, "signed": True})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:django-ocpp-csms:problem:firmware-not-fitting")
    settings.OCPP_TRANSFER_URL = ""
    refused = operator.post("firmware-updates/", order)
    assert (refused.status_code, "OCPP_TRANSFER_URL" in refused.json()["detail"]) == (409, True)
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer/"
    ChargePoint.objects.update(session=None)
    assert operator.post("firmware-updates/", order).json()["type"].endswith("charge-point-offline")
    assert operator.post("firmware-updates/", {**order, "queue": True}).status_code == 202


def test_campaign_is_begun_paused_resumed_and_cancelled(ours: Tenant, theirs: Tenant, operator: Caller) -> None:
    firmware = Firmware.objects.get(organisation=ours.organisation)
    order = {"firmware": firmware.pk, "group": ours.group.pk, "wave_size": "5"}
    assert operator.post("firmware-campaigns/", order).status_code == 409  # the group is empty
    ours.group.charge_points.add(ours.charge_point)
    assert pointers(operator.post("firmware-campaigns/", {**order, "wave_size": "x"})) == ["/wave_size"]
    assert pointers(operator.post("firmware-campaigns/", {**order, "group": theirs.group.pk})) == ["/group"]
    response = operator.post("firmware-campaigns/", order)
    assert response.status_code == 201, response.content
    where = f"firmware-campaigns/{response.json()['id']}/"
    assert response.json()["charge_points"] == {"waiting": 1}
    assert operator.post(f"{where}pause/").json()["state"] == "paused"
    assert operator.post(f"{where}pause/").status_code == 409
    assert pointers(operator.post(f"{where}resume/", {"failures_allowed": "x"})) == ["/failures_allowed"]
    assert operator.post(f"{where}resume/", {"failures_allowed": "2"}).json()["failures_allowed"] == "2"
    assert operator.post(f"{where}cancel/").json()["charge_points"] == {"cancelled": 1}
    (target,) = operator.get(f"{where}charge-points/").json()["results"]
    assert (target["charge_point"], target["state"]) == ("ours-1", "cancelled")
    other = FirmwareCampaign.objects.get(organisation=theirs.organisation)
    assert operator.get(f"firmware-campaigns/{other.pk}/charge-points/").status_code == 404


# -- diagnostics -------------------------------------------------------------------------------------------------------


def test_diagnostics_are_asked_for_uploaded_and_downloaded(ours: Tenant, operator: Caller) -> None:
    order = {"charge_point": "ours-1", "kind": "SecurityLog"}
    task = operator.post("diagnostics/", order).json()
    assert (task["state"], task["has_file"], task["request_id"]) == ("requested", False, task["id"])
    where = f"diagnostics/{task['id']}/"
    assert operator.get(f"{where}file/").status_code == 404
    location = Command.objects.get(pk=task["command"]).payload["log"]["remoteLocation"]
    assert operator.client.put(location.removeprefix("https://testserver"), b"<b>log").status_code == 201
    assert operator.get(where).json()["has_file"] is True
    file = operator.get(f"{where}file/", Accept="application/octet-stream")
    assert (b"".join(file.streaming_content), file["Content-Type"]) == (b"<b>log", "application/octet-stream")
    assert file["X-Content-Type-Options"] == "nosniff"
    assert file["Content-Disposition"].startswith("attachment")


def test_uploaded_file_of_another_organisation_is_not_there(theirs: Tenant, admin: Caller) -> None:
    task = DiagnosticsTask.objects.get(charge_point=theirs.charge_point)
    assert admin.get(f"diagnostics/{task.pk}/file/").status_code == 404


# -- certificates ------------------------------------------------------------------------------------------------------


def test_certificates_are_installed_listed_and_deleted_by_commands(ours: Tenant, admin: Caller) -> None:
    order = {"charge_point": "ours-1", "use": "ManufacturerRootCertificate", "pem": pki.pem(pki.root())}
    assert admin.post("certificates/", order).json()["action"] == "InstallCertificate"
    assert pointers(admin.post("certificates/", {**order, "pem": "hello"})) == ["/pem"]
    listed = admin.post("certificates/refresh/", {name: order[name] for name in ("charge_point", "use")})
    assert (listed.status_code, listed.json()["action"]) == (202, "GetInstalledCertificateIds")
    row = InstalledCertificate.objects.get(charge_point=ours.charge_point)
    deleted = admin.delete(f"certificates/{row.pk}/")
    assert (deleted.status_code, deleted.json()["payload"]["certificateHashData"]["serialNumber"]) == (202, "1")
    assert [len(admin.get(f"certificates/?installed={word}").json()["results"]) for word in ("true", "false")] == [1, 0]


def test_security_events_are_told_by_criticality(ours: Tenant, reader: Caller) -> None:
    ours.charge_point.security_events.create(
        type="TamperDetectionActivated", is_critical=True, received_at="2025-01-01T00:00:00Z"
    )
    (event,) = reader.get("security-events/?critical=true").json()["results"]
    assert (event["type"], json.dumps(event["is_critical"])) == ("TamperDetectionActivated", "true")
