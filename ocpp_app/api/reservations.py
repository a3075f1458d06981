"""``/reservations/``: connectors held for an idTag."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.authentication import user_of
from ocpp_app.api.commands import LONGEST_WAIT_S, problem_of
from ocpp_app.api.fields import ConfinedSlug
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.errors import CommandError
from ocpp_app.models import ChargePoint, Reservation, ReservationState, Scope
from ocpp_app.reservations import cancel_reservation, reserve

MAX_CONNECTOR = 2**31 - 1


class ReservationSerializer(serializers.ModelSerializer):
    organisation: Any = serializers.SlugRelatedField("slug", read_only=True)
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    connector = serializers.IntegerField(
        source="connector.number", read_only=True, help_text="The connectorId; 0: any of the charge point."
    )
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")

    class Meta:
        model = Reservation
        fields = (
            "id",
            "organisation",
            "charge_point",
            "connector",
            "id_tag",
            "parent_id_tag",
            "expires_at",
            "status",
            "status_at",
            "detail",
            "transaction",
            "command",
            "requested_by",
            "created_at",
        )
        read_only_fields = fields
        extra_kwargs = {"id": {"help_text": "The reservationId on the wire."}}


class WaitingSerializer(serializers.Serializer):
    """How long to wait for the charge point."""

    wait = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=LONGEST_WAIT_S,
        help_text="How many seconds to wait for the charge point's answer; null or 0: answer at once, with 202.",
    )
    queue = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Let it wait for a charge point that is not connected, until the reservation expires; else 409.",
    )


class NewReservationSerializer(WaitingSerializer):
    """What is to be held, for whom, until when."""

    charge_point = ConfinedSlug(slug_field="identity", queryset=ChargePoint.objects.all())
    connector = serializers.IntegerField(
        min_value=0, max_value=MAX_CONNECTOR, help_text="The connectorId; 0: any, which few charge points can."
    )
    id_tag = serializers.CharField(
        max_length=20, help_text="For this idTag, and for tags with the same parent. It need not be registered."
    )
    expires_at = serializers.DateTimeField()

    def validate_expires_at(self, expires_at: Any) -> Any:
        if expires_at <= timezone.now():
            raise serializers.ValidationError("It is over already: name a time to come.")
        return expires_at


class ReservationFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    connector = serializers.IntegerField(
        required=False, source="connector__number", min_value=0, max_value=2**63 - 1, help_text="A connectorId."
    )
    id_tag = serializers.CharField(required=False, source="id_tag__iexact")
    status = serializers.ChoiceField(ReservationState.choices, required=False)
    expires_from = serializers.DateTimeField(required=False, source="expires_at__gte")
    expires_before = serializers.DateTimeField(required=False, source="expires_at__lt")


class Reservations(Listed, Shown):
    """Reservations, the newest first; their status follows what the charge point says and does."""

    model = Reservation
    serializer_class = ReservationSerializer
    filters = ReservationFilters
    orderings = ("id", "expires_at")
    action_scopes = {"create": Scope.OPERATE, "cancel": Scope.OPERATE}
    bodies = {"create": NewReservationSerializer}
    answers = {"create": {201: ReservationSerializer, 202: ReservationSerializer}}
    examples = {
        "create": {
            "charge_point": "CP001",
            "connector": 1,
            "id_tag": "TAG1",
            "expires_at": "2030-01-31T18:00:00Z",
            "wait": 30,
        },
        "cancel": {"wait": 30, "queue": True},
    }

    def rows(self) -> QuerySet:
        return Reservation.objects.select_related("organisation", "charge_point", "connector", "requested_by")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask the charge point to hold a connector (ReserveNow). 202: asked. With `wait` 201: answered; `status` says
        what it made of it. 409: not connected, and `queue` was not given. 502: it answered with a CALLERROR. 504: no
        answer in time."""
        order = NewReservationSerializer(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values = order.validated_data
        self.require(values["charge_point"].organisation_id)
        try:
            row = reserve(
                values["charge_point"],
                values["connector"],
                values["id_tag"],
                values["expires_at"],
                **_waiting(values),
                requested_by=user_of(request),
                source="api",
            )
        except CommandError as error:
            raise self._problem(error) from error
        return self.shown(row, status.HTTP_201_CREATED if values["wait"] else status.HTTP_202_ACCEPTED)

    @action(detail=True, methods=["post"], takes=WaitingSerializer, gives=ReservationSerializer)
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Ask the charge point to give it up (CancelReservation). One that has ended already stays as it is."""
        row = self.get_object()
        order = WaitingSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        values = order.validated_data
        try:
            row = cancel_reservation(row, **_waiting(values), requested_by=user_of(request), source="api")
        except CommandError as error:
            raise self._problem(error) from error
        return self.shown(row)

    def _problem(self, error: CommandError) -> Exception:
        """With the reservation, if there is one already: its command lives on."""
        payload = {} if error.command is None else error.command.payload
        row = self.get_queryset().filter(pk=payload.get("reservationId")).first()
        return problem_of(error, **({} if row is None else {"reservation": self.get_serializer(row).data}))


def _waiting(values: dict[str, Any]) -> dict[str, Any]:
    return {"wait": bool(values["wait"]), "timeout": values["wait"] or 0, "queue": values["queue"]}
