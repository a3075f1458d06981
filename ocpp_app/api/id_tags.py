"""``/id-tags/``."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers

from ocpp_app.api.fields import ConfinedKey, OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Created, Deleted, Listed, Shown
from ocpp_app.models import ChargePointGroup, IdTag, Tariff, key_of

WRITABLE = ("id_tag", "parent", "expires_at", "is_blocked", "concurrent_limit", "groups", "owner", "tariff", "note")


class OwnerField(serializers.SlugRelatedField):
    """A user, by its user name; only members of the caller's organisations can be named."""

    def get_queryset(self) -> QuerySet:
        from ocpp_app.api.authentication import access_of

        organisations = access_of(self.context["request"]).organisations()
        users = get_user_model()._default_manager.all()
        if organisations is None:
            return users
        return users.filter(ocpp_memberships__organisation__in=organisations).distinct()


class IdTagSerializer(OwnedSerializer):
    id_tag = serializers.CharField(
        max_length=20, help_text="At most 20 characters; upper and lower case are the same. Unique in its organisation."
    )
    parent: Any = ConfinedKey(queryset=IdTag.objects.all(), allow_null=True, required=False)
    groups = ConfinedKey(queryset=ChargePointGroup.objects.all(), many=True, required=False)
    tariff = ConfinedKey(queryset=Tariff.objects.all(), allow_null=True, required=False)
    owner = OwnerField(
        get_user_model().USERNAME_FIELD,
        queryset=get_user_model()._default_manager.all(),
        allow_null=True,
        required=False,
    )

    class Meta:
        model = IdTag
        fields = ("id", "organisation", *WRITABLE, "created_at")
        read_only_fields = ("created_at",)
        extra_kwargs = {"expires_at": {"help_text": "Any time, also a past one; null: never."}}
        validators: list[Any] = []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if self.instance is not None and attrs.get("parent") == self.instance:
            raise serializers.ValidationError({"parent": "A tag cannot be its own parent."})
        return attrs

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        return super().update(instance, validated_data)


class IdTagFilters(Filters):
    id_tag = serializers.CharField(required=False, help_text="Exactly this one; upper and lower case are the same.")
    blocked = serializers.BooleanField(required=False, allow_null=True, default=None, source="is_blocked")
    expired = serializers.BooleanField(required=False, allow_null=True, default=None)
    parent: Any = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    organisation = serializers.CharField(required=False, source="organisation__slug")

    def narrow(self, rows: QuerySet) -> QuerySet:
        values = {name: value for name, value in self.validated_data.items() if value is not None}
        if "id_tag" in values:
            values["key"] = key_of(values.pop("id_tag"))
        expired = values.pop("expired", None)
        if expired is True:
            values["expires_at__lte"] = timezone.now()
        elif expired is False:
            rows = rows.exclude(expires_at__lte=timezone.now())
        return rows.filter(**values)


class IdTags(Listed, Shown, Created, Deleted):
    """The idTags that may charge."""

    model = IdTag
    serializer_class = IdTagSerializer
    filters = IdTagFilters
    search_fields = ("id_tag", "note")
    orderings = ("id_tag", "created_at")
    ordering = ("id_tag", "pk")
    etag_fields = WRITABLE
    examples = {"create": {"id_tag": "04A2B3C4D5", "note": "Ms Jones"}, "partial_update": {"is_blocked": True}}

    def rows(self) -> QuerySet:
        return IdTag.objects.select_related("organisation", "owner").prefetch_related("groups")
