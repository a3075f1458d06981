"""``/charging-profiles/`` and what belongs to them: the library, where its profiles are to be, and where they are."""

from typing import Any

from django.core.exceptions import ValidationError as InvalidRow
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import charging_profiles
from ocpp_app.api.authentication import user_of
from ocpp_app.api.charge_points import OfChargePoint
from ocpp_app.api.commands import WITH_FRAMES, CommandSerializer, idempotency_key_of, problem_of
from ocpp_app.api.fields import ConfinedKey, ConfinedSlug, OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Created, Deleted, Listed, Shown
from ocpp_app.errors import CommandError, ProfileNotSendable
from ocpp_app.models import (
    ApiToken,
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    ChargingProfilePeriod,
    Command,
    CompositeSchedule,
    ProfileAssignment,
    ProfileInstallation,
    Scope,
    Transaction,
)
from ocppj.errors import PayloadError

WRITABLE = (
    "description",
    "purpose",
    "stack_level",
    "kind",
    "recurrency_kind",
    "valid_from",
    "valid_to",
    "start_schedule",
    "duration_s",
    "charging_rate_unit",
    "min_charging_rate",
)
LONGEST_WAIT_S = 120
MOST_PERIODS = 1_000


class PeriodSerializer(serializers.ModelSerializer):
    class Meta:
        model = ChargingProfilePeriod
        fields = ("start_period_s", "limit", "number_phases")


class ChargingProfileSerializer(OwnedSerializer):
    id = serializers.IntegerField(read_only=True, help_text="The chargingProfileId on the wire.")
    periods = PeriodSerializer(  # type: ignore[call-arg]  # of the list that ``many`` makes
        many=True,
        max_length=MOST_PERIODS,
        help_text="The schedule, the first period at second 0; a change names all of them, not only the new ones.",
    )

    class Meta:
        model = ChargingProfile
        fields = ("id", "organisation", *WRITABLE, "periods", "created_at")
        read_only_fields = ("created_at",)
        validators: list[Any] = []

    def validate_periods(self, periods: list[dict[str, Any]]) -> list[dict[str, Any]]:
        starts = [period["start_period_s"] for period in periods]
        if not starts or min(starts) != 0:
            raise serializers.ValidationError("The first period starts at 0 (OCPP 1.6 errata 3.45).")
        if len(set(starts)) < len(starts):
            raise serializers.ValidationError("Two periods start at the same second.")
        return periods

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        values = {name: attrs.get(name, getattr(self.instance, name, None)) for name in WRITABLE}
        meant = ChargingProfile(pk=None if self.instance is None else self.instance.pk)
        for name, value in values.items():
            if value is not None or name in attrs:
                setattr(meant, name, value)
        try:
            meant.clean()
        except InvalidRow as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> ChargingProfile:
        periods = validated_data.pop("periods")
        profile: ChargingProfile = super().create(validated_data)
        _write_periods(profile, periods)
        return profile

    @transaction.atomic
    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        periods = validated_data.pop("periods", None)
        super().update(instance, validated_data)
        if periods is not None:
            instance.periods.all().delete()
            _write_periods(instance, periods)
        return instance


def _write_periods(profile: ChargingProfile, periods: list[dict[str, Any]]) -> None:
    ChargingProfilePeriod.objects.bulk_create(
        ChargingProfilePeriod(charging_profile=profile, **period) for period in periods
    )


class Where(serializers.Serializer):
    """A charge point, and whether to wait for it."""

    charge_point = ConfinedSlug("identity", queryset=ChargePoint.objects.all(), help_text="Its identity.")
    wait = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=LONGEST_WAIT_S,
        help_text="How many seconds to wait for its answer; null or 0: answer at once, with 202.",
    )
    expires_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Lets it wait until then for a charge point that is not connected; null: 409 instead.",
    )


class SendSerializer(Where):
    """Where a profile is to be sent, once."""

    connector = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=2**31 - 1, help_text="0: the whole charge point."
    )
    transaction = ConfinedKey(
        queryset=Transaction.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Of a TxProfile: the transactionId; null: the transaction that is active on the connector.",
    )


class ProfileFilters(Filters):
    purpose = serializers.CharField(required=False)
    organisation = serializers.CharField(required=False, source="organisation__slug")


class ChargingProfiles(Listed, Shown, Created, Deleted):
    """The library of charging profiles; `id` is the chargingProfileId on the wire."""

    model = ChargingProfile
    serializer_class = ChargingProfileSerializer
    examples = {
        "create": {
            "description": "Night",
            "purpose": "TxDefaultProfile",
            "kind": "Recurring",
            "recurrency_kind": "Daily",
            "start_schedule": "2026-01-01T22:00:00Z",
            "duration_s": 28800,
            "charging_rate_unit": "A",
            "periods": [{"start_period_s": 0, "limit": "32.0"}],
        },
        "partial_update": {"stack_level": 1},
        "send": {"charge_point": "CP001", "connector": 1, "wait": 30},
        "clear": {"charge_point": "CP001", "wait": 30},
    }
    filters = ProfileFilters
    search_fields = ("description",)
    orderings = ("description", "created_at")
    ordering = ("description", "pk")
    etag_fields = (*WRITABLE, "periods")
    action_scopes = {"send": Scope.OPERATE, "clear": Scope.OPERATE}

    def rows(self) -> QuerySet:
        return ChargingProfile.objects.select_related("organisation").prefetch_related("periods")

    @action(
        detail=True,
        methods=["post"],
        takes=SendSerializer,
        gives={200: CommandSerializer, 202: CommandSerializer},
        operation="sendChargingProfile",
    )
    def send(self, request: Request, **kwargs: Any) -> Response:
        """Send it once (SetChargingProfile); a TxProfile gets its transactionId now. The answers are those of a
        command; 409 also where a TxProfile has no active transaction."""
        profile = self.get_object()
        order = SendSerializer(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        return self._issue(
            values,
            lambda options: charging_profiles.send_profile(
                profile,
                values["charge_point"],
                values["connector"],
                transaction=values["transaction"],
                **options,
            ),
            profile,
        )

    @action(
        detail=True,
        methods=["post"],
        takes=Where,
        gives={200: CommandSerializer, 202: CommandSerializer},
        operation="clearChargingProfile",
    )
    def clear(self, request: Request, **kwargs: Any) -> Response:
        """Clear it at a charge point (ClearChargingProfile). Where it is assigned it comes back: delete the assignment
        instead."""
        profile = self.get_object()
        order = Where(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        return self._issue(
            values,
            lambda options: charging_profiles.clear_profiles(values["charge_point"], profile_id=profile.pk, **options),
            profile,
        )

    def _issue(self, values: dict[str, Any], issue: Any, profile: ChargingProfile) -> Response:
        if values["charge_point"].organisation_id != profile.organisation_id:
            raise ValidationError({"charge_point": "It belongs to another organisation than the profile."})
        request = self.request
        options = {
            "wait": bool(values["wait"]),
            "timeout": values["wait"] or 0,
            "expires_at": values["expires_at"],
            "requested_by": user_of(request),
            "source": "api",
            "idempotency_key": idempotency_key_of(request),
            "api_token": request.auth.name if isinstance(request.auth, ApiToken) else "",
        }
        try:
            command: Command = issue(options)
        except ProfileNotSendable as error:
            raise Conflict(str(error)) from error
        except PayloadError as error:
            raise Conflict(f"The profile cannot be sent: {error}") from error
        except CommandError as error:
            context = self.get_serializer_context()
            extra = {} if error.command is None else {"command": CommandSerializer(error.command, context=context).data}
            raise problem_of(error, **extra) from error
        code = status.HTTP_200_OK if values["wait"] else status.HTTP_202_ACCEPTED
        shown = WITH_FRAMES.get(pk=command.pk)
        return Response(CommandSerializer(shown, context=self.get_serializer_context()).data, status=code)


# -- where they are to be --------------------------------------------------------------------------------------


class AssignmentSerializer(serializers.ModelSerializer):
    charging_profile: Any = ConfinedKey(queryset=ChargingProfile.objects.all())
    charge_point: Any = ConfinedSlug(
        "identity",
        queryset=ChargePoint.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Its identity; either this or a group.",
    )
    group: Any = ConfinedKey(
        queryset=ChargePointGroup.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Every charge point of the group, also those that join it later.",
    )
    connector_number = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=2**31 - 1,
        help_text="0: the whole charge point (ChargePointMaxProfile), or every connector (TxDefaultProfile).",
    )

    class Meta:
        model = ProfileAssignment
        fields = ("id", "charging_profile", "charge_point", "group", "connector_number", "created_at")
        read_only_fields = ("created_at",)
        validators: list[Any] = []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["charge_point"] is None) == (attrs["group"] is None):
            raise serializers.ValidationError("Name a charge point or a group: exactly one of them.")
        return attrs


class AssignmentFilters(Filters):
    charging_profile = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    group = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class Assignments(Listed, Shown):
    """Where charging profiles are to be. What is missing there is sent within seconds, or when the charge point
    connects; what is assigned no longer is cleared."""

    model = ProfileAssignment
    examples = {"create": {"charging_profile": 1, "group": 1, "connector_number": 0}}
    noun = "ChargingProfileAssignment"
    serializer_class = AssignmentSerializer
    filters = AssignmentFilters
    write_scope = Scope.OPERATE
    ordering = ("-pk",)

    def rows(self) -> QuerySet:
        return ProfileAssignment.objects.select_related("charge_point")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Assign a profile. One that the charge point or group has already goes to this connector."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        self.require(values["charging_profile"].organisation_id)
        try:
            row = charging_profiles.assign(
                values["charging_profile"],
                charge_point=values["charge_point"],
                group=values["group"],
                connector=values["connector_number"],
                requested_by=user_of(request),
            )
        except InvalidRow as error:
            raise ValidationError(error.message_dict) from error
        except IntegrityError as error:
            raise Conflict("Somebody has assigned it there in this moment.") from error
        return self.shown(row, status.HTTP_201_CREATED)

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Assign it no longer: it is cleared there, now or when the charge point connects."""
        charging_profiles.unassign(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


# -- where they are --------------------------------------------------------------------------------------------


class InstallationSerializer(serializers.ModelSerializer):
    payload = serializers.JSONField(help_text="As the charge point has it; null: it has it not.")

    class Meta:
        model = ProfileInstallation
        fields = (
            "profile_id",
            "charging_profile",
            "connector_number",
            "purpose",
            "stack_level",
            "transaction",
            "id_tag",
            "state",
            "answer",
            "detail",
            "status_at",
            "asked_at",
            "is_assigned",
            "payload",
            "command",
        )
        read_only_fields = fields


class InstallationFilters(Filters):
    state = serializers.CharField(required=False)
    purpose = serializers.CharField(required=False)


class InstalledProfiles(OfChargePoint):
    """The charging profiles that a charge point has, was asked to take, or has refused; whoever sent them."""

    model = ProfileInstallation
    noun = "ChargePointChargingProfile"
    serializer_class = InstallationSerializer
    filters = InstallationFilters
    ordering = ("profile_id", "pk")

    def rows(self) -> QuerySet:
        return ProfileInstallation.objects.not_ended()


class CompositeSchedulePeriodSerializer(serializers.Serializer):
    """A period with absolute times."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField(allow_null=True)
    limit = serializers.FloatField(help_text="In the schedule's unit: A per phase, or W in all.")
    number_phases = serializers.IntegerField(allow_null=True)


class CompositeScheduleSerializer(serializers.ModelSerializer):
    periods = CompositeSchedulePeriodSerializer(many=True, read_only=True)

    class Meta:
        model = CompositeSchedule
        fields = (
            "id",
            "connector_number",
            "status",
            "starts_at",
            "ends_at",
            "charging_rate_unit",
            "min_charging_rate",
            "periods",
            "received_at",
            "command",
        )
        read_only_fields = fields


class CompositeFilters(Filters):
    connector_number = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class CompositeSchedules(OfChargePoint):
    """Its answers to GetCompositeSchedule, the newest first, ready to be plotted."""

    model = CompositeSchedule
    noun = "CompositeSchedule"
    serializer_class = CompositeScheduleSerializer
    filters = CompositeFilters
    ordering = ("-received_at", "pk")
