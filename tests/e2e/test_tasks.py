"""Firmware, diagnostics and certificates with real processes: simulated charge points, `runcsms`, and HTTP between
them."""

import asyncio
from typing import Any

from tests.e2e.central_system import HOST, CentralSystem, Launcher
from tests.e2e.chargers import charge_points, switched_on
from tests.e2e.processes import PATIENCE_S, POLL_S

ASK = """
from django.conf import settings
from django.core.files.base import ContentFile
from ocpp_app.campaigns import start_campaign
from ocpp_app.commands import issue_command
from ocpp_app.diagnostics import request_diagnostics
from ocpp_app.firmware_files import describe
from ocpp_app.models import ChargePoint, ChargePointGroup, Firmware
from ocppj.v16 import ExtendedTriggerMessageRequest, MessageTriggerEnumType
settings.OCPP_TRANSFER_URL = "http://HOST/transfer/"
firmware = Firmware(version="2.4.1", file=ContentFile(b"image", "sim-2.4.1.bin"))
describe(firmware, firmware.file, "sim-2.4.1.bin")
firmware.save()
group = ChargePointGroup.objects.create(name="All")
group.charge_points.set(ChargePoint.objects.all())
start_campaign(firmware, group, wave_size="1")
for kind in ("Diagnostics", "SecurityLog"):
    request_diagnostics("TASK-1", kind=kind, queue=True)
trigger = ExtendedTriggerMessageRequest(requested_message=MessageTriggerEnumType.SignChargePointCertificate)
issue_command("TASK-1", trigger)
result = None
"""
SEE = """
from ocpp_app.models import CampaignTarget, CertificateRequest, DiagnosticsTask, FirmwareCampaign
def read(row):
    with row.file.open() as file:
        return file.read().decode()
result = {
    "campaign": FirmwareCampaign.objects.get().state,
    "targets": list(CampaignTarget.objects.order_by("wave").values_list("state", "task__downloads", "task__status")),
    "versions": sorted(set(CampaignTarget.objects.values_list("charge_point__firmware_version", flat=True))),
    "files": ["TASK-1" in read(row) for row in DiagnosticsTask.objects.exclude(file="")],
    "certificates": list(CertificateRequest.objects.values_list("state", flat=True)),
}
"""


async def see(system: CentralSystem, done: Any) -> dict[str, Any]:
    """What is in the database as soon as it is what is waited for, or at last."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        seen: dict[str, Any] = await asyncio.to_thread(system.shell, SEE)
        if done(seen) or asyncio.get_running_loop().time() > deadline:
            return seen
        await asyncio.sleep(POLL_S)


async def test_files_and_certificates_reach_their_ends(launcher: Launcher) -> None:
    system = launcher.single(OCPP_CERTIFICATE_SIGNER="ocpp_app.signers.DevelopmentCA")
    chargers = charge_points(system.urls, "TASK", 2)
    async with switched_on(chargers):
        await asyncio.to_thread(system.shell, ASK.replace("HOST", f"{HOST}:{system.http_port}"))
        seen = await see(system, lambda seen: seen["campaign"] == "done" and len(seen["files"]) == 2)
    assert seen == {
        "campaign": "done",
        "targets": [["done", 1, "Installed"], ["done", 1, "Installed"]],
        "versions": ["2.4.1"],
        "files": [True, True],
        "certificates": ["installed"],
    }
    assert not system.tracebacks({})
