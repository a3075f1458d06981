"""Serializers that keep a row and everything it refers to in one organisation."""

from typing import Any, cast

from django.db import models
from django.db.models import QuerySet
from rest_framework import serializers

from ocpp_app.access import visible
from ocpp_app.api.authentication import access_of
from ocpp_app.models import Organisation


class Confined(serializers.RelatedField):
    """A related row: only those that the caller sees can be named."""

    def get_queryset(self) -> QuerySet:
        return visible(cast(QuerySet, super().get_queryset()), access_of(self.context["request"]))


class ConfinedKey(Confined, serializers.PrimaryKeyRelatedField):
    """… by its primary key: a whole number, also as text."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, int | str):  # 1e400 is read as infinity, which is no key and breaks the look-up
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class ConfinedSlug(Confined, serializers.SlugRelatedField):
    """… by another unique column."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or "\0" in data:
            self.fail("invalid")
        return super().to_internal_value(data)


class OrganisationDefault:
    """The caller's organisation, where there is only one."""

    requires_context = True

    def __call__(self, field: serializers.Field) -> Organisation:
        found = list(visible(Organisation.objects.all(), access_of(field.context["request"]))[:2])
        if len(found) != 1:
            raise serializers.ValidationError("Say in which organisation (its slug): you see several.", code="required")
        return found[0]


class OwnedSerializer(serializers.ModelSerializer):
    """A row of an organisation; what it refers to belongs to the same. An update writes only the columns it names."""

    organisation = ConfinedSlug(
        slug_field="slug",
        queryset=Organisation.objects.all(),
        default=OrganisationDefault(),
        help_text="The slug of the organisation that it belongs to; needed where you see several. It never changes.",
    )

    def validate_organisation(self, organisation: Organisation) -> Organisation:
        if self.instance is not None and organisation.pk != self.instance.organisation_id:
            raise serializers.ValidationError("It stays with its organisation.")
        return organisation

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        owner = attrs["organisation"].pk if self.instance is None else self.instance.organisation_id
        foreign = {
            name: "It belongs to another organisation."
            for name, value in attrs.items()
            for row in (value if isinstance(value, list) else [value])
            if isinstance(row, models.Model) and getattr(row, "organisation_id", owner) != owner
        }
        if foreign:
            raise serializers.ValidationError(foreign)
        return attrs

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        columns = {field.name for field in instance._meta.concrete_fields}
        validated_data.pop("organisation", None)
        for name, value in validated_data.items():
            if name in columns:
                setattr(instance, name, value)
            else:
                getattr(instance, name).set(value)
        changed = columns & set(validated_data)
        if changed:
            instance.save(update_fields=sorted(changed))
        return instance
