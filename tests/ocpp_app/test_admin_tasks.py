"""Firmware, campaigns, diagnostics and certificates in the admin."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from ocpp_app import campaigns
from ocpp_app.models import (
    ChargePoint,
    ChargePointGroup,
    Command,
    DiagnosticsTask,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    InstalledCertificate,
)
from tests.ocpp_app import pki
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_transfer import make_firmware

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_files")]


@pytest.fixture(autouse=True)
def _reachable(settings: Any) -> None:
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer/"
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def chosen(connect: Connect) -> list[ChargePoint]:
    return [connect(f"CP{number}", vendor="Maker", model="AC1").charge_point for number in range(3)]


def act(client: Client, action: str, rows: Any, **data: Any) -> Any:
    model = type(rows[0])._meta.model_name
    posted = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return client.post(reverse(f"admin:ocpp_app_{model}_changelist"), posted, follow=True)


def test_firmware_is_uploaded_with_its_checksum(admin_client: Client) -> None:
    data = {
        "file": SimpleUploadedFile("ac 2.4.1.bin", b"image"),
        "version": "2.4.1",
        "vendor": "",
        "model": "",
        "organisation": str(ChargePointGroup(name="x").organisation_id),
        "note": "",
        "signing_certificate": "hello",
        "signature": "",
    }
    add = reverse("admin:ocpp_app_firmware_add")
    refused = admin_client.post(add, data)
    assert "no PEM certificate" in refused.content.decode()
    data |= {"file": SimpleUploadedFile("ac 2.4.1.bin", b"image"), "signing_certificate": ""}
    assert admin_client.post(add, data).status_code == 302
    row = Firmware.objects.get()
    assert (row.size, row.file_name, row.sha256[:8]) == (5, "ac_2.4.1.bin", "6105d6cc")
    assert str(row.uploaded_by) == "admin"


def test_campaign_is_begun_from_the_list_and_driven(chosen: list[ChargePoint], admin_client: Client) -> None:
    firmware = make_firmware()
    assert "To 3 charge points." in act(admin_client, "update_firmware", chosen).content.decode()
    order = {"filled_in": "1", "firmware": firmware.pk, "in_waves": "on", "wave_size": "x", "failures_allowed": "0"}
    assert "A number such as 5" in act(admin_client, "update_firmware", chosen, **order).content.decode()
    page = act(admin_client, "update_firmware", chosen, **{**order, "wave_size": "1"}).content.decode()
    campaign = FirmwareCampaign.objects.get()
    assert "3 waits for its wave" in page
    act(admin_client, "pause", [campaign])
    assert FirmwareCampaign.objects.get().state == "paused"
    act(admin_client, "resume", [campaign])
    campaigns.review()
    FirmwareTask.objects.update(state="failed")
    campaigns.review()
    assert FirmwareCampaign.objects.get().state == "stopped"
    act(admin_client, "resume", [campaign])
    campaigns.review()
    assert (FirmwareCampaign.objects.get().state, FirmwareTask.objects.count()) == ("running", 2)
    act(admin_client, "cancel", [campaign])
    assert "cannot be paused" in act(admin_client, "pause", [campaign]).content.decode()


def test_updates_all_at_once_say_who_cannot_be_updated(chosen: list[ChargePoint], admin_client: Client) -> None:
    ChargePoint.objects.filter(pk=chosen[0].pk).update(vendor="Other")
    order = {"filled_in": "1", "firmware": make_firmware().pk, "wave_size": "1", "failures_allowed": "0"}
    page = act(admin_client, "update_firmware", chosen, **order).content.decode()
    assert "CP0 is Other AC1, but this firmware is for Maker AC*." in page
    assert "2 charge points are asked." in page
    assert FirmwareTask.objects.count() == 2


def test_diagnostics_are_asked_for_from_the_list(chosen: list[ChargePoint], admin_client: Client) -> None:
    page = act(admin_client, "ask_for_diagnostics", chosen[:2], filled_in="1", kind="SecurityLog", location="")
    assert "2 charge points are asked." in page.content.decode()
    assert set(DiagnosticsTask.objects.values_list("kind", "source")) == {("SecurityLog", "admin")}


def test_roots_are_installed_listed_and_deleted_from_the_lists(chosen: list[ChargePoint], admin_client: Client) -> None:
    order = {"filled_in": "1", "use": "ManufacturerRootCertificate"}
    page = act(admin_client, "manage_certificates", chosen[:1], **order, pem="hello")
    assert "no PEM certificate" in page.content.decode()
    act(admin_client, "manage_certificates", chosen[:1], **order, pem=pki.pem(pki.root()))
    act(admin_client, "manage_certificates", chosen[:1], **order, pem="")
    row = InstalledCertificate.objects.create(
        charge_point=chosen[0],
        use="ManufacturerRootCertificate",
        hash_algorithm="SHA256",
        issuer_name_hash="aa",
        issuer_key_hash="bb",
        serial_number="1",
    )
    act(admin_client, "delete_there", [row])
    actions = Command.objects.order_by("created_at").values_list("action", flat=True)
    assert list(actions) == ["InstallCertificate", "GetInstalledCertificateIds", "DeleteCertificate"]
