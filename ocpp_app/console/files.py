"""Firmware, diagnostics and certificates of a charge point: what was asked for, and what became of it."""

from django.http import FileResponse, Http404, HttpResponse

from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.visitor import ConsoleRequest, find, may, signed_in
from ocpp_app.file_responses import attachment
from ocpp_app.models import (
    CertificateRequest,
    ChargePoint,
    ChargePointSecurityEvent,
    DiagnosticsTask,
    FirmwareTask,
    InstalledCertificate,
    Scope,
    TaskStatus,
)

SHOWN = 10
STATUSES = 20


@signed_in
def files(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The newest of each."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    diagnostics = DiagnosticsTask.objects.filter(charge_point=charge_point).order_by("-pk")
    firmware = FirmwareTask.objects.filter(charge_point=charge_point).select_related("firmware").order_by("-pk")
    certificates = InstalledCertificate.objects.filter(charge_point=charge_point, removed_at=None).order_by("use", "pk")
    context = {
        "firmware": firmware[:SHOWN],
        "diagnostics": diagnostics[:SHOWN],
        "statuses": TaskStatus.objects.filter(charge_point=charge_point).order_by("-received_at", "-pk")[:STATUSES],
        "certificates": certificates[:50],
        "requests": CertificateRequest.objects.filter(charge_point=charge_point).order_by("-pk")[:SHOWN],
        "events": ChargePointSecurityEvent.objects.filter(charge_point=charge_point).order_by("-received_at", "-pk")[
            :STATUSES
        ],
        "may_send": may(request, Scope.OPERATE, charge_point, "ocpp_app.add_command"),
    }
    return tabbed(request, charge_point, "files", "files.html", context)


@signed_in
def download(request: ConsoleRequest, pk: int, task: int) -> FileResponse:
    """What the charge point has uploaded, to be saved: it wrote the file, so no browser may show it."""
    row = find(request, DiagnosticsTask.objects.exclude(file=""), pk=task, charge_point=pk)
    if not row.file.storage.exists(str(row.file.name)):
        raise Http404
    return attachment(row.file, row.file_name or f"{row.pk}.log")
