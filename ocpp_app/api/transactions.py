"""``/transactions/`` and ``/meter-values/``."""

from datetime import timedelta
from typing import Any

from django.db.models import Case, Exists, OuterRef, Prefetch, QuerySet, Value, When
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import back_office
from ocpp_app.access import visible
from ocpp_app.api.authentication import user_of
from ocpp_app.api.charge_points import AnomalySerializer, ResolvedFilter
from ocpp_app.api.filters import Filters
from ocpp_app.api.problems import Conflict
from ocpp_app.api.resource import Listed, Shown
from ocpp_app.errors import TransactionEnded
from ocpp_app.models import Anomaly, AnomalyKind, ChargePoint, MeterValue, Scope, Transaction

BIG = 2**63 - 1


class TransactionSerializer(serializers.ModelSerializer):
    organisation: Any = serializers.SlugRelatedField("slug", read_only=True)
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    connector = serializers.IntegerField(source="connector.number", read_only=True, help_text="The connectorId.")
    cost = serializers.DecimalField(
        max_digits=20, decimal_places=4, read_only=True, allow_null=True, help_text="In `currency`; null until it ends."
    )
    anomalies = AnomalySerializer(many=True, read_only=True)

    class Meta:
        model = Transaction
        fields = (
            "id",
            "organisation",
            "charge_point",
            "connector",
            "id_tag",
            "id_tag_status",
            "reservation_id",
            "is_active",
            "started_at",
            "start_timestamp",
            "start_received_at",
            "meter_start_wh",
            "stopped_at",
            "stop_timestamp",
            "stop_received_at",
            "meter_stop_wh",
            "stop_reason",
            "stop_id_tag",
            "closed_by",
            "close_note",
            "duration_s",
            "energy_wh",
            "doubtful_wh",
            "last_register_wh",
            "last_power_w",
            "last_soc_percent",
            "last_meter_at",
            "tariff",
            "currency",
            "cost",
            "cost_lines",
            "anomalies",
        )
        read_only_fields = fields
        extra_kwargs = {"id": {"help_text": "The transactionId on the wire."}}


class TransactionFilters(Filters):
    charge_point = serializers.CharField(
        required=False, source="charge_point__identity", help_text="The identity of a charge point."
    )
    connector = serializers.IntegerField(
        required=False, source="connector__number", min_value=0, max_value=BIG, help_text="A connectorId."
    )
    id_tag = serializers.CharField(required=False, source="id_tag__iexact")
    active = serializers.BooleanField(required=False, allow_null=True, default=None, source="is_active")
    started_from = serializers.DateTimeField(required=False, source="started_at__gte")
    started_before = serializers.DateTimeField(required=False, source="started_at__lt")
    anomaly = serializers.ChoiceField(
        [("any", "any"), ("unresolved", "unresolved"), ("none", "none"), *AnomalyKind.choices],
        required=False,
        help_text="`any`, `unresolved`, `none`, or one kind.",
    )
    organisation = serializers.CharField(required=False, source="organisation__slug")

    def narrow(self, rows: QuerySet) -> QuerySet:
        values = {name: value for name, value in self.validated_data.items() if value is not None}
        if identity := values.pop("charge_point__identity", None):  # by its key an index finds them in their order
            values["charge_point"] = ChargePoint.objects.filter(identity=identity).values_list("pk", flat=True).first()
        wanted = values.pop("anomaly", None)
        rows = rows.filter(**values)
        anomalies = Anomaly.objects.filter(transaction=OuterRef("pk"))
        match wanted:
            case None:
                return rows
            case "none":
                return rows.filter(~Exists(anomalies))
            case "unresolved":
                anomalies = anomalies.filter(resolved_at=None)
            case kind if kind != "any":
                anomalies = anomalies.filter(kind=kind)
        # The column for its index; the CASE, or PostgreSQL joins all anomalies before it looks for the first page.
        has_one = Case(When(Exists(anomalies), then=Value(True)), default=Value(False))
        odd: QuerySet = rows.filter(has_anomaly=True).alias(has_one=has_one).filter(has_one=True)
        return odd


class CloseSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=1000, help_text="Why; kept with the transaction.")


class Transactions(Listed, Shown):
    """Charging transactions, the newest first; what happened cannot be changed."""

    model = Transaction
    serializer_class = TransactionSerializer
    filters = TransactionFilters
    orderings = ("id", "started_at")
    action_scopes = {"close": Scope.OPERATE}
    examples = {"close": {"reason": "The charge point was replaced."}}

    @property
    def ordering(self) -> tuple[str, ...]:  # type: ignore[override]
        """By key, which is in the order of receipt; those of a period by their start, which an index is made for."""
        period = {"started_from", "started_before"}
        return ("-started_at", "-pk") if period & set(self.request.query_params) else ("-pk",)

    def rows(self) -> QuerySet:
        return Transaction.objects.select_related("organisation", "charge_point", "connector").prefetch_related(
            Prefetch("anomalies", Anomaly.objects.order_by("-found_at", "-pk"))
        )

    @action(detail=True, methods=["post"], takes=CloseSerializer, gives=TransactionSerializer)
    def close(self, request: Request, **kwargs: Any) -> Response:
        """End one that its charge point will never stop, with its last register. Nothing goes to the charge point:
        to stop the charging send a RemoteStopTransaction."""
        row = self.get_object()
        order = CloseSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        try:
            row = back_office.close_transaction(row, order.validated_data["reason"], user_of(request))
        except TransactionEnded as error:
            raise Conflict(str(error)) from error
        return self.shown(row)


class Anomalies(Listed, Shown):
    """What is odd about transactions, the newest first."""

    model = Anomaly
    plural = "Anomalies"
    serializer_class = AnomalySerializer
    filters = ResolvedFilter
    action_scopes = {"resolve": Scope.OPERATE}
    examples = {"resolve": {"note": "Meter was exchanged on that day."}}

    class ResolutionSerializer(serializers.Serializer):
        note = serializers.CharField(max_length=10_000, help_text="What was found, or decided.")

    @action(detail=True, methods=["post"], takes=ResolutionSerializer, gives=AnomalySerializer)
    def resolve(self, request: Request, **kwargs: Any) -> Response:
        """Say that somebody has looked at it; the transaction stays as it is."""
        row = self.get_object()
        order = self.ResolutionSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        done = {"resolved_at": timezone.now(), "resolved_by": user_of(request), "note": order.validated_data["note"]}
        if not Anomaly.objects.filter(pk=row.pk, resolved_at=None).update(**done):
            raise Conflict("It is resolved already.")
        return self.shown(row)


# -- meter values ----------------------------------------------------------------------------------------------


class MeterValueSerializer(serializers.ModelSerializer):
    charge_point = serializers.CharField(source="connector.charge_point.identity", read_only=True)
    connector = serializers.IntegerField(source="connector.number", read_only=True)
    mean_of = serializers.IntegerField(
        source="mean.count",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="Of how many meter values it is the mean; null: it is as it came.",
    )

    class Meta:
        model = MeterValue
        fields = (
            "id",
            "charge_point",
            "connector",
            "transaction",
            "timestamp",
            "received_at",
            "energy_wh",
            "power_w",
            "current_a",
            "voltage_v",
            "soc_percent",
            "sampled_values",
            "mean_of",
        )


class MeterValueFilters(Filters):
    transaction = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    charge_point = serializers.CharField(required=False, source="connector__charge_point__identity")
    connector = serializers.IntegerField(required=False, source="connector__number", min_value=0, max_value=BIG)
    taken_from = serializers.DateTimeField(required=False, source="timestamp__gte")
    taken_before = serializers.DateTimeField(required=False, source="timestamp__lt")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"transaction", "connector__charge_point__identity"} & set(attrs):
            raise serializers.ValidationError(
                {"transaction": "Say of what: a transaction, or a charge_point (there are too many for one list)."}
            )
        return attrs


class PointSerializer(serializers.Serializer):
    """A span of the series: the last register in it, the means, and how many meter values it stands for."""

    at = serializers.DateTimeField(help_text="Of its last meter value.")
    count = serializers.IntegerField()
    energy_wh = serializers.FloatField(allow_null=True)
    power_w = serializers.FloatField(allow_null=True)
    power_max_w = serializers.FloatField(allow_null=True)
    current_a = serializers.FloatField(allow_null=True)
    voltage_v = serializers.FloatField(allow_null=True)
    soc_percent = serializers.FloatField(allow_null=True)


class SeriesSerializer(serializers.Serializer):
    transaction = serializers.IntegerField()
    points = PointSerializer(many=True)


class SeriesFilters(Filters):
    transaction = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    points = serializers.IntegerField(
        required=False, default=300, min_value=2, max_value=2000, help_text="How many at most."
    )


class MeterValues(Listed):
    """Meter values of a transaction or a charge point, the newest first."""

    model = MeterValue
    serializer_class = MeterValueSerializer
    filters = MeterValueFilters
    ordering = ("-timestamp", "-pk")
    action_scopes = {"series": Scope.READ}

    def rows(self) -> QuerySet:
        return MeterValue.objects.select_related("connector__charge_point", "mean")

    @action(detail=False, methods=["get"], query=SeriesFilters, gives=SeriesSerializer, operation="getMeterValueSeries")
    def series(self, request: Request, **kwargs: Any) -> Response:
        """The meter values of a transaction thinned out for a plot: at most so many points, evenly over its time."""
        given = SeriesFilters(data=request.query_params)
        given.is_valid(raise_exception=True)
        wanted: dict[str, Any] = dict(given.validated_data)
        rows = visible(MeterValue.objects.filter(transaction=wanted["transaction"]), self.access)
        return Response({"transaction": wanted["transaction"], "points": thin_out(rows, wanted["points"])})


COLUMNS = ("timestamp", "energy_wh", "power_w", "current_a", "voltage_v", "soc_percent")
OF_MEANS = ("mean__power_max_w", "mean__count")


def thin_out(rows: QuerySet, most: int) -> list[dict[str, Any]]:
    """At most so many points: each span's last time and register, its means and its greatest power."""
    found = list(rows.order_by("timestamp", "pk").values_list(*COLUMNS, *OF_MEANS))
    if not found:
        return []
    first, last = found[0][0], found[-1][0]
    width = max((last - first) / most, timedelta(microseconds=1))
    spans: dict[int, list[tuple[Any, ...]]] = {}
    for row in found:
        spans.setdefault(min(int((row[0] - first) / width), most - 1) if len(found) > most else len(spans), []).append(
            row
        )
    return [_point(span) for span in spans.values()]


def _point(span: list[tuple[Any, ...]]) -> dict[str, Any]:
    columns = {name: [row[number] for row in span if row[number] is not None] for number, name in enumerate(COLUMNS)}
    means = {
        name: sum(values) / len(values) if values else None for name, values in columns.items() if name != "timestamp"
    }
    of_means = len(COLUMNS)
    peaks = [power_w for row in span if (power_w := row[of_means]) is not None]
    return {
        **means,
        "at": span[-1][0],
        "count": sum(row[of_means + 1] or 1 for row in span),
        "energy_wh": columns["energy_wh"][-1] if columns["energy_wh"] else None,
        "power_max_w": max([*columns["power_w"], *peaks], default=None),
        "soc_percent": columns["soc_percent"][-1] if columns["soc_percent"] else None,
    }
