"""``/firmware/``, ``/firmware-updates/``, ``/firmware-campaigns/``: what is hosted, who gets it, how far it is."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import firmware_files
from ocpp_app.access import visible
from ocpp_app.api import tasks
from ocpp_app.api.authentication import user_of
from ocpp_app.api.fields import ConfinedKey, OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.parsers import StorableJSONParser
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Deleted, Listed, Shown
from ocpp_app.api.tasks import REQUESTED, TaskFilters, TaskOrderSerializer, TaskStatusSerializer, asked_by
from ocpp_app.campaigns import cancel_campaign, pause_campaign, resume_campaign, start_campaign
from ocpp_app.errors import (
    CampaignEnded,
    CertificateInvalid,
    CommandError,
    FirmwareNotFitting,
    TransferNotPossible,
)
from ocpp_app.firmware import update_firmware
from ocpp_app.models import (
    CampaignState,
    CampaignTarget,
    ChargePointGroup,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    Scope,
    TargetState,
    campaign_outcomes,
)
from ocpp_app.models.campaign import AMOUNT
from ocppj.errors import PayloadError

WRITABLE = ("vendor", "model", "version", "signing_certificate", "signature", "note")
COUNTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}


class DoesNotFit(Conflict):
    """This firmware is not for this charge point, or not in this way."""

    default_code = "firmware-not-fitting"


def refused(error: Exception) -> Exception:
    """The problem that an error of ours is."""
    return DoesNotFit(str(error)) if isinstance(error, FirmwareNotFitting) else tasks.refused(error)


# -- files -----------------------------------------------------------------------------------------------------


class FirmwareSerializer(OwnedSerializer):
    file = serializers.FileField(write_only=True, required=False, help_text="Required; it never changes afterwards.")

    class Meta:
        model = Firmware
        fields = ("id", "organisation", *WRITABLE, "file", "file_name", "size", "sha256", "is_signed", "created_at")
        read_only_fields = ("file_name", "size", "sha256", "is_signed", "created_at")
        validators: list[Any] = []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if self.instance is None and "file" not in attrs:
            raise serializers.ValidationError({"file": "Send the file, as multipart/form-data."})
        if self.instance is not None and "file" in attrs:
            raise serializers.ValidationError({"file": "A file never changes: make another firmware."})
        pair = [attrs.get(name, getattr(self.instance, name, "")) for name in ("signing_certificate", "signature")]
        try:
            firmware_files.check_signature(*pair)
        except CertificateInvalid as error:
            raise serializers.ValidationError({"signing_certificate": str(error)}) from error
        except ValueError as error:
            raise serializers.ValidationError({"signature": str(error)}) from error
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Firmware:
        row = Firmware(**validated_data)
        firmware_files.describe(row, validated_data["file"], validated_data["file"].name)
        row.save(force_insert=True)
        return row


class FirmwareFilters(Filters):
    vendor = serializers.CharField(required=False, source="vendor__iexact")
    model = serializers.CharField(required=False, source="model__iexact")
    version = serializers.CharField(required=False)


class FirmwareFiles(Listed, Shown, Deleted):
    """Firmware that is kept here for charge points to fetch."""

    model = Firmware
    examples = {
        "create": {"version": "2.5.0", "vendor": "Acme", "model": "One *", "file": "one-2.5.0.bin"},
        "partial_update": {"note": "Withdrawn by the manufacturer"},
    }
    noun = "Firmware"
    plural = "Firmware"
    serializer_class = FirmwareSerializer
    parser_classes = [MultiPartParser, StorableJSONParser]
    filters = FirmwareFilters
    search_fields = ("vendor", "model", "version", "note")
    orderings = ("id", "created_at")
    etag_fields = WRITABLE

    def rows(self) -> QuerySet:
        return Firmware.objects.select_related("organisation")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Keep a file (multipart/form-data). With `signing_certificate` and `signature` it is sent signed."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.require(serializer.validated_data["organisation"].pk)
        try:
            with transaction.atomic():
                row = serializer.save(uploaded_by=user_of(request))
        except IntegrityError as error:
            raise Conflict("There is firmware with this version for this vendor and model already.") from error
        return self.shown(row, status.HTTP_201_CREATED)


# -- updates ---------------------------------------------------------------------------------------------------


class FirmwareUpdateSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")
    statuses = TaskStatusSerializer(many=True, read_only=True, help_text="All that was reported, the newest first.")

    class Meta:
        model = FirmwareTask
        fields = (
            "id",
            "charge_point",
            "firmware",
            "is_signed",
            "request_id",
            "state",
            "status",
            "status_at",
            "detail",
            "location",
            "retrieve_at",
            "install_at",
            "retries",
            "retry_interval_s",
            "previous_version",
            "downloads",
            "downloaded_at",
            *REQUESTED,
            "statuses",
        )
        read_only_fields = fields


class FirmwareUpdateOrderSerializer(TaskOrderSerializer):
    """Which charge point gets which firmware."""

    firmware = ConfinedKey(
        queryset=Firmware.objects.all(), required=False, allow_null=True, default=None, help_text="Of /firmware/."
    )
    signed = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="With SignedUpdateFirmware; null: whenever the firmware has a signature.",
    )
    retrieve_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    install_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Only of a signed update."
    )


class FirmwareUpdates(Listed, Shown):
    """Firmware updates, the newest first; their state follows what the charge point reports."""

    model = FirmwareTask
    examples = {"create": {"charge_point": "CP001", "firmware": 1, "queue": True}}
    noun = "FirmwareUpdate"
    serializer_class = FirmwareUpdateSerializer
    filters = TaskFilters
    action_scopes = {"create": Scope.OPERATE}
    bodies = {"create": FirmwareUpdateOrderSerializer}
    answers = {"create": {202: FirmwareUpdateSerializer}}

    def rows(self) -> QuerySet:
        rows = FirmwareTask.objects.select_related("charge_point", "requested_by")
        return rows.prefetch_related("statuses")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Have a charge point fetch and install firmware. 202: asked. 409: not connected and `queue` was not given, the
        firmware is not for it, or the file cannot reach it; `detail` says what to do."""
        order = FirmwareUpdateOrderSerializer(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        target = values.pop("charge_point")
        self.require(target.organisation_id)
        try:
            row = update_firmware(target, values.pop("firmware"), **values, **asked_by(request))
        except (FirmwareNotFitting, TransferNotPossible, PayloadError, CommandError) as error:
            raise refused(error) from error
        return self.shown(row, status.HTTP_202_ACCEPTED)


# -- campaigns -------------------------------------------------------------------------------------------------


class FirmwareCampaignSerializer(serializers.ModelSerializer):
    organisation: Any = serializers.SlugRelatedField("slug", read_only=True)
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")
    charge_points = serializers.SerializerMethodField(help_text="How many of its charge points are in which state.")

    class Meta:
        model = FirmwareCampaign
        fields = (
            "id",
            "organisation",
            "name",
            "firmware",
            "group",
            "is_signed",
            "wave_size",
            "failures_allowed",
            "hours_per_charge_point",
            "state",
            "wave",
            "detail",
            "charge_points",
            "requested_by",
            "api_token",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields

    @extend_schema_field(COUNTS)
    def get_charge_points(self, campaign: FirmwareCampaign) -> dict[str, int]:
        return campaign.outcomes


class FirmwareCampaignOrderSerializer(serializers.Serializer):
    """Who gets which firmware, how many at a time."""

    firmware = ConfinedKey(queryset=Firmware.objects.all())
    group = ConfinedKey(queryset=ChargePointGroup.objects.all())
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    signed = serializers.BooleanField(required=False, allow_null=True, default=None)
    wave_size = serializers.CharField(
        required=False, default="10%", validators=[AMOUNT], help_text="How many at a time: 5, or 10%."
    )
    failures_allowed = serializers.CharField(
        required=False, default="0", validators=[AMOUNT], help_text="With more failures it stops: 2, or 5%."
    )
    hours_per_charge_point = serializers.IntegerField(required=False, default=24, min_value=1, max_value=8760)


class ResumeSerializer(serializers.Serializer):
    failures_allowed = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="From now on; empty: as before."
    )

    def validate_failures_allowed(self, text: str) -> str:
        try:
            if text:
                AMOUNT(text)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return text


class FirmwareCampaignFilters(Filters):
    state = serializers.ChoiceField(CampaignState.choices, required=False)


class FirmwareCampaigns(Listed, Shown):
    """Firmware for the charge points of a group, wave by wave."""

    model = FirmwareCampaign
    serializer_class = FirmwareCampaignSerializer
    examples = {
        "create": {"firmware": 1, "group": 1, "wave_size": "10%", "failures_allowed": "2"},
        "resume": {"failures_allowed": "5"},
    }
    filters = FirmwareCampaignFilters
    action_scopes = dict.fromkeys(("create", "pause", "resume", "cancel"), Scope.OPERATE)
    bodies = {"create": FirmwareCampaignOrderSerializer}
    answers = {"create": {201: FirmwareCampaignSerializer}}

    def rows(self) -> QuerySet:
        return FirmwareCampaign.objects.select_related("organisation", "requested_by")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        campaign_outcomes(page or [])
        return page

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Begin a campaign; it goes on by itself. 409: nobody of the group is to be updated, or files cannot reach
        charge points."""
        order = FirmwareCampaignOrderSerializer(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        firmware, group = values.pop("firmware"), values.pop("group")
        self.require(firmware.organisation_id)
        if group.organisation_id != firmware.organisation_id:
            raise serializers.ValidationError({"group": "It belongs to another organisation."})
        asked = asked_by(request)
        asked.pop("source")
        try:
            row = start_campaign(firmware, group, **values, **asked)
        except (FirmwareNotFitting, TransferNotPossible) as error:
            raise refused(error) from error
        return self.shown(row, status.HTTP_201_CREATED)

    @action(detail=True, methods=["post"], gives=FirmwareCampaignSerializer)
    def pause(self, request: Request, **kwargs: Any) -> Response:
        """Let nobody else begin; those that have begun go on."""
        return self._changed(lambda row: pause_campaign(row))

    @action(detail=True, methods=["post"], takes=ResumeSerializer, gives=FirmwareCampaignSerializer)
    def resume(self, request: Request, **kwargs: Any) -> Response:
        """Go on, after a pause or after it has stopped for failures; then allow more of them."""
        order = ResumeSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        return self._changed(lambda row: resume_campaign(row, **order.validated_data))

    @action(detail=True, methods=["post"], gives=FirmwareCampaignSerializer)
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """End it; a charge point that has its order already goes on."""
        return self._changed(lambda row: cancel_campaign(row))

    def _changed(self, change: Any) -> Response:
        try:
            return self.shown(change(self.get_object()))
        except CampaignEnded as error:
            raise Conflict(str(error)) from error


class CampaignTargetSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    firmware_update: Any = serializers.PrimaryKeyRelatedField(
        source="task", read_only=True, help_text="Of /firmware-updates/."
    )

    class Meta:
        model = CampaignTarget
        fields = ("id", "charge_point", "wave", "state", "firmware_update", "detail", "started_at", "finished_at")
        read_only_fields = fields


class CampaignTargetFilters(Filters):
    state = serializers.ChoiceField(TargetState.choices, required=False)
    charge_point = serializers.CharField(required=False, source="charge_point__identity")


class CampaignTargets(Listed):
    """What has become of each charge point of a campaign."""

    model = CampaignTarget
    noun = "FirmwareCampaignTarget"
    serializer_class = CampaignTargetSerializer
    filters = CampaignTargetFilters
    ordering = ("wave", "pk")

    def rows(self) -> QuerySet:
        return CampaignTarget.objects.select_related("charge_point")

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        self.missed = FirmwareCampaign.objects.filter(pk=self.kwargs["campaign"])
        if not visible(self.missed, self.access).exists():
            raise Http404
        return super().filter_queryset(queryset.filter(campaign=self.kwargs["campaign"]))
