"""``/messages/``: the frame log."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.models import Direction, Message


class MessageSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)

    class Meta:
        model = Message
        fields = (
            "id",
            "charge_point",
            "session_id",
            "direction",
            "unique_id",
            "action",
            "raw",
            "at",
            "answer_type",
            "answer",
            "answered_at",
            "command",
        )
        read_only_fields = fields


class MessageFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    action = serializers.CharField(required=False, help_text="Such as StatusNotification.")
    direction = serializers.ChoiceField(Direction.choices, required=False)
    at_from = serializers.DateTimeField(required=False, source="at__gte")
    at_before = serializers.DateTimeField(required=False, source="at__lt")


class Messages(Listed, Shown):
    """Frames as they were on the wire, a CALL and its answer in one row; the newest first."""

    model = Message
    serializer_class = MessageSerializer
    filters = MessageFilters

    @property
    def ordering(self) -> tuple[str, ...]:  # type: ignore[override]
        """By time within a charge point, which an index is made for; by key over all."""
        return ("-at", "-pk") if "charge_point" in self.request.query_params else ("-pk",)

    def rows(self) -> QuerySet[Any]:
        return Message.objects.select_related("charge_point")
