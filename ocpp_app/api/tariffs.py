"""``/tariffs/``."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers

from ocpp_app.api.fields import OwnedSerializer
from ocpp_app.api.resource import Created, Deleted, Listed, Shown
from ocpp_app.models import Tariff, TariffWindow
from ocpp_app.models.tariff import WEEKDAYS

WRITABLE = (
    "name",
    "currency",
    "price_per_kwh",
    "price_per_minute",
    "price_per_start",
    "idle_price_per_minute",
    "idle_grace_minutes",
    "time_zone",
    "is_default",
    "note",
)


class WindowSerializer(serializers.ModelSerializer):
    class Meta:
        model = TariffWindow
        fields = (
            "name",
            "position",
            *WEEKDAYS,
            "starts_at",
            "ends_at",
            "price_per_kwh",
            "price_per_minute",
            "idle_price_per_minute",
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs.get(day, True) for day in WEEKDAYS):
            raise serializers.ValidationError("Choose at least one day of the week.")
        return attrs


class TariffSerializer(OwnedSerializer):
    windows = WindowSerializer(
        many=True,
        required=False,
        help_text="Parts of the week with prices of their own; a change names all of them, not only the new ones.",
    )

    class Meta:
        model = Tariff
        fields = ("id", "organisation", *WRITABLE, "windows", "created_at")
        read_only_fields = ("created_at",)
        validators: list[Any] = []

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Tariff:
        windows = validated_data.pop("windows", [])
        tariff: Tariff = super().create(validated_data)
        TariffWindow.objects.bulk_create([TariffWindow(tariff=tariff, **window) for window in windows])
        return tariff

    @transaction.atomic
    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        windows = validated_data.pop("windows", None)
        super().update(instance, validated_data)
        if windows is not None:
            instance.windows.all().delete()
            TariffWindow.objects.bulk_create([TariffWindow(tariff=instance, **window) for window in windows])
        return instance


class Tariffs(Listed, Shown, Created, Deleted):
    """Prices; a change counts for transactions that begin after it."""

    model = Tariff
    serializer_class = TariffSerializer
    search_fields = ("name", "note")
    orderings = ("name", "created_at")
    ordering = ("name", "pk")
    etag_fields = (*WRITABLE, "windows")
    examples = {
        "create": {"name": "Day", "currency": "EUR", "price_per_kwh": "0.39", "price_per_minute": "0"},
        "partial_update": {"price_per_kwh": "0.42"},
    }

    def rows(self) -> QuerySet:
        return Tariff.objects.select_related("organisation").prefetch_related("windows")
