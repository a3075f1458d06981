"""``/charge-points/``: what they are, what they do right now, and what they have been up to."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import security, serial_numbers
from ocpp_app.access import visible
from ocpp_app.api.authentication import user_of
from ocpp_app.api.configuration_actions import ConfigurationActions
from ocpp_app.api.fields import ConfinedKey, OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Created, Deleted, Listed, Resource, Shown
from ocpp_app.credentials import hash_key
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import (
    Anomaly,
    ChargePoint,
    ChargePointGroup,
    Connector,
    QuirkNote,
    RegistrationStatus,
    Scope,
    Session,
    Site,
    Tariff,
    Transaction,
)


class ConnectorSerializer(serializers.ModelSerializer):
    active_transaction = serializers.SerializerMethodField(help_text="The transactionId of what is charging here.")
    power_w = serializers.SerializerMethodField(help_text="As its transaction last said.")

    class Meta:
        model = Connector
        fields = (
            "number",
            "status",
            "error_code",
            "info",
            "vendor_id",
            "vendor_error_code",
            "status_at",
            "active_transaction",
            "power_w",
        )

    def get_active_transaction(self, connector: Any) -> int | None:
        return connector.open_transactions[-1].pk if connector.open_transactions else None

    def get_power_w(self, connector: Any) -> float | None:
        return connector.open_transactions[-1].last_power_w if connector.open_transactions else None


class SessionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Session
        fields = (
            "id",
            "connected_at",
            "ended_at",
            "remote_address",
            "path",
            "subprotocol",
            "user_agent",
            "secure",
            "authenticated",
            "close_code",
            "close_reason",
        )


ADMINISTRATION = ("name", "site", "groups", "tariff", "security_profile", "registered_serial_number")
TREATMENT = ("heartbeat_interval_s", "call_timeout_s", "unknown_id_tag", "auto_remote_start", "is_strict")
EQUIPMENT = (
    "vendor",
    "model",
    "serial_number",
    "charge_box_serial_number",
    "firmware_version",
    "iccid",
    "imsi",
    "meter_type",
    "meter_serial_number",
)
LIVE = ("connected", "session", "protocol", "last_seen_at", "last_boot_at", "firmware_status", "diagnostics_status")


class ChargePointSerializer(OwnedSerializer):
    identity = serializers.RegexField(
        r"^[^/\x00-\x1f\x7f]+\Z",
        max_length=255,
        help_text="The last segment of the URL that it connects to; unique, and it never changes.",
    )
    site = ConfinedKey(queryset=Site.objects.all(), allow_null=True, required=False)
    groups = ConfinedKey(queryset=ChargePointGroup.objects.all(), many=True, required=False)
    tariff = ConfinedKey(queryset=Tariff.objects.all(), allow_null=True, required=False)
    password = serializers.RegexField(
        r"^[!-~]{16,40}\Z",
        write_only=True,
        required=False,
        allow_null=True,
        help_text=(
            "Its HTTP Basic password, 16 to 40 ASCII characters without spaces; null: it may connect without one. "
            "Kept hashed."
        ),
    )
    has_password = serializers.BooleanField(source="authorization_key", read_only=True)
    connected = serializers.BooleanField(source="is_connected", read_only=True)
    session = SessionSerializer(read_only=True, help_text="The present connection; null: not connected.")
    connectors = ConnectorSerializer(many=True, read_only=True)

    class Meta:
        model = ChargePoint
        fields = (
            "identity",
            "organisation",
            *ADMINISTRATION,
            "registration_status",
            "password",
            "has_password",
            *LIVE,
            "connectors",
            *TREATMENT,
            *EQUIPMENT,
            "created_at",
        )
        read_only_fields = ("registration_status", *LIVE, *EQUIPMENT, "created_at")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        shown["has_password"] = bool(instance.authorization_key)
        return shown

    def validate_identity(self, identity: str) -> str:
        if self.instance is not None and identity != self.instance.identity:
            raise serializers.ValidationError("The identity is where it connects to: it never changes.")
        return identity

    def validate_registered_serial_number(self, serial: str) -> str:
        return serial_numbers.cleaned(serial, self.instance)

    def create(self, validated_data: dict[str, Any]) -> ChargePoint:
        return super().create(_hashed(validated_data))  # type: ignore[no-any-return]

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        validated_data.pop("identity", None)
        changes = "password" in validated_data
        password = validated_data.pop("password", None)
        updated = super().update(instance, validated_data)
        if changes:
            security.set_key(updated, password or "", requested_by=user_of(self.context["request"]))
        return updated


def _hashed(values: dict[str, Any]) -> dict[str, Any]:
    if "password" in values:
        key = values.pop("password")
        values["authorization_key"] = hash_key(key) if key else ""
    return values


class NewPasswordSerializer(serializers.Serializer):
    """A password that the server has made up: shown here, and never again."""

    identity = serializers.CharField(read_only=True)
    password = serializers.CharField(read_only=True)


class ChargePointFilters(Filters):
    registration_status = serializers.ChoiceField(RegistrationStatus.choices, required=False)
    connected = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="By its connection.")
    status = serializers.CharField(
        required=False, source="connectors__status", help_text="One of its connectors has it: Charging, Faulted …"
    )
    site = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    group = serializers.IntegerField(required=False, source="groups", min_value=1, max_value=2**63 - 1)
    organisation = serializers.CharField(required=False, source="organisation__slug")
    vendor = serializers.CharField(required=False)
    model = serializers.CharField(required=False)

    def narrow(self, rows: QuerySet) -> QuerySet:
        values = dict(self.validated_data)
        connected = values.pop("connected", None)
        if connected is not None:
            rows = rows.filter(session__isnull=not connected)
        return rows.filter(**values).distinct() if "connectors__status" in values else rows.filter(**values)


class ChargePoints(ConfigurationActions, Listed, Shown, Created, Deleted):
    """Charge points; one that has never been seen can be registered beforehand."""

    model = ChargePoint
    serializer_class = ChargePointSerializer
    lookup_field = "identity"
    key = "<str:identity>"
    filters = ChargePointFilters
    search_fields = ("identity", "name", "serial_number", "charge_box_serial_number", "vendor", "model", "site__name")
    orderings = ("identity", "name", "vendor", "model", "registration_status", "created_at")
    ordering = ("identity",)
    examples = {
        "create": {"identity": "CP001", "name": "Gate", "password": "0123456789abcdef0123456789abcdef01234567"},
        "partial_update": {"name": "Gate, left"},
    }
    etag_fields = ("identity", *ADMINISTRATION, "registration_status", "authorization_key", *TREATMENT)
    action_scopes = {
        "approve": Scope.OPERATE,
        "reject": Scope.OPERATE,
        "read_configuration": Scope.OPERATE,
        "apply_configuration": Scope.OPERATE,
    }

    def rows(self) -> QuerySet:
        active = Prefetch(
            "transactions", Transaction.objects.filter(is_active=True).order_by("pk"), "open_transactions"
        )
        connectors = Prefetch("connectors", Connector.objects.order_by("number").prefetch_related(active))
        return ChargePoint.objects.select_related("organisation", "session").prefetch_related(connectors, "groups")

    @action(detail=True, methods=["post"], takes=None, gives=ChargePointSerializer)
    def approve(self, request: Request, **kwargs: Any) -> Response:
        """Accept it: it hears so with its next BootNotification. One that needs a password and has none must be
        connected: it is given one, and accepted when it has come back with it."""
        row = self.get_object()
        try:
            security.approve(row, requested_by=user_of(request))
        except OCPPAppError as error:
            raise Conflict(f"{error} Set a password first (renew-password), or security_profile to 0.") from error
        return self.shown(row)

    @action(detail=True, methods=["post"], takes=None, gives=ChargePointSerializer)
    def reject(self, request: Request, **kwargs: Any) -> Response:
        """Reject it: it hears so with its next BootNotification."""
        row = self.get_object()
        security.set_registration(row, RegistrationStatus.REJECTED, requested_by=user_of(request))
        return self.shown(row)

    @action(detail=True, methods=["post"], takes=None, gives=NewPasswordSerializer)
    def renew_password(self, request: Request, **kwargs: Any) -> Response:
        """Make up a new password and show it once; put it into the charge point yourself (AuthorizationKey)."""
        row = self.get_object()
        password = security.make_key(row, requested_by=user_of(request))
        return Response({"identity": row.identity, "password": password}, status=status.HTTP_200_OK)


# -- what belongs to one charge point --------------------------------------------------------------------------


class OfChargePoint(Listed):
    """A list inside a charge point."""

    to_charge_point = "charge_point"

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        charge_point = charge_point_of(self)
        return super().filter_queryset(queryset.filter(**{self.to_charge_point: charge_point}))


def charge_point_of(view: Resource) -> ChargePoint:
    """The charge point in a view's path, if the caller sees it; 404 otherwise."""
    identity = view.kwargs["identity"]
    if "\0" not in identity:
        row = visible(ChargePoint.objects.all(), view.access).filter(identity=identity).first()
        if row is not None:
            return row
        view.missed = ChargePoint.objects.filter(identity=identity)
    raise Http404


class Sessions(OfChargePoint):
    """Its connections, the newest first."""

    model = Session
    noun = "ChargePointSession"
    serializer_class = SessionSerializer
    ordering = ("-connected_at", "pk")


class QuirkNoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = QuirkNote
        fields = ("id", "code", "action", "field", "detail", "count", "first_at", "last_at")


class QuirkNotes(OfChargePoint):
    """Its habits that break the specification and are tolerated, counted."""

    model = QuirkNote
    noun = "ChargePointQuirkNote"
    serializer_class = QuirkNoteSerializer


class AnomalySerializer(serializers.ModelSerializer):
    class Meta:
        model = Anomaly
        fields = ("id", "transaction", "kind", "detail", "raw", "found_at", "resolved_at", "note")


class ResolvedFilter(Filters):
    resolved = serializers.BooleanField(required=False, allow_null=True, default=None)

    def narrow(self, rows: QuerySet) -> QuerySet:
        resolved = self.validated_data.get("resolved")
        return rows if resolved is None else rows.filter(resolved_at__isnull=not resolved)


class ChargePointAnomalies(OfChargePoint):
    """What is odd about its transactions, the newest first."""

    model = Anomaly
    noun, plural = "ChargePointAnomaly", "ChargePointAnomalies"
    serializer_class = AnomalySerializer
    to_charge_point = "transaction__charge_point"
    filters = ResolvedFilter


# -- where they stand ------------------------------------------------------------------------------------------


class SiteSerializer(OwnedSerializer):
    tariff = ConfinedKey(queryset=Tariff.objects.all(), allow_null=True, required=False)

    class Meta:
        model = Site
        fields = ("id", "organisation", "name", "address", "grid_limit_w", "tariff", "created_at")
        read_only_fields = ("created_at",)
        validators: list[Any] = []


class Sites(Listed, Shown, Created, Deleted):
    """Places with a grid connection that their charge points share."""

    model = Site
    serializer_class = SiteSerializer
    search_fields = ("name", "address")
    orderings = ("name", "created_at")
    ordering = ("name", "pk")
    etag_fields = ("name", "address", "grid_limit_w", "tariff")
    examples = {
        "create": {"name": "Depot", "address": "1 Harbour Street", "grid_limit_w": 43000},
        "partial_update": {"grid_limit_w": 86000},
    }

    def rows(self) -> QuerySet:
        return Site.objects.select_related("organisation")


class GroupSerializer(OwnedSerializer):
    class Meta:
        model = ChargePointGroup
        fields = ("id", "organisation", "name", "description")
        validators: list[Any] = []


class Groups(Listed, Shown, Created, Deleted):
    """Sets of charge points that are treated alike."""

    model = ChargePointGroup
    serializer_class = GroupSerializer
    search_fields = ("name",)
    orderings = ("name",)
    ordering = ("name", "pk")
    etag_fields = ("name", "description")
    examples = {
        "create": {"name": "Visitors", "description": "Behind the gate"},
        "partial_update": {"description": "In front of the gate"},
    }

    def rows(self) -> QuerySet:
        return ChargePointGroup.objects.select_related("organisation")
