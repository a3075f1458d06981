"""Firmware updates, diagnostics and logs (OCPP 1.6 §4.4, §4.5, §5.9, §5.19; security whitepaper L01, N01).

Pure. It never sends and never transfers: what the central system is to be told goes into ``reports``, files to move
into ``jobs``.
"""

import base64
import binascii
import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from ocppj.messages import Request
from ocppj.v16 import (
    DiagnosticsStatus,
    DiagnosticsStatusNotificationRequest,
    FirmwareStatus,
    FirmwareStatusEnumType,
    FirmwareStatusNotificationRequest,
    GetDiagnosticsRequest,
    GetLogRequest,
    LogStatusNotificationRequest,
    SecurityEventNotificationRequest,
    SignedFirmwareStatusNotificationRequest,
    SignedUpdateFirmwareRequest,
    UpdateFirmwareRequest,
    UploadLogStatusEnumType,
)
from simulator.certificates import is_signed
from simulator.clock import Clock

INSTALLATION_S = 20.0
"""Simulated seconds."""
BUSY = (FirmwareStatus.Downloading, FirmwareStatus.Installing)
WAITS_TO_INSTALL = (
    FirmwareStatusEnumType.Downloaded,
    FirmwareStatusEnumType.SignatureVerified,
    FirmwareStatusEnumType.InstallScheduled,
)
OWN_RETRY_INTERVAL_S = 30.0
"""Simulated seconds, where the central system names none."""


@dataclass(slots=True)
class Download:
    """Firmware to fetch; then tell ``Maintenance.finished``."""

    url: str
    retries_left: int
    retry_interval_s: float
    request_id: int | None = None
    """Of a signed update."""
    signature: str = ""
    signing_certificate: str = ""
    not_before: datetime | None = None
    """When to install it."""
    digest: bytes = b""
    """The SHA-256 of what was fetched."""


@dataclass(slots=True)
class Upload:
    """Diagnostics, or a log, to hand over; then tell ``Maintenance.finished``."""

    url: str
    file_name: str
    retries_left: int
    retry_interval_s: float
    since: datetime | None
    until: datetime | None
    request_id: int | None = None
    """Of a log."""


Job = Download | Upload


class Maintenance:
    """What is going on besides charging."""

    def __init__(self, clock: Clock, identity: str, firmware_version: str) -> None:
        self.reports: deque[Request] = deque()
        self.jobs: list[Job] = []
        self.firmware_status: str = FirmwareStatus.Idle
        self.diagnostics_status = DiagnosticsStatus.Idle
        self.log_status = UploadLogStatusEnumType.Idle
        self.log_request_id: int | None = None
        self.update_request_id: int | None = None
        """Of the signed update that was begun last; None: the last one was not signed."""
        self.firmware_version = firmware_version
        self.needs_restart = False
        """The new firmware is installed and comes into force with a reset."""
        self._clock = clock
        self._identity = identity
        self._planned: list[tuple[float, Job]] = []
        self._new_version = ""
        self._installed_at: float | None = None
        self._install_after: datetime | None = None
        self._seen = 0.0
        """When time passed last."""

    @property
    def wants_to_install(self) -> bool:
        """Whether new firmware waits for the transactions to end, so that no new one should begin."""
        return self.firmware_status in WAITS_TO_INSTALL or self._is_installing

    @property
    def _is_installing(self) -> bool:
        return self.firmware_status == FirmwareStatus.Installing

    def take_jobs(self) -> list[Job]:
        """The files to move now; each is given out once."""
        jobs, self.jobs = self.jobs, []
        return jobs

    def update_firmware(self, request: UpdateFirmwareRequest, now: float) -> None:
        """Fetch and install firmware, not before its retrieveDate; an update that waits is replaced."""
        wait_s = max(0.0, (request.retrieve_date - self._clock.utc(now)).total_seconds())
        interval_s = OWN_RETRY_INTERVAL_S if request.retry_interval is None else float(request.retry_interval)
        self._planned = [(due, job) for due, job in self._planned if not isinstance(job, Download)]
        self._planned.append((now + wait_s, Download(request.location, request.retries or 0, interval_s)))

    def signed_update_firmware(self, request: SignedUpdateFirmwareRequest, now: float) -> bool:
        """The same with a signature; whether an update that was under way is given up for it (L01)."""
        firmware = request.firmware
        wait_s = max(0.0, (firmware.retrieve_date_time - self._clock.utc(now)).total_seconds())
        interval_s = OWN_RETRY_INTERVAL_S if request.retry_interval is None else float(request.retry_interval)
        job = Download(
            firmware.location,
            request.retries or 0,
            interval_s,
            request.request_id,
            firmware.signature,
            firmware.signing_certificate,
            firmware.install_date_time,
        )
        is_instead = any(isinstance(job, Download) for _, job in self._planned)
        self._planned = [(due, job) for due, job in self._planned if not isinstance(job, Download)]
        self._planned.append((now + wait_s, job))
        if wait_s:
            self.update_request_id = request.request_id
            self._report_firmware(FirmwareStatusEnumType.DownloadScheduled)
        return is_instead

    def get_log(self, request: GetLogRequest, now: float) -> tuple[str, bool]:
        """Upload a log; its file's name, and whether another upload is given up for it (N01.FR.11)."""
        kind = str(request.log_type)
        file_name = f"{self._identity}-{kind}-{self._clock.utc(now):%Y%m%dT%H%M%SZ}.log"[-255:]
        interval_s = OWN_RETRY_INTERVAL_S if request.retry_interval is None else float(request.retry_interval)
        log = request.log
        job = Upload(
            log.remote_location,
            file_name,
            request.retries or 0,
            interval_s,
            log.oldest_timestamp,
            log.latest_timestamp,
            request.request_id,
        )
        is_instead = self.log_status == UploadLogStatusEnumType.Uploading
        self._planned = [(due, one) for due, one in self._planned if not _is_log(one)]
        self._planned.append((now, job))
        return file_name, is_instead

    def get_diagnostics(self, request: GetDiagnosticsRequest, now: float) -> str:
        """Upload diagnostics; the name of the file."""
        file_name = f"{self._identity}-{self._clock.utc(now):%Y%m%dT%H%M%SZ}.log"[-255:]
        interval_s = OWN_RETRY_INTERVAL_S if request.retry_interval is None else float(request.retry_interval)
        job = Upload(
            request.location, file_name, request.retries or 0, interval_s, request.start_time, request.stop_time
        )
        self._planned.append((now, job))
        return file_name

    def tick(self, now: float, *, is_charging: bool) -> None:
        """Let time pass."""
        self._seen = now
        due_jobs = [job for due, job in self._planned if due <= now]
        self._planned = [(due, job) for due, job in self._planned if due > now]
        for job in due_jobs:
            self._begin(job)
        is_early = self._install_after is not None and self._clock.utc(now) < self._install_after
        if self.firmware_status in WAITS_TO_INSTALL and not is_charging and not is_early:  # errata 3.49, L01.FR.16
            self._report_firmware(FirmwareStatus.Installing)
            self._installed_at = self._clock.after(now, INSTALLATION_S)
        elif self._installed_at is not None and self._installed_at <= now:
            self._installed_at = None
            self.needs_restart = True

    def next_timeout(self) -> float | None:
        """When ``tick`` is due."""
        dues = [due for due, _ in self._planned]
        if self._installed_at is not None:
            dues.append(self._installed_at)
        if self._install_after is not None and self.firmware_status in WAITS_TO_INSTALL:
            wait_s = (self._install_after - self._clock.utc(self._seen)).total_seconds()
            if wait_s > 0:
                dues.append(self._seen + wait_s)
        return min(dues, default=None)

    def finished(self, job: Job, size: int | None, now: float) -> None:
        """A file of so many bytes has been moved, or it could not be (``size`` None)."""
        self._seen = now
        if isinstance(job, Upload) and job.request_id is not None:
            if job.request_id != self.log_request_id:
                return  # given up for another
            failed, done = UploadLogStatusEnumType.UploadFailure, UploadLogStatusEnumType.Uploaded
            self._report_log(job, failed if size is None else done)
        elif isinstance(job, Upload):
            self._report_diagnostics(DiagnosticsStatus.UploadFailed if size is None else DiagnosticsStatus.Uploaded)
        elif size is None:
            self._report_firmware(FirmwareStatus.DownloadFailed)
        else:
            self._downloaded(job, size)
        if size is None and job.retries_left:
            job.retries_left -= 1
            self._planned.append((self._clock.after(now, job.retry_interval_s), job))

    def restarted(self) -> None:
        """The charge point has come up again; new firmware is in force now."""
        if self.needs_restart:
            self.needs_restart = False
            self.firmware_version = self._new_version
            self._report_firmware(FirmwareStatus.Installed)
            if self.update_request_id is not None:
                self._report_security_event("FirmwareUpdated")
        elif self.firmware_status == FirmwareStatus.Installing:  # the reset came in between
            self._installed_at = None
            self._report_firmware(FirmwareStatus.InstallationFailed)

    def _begin(self, job: Job) -> None:
        if isinstance(job, Download):
            self.update_request_id, self._install_after = job.request_id, None
            self._report_firmware(FirmwareStatus.Downloading)
        elif job.request_id is not None:
            self.log_request_id = job.request_id
            self._report_log(job, UploadLogStatusEnumType.Uploading)
        else:
            self._report_diagnostics(DiagnosticsStatus.Uploading)
        self.jobs.append(job)

    def _downloaded(self, job: Download, size: int) -> None:
        self._report_firmware(FirmwareStatus.Downloaded)
        self._new_version = _version_in(job.url)
        if job.request_id is not None and not self._verify(job):
            return
        if not size:
            self._report_firmware(FirmwareStatus.InstallationFailed)  # an empty file is no valid image

    def _verify(self, job: Download) -> bool:
        """L01.FR.03, L01.FR.04."""
        try:
            signature = base64.b64decode(job.signature, validate=True)
        except binascii.Error:
            signature = b""
        if not is_signed(job.digest, signature, job.signing_certificate):
            self._report_firmware(FirmwareStatusEnumType.InvalidSignature)
            self._report_security_event("InvalidFirmwareSignature")
            return False
        self._install_after = job.not_before
        self._report_firmware(FirmwareStatusEnumType.SignatureVerified)
        if job.not_before is not None and self._clock.utc(self._seen) < job.not_before:
            self._report_firmware(FirmwareStatusEnumType.InstallScheduled)
        return True

    def _report_security_event(self, kind: str) -> None:
        self.reports.append(SecurityEventNotificationRequest(type=kind, timestamp=self._clock.utc(self._seen)))

    def _report_firmware(self, status: str) -> None:
        self.firmware_status = status
        if self.update_request_id is None:
            self.reports.append(FirmwareStatusNotificationRequest(status=FirmwareStatus(status)))
        else:
            signed = FirmwareStatusEnumType(status)
            report = SignedFirmwareStatusNotificationRequest(status=signed, request_id=self.update_request_id)
            self.reports.append(report)

    def _report_log(self, job: Upload, status: UploadLogStatusEnumType) -> None:
        self.log_status = status
        self.reports.append(LogStatusNotificationRequest(status=status, request_id=job.request_id))

    def _report_diagnostics(self, status: DiagnosticsStatus) -> None:
        self.diagnostics_status = status
        self.reports.append(DiagnosticsStatusNotificationRequest(status=status))


def status_to_trigger(status: str) -> FirmwareStatus:
    """What a triggered FirmwareStatusNotification says: Idle, when nothing is under way (OCPP 1.6 §4.5)."""
    if status in WAITS_TO_INSTALL:
        return FirmwareStatus.Downloaded
    return FirmwareStatus(status) if status in BUSY else FirmwareStatus.Idle


def _is_log(job: Job) -> bool:
    return isinstance(job, Upload) and job.request_id is not None


def _version_in(url: str) -> str:
    """A version number in the file's name, or that name."""
    name = urlsplit(url).path.rpartition("/")[2]
    match = re.search(r"\d+(?:\.\d+)+", name)
    return match[0] if match else (name or "unknown")
