"""``/diagnostics/``, and what firmware updates have in common with it."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.authentication import user_of
from ocpp_app.api.commands import problem_of
from ocpp_app.api.fields import ConfinedSlug
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.diagnostics import request_diagnostics
from ocpp_app.errors import CommandError, TransferNotPossible
from ocpp_app.file_responses import attachment
from ocpp_app.models import (
    ApiToken,
    ChargePoint,
    DiagnosticsKind,
    DiagnosticsTask,
    Scope,
    TaskState,
    TaskStatus,
)
from ocppj.errors import PayloadError

REQUESTED = ("command", "requested_by", "api_token", "source", "created_at", "expires_at", "finished_at")
MOST = 2**31 - 1


class NoTransfer(Conflict):
    """The file cannot reach the charge point, or not from it."""

    default_code = "transfer-not-possible"


def asked_by(request: Request) -> dict[str, Any]:
    """Who asks, as tasks keep it."""
    token = request.auth.name if isinstance(request.auth, ApiToken) else ""
    return {"requested_by": user_of(request), "api_token": token, "source": "api"}


def refused(error: Exception) -> Exception:
    """The problem that an error of ours is."""
    match error:
        case TransferNotPossible():
            return NoTransfer(str(error))
        case PayloadError():
            return serializers.ValidationError([error.description])
        case CommandError():
            return problem_of(error)
    return Conflict(str(error))


class TaskStatusSerializer(serializers.ModelSerializer):
    class Meta:
        model = TaskStatus
        fields = ("status", "action", "request_id", "received_at")
        read_only_fields = fields


class TaskOrderSerializer(serializers.Serializer):
    charge_point = ConfinedSlug(slug_field="identity", queryset=ChargePoint.objects.all())
    location = serializers.URLField(
        required=False,
        default="",
        allow_blank=True,
        max_length=500,
        help_text="Where the charge point finds or leaves the file; empty: at a one-time address of ours.",
    )
    retries = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=MOST)
    retry_interval_s = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=0, max_value=MOST
    )
    queue = serializers.BooleanField(
        required=False, default=False, help_text="Ask a charge point that is not connected once it is; else 409."
    )


class TaskFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    state = serializers.ChoiceField(TaskState.choices, required=False)
    organisation = serializers.CharField(required=False, source="charge_point__organisation__slug")


class DiagnosticsSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")
    has_file = serializers.SerializerMethodField(help_text="Whether …/file/ has it.")
    statuses = TaskStatusSerializer(many=True, read_only=True, help_text="All that was reported, the newest first.")

    class Meta:
        model = DiagnosticsTask
        fields = (
            "id",
            "charge_point",
            "kind",
            "request_id",
            "state",
            "status",
            "status_at",
            "detail",
            "has_file",
            "file_name",
            "size",
            "sha256",
            "uploaded_at",
            "uploaded_from",
            "location",
            "oldest_at",
            "latest_at",
            "retries",
            "retry_interval_s",
            *REQUESTED,
            "statuses",
        )
        read_only_fields = fields

    def get_has_file(self, task: DiagnosticsTask) -> bool:
        return bool(task.file)


class DiagnosticsOrderSerializer(TaskOrderSerializer):
    """Which file a charge point is asked for."""

    kind = serializers.ChoiceField(DiagnosticsKind.choices, required=False, default=DiagnosticsKind.DIAGNOSTICS)
    oldest_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    latest_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class DiagnosticsFilters(TaskFilters):
    kind = serializers.ChoiceField(DiagnosticsKind.choices, required=False)


class FileRenderer(BaseRenderer):
    """So that a caller may say that it takes a file; the file itself is no serialized data."""

    media_type = "application/octet-stream"
    format = "file"

    def render(self, data: Any, *_args: Any, **_kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class Diagnostics(Listed, Shown):
    """Diagnostics and logs that charge points were asked for, the newest first."""

    model = DiagnosticsTask
    examples = {"create": {"charge_point": "CP001", "kind": "DiagnosticsLog", "oldest_at": "2026-01-01T00:00:00Z"}}
    noun = "Diagnostics"
    plural = "Diagnostics"
    serializer_class = DiagnosticsSerializer
    filters = DiagnosticsFilters
    action_scopes = {"create": Scope.OPERATE, "file": Scope.READ}
    operations = {"list": "listDiagnostics", "create": "requestDiagnostics"}
    bodies = {"create": DiagnosticsOrderSerializer}
    answers = {"create": {202: DiagnosticsSerializer}}

    def rows(self) -> QuerySet:
        return DiagnosticsTask.objects.select_related("charge_point", "requested_by").prefetch_related("statuses")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask a charge point for a file (GetDiagnostics, or GetLog). 202: asked. 409: not connected and `queue` was not
        given, or the file cannot come here; `detail` says what to do."""
        order = DiagnosticsOrderSerializer(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        target = values.pop("charge_point")
        self.require(target.organisation_id)
        try:
            row = request_diagnostics(target, **values, **asked_by(request))
        except (TransferNotPossible, PayloadError, CommandError) as error:
            raise refused(error) from error
        return self.shown(row, status.HTTP_202_ACCEPTED)

    @action(
        detail=True,
        methods=["get"],
        gives={(200, "application/octet-stream"): OpenApiTypes.BINARY},
        operation="getDiagnosticsFile",
        renderer_classes=[JSONRenderer, FileRenderer],
    )
    def file(self, request: Request, **kwargs: Any) -> FileResponse:
        """The file that the charge point has uploaded; 404 while there is none."""
        row = self.get_object()
        if not row.file or not row.file.storage.exists(row.file.name):
            raise Http404
        return attachment(row.file, row.file_name or f"{row.pk}.log")
