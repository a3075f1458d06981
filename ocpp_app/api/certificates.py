"""``/certificates/``, ``/certificate-requests/`` and ``/security-events/``."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.api.commands import WITH_FRAMES, CommandSerializer
from ocpp_app.api.fields import ConfinedSlug
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.api.tasks import asked_by, refused
from ocpp_app.certificate_store import delete_certificate, install_certificate, list_certificates
from ocpp_app.errors import CertificateInvalid, CommandError
from ocpp_app.models import (
    CertificateRequest,
    CertificateUse,
    ChargePoint,
    ChargePointSecurityEvent,
    Command,
    InstalledCertificate,
    RequestState,
)
from ocppj.errors import PayloadError

QUEUED_FOR = timedelta(days=1)


class InstalledCertificateSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    is_installed = serializers.SerializerMethodField()

    class Meta:
        model = InstalledCertificate
        fields = (
            "id",
            "charge_point",
            "use",
            "subject",
            "not_after",
            "hash_algorithm",
            "issuer_name_hash",
            "issuer_key_hash",
            "serial_number",
            "pem",
            "is_installed",
            "installed_at",
            "seen_at",
            "removed_at",
        )
        read_only_fields = fields

    def get_is_installed(self, row: InstalledCertificate) -> bool:
        return row.removed_at is None


class CertificateListOrderSerializer(serializers.Serializer):
    charge_point = ConfinedSlug(slug_field="identity", queryset=ChargePoint.objects.all())
    use = serializers.ChoiceField(CertificateUse.choices)
    queue = serializers.BooleanField(
        required=False, default=False, help_text="Ask a charge point that is not connected within a day; else 409."
    )


class CertificateOrderSerializer(CertificateListOrderSerializer):
    """Which root a charge point is to trust."""

    pem = serializers.CharField(max_length=5500, trim_whitespace=False, help_text="The root certificate, PEM.")


class InstalledCertificateFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    use = serializers.ChoiceField(CertificateUse.choices, required=False)
    installed = serializers.BooleanField(
        required=False, allow_null=True, default=None, source="removed_at__isnull", help_text="Not gone again."
    )

    def narrow(self, rows: QuerySet) -> QuerySet:
        return rows.filter(**{name: value for name, value in self.validated_data.items() if value is not None})


class Certificates(Listed, Shown):
    """Root certificates on charge points, as they say themselves. What is asked for here is a command: look at it to
    see what became of it."""

    model = InstalledCertificate
    examples = {
        "create": {
            "charge_point": "CP001",
            "use": "ManufacturerRootCertificate",
            "pem": "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n",
            "queue": True,
        },
        "refresh": {"charge_point": "CP001", "use": "CentralSystemRootCertificate"},
    }
    noun = "Certificate"
    serializer_class = InstalledCertificateSerializer
    filters = InstalledCertificateFilters
    operations = {"create": "installCertificate", "destroy": "deleteCertificate"}
    bodies = {"create": CertificateOrderSerializer}
    answers = {"create": {202: CommandSerializer}, "destroy": {202: CommandSerializer}}

    def rows(self) -> QuerySet:
        return InstalledCertificate.objects.select_related("charge_point")

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Ask a charge point to trust a root (InstallCertificate)."""
        values = self._values(request, CertificateOrderSerializer)
        try:
            command = install_certificate(
                values["charge_point"], values["use"], values["pem"], **_asked(values, request)
            )
        except CertificateInvalid as error:
            raise serializers.ValidationError({"pem": str(error)}) from error
        except (PayloadError, CommandError) as error:
            raise refused(error) from error
        return _command(command)

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        """Ask the charge point to delete it (DeleteCertificate); waits a day for one that is not connected. Without any
        root of the central system it trusts no central system any more."""
        row = self.get_object()
        try:
            command = delete_certificate(row, **_asked({"queue": True}, request))
        except ValueError as error:
            raise serializers.ValidationError(f"It cannot be named: {error}.") from error
        except (PayloadError, CommandError) as error:
            raise refused(error) from error
        return _command(command)

    @action(detail=False, methods=["post"], takes=CertificateListOrderSerializer, gives={202: CommandSerializer})
    def refresh(self, request: Request, **kwargs: Any) -> Response:
        """Ask a charge point which roots it has (GetInstalledCertificateIds)."""
        values = self._values(request, CertificateListOrderSerializer)
        try:
            command = list_certificates(values["charge_point"], values["use"], **_asked(values, request))
        except (PayloadError, CommandError) as error:
            raise refused(error) from error
        return _command(command)

    def _values(self, request: Request, kind: Any) -> dict[str, Any]:
        order = kind(data=request.data, context=self.get_serializer_context())
        order.is_valid(raise_exception=True)
        values: dict[str, Any] = order.validated_data
        self.require(values["charge_point"].organisation_id)
        return values


def _asked(values: dict[str, Any], request: Request) -> dict[str, Any]:
    return {"expires_at": timezone.now() + QUEUED_FOR if values["queue"] else None, **asked_by(request)}


def _command(command: Command) -> Response:
    row = WITH_FRAMES.get(pk=command.pk)
    return Response(CommandSerializer(row).data, status=status.HTTP_202_ACCEPTED)


class CertificateRequestSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)

    class Meta:
        model = CertificateRequest
        fields = (
            "id",
            "charge_point",
            "subject",
            "state",
            "detail",
            "csr",
            "certificate_chain",
            "serial_number",
            "not_after",
            "command",
            "attempts",
            "created_at",
            "signed_at",
            "finished_at",
        )
        read_only_fields = fields


class CertificateRequestFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    state = serializers.ChoiceField(RequestState.choices, required=False)


class CertificateRequests(Listed, Shown):
    """What charge points asked us to sign, the newest first: refused ones, too."""

    model = CertificateRequest
    serializer_class = CertificateRequestSerializer
    filters = CertificateRequestFilters

    def rows(self) -> QuerySet:
        return CertificateRequest.objects.select_related("charge_point")


class ChargePointSecurityEventSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)

    class Meta:
        model = ChargePointSecurityEvent
        fields = ("id", "charge_point", "type", "is_critical", "tech_info", "timestamp", "received_at")
        read_only_fields = fields


class ChargePointSecurityEventFilters(Filters):
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    type = serializers.CharField(required=False)
    critical = serializers.BooleanField(required=False, allow_null=True, default=None, source="is_critical")
    received_from = serializers.DateTimeField(required=False, source="received_at__gte")
    received_before = serializers.DateTimeField(required=False, source="received_at__lt")

    def narrow(self, rows: QuerySet) -> QuerySet:
        return rows.filter(**{name: value for name, value in self.validated_data.items() if value is not None})


class ChargePointSecurityEvents(Listed, Shown):
    """What charge points tell of their own security, the newest first."""

    model = ChargePointSecurityEvent
    noun = "SecurityEvent"
    serializer_class = ChargePointSecurityEventSerializer
    filters = ChargePointSecurityEventFilters

    def rows(self) -> QuerySet:
        return ChargePointSecurityEvent.objects.select_related("charge_point")
