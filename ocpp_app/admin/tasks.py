"""Firmware updates, diagnostics and logs: what charge points were asked for, and what they made of it. Evidence."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, WARNING, badge, byte_count, link
from ocpp_app.admin.filters import FewRelatedFilter, known_values, linked, yes_no
from ocpp_app.admin.search import BoundedListMixin, integer
from ocpp_app.file_responses import attachment
from ocpp_app.models import (
    OPEN_TASK_STATES,
    ChargePoint,
    DiagnosticsTask,
    Firmware,
    FirmwareTask,
    TaskState,
    TaskStatus,
)
from ocppj.v16 import Action

TASK_TONES = {
    TaskState.REQUESTED: WARNING,
    TaskState.ACCEPTED: WARNING,
    TaskState.RUNNING: BUSY,
    TaskState.DONE: GOOD,
    TaskState.FAILED: BAD,
    TaskState.REJECTED: BAD,
    TaskState.CANCELLED: IDLE,
}
NOTIFICATIONS = (
    Action.DiagnosticsStatusNotification,
    Action.FirmwareStatusNotification,
    Action.LogStatusNotification,
    Action.SignedFirmwareStatusNotification,
)
ASKED_FOR = (("requested_by", "api_token", "source"), ("command", "created_at", "finished_at"))


class TaskStatusFormSet(ReadOnlyFormSet):
    limit = 50


class TaskStatusInline(ReadOnlyInline):
    model = TaskStatus
    verbose_name_plural = gettext_lazy("status history, the newest first")
    fields = ("received_at", "status", "action", "request_id")
    formset = TaskStatusFormSet
    ordering = ("-received_at", "-pk")


class FirmwareTaskStatusInline(TaskStatusInline):
    fk_name = "firmware_task"


class DiagnosticsTaskStatusInline(TaskStatusInline):
    fk_name = "diagnostics_task"


class TaskAdmin(BoundedListMixin, EvidenceAdmin):
    """What both kinds have in common."""

    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a requestId.")
    list_select_related: ClassVar[Any] = ("charge_point",)

    def other(self, word: str) -> Q:
        return integer("pk", word)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_shown(self, obj: Any) -> str:
        return badge(obj.get_state_display(), TASK_TONES[TaskState(obj.state)])


@admin.register(DiagnosticsTask)
class DiagnosticsTaskAdmin(TaskAdmin):
    list_display = ("id", "charge_point_link", "kind", "state_shown", "status", "download", "detail", "created_at")
    list_filter = (
        "kind",
        yes_no("under_way", gettext_lazy("under way"), Q(state__in=OPEN_TASK_STATES)),
        yes_no("has_file", gettext_lazy("has a file"), ~Q(file="")),
        linked("charge_point", ChargePoint),
    )
    inlines = (DiagnosticsTaskStatusInline,)
    fields = (
        ("id", "charge_point"),
        "kind",
        ("state_shown", "status", "status_at"),
        "detail",
        "download",
        ("file_name", "sha256"),
        ("uploaded_at", "uploaded_from"),
        ("oldest_at", "latest_at"),
        ("retries", "retry_interval_s"),
        ("location", "expires_at"),
        *ASKED_FOR,
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<int:pk>/file/", view, name="ocpp_app_diagnosticstask_file"), *super().get_urls()]

    @admin.display(description=gettext_lazy("file"))
    def download(self, obj: DiagnosticsTask) -> str:
        if not obj.file:
            return EMPTY
        url = reverse(f"{self.admin_site.name}:ocpp_app_diagnosticstask_file", args=(obj.pk,))
        return format_html('<a href="{}">{}</a>', url, byte_count(obj.size))

    def file_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file, to be saved: a charge point wrote it, so no browser may show it."""
        row = DiagnosticsTask.objects.filter(pk=pk).exclude(file="").first()
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None or not row.file.storage.exists(str(row.file.name)):
            raise Http404
        return attachment(row.file, row.file_name or f"{row.pk}.log")


@admin.register(FirmwareTask)
class FirmwareTaskAdmin(TaskAdmin):
    list_display = (
        "id",
        "charge_point_link",
        "firmware_shown",
        "state_shown",
        "status",
        "is_signed",
        "detail",
        "created_at",
    )
    list_filter = (
        yes_no("under_way", gettext_lazy("under way"), Q(state__in=OPEN_TASK_STATES)),
        "is_signed",
        ("firmware", FewRelatedFilter),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point", "firmware")
    inlines = (FirmwareTaskStatusInline,)
    fields = (
        ("id", "charge_point"),
        ("firmware_shown", "is_signed", "previous_version"),
        ("state_shown", "status", "status_at"),
        "detail",
        ("retrieve_at", "install_at"),
        ("downloads", "downloaded_at"),
        ("retries", "retry_interval_s"),
        ("location", "expires_at"),
        *ASKED_FOR,
    )

    @admin.display(description=Firmware._meta.verbose_name)
    def firmware_shown(self, obj: FirmwareTask) -> str:
        return link(obj.firmware) if obj.firmware_id else obj.location or EMPTY


@admin.register(TaskStatus)
class TaskStatusAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("received_at", "charge_point_link", "action", "status", "request_id", "task")
    list_display_links = ("received_at", "status")
    list_filter = (
        known_values("action", TaskStatus._meta.get_field("action").verbose_name, NOTIFICATIONS),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point", "firmware_task", "diagnostics_task")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a status.")
    fields = ("charge_point", "action", "status", "request_id", "task", "received_at")

    def other(self, word: str) -> Q:
        return Q(status__iexact=word)

    @admin.display(description=gettext_lazy("task"))
    def task(self, obj: TaskStatus) -> str:
        return link(obj.firmware_task or obj.diagnostics_task)
