"""``/commands/`` and ``/charge-points/{identity}/commands/``: ask a charge point for something, see what it says."""

import re
import uuid
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import secrecy
from ocpp_app.api.authentication import user_of
from ocpp_app.api.charge_points import OfChargePoint, charge_point_of
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict, Problem
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.api.schema import sendable
from ocpp_app.command_access import right_to_send
from ocpp_app.commands import cancel_command, issue_command
from ocpp_app.errors import (
    ChargePointOffline,
    CommandError,
    CommandFailed,
    CommandNotDelivered,
    CommandTimedOut,
    IdempotencyKeyReused,
)
from ocpp_app.models import ApiToken, Command, CommandState, Scope
from ocppj.errors import PayloadError
from ocppj.messages import Request as OCPPMessage
from ocppj.versions import protocol

ACTIONS = [str(spec.action) for spec in sendable()]
LONGEST_WAIT_S = 120
"""A wait holds one of the web server's threads."""
KEY = re.compile(r"[!-~]{1,255}\Z")
WITH_FRAMES = Command.objects.select_related("charge_point", "requested_by", "message")
"""Commands with all that their serializer shows."""


class CommandSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    payload = serializers.SerializerMethodField(help_text="As on the wire; an authorization key is hidden.")
    requested_by: Any = serializers.StringRelatedField(help_text="The user who asked for it.")
    frame = serializers.SerializerMethodField(help_text="The CALL, byte for byte; an authorization key is hidden.")
    answer = serializers.SerializerMethodField(
        help_text="The CALLRESULT or CALLERROR, byte for byte; null: none has come, or it is not kept any more."
    )
    waited_s = serializers.SerializerMethodField(
        help_text="From the request until it was written to the socket, or ended without; null: it still waits."
    )
    took_s = serializers.SerializerMethodField(help_text="From the request to its end; null: it has not ended.")

    class Meta:
        model = Command
        fields = (
            "id",
            "charge_point",
            "batch",
            "action",
            "payload",
            "frame",
            "answer",
            "state",
            "status",
            "response",
            "error_code",
            "error_description",
            "error_details",
            "is_late",
            "reason",
            "idempotency_key",
            "requested_by",
            "api_token",
            "source",
            "created_at",
            "not_before",
            "dispatched_at",
            "sent_at",
            "cancel_requested_at",
            "finished_at",
            "expires_at",
            "timeout_s",
            "waited_s",
            "latency_s",
            "took_s",
            "transaction",
        )
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_payload(self, command: Command) -> Any:
        return secrecy.without_secrets(command.action, command.payload)

    def get_frame(self, command: Command) -> str:
        return secrecy.loggable_frame(command)

    def get_answer(self, command: Command) -> str | None:
        message = getattr(command, "message", None)
        return (message.answer or None) if message is not None else None

    def get_waited_s(self, command: Command) -> float | None:
        return None if command.waited is None else command.waited.total_seconds()

    def get_took_s(self, command: Command) -> float | None:
        return None if command.took is None else command.took.total_seconds()


class OrderSerializer(serializers.Serializer):
    action = serializers.ChoiceField(ACTIONS)
    payload = serializers.DictField(required=False, default=dict)
    expires_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Lets the command wait until then for a charge point that is not connected; null: it waits for none.",
    )

    def validate_expires_at(self, expires_at: Any) -> Any:
        if expires_at is not None and expires_at <= timezone.now():
            raise serializers.ValidationError("It is over already: name a time to come.")
        return expires_at


class CommandOrderSerializer(OrderSerializer):
    """What a charge point is asked for."""

    wait = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=LONGEST_WAIT_S,
        help_text="How many seconds to wait for the charge point's answer; null or 0: answer at once, with 202.",
    )


class CommandFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    action = serializers.CharField(required=False)
    state = serializers.ChoiceField(CommandState.choices, required=False)
    batch = serializers.UUIDField(required=False)


class NotAnswered(Problem):
    """No answer in time, or none that will ever come; ``command`` says how it stands."""

    status_code = status.HTTP_504_GATEWAY_TIMEOUT
    default_code = "command-not-answered"


class AnsweredWithError(Problem):
    """The charge point answered with a CALLERROR."""

    status_code = status.HTTP_502_BAD_GATEWAY
    default_code = "call-error"


class KeyOfAnother(Problem):
    """The Idempotency-Key was used for something else."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency-key-reused"


class Offline(Conflict):
    """It is not connected, or not accepted, and nobody asked for queueing."""

    default_code = "charge-point-offline"


class Commands(Listed, Shown):
    """Everything that charge points were asked for, the newest first."""

    model = Command
    serializer_class = CommandSerializer
    filters = CommandFilters
    ordering = ("-created_at", "pk")
    key = "<uuid:pk>"
    action_scopes = {"cancel": Scope.OPERATE}

    def rows(self) -> QuerySet:
        return WITH_FRAMES.all()

    @action(detail=True, methods=["post"], gives=CommandSerializer)
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Take it back, if it has not been written to the charge point's socket; the answer says how it stands."""
        row = self.get_object()
        cancel_command(row, reason=f"cancelled by {caller_of(request)}")
        return self.shown(row)


class ChargePointCommands(OfChargePoint):
    """What one charge point was asked for, the newest first."""

    model = Command
    examples = {"create": {"action": "Reset", "payload": {"type": "Soft"}, "wait": 30}}
    noun = "ChargePointCommand"
    serializer_class = CommandSerializer
    ordering = ("-created_at", "pk")
    action_scopes = {"create": Scope.OPERATE}
    operations = {"create": "sendCommand"}
    bodies = {"create": CommandOrderSerializer}
    answers = {"create": {200: CommandSerializer, 202: CommandSerializer}}
    headers_taken = {
        "create": {"Idempotency-Key": "Repeated for the same charge point, it gets the same command and sends nothing."}
    }

    def rows(self) -> QuerySet:
        return WITH_FRAMES.all()

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask it for something. 202: on its way. With `wait` 200: answered, whatever the charge point's own word is
        (`status`, `response`). 409: not connected, and `expires_at` was not given. 502: it answered with a CALLERROR
        (`error_code`, `error_description`). 504: no answer in time, the command lives on. 400: names the field that
        the message type forbids. 422: the Idempotency-Key belongs to another command. Certificates, AuthorizationKey
        and SecurityProfile need the scope of their own resources, `admin`."""
        charge_point = charge_point_of(self)
        self.require(charge_point.organisation_id)
        order = CommandOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        values = order.validated_data
        key = idempotency_key_of(request)
        message = message_of(charge_point.protocol, values["action"], values["payload"])
        self.require(charge_point.organisation_id, right_to_send(message))
        try:
            issue_command(
                charge_point,
                message,
                wait=bool(values["wait"]),  # type: ignore[call-overload]
                timeout=values["wait"] or 0,
                expires_at=values["expires_at"],
                idempotency_key=key,
                requested_by=user_of(request),
                api_token=request.auth.name if isinstance(request.auth, ApiToken) else "",
                source="api",
            )
        except PayloadError as error:
            raise invalid(error) from error
        except CommandError as error:
            extra = {} if error.command is None else {"command": self.get_serializer(error.command).data}
            raise problem_of(error, **extra) from error
        command = self.get_queryset().get(charge_point=charge_point, idempotency_key=key)
        code = status.HTTP_200_OK if values["wait"] else status.HTTP_202_ACCEPTED
        return Response(self.get_serializer(command).data, status=code)


def problem_of(error: CommandError, **extra: Any) -> Problem:
    """What whoever asked for a command is told when it did not get its answer; ``extra`` says how it stands."""
    match error:
        case ChargePointOffline():
            return Offline(str(error))
        case IdempotencyKeyReused():
            return KeyOfAnother(str(error), **extra)
        case CommandFailed():
            said: dict[str, Any] = {
                "error_code": error.code,
                "error_description": error.description,
                "error_details": error.details,
            }
            return AnsweredWithError(str(error), **said, **extra)
        case CommandTimedOut() | CommandNotDelivered():
            return NotAnswered(str(error), **extra)
    return Conflict(str(error), **extra)


def caller_of(request: Request) -> str:
    """Who asks, in words."""
    return f"token {request.auth.name}" if isinstance(request.auth, ApiToken) else str(request.user)


def idempotency_key_of(request: Request) -> str:
    """The header, or one of our own: by it the command is found again once it was answered."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return f"api:{uuid.uuid4()}"
    if not KEY.match(key):
        raise ValidationError({"Idempotency-Key": "Use 1 to 255 printable ASCII characters without spaces."})
    return str(key)


def message_of(subprotocol: str, action: str, payload: dict[str, Any]) -> OCPPMessage:
    """The typed message; ``ValidationError`` naming the field that its type forbids."""
    try:
        raw = msgspec.json.encode(payload)
        return protocol(subprotocol).decode_request(action, raw, strict=True).message  # type: ignore[return-value]
    except PayloadError as error:
        raise invalid(error) from error


def invalid(error: PayloadError) -> ValidationError:
    """The error at its place in the body: ``meterValue[0].timestamp`` is ``/payload/meterValue/0/timestamp``."""
    detail: Any = [error.description]
    for step in reversed(["payload", *re.findall(r"[^.\[\]]+", error.field)]):
        detail = {step: detail}
    return ValidationError(detail)
