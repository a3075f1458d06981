"""``/command-batches/``: ask many charge points for the same, see how far it is and what each of them says."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.access import visible
from ocpp_app.api.authentication import user_of
from ocpp_app.api.charge_points import ChargePointFilters
from ocpp_app.api.commands import (
    ACTIONS,
    WITH_FRAMES,
    CommandSerializer,
    KeyOfAnother,
    OrderSerializer,
    caller_of,
    idempotency_key_of,
    invalid,
    message_of,
)
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.command_access import right_to_send
from ocpp_app.command_batches import cancel_batch, issue_command_to_many
from ocpp_app.errors import IdempotencyKeyReused, UnknownChargePoint
from ocpp_app.models import (
    ALIVE_STATES,
    ApiToken,
    ChargePoint,
    Command,
    CommandBatch,
    CommandState,
    Organisation,
    Scope,
    outcomes_of,
)
from ocppj.errors import PayloadError
from ocppj.v16 import PROTOCOL

MAX_IDENTITIES = 10_000
COUNTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}


class SelectionSerializer(ChargePointFilters):
    """Which charge points: those that fit everything that is given, as the list of charge points filters."""

    identities = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        allow_empty=False,
        max_length=MAX_IDENTITIES,
        help_text="Exactly these, as far as they fit the rest; each must be registered.",
    )
    all = serializers.BooleanField(
        required=False, default=False, help_text="All that you see; without any filter it has to be said."
    )

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(dict.fromkeys(unknown, f"There is no such filter. There are: {known}."))
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not [value for value in attrs.values() if value not in (None, False)] and attrs.get("connected") is None:
            raise serializers.ValidationError('Name a filter, or say that you mean all of them: {"all": true}.')
        return attrs

    def chosen(self, rows: QuerySet[ChargePoint]) -> QuerySet[ChargePoint]:
        """Of these charge points, those that were meant; ``ValidationError`` for one that is not among them."""
        values = self.validated_data
        identities = values.pop("identities", None)
        values.pop("all", None)
        if identities is not None:
            found = dict(rows.filter(identity__in=identities).values_list("identity", "pk"))
            if missing := [identity for identity in identities if identity not in found]:
                text = f"You see no charge point with the identity {', '.join(missing[:20])}."
                raise serializers.ValidationError({"filter": {"identities": [text]}})
            rows = rows.filter(pk__in=found.values())
        return self.narrow(rows).distinct()


class CommandBatchOrderSerializer(OrderSerializer):
    """What many charge points are asked for."""

    filter = SelectionSerializer()


class CommandBatchSerializer(serializers.ModelSerializer):
    organisation: Any = serializers.SlugRelatedField(
        "slug", read_only=True, help_text="Null: the charge points belong to several."
    )
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")
    filter = serializers.JSONField(source="selection", help_text="By what the charge points were chosen.")
    is_finished = serializers.SerializerMethodField(help_text="Whether every command has ended.")
    finished = serializers.SerializerMethodField(help_text="How many commands have ended, of `size`.")
    states = serializers.SerializerMethodField(help_text="How many commands are in which state.")
    statuses = serializers.SerializerMethodField(
        help_text="How many charge points have answered with which word of their own: Accepted, Rejected …"
    )

    class Meta:
        model = CommandBatch
        fields = (
            "id",
            "organisation",
            "action",
            "payload",
            "filter",
            "size",
            "is_finished",
            "finished",
            "states",
            "statuses",
            "requested_by",
            "api_token",
            "source",
            "idempotency_key",
            "expires_at",
            "created_at",
        )
        read_only_fields = fields

    def get_finished(self, batch: CommandBatch) -> int:
        return sum(count for state, count in batch.states.items() if state not in ALIVE_STATES)

    def get_is_finished(self, batch: CommandBatch) -> bool:
        return not any(batch.states.get(state) for state in ALIVE_STATES)

    @extend_schema_field(COUNTS)
    def get_states(self, batch: CommandBatch) -> dict[str, int]:
        return batch.states

    @extend_schema_field(COUNTS)
    def get_statuses(self, batch: CommandBatch) -> dict[str, int]:
        return batch.statuses


class CommandBatchFilters(Filters):
    action = serializers.ChoiceField(ACTIONS, required=False)


class CommandBatches(Listed, Shown):
    """Commands to many charge points, the newest first."""

    model = CommandBatch
    examples = {
        "create": {"action": "Reset", "payload": {"type": "Soft"}, "filter": {"identities": ["CP001", "CP002"]}}
    }
    plural = "CommandBatches"
    serializer_class = CommandBatchSerializer
    filters = CommandBatchFilters
    ordering = ("-created_at", "pk")
    key = "<uuid:pk>"
    action_scopes = {"create": Scope.OPERATE, "cancel": Scope.OPERATE}
    operations = {"create": "sendCommandToMany"}
    bodies = {"create": CommandBatchOrderSerializer}
    answers = {"create": {202: CommandBatchSerializer}}
    headers_taken = {"create": {"Idempotency-Key": "Repeated, it gets the same batch and sends nothing."}}

    def rows(self) -> QuerySet:
        return CommandBatch.objects.select_related("organisation", "requested_by")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        outcomes_of(page or [])
        return page

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask many charge points for the same. 202: on its way; each that cannot be reached has its own result, and
        costs the others nothing. 400: names the field that the message type forbids, or the charge points that are not
        registered. 422: the Idempotency-Key belongs to another batch."""
        order = CommandBatchOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        values = order.validated_data
        body: Any = request.data
        selection = SelectionSerializer(data=body["filter"])
        selection.is_valid(raise_exception=True)
        chosen = selection.chosen(visible(ChargePoint.objects.all(), self.access))
        owners = Organisation.objects.filter(charge_points__in=chosen).distinct().values_list("pk", flat=True)
        for organisation_id in owners:
            self.require(organisation_id)
        if (
            len(owners) > 1 and not self.access.everywhere
        ):  # such a batch belongs to nobody, and only a superuser sees it
            several = "These charge points are of several organisations: send one batch for each."
            raise serializers.ValidationError({"filter": [several]})
        message = message_of(PROTOCOL.subprotocol, values["action"], values["payload"])
        for organisation_id in owners:
            self.require(organisation_id, right_to_send(message))
        try:
            batch = issue_command_to_many(
                chosen,
                message,
                expires_at=values["expires_at"],
                idempotency_key=idempotency_key_of(request),
                requested_by=user_of(request),
                api_token=request.auth.name if isinstance(request.auth, ApiToken) else "",
                source="api",
                selection=body["filter"],
            )
        except PayloadError as error:
            raise invalid(error) from error
        except UnknownChargePoint as error:
            raise serializers.ValidationError({"filter": ["No charge point that you see fits it."]}) from error
        except IdempotencyKeyReused as error:
            raise KeyOfAnother(str(error)) from error
        return self.shown(batch, status.HTTP_202_ACCEPTED)

    @action(detail=True, methods=["post"], gives=CommandBatchSerializer)
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Take back what has not been written to its charge point's socket; the answer says how it stands."""
        row = self.get_object()
        cancel_batch(row, reason=f"cancelled by {caller_of(request)}")
        return self.shown(row)


class BatchCommandFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    state = serializers.ChoiceField(CommandState.choices, required=False)
    status = serializers.CharField(required=False)


class BatchCommands(Listed):
    """What became of it at each charge point."""

    model = Command
    noun = "CommandBatchCommand"
    serializer_class = CommandSerializer
    filters = BatchCommandFilters
    ordering = ("-created_at", "pk")

    def rows(self) -> QuerySet:
        return WITH_FRAMES.all()

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        # Whoever sees only some of the charge points of a batch over several organisations sees their commands.
        of_batch = queryset.filter(batch=self.kwargs["batch"])
        batches = visible(CommandBatch.objects.all(), self.access)
        if not batches.filter(pk=self.kwargs["batch"]).exists() and not of_batch.exists():
            self.missed = CommandBatch.objects.filter(pk=self.kwargs["batch"])
            raise Http404
        return super().filter_queryset(of_batch)
