"""``/charge-points/{identity}/read-configuration/`` and ``apply-configuration/``."""

from typing import Any

from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.authentication import user_of
from ocpp_app.configuration import read_again, reapply


class AskedSerializer(serializers.Serializer):
    """It is looked at now, or when it connects."""

    identity = serializers.CharField(read_only=True)
    values = serializers.IntegerField(read_only=True, help_text="How many wanted values are sent again.")


class ConfigurationActions:
    """Two actions of a charge point."""

    @action(detail=True, methods=["post"], takes=None, gives={202: AskedSerializer})
    def read_configuration(self: Any, request: Request, **kwargs: Any) -> Response:
        """Ask it for all of its configuration, now or when it connects; see `read_at` of its keys."""
        row = self.get_object()
        read_again([row])
        return Response({"identity": row.identity, "values": 0}, status=status.HTTP_202_ACCEPTED)

    @action(detail=True, methods=["post"], takes=None, gives={202: AskedSerializer})
    def apply_configuration(self: Any, request: Request, **kwargs: Any) -> Response:
        """Send again what is wanted and not in force, also what it has rejected."""
        row = self.get_object()
        count = reapply([row], requested_by=user_of(request))
        return Response({"identity": row.identity, "values": count}, status=status.HTTP_202_ACCEPTED)
