"""Configuration keys and what is wanted of them, templates, and connectors in and out of use."""

from typing import Any

from django.core.exceptions import ValidationError as NotAllowed
from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.authentication import user_of
from ocpp_app.api.charge_points import OfChargePoint, charge_point_of
from ocpp_app.api.fields import ConfinedKey, OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Created, Deleted, Listed, Shown
from ocpp_app.configuration import MOST_CHARACTERS, check_wish, set_availability, want
from ocpp_app.models import (
    Availability,
    ChargePointGroup,
    ConfigurationKey,
    ConfigurationTemplate,
    Connector,
    ConnectorAvailability,
    Scope,
    TemplateValue,
    WantedState,
    name_of,
)

MOST_VALUES = 200
"""Values that one request may name."""


class ConfigurationKeySerializer(serializers.ModelSerializer):
    value = serializers.CharField(
        read_only=True, allow_null=True, help_text="What the charge point has; null: not set, not told, or a secret."
    )
    wanted = serializers.CharField(
        read_only=True, allow_null=True, help_text="What is wanted; null: whatever the charge point has."
    )
    template: Any = serializers.PrimaryKeyRelatedField(
        read_only=True,
        allow_null=True,
        help_text="The template that wants it; null: the charge point's own wish, or none.",
    )

    class Meta:
        model = ConfigurationKey
        fields = (
            "key",
            "value",
            "value_since",
            "is_readonly",
            "is_known",
            "read_at",
            "next_value",
            "wanted",
            "is_own",
            "template",
            "state",
            "state_since",
            "detail",
            "confirmed_at",
        )
        read_only_fields = fields


class FleetKeySerializer(ConfigurationKeySerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)

    class Meta:
        model = ConfigurationKey
        fields = ("charge_point", *ConfigurationKeySerializer.Meta.fields)
        read_only_fields = fields


class KeyFilters(Filters):
    key = serializers.CharField(required=False, help_text="In any case of letters.")
    state = serializers.ChoiceField(WantedState.choices, required=False)
    drift = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Whether something is wanted that is not in force."
    )

    def narrow(self, rows: QuerySet) -> QuerySet:
        values = dict(self.validated_data)
        drift, key = values.pop("drift", None), values.pop("key", None)
        if key is not None:
            values["name"] = name_of(key)
        rows = rows.filter(**values)
        if drift is None:
            return rows
        missing = [state for state in WantedState if state != WantedState.IN_FORCE]
        return rows.filter(state__in=missing) if drift else rows.exclude(state__in=missing)


class FleetKeyFilters(KeyFilters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    template = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class ConfigurationKeys(Listed):
    """The configuration keys of all charge points: where is what, and where is it not as it is wanted."""

    model = ConfigurationKey
    serializer_class = FleetKeySerializer
    filters = FleetKeyFilters

    def rows(self) -> QuerySet:
        return ConfigurationKey.objects.select_related("charge_point")


# -- values that are wanted ------------------------------------------------------------------------------------


class ValuesField(serializers.DictField):
    """Values by key; each key once, in any case of letters, and none that holds a secret."""

    def __init__(self, *, allow_null: bool = False, **kwargs: Any) -> None:
        child = serializers.CharField(
            allow_blank=True, allow_null=allow_null, trim_whitespace=False, max_length=MOST_CHARACTERS["value"]
        )
        super().__init__(child=child, **kwargs)

    def get_attribute(self, instance: Any) -> dict[str, str]:
        return {row.key: row.value for row in instance.values.all()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values: dict[str, Any] = super().to_internal_value(data)
        if len(values) > MOST_VALUES:
            raise serializers.ValidationError(f"{len(values)} values are too many; name {MOST_VALUES} at the most.")
        errors: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in values.items():
            try:
                check_wish(key, value or "")
            except NotAllowed as error:
                errors[key] = error.messages
            if name_of(key) in seen:
                errors[key] = ["It is named twice; upper and lower case are the same."]
            seen.add(name_of(key))
        if errors:
            raise serializers.ValidationError(errors)
        return values


class WishesSerializer(serializers.Serializer):
    """What is wanted of one charge point."""

    values = ValuesField(
        allow_null=True,
        help_text="By key; null: nothing is wanted of this charge point itself any more, it is as the templates say.",
    )


class ChargePointConfiguration(OfChargePoint):
    """What one charge point is configured to do, and what is wanted of it."""

    model = ConfigurationKey
    examples = {"partial_update": {"values": {"MeterValueSampleInterval": "60", "LocalPreAuthorize": None}}}
    noun = "ChargePointConfigurationKey"
    serializer_class = ConfigurationKeySerializer
    filters = KeyFilters
    ordering = ("name", "pk")
    write_scope = Scope.OPERATE
    operations = {"partial_update": "wantConfiguration"}
    bodies = {"partial_update": WishesSerializer}
    answers = {"partial_update": ConfigurationKeySerializer(many=True)}

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Want these values: brought to the charge point now, or when it connects, and kept there. The answer says how
        far each has come; read it again later."""
        charge_point = charge_point_of(self)
        self.require(charge_point.organisation_id)
        wishes = WishesSerializer(data=request.data)
        wishes.is_valid(raise_exception=True)
        values = wishes.validated_data["values"]
        want(charge_point, values, requested_by=user_of(request))
        rows = self.get_queryset().filter(charge_point=charge_point, name__in=[name_of(key) for key in values])
        return Response(self.get_serializer(rows.order_by("name"), many=True).data)


# -- templates -------------------------------------------------------------------------------------------------

WRITABLE = (
    "name",
    "description",
    "vendor",
    "model",
    "firmware",
    "groups",
    "position",
    "is_enabled",
    "resets",
)


class ConfigurationTemplateSerializer(OwnedSerializer):
    groups = ConfinedKey(queryset=ChargePointGroup.objects.all(), many=True, required=False)
    values = ValuesField(required=False, help_text="By key; a change names all of them, not only the new ones.")

    class Meta:
        model = ConfigurationTemplate
        fields = ("id", "organisation", *WRITABLE, "values", "created_at")
        read_only_fields = ("created_at",)
        validators: list[Any] = []

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> ConfigurationTemplate:
        values = validated_data.pop("values", {})
        template: ConfigurationTemplate = super().create(validated_data)
        _set_values(template, values)
        return template

    @transaction.atomic
    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        values = validated_data.pop("values", None)
        super().update(instance, validated_data)
        if values is not None:
            _set_values(instance, values)
        return instance


def _set_values(template: ConfigurationTemplate, values: dict[str, str]) -> None:
    """Make these the values of the template; one that stays as it is is not touched."""
    present = {row.name: row for row in TemplateValue.objects.filter(template=template)}
    for key, value in values.items():
        row = present.pop(name_of(key), None)
        if row is None:
            template.values.create(key=key, value=value)
        elif (row.key, row.value) != (key.strip(), value):
            row.key, row.value = key, value
            row.save()
    for row in present.values():
        row.delete()


class ConfigurationTemplates(Listed, Shown, Created, Deleted):
    """Values that are wanted of every charge point of these models, or in these groups."""

    model = ConfigurationTemplate
    serializer_class = ConfigurationTemplateSerializer
    examples = {
        "create": {"name": "Every minute", "vendor": "Acme*", "values": {"MeterValueSampleInterval": "60"}},
        "partial_update": {"is_enabled": False},
    }
    search_fields = ("name", "description", "vendor", "model")
    orderings = ("name", "position", "created_at")
    ordering = ("name", "pk")
    etag_fields = (*WRITABLE, "values")

    def rows(self) -> QuerySet:
        return ConfigurationTemplate.objects.select_related("organisation").prefetch_related("values", "groups")


# -- availability ----------------------------------------------------------------------------------------------


class AvailabilitySerializer(serializers.ModelSerializer):
    connector = serializers.IntegerField(source="connector.number", read_only=True)

    class Meta:
        model = ConnectorAvailability
        fields = ("connector", "wanted", "state", "state_since", "detail", "created_at")
        read_only_fields = fields


class AvailabilityOrderSerializer(serializers.Serializer):
    """Which connector is to be in use, or out of use."""

    connector = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="0: the charge point with all its connectors."
    )
    wanted = serializers.ChoiceField(Availability.choices)


class ChargePointAvailability(OfChargePoint):
    """Which of its connectors are wanted in use, or out of use, and how far that has come."""

    model = ConnectorAvailability
    examples = {"partial_update": {"connector": 1, "wanted": "Inoperative"}}
    noun, plural = "ChargePointAvailability", "ChargePointAvailabilities"
    serializer_class = AvailabilitySerializer
    to_charge_point = "connector__charge_point"
    ordering = ("connector", "pk")
    write_scope = Scope.OPERATE
    operations = {"partial_update": "wantAvailability"}
    bodies = {"partial_update": AvailabilityOrderSerializer}
    answers = {"partial_update": AvailabilitySerializer}

    def rows(self) -> QuerySet:
        return ConnectorAvailability.objects.select_related("connector")

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Put a connector in use, or out of use: asked for now, or when the charge point connects. A transaction that
        is going on ends first (`scheduled`)."""
        charge_point = charge_point_of(self)
        self.require(charge_point.organisation_id)
        order = AvailabilityOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        number = order.validated_data["connector"]
        if number and not Connector.objects.filter(charge_point=charge_point, number=number).exists():
            raise serializers.ValidationError(
                {"connector": "The charge point has not reported this connector yet; send it a ChangeAvailability."}
            )
        operative = order.validated_data["wanted"] == Availability.OPERATIVE
        row = set_availability(charge_point, number, operative=operative, requested_by=user_of(request))
        return Response(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)
