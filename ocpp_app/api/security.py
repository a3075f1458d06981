"""``/audit-log/``, ``/access-events/``, ``/security-upgrades/``: who did what, who was kept out, who got new keys."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.models import AuditEntry, Scope, SecurityEvent, SecurityEventKind, SecurityUpgrade, UpgradeState


class AuditEntrySerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    organisation: Any = serializers.SlugRelatedField(
        "slug", read_only=True, help_text="Null: of none, such as a sign-in; only superusers see it."
    )

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor",
            "remote_address",
            "action",
            "subject",
            "detail",
            "organisation",
            "charge_point",
        )
        read_only_fields = fields


class AuditEntryFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    actor = serializers.CharField(required=False)
    action = serializers.CharField(required=False, help_text="Such as `registration Accepted`.")
    at_from = serializers.DateTimeField(required=False, source="at__gte")
    at_before = serializers.DateTimeField(required=False, source="at__lt")


class AuditLog(Listed, Shown):
    """Who did what, the newest first. Entries are only ever added."""

    model = AuditEntry
    plural = "AuditEntries"
    serializer_class = AuditEntrySerializer
    filters = AuditEntryFilters
    search_fields = ("actor", "action", "subject", "detail")
    action_scopes = {"list": Scope.ADMIN, "retrieve": Scope.ADMIN}

    def rows(self) -> QuerySet:
        return AuditEntry.objects.select_related("charge_point", "organisation")


class AccessEventSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField(
        "identity", read_only=True, help_text="Null: what was claimed is nobody's; only superusers see it."
    )

    class Meta:
        model = SecurityEvent
        fields = (
            "id",
            "kind",
            "identity",
            "remote_address",
            "hour",
            "charge_point",
            "detail",
            "count",
            "first_at",
            "last_at",
        )
        read_only_fields = fields


class AccessEventFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    kind = serializers.ChoiceField(SecurityEventKind.choices, required=False)
    remote_address = serializers.CharField(required=False)
    last_from = serializers.DateTimeField(required=False, source="last_at__gte")
    last_before = serializers.DateTimeField(required=False, source="last_at__lt")


class AccessEvents(Listed, Shown):
    """What was kept out or slowed down, counted by kind, identity, address and hour. What charge points tell of their
    own security is under `security-events/`."""

    model = SecurityEvent
    noun = "AccessEvent"
    serializer_class = AccessEventSerializer
    filters = AccessEventFilters

    def rows(self) -> QuerySet:
        return SecurityEvent.objects.select_related("charge_point")


class SecurityUpgradeSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")

    class Meta:
        model = SecurityUpgrade
        fields = (
            "id",
            "charge_point",
            "target",
            "step",
            "state",
            "detail",
            "approves",
            "command_id",
            "requested_by",
            "created_at",
            "deadline",
            "finished_at",
        )
        read_only_fields = fields


class SecurityUpgradeFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    state = serializers.ChoiceField(UpgradeState.choices, required=False)


class SecurityUpgrades(Listed, Shown):
    """New passwords and higher security profiles that charge points were given, and what became of each."""

    model = SecurityUpgrade
    serializer_class = SecurityUpgradeSerializer
    filters = SecurityUpgradeFilters

    def rows(self) -> QuerySet:
        return SecurityUpgrade.objects.select_related("charge_point", "requested_by")
