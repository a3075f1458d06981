"""What a charge point takes minutes or hours for, and reports on: firmware updates, diagnostics, logs."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint
from ocpp_app.models.command import Command
from ocpp_app.models.files import get_private_files
from ocpp_app.models.firmware import Firmware


class TaskState(models.TextChoices):
    """Where a task stands; the first three are alive. Its charge point's own word beside it is ``status``.

    What has failed goes on again when its charge point reports so: it may try several times.
    """

    REQUESTED = "requested", _("requested: not answered yet")
    ACCEPTED = "accepted", _("accepted: not begun yet")
    RUNNING = "running", _("under way")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    REJECTED = "rejected", _("refused by the charge point")
    CANCELLED = "cancelled", _("cancelled")


OPEN_TASK_STATES = (TaskState.REQUESTED, TaskState.ACCEPTED, TaskState.RUNNING)


class Task(models.Model):
    """What both kinds of task have; the primary key is the ``requestId`` on the wire, where there is one."""

    id = models.AutoField(_("requestId"), primary_key=True)
    request_id = models.BigIntegerField(
        _("requestId on the wire"), null=True, blank=True, help_text=_("Empty: the message has none.")
    )
    state = models.CharField(_("state"), max_length=20, choices=TaskState.choices, default=TaskState.REQUESTED)
    status = models.CharField(
        _("status"), max_length=50, blank=True, help_text=_("The charge point's own word: Downloading, Uploaded …")
    )
    status_at = models.DateTimeField(_("status since"), null=True, blank=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    location = models.CharField(
        _("location"),
        max_length=1000,
        blank=True,
        help_text=_("Where the file is, or goes. Empty: a one-time address of this central system."),
    )
    retries = models.PositiveIntegerField(_("retries"), null=True, blank=True)
    retry_interval_s = models.PositiveIntegerField(_("retry interval (s)"), null=True, blank=True)
    link_digest = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    expires_at = models.DateTimeField(
        _("expires"), help_text=_("Until then its address is valid, and it must have ended.")
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    api_token = models.CharField(
        _("API token"), max_length=250, blank=True, help_text=_("The name of the token it was asked for with.")
    )
    source = models.CharField(_("source"), max_length=100, blank=True, help_text=_("What asked for it."))
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN_TASK_STATES

    @property
    def is_own_location(self) -> bool:
        """Whether the file goes through this central system."""
        return bool(self.link_digest)


class DiagnosticsKind(models.TextChoices):
    """By which message a file is asked for, and which file."""

    DIAGNOSTICS = "Diagnostics", _("diagnostics (GetDiagnostics)")
    DIAGNOSTICS_LOG = "DiagnosticsLog", _("diagnostics log (GetLog)")
    SECURITY_LOG = "SecurityLog", _("security log (GetLog)")


class DiagnosticsTask(Task):
    """A file that a charge point is asked to upload (OCPP 1.6 §5.9, security whitepaper N01)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="diagnostics_tasks", db_index=False)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    kind = models.CharField(_("kind"), max_length=20, choices=DiagnosticsKind.choices)
    oldest_at = models.DateTimeField(_("from"), null=True, blank=True, help_text=_("The oldest entries to include."))
    latest_at = models.DateTimeField(_("to"), null=True, blank=True, help_text=_("The latest entries to include."))
    file_name = models.CharField(_("file name"), max_length=255, blank=True, help_text=_("As the charge point says."))
    file = models.FileField(_("file"), storage=get_private_files, max_length=255, blank=True, editable=False)
    size = models.PositiveBigIntegerField(_("size (bytes)"), null=True, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    uploaded_at = models.DateTimeField(_("uploaded"), null=True, blank=True)
    uploaded_from = models.CharField(_("uploaded from"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("diagnostics")
        verbose_name_plural = _("diagnostics and logs")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("charge_point", "-id"), name="ocpp_diagnostics_history"),
            models.Index(fields=("state", "expires_at"), name="ocpp_diagnostics_state"),
        )


class FirmwareTask(Task):
    """A firmware update that a charge point is asked for (OCPP 1.6 §5.19, security whitepaper L01)."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="firmware_tasks", db_index=False)
    command = models.ForeignKey(Command, models.SET_NULL, null=True, blank=True, related_name="+")
    firmware = models.ForeignKey(
        Firmware,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tasks",
        help_text=_("Empty: a file that is not ours, at the location."),
    )
    is_signed = models.BooleanField(_("signed"), default=False, help_text=_("Asked for with SignedUpdateFirmware."))
    retrieve_at = models.DateTimeField(_("not fetched before"))
    install_at = models.DateTimeField(_("not installed before"), null=True, blank=True)
    previous_version = models.CharField(_("version before"), max_length=255, blank=True)
    downloads = models.PositiveIntegerField(_("downloads"), default=0, help_text=_("How often it was fetched here."))
    downloaded_at = models.DateTimeField(_("last fetched"), null=True, blank=True)

    class Meta:
        verbose_name = _("firmware update")
        verbose_name_plural = _("firmware updates")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("charge_point", "-id"), name="ocpp_firmware_task_history"),
            models.Index(fields=("state", "expires_at"), name="ocpp_firmware_task_state"),
        )


class TaskStatus(models.Model):
    """One status that a charge point has reported on its firmware, its diagnostics or its logs; kept also where no task
    of ours is behind it."""

    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="task_statuses", db_index=False)
    firmware_task = models.ForeignKey(
        FirmwareTask, models.CASCADE, null=True, blank=True, related_name="statuses", db_index=True
    )
    diagnostics_task = models.ForeignKey(
        DiagnosticsTask, models.CASCADE, null=True, blank=True, related_name="statuses", db_index=True
    )
    action = models.CharField(_("message"), max_length=100)
    status = models.CharField(_("status"), max_length=50)
    request_id = models.BigIntegerField(_("requestId"), null=True, blank=True)
    received_at = models.DateTimeField(_("received"))

    class Meta:
        verbose_name = _("task status")
        verbose_name_plural = _("task statuses")
        ordering = ("-received_at", "-id")
        indexes = (models.Index(fields=("charge_point", "-received_at"), name="ocpp_task_status_history"),)

    def __str__(self) -> str:
        return f"{self.status} {self.received_at:%Y-%m-%d %H:%M:%S}"
