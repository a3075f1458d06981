"""``/events/``, ``/webhooks/`` and ``/webhook-deliveries/``: what happens, told to other systems."""

import json
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.fields import OwnedSerializer
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Created, Deleted, Listed, Shown
from ocpp_app.events import addresses, catalogue, signing
from ocpp_app.events.replay import replay
from ocpp_app.events.trial import try_out
from ocpp_app.models import DeliveryState, Event, Scope, WebhookDelivery, WebhookSubscription

BIG = 2**63 - 1


class EventSerializer(serializers.ModelSerializer):
    id = serializers.UUIDField(source="uid", read_only=True, help_text="The same wherever it is delivered.")
    version = serializers.SerializerMethodField(help_text="Of the shape of `data`.")
    organisation: Any = serializers.SlugRelatedField("slug", read_only=True)
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    data: Any = serializers.SerializerMethodField(help_text="As the webhooks of this schema describe it.")

    class Meta:
        model = Event
        fields = ("id", "type", "version", "at", "sequence", "organisation", "charge_point", "data")
        read_only_fields = fields

    def get_version(self, event: Event) -> int:
        kind = catalogue.TYPES.get(event.type)
        return 1 if kind is None else kind.version

    def get_data(self, event: Event) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(event.data)
        return found


class EventFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    type = serializers.ChoiceField([(name, name) for name in catalogue.TYPES], required=False)
    after = serializers.IntegerField(
        required=False,
        source="sequence__gt",
        min_value=0,
        max_value=BIG,
        help_text="With `charge_point`: those after this sequence number.",
    )
    at_from = serializers.DateTimeField(required=False, source="at__gte")
    at_before = serializers.DateTimeField(required=False, source="at__lt")


class Events(Listed, Shown):
    """What has happened, the newest first: the same as webhooks get. Only what somebody has subscribed to is kept, for
    a week."""

    model = Event
    serializer_class = EventSerializer
    filters = EventFilters
    orderings = ("id",)
    lookup_field = "uid"
    key = "<uuid:uid>"

    def rows(self) -> QuerySet:
        return Event.objects.select_related("organisation", "charge_point")


# -- webhooks ----------------------------------------------------------------------------------------------------

WRITABLE = ("name", "url", "events", "is_active")


class WebhookSerializer(OwnedSerializer):
    url = serializers.CharField(
        max_length=2000,
        help_text="Where events are posted to: https, at a public address. Put no secret into it.",
    )
    events = serializers.ListField(
        child=serializers.CharField(max_length=50),
        help_text="Which events it gets: their names, `transaction.*` for a kind, `*` for all.",
    )

    class Meta:
        model = WebhookSubscription
        fields = (
            "id",
            "organisation",
            *WRITABLE,
            "active_since",
            "failures",
            "paused_until",
            "last_success_at",
            "last_error",
            "created_at",
        )
        read_only_fields = (
            "active_since",
            "failures",
            "paused_until",
            "last_success_at",
            "last_error",
            "created_at",
        )

    def validate_url(self, url: str) -> str:
        try:
            addresses.parse(url)
        except addresses.AddressRefused as error:
            raise serializers.ValidationError(str(error)) from error
        return url

    def validate_events(self, events: list[str]) -> list[str]:
        if wrong := catalogue.check(events):
            raise serializers.ValidationError(wrong)
        return events


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its secret, which is shown this once."""

    secret = serializers.CharField(read_only=True, help_text="`whsec_…`: verify signatures with it. Shown this once.")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class SecretSerializer(serializers.Serializer):
    """A secret: shown here, and never again."""

    id = serializers.IntegerField(read_only=True)
    secret = serializers.CharField(read_only=True)


class TrialSerializer(serializers.Serializer):
    """How the receiver has answered."""

    ok = serializers.BooleanField(source="is_success", help_text="It answered 2xx.")
    status_code = serializers.IntegerField(allow_null=True, help_text="null: there was no answer; `error` says why.")
    error = serializers.CharField()
    response = serializers.CharField(help_text="How the answer's body begins.")
    duration_s = serializers.FloatField()


class ReplayOrderSerializer(serializers.Serializer):
    """Which deliveries are to be made once more."""

    state = serializers.ChoiceField(
        [(state.value, state.label) for state in (DeliveryState.GIVEN_UP, DeliveryState.DELIVERED)],
        required=False,
        default=DeliveryState.GIVEN_UP.value,
    )
    at_from = serializers.DateTimeField(required=False, help_text="Events from this time on.")
    at_before = serializers.DateTimeField(required=False, help_text="Events before this time.")


class ReplayedSerializer(serializers.Serializer):
    replayed = serializers.IntegerField(help_text="How many.")


class Webhooks(Listed, Shown, Created, Deleted):
    """Addresses that get the events of their organisation by HTTP POST, signed. How they look is described under
    `webhooks` in this schema."""

    model = WebhookSubscription
    noun, plural = "Webhook", "Webhooks"
    serializer_class = WebhookSerializer
    search_fields = ("name", "url")
    orderings = ("name", "created_at")
    ordering = ("name", "pk")
    etag_fields = WRITABLE
    answers = {"create": {201: NewWebhookSerializer}}
    action_scopes = {"replay": Scope.OPERATE}
    examples = {
        "create": {"name": "billing", "url": "https://billing.example.com/ocpp", "events": ["transaction.*"]},
        "partial_update": {"is_active": False},
        "replay": {"state": "given_up", "at_from": "2026-01-31T00:00:00Z"},
    }

    def rows(self) -> QuerySet:
        return WebhookSubscription.objects.select_related("organisation")

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Subscribe. The answer has the secret to verify signatures with: it is shown this once."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.require(serializer.validated_data["organisation"].pk)
        row = WebhookSubscription(**serializer.validated_data)
        secret = signing.give_secret(row)
        row.save(force_insert=True)
        response = self.shown(row, status.HTTP_201_CREATED)
        response.data = {**response.data, "secret": secret}
        return response

    @action(detail=True, methods=["post"], takes=None, gives=SecretSerializer)
    def renew_secret(self, request: Request, **kwargs: Any) -> Response:
        """Make a new secret, shown once. For a day the old one signs as well."""
        row = self.get_object()
        secret = signing.give_secret(row)
        row.save(update_fields=["secret_salt", "previous_salt", "previous_until"])
        return Response({"id": row.pk, "secret": secret})

    @action(detail=True, methods=["post"], takes=None, gives=TrialSerializer, operation="tryWebhook")
    def test(self, request: Request, **kwargs: Any) -> Response:
        """Post a `webhook.test` event now, and show how the receiver answers."""
        return Response(TrialSerializer(try_out(self.get_object())).data)

    @action(
        detail=True, methods=["post"], takes=ReplayOrderSerializer, gives=ReplayedSerializer, operation="replayWebhook"
    )
    def replay(self, request: Request, **kwargs: Any) -> Response:
        """Deliver once more what was given up (or delivered), of a period or all."""
        row = self.get_object()
        order = ReplayOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        values = order.validated_data
        rows = WebhookDelivery.objects.filter(subscription=row, state=values["state"])
        if "at_from" in values:
            rows = rows.filter(event__at__gte=values["at_from"])
        if "at_before" in values:
            rows = rows.filter(event__at__lt=values["at_before"])
        return Response({"replayed": replay(rows)})


# -- deliveries --------------------------------------------------------------------------------------------------


class DeliverySerializer(serializers.ModelSerializer):
    webhook = serializers.IntegerField(source="subscription_id", read_only=True)
    event = EventSerializer(read_only=True)

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "webhook",
            "event",
            "state",
            "attempts",
            "last_attempt_at",
            "status_code",
            "error",
            "response",
            "duration_s",
            "replay_at",
            "replay_asked_at",
        )
        read_only_fields = fields


class DeliveryFilters(Filters):
    webhook = serializers.IntegerField(required=False, source="subscription", min_value=1, max_value=BIG)
    state = serializers.ChoiceField(DeliveryState.choices, required=False)
    charge_point = serializers.CharField(required=False, source="event__charge_point__identity")
    event = serializers.UUIDField(required=False, source="event__uid", help_text="An event's id.")


class WebhookDeliveries(Listed, Shown):
    """The log of deliveries, the newest first: one row for each event and webhook, with its last attempt."""

    model = WebhookDelivery
    plural = "WebhookDeliveries"
    serializer_class = DeliverySerializer
    filters = DeliveryFilters
    action_scopes = {"replay": Scope.OPERATE}

    def rows(self) -> QuerySet:
        return WebhookDelivery.objects.select_related("event__charge_point", "event__organisation")

    @action(detail=True, methods=["post"], takes=None, gives=DeliverySerializer)
    def replay(self, request: Request, **kwargs: Any) -> Response:
        """Deliver it once more. 409 while it is still being tried."""
        row = self.get_object()
        if not replay(WebhookDelivery.objects.filter(pk=row.pk)):
            raise Conflict("It is being tried already.")
        return self.shown(row)
