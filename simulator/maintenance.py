"""Firmware updates and diagnostics (OCPP 1.6 §4.4, §4.5, §5.9, §5.19).

Pure. It never sends and never transfers: what the central system is to be told goes into ``reports``, files to move
into ``jobs``.
"""

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
    FirmwareStatusNotificationRequest,
    GetDiagnosticsRequest,
    UpdateFirmwareRequest,
)
from simulator.clock import Clock

INSTALLATION_S = 20.0
"""Simulated seconds."""
OWN_RETRY_INTERVAL_S = 30.0
"""Simulated seconds, where the central system names none."""


@dataclass(slots=True)
class Download:
    """Firmware to fetch; then tell ``Maintenance.finished``."""

    url: str
    retries_left: int
    retry_interval_s: float


@dataclass(slots=True)
class Upload:
    """Diagnostics to hand over; then tell ``Maintenance.finished``."""

    url: str
    file_name: str
    retries_left: int
    retry_interval_s: float
    since: datetime | None
    until: datetime | None


Job = Download | Upload


class Maintenance:
    """What is going on besides charging."""

    def __init__(self, clock: Clock, identity: str, firmware_version: str) -> None:
        self.reports: deque[Request] = deque()
        self.jobs: list[Job] = []
        self.firmware_status = FirmwareStatus.Idle
        self.diagnostics_status = DiagnosticsStatus.Idle
        self.firmware_version = firmware_version
        self.needs_restart = False
        """The new firmware is installed and comes into force with a reset."""
        self._clock = clock
        self._identity = identity
        self._planned: list[tuple[float, Job]] = []
        self._new_version = ""
        self._installed_at: float | None = None

    @property
    def wants_to_install(self) -> bool:
        """Whether new firmware waits for the transactions to end, so that no new one should begin."""
        return self.firmware_status in (FirmwareStatus.Downloaded, FirmwareStatus.Installing)

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
        due_jobs = [job for due, job in self._planned if due <= now]
        self._planned = [(due, job) for due, job in self._planned if due > now]
        for job in due_jobs:
            self._begin(job)
        if self.firmware_status == FirmwareStatus.Downloaded and not is_charging:  # errata 3.49
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
        return min(dues, default=None)

    def finished(self, job: Job, size: int | None, now: float) -> None:
        """A file of so many bytes has been moved, or it could not be (``size`` None)."""
        if isinstance(job, Upload):
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
        elif self.firmware_status == FirmwareStatus.Installing:  # the reset came in between
            self._installed_at = None
            self._report_firmware(FirmwareStatus.InstallationFailed)

    def _begin(self, job: Job) -> None:
        if isinstance(job, Download):
            self._report_firmware(FirmwareStatus.Downloading)
        else:
            self._report_diagnostics(DiagnosticsStatus.Uploading)
        self.jobs.append(job)

    def _downloaded(self, job: Download, size: int) -> None:
        self._report_firmware(FirmwareStatus.Downloaded)
        self._new_version = _version_in(job.url)
        if not size:
            self._report_firmware(FirmwareStatus.InstallationFailed)  # an empty file is no valid image

    def _report_firmware(self, status: FirmwareStatus) -> None:
        self.firmware_status = status
        self.reports.append(FirmwareStatusNotificationRequest(status=status))

    def _report_diagnostics(self, status: DiagnosticsStatus) -> None:
        self.diagnostics_status = status
        self.reports.append(DiagnosticsStatusNotificationRequest(status=status))


def status_to_trigger(status: FirmwareStatus) -> FirmwareStatus:
    """What a triggered FirmwareStatusNotification says: Idle, when nothing is under way (OCPP 1.6 §4.5)."""
    busy = (FirmwareStatus.Downloading, FirmwareStatus.Downloaded, FirmwareStatus.Installing)
    return status if status in busy else FirmwareStatus.Idle


def _version_in(url: str) -> str:
    """A version number in the file's name, or that name."""
    name = urlsplit(url).path.rpartition("/")[2]
    match = re.search(r"\d+(?:\.\d+)+", name)
    return match[0] if match else (name or "unknown")
