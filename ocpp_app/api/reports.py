"""``/reports/``: who charged how much."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import reports
from ocpp_app.access import visible
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Resource
from ocpp_app.models import Transaction
from ocpp_app.reports import Grouping

FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 12, 29)
"""A day's begin in any zone can still be told in UTC."""


class ReportFilters(Filters):
    by = serializers.ChoiceField(
        [(one.value, one.value) for one in Grouping],
        default=Grouping.TAG.value,
        required=False,
        help_text="What there is a row for.",
    )
    first = serializers.DateField(required=False, help_text="The first day; the first of the last day's month.")
    last = serializers.DateField(required=False, help_text="The last day, included; today.")
    time_zone = serializers.CharField(
        required=False, max_length=100, help_text="Where days and months begin, such as Europe/Berlin."
    )
    charge_point = serializers.CharField(required=False, source="charge_point__identity")
    site = serializers.IntegerField(required=False, source="charge_point__site", min_value=1, max_value=2**63 - 1)
    organisation = serializers.CharField(required=False, source="organisation__slug")
    format = serializers.ChoiceField(
        [("json", "json"), ("csv", "csv")], required=False, help_text="As `Accept` says, else `json`."
    )

    def validate_time_zone(self, name: str) -> str:
        if name not in available_timezones():
            raise serializers.ValidationError("There is no such time zone; use a name such as Europe/Berlin.")
        return name

    def validate_first(self, day: date) -> date:
        return _day(day)

    def validate_last(self, day: date) -> date:
        return _day(day)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("last", timezone.localdate())
        attrs.setdefault("first", attrs["last"].replace(day=1))
        if attrs["first"] > attrs["last"]:
            raise serializers.ValidationError({"first": "The first day is after the last."})
        return attrs


def _day(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise serializers.ValidationError(f"Use a day from {FIRST_DAY} to {LAST_DAY}.")
    return day


class ReportRowSerializer(serializers.Serializer):
    """The sums of one group in one currency (empty: of the transactions without a tariff)."""

    name = serializers.CharField()
    currency = serializers.CharField()
    sessions = serializers.IntegerField()
    energy_wh = serializers.IntegerField(help_text="What is billed.")
    duration_s = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=30, decimal_places=4, allow_null=True)
    in_doubt = serializers.IntegerField(help_text="Sessions whose energy is in doubt; it is not billed.")
    doubtful_wh = serializers.IntegerField(help_text="What is known at least of these.")


class ReportSerializer(serializers.Serializer):
    by = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    time_zone = serializers.CharField()
    rows = ReportRowSerializer(many=True)
    totals = ReportRowSerializer(many=True, help_text="One for each currency.")


class CSVRenderer(BaseRenderer):
    """So that a caller may ask for CSV; what went wrong is told as everywhere."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, *_args: Any, **_kwargs: Any) -> bytes:
        return JSONRenderer().render(data)


class Reports(Resource):
    """Sums over ended transactions."""

    renderer_classes = [JSONRenderer, CSVRenderer]

    model = Transaction
    noun = "Report"
    serializer_class = ReportSerializer
    query = ReportFilters
    gives = {(200, "application/json"): ReportSerializer, (200, "text/csv"): OpenApiTypes.STR}
    operations = {"make": "getReport"}

    def rows(self) -> QuerySet:
        return Transaction.objects.all()

    def make(self, request: Request, **kwargs: Any) -> HttpResponseBase:
        """Energy, duration and cost of the transactions that ended in a period, by idTag, owner, charge point, site or
        month. They equal the transactions exactly; energy in doubt stands apart.

        With `format=csv`, or `Accept: text/csv`, as a table for a spreadsheet.
        """
        unknown = sorted(set(request.query_params) - set(ReportFilters().fields))
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such parameter."))
        given = ReportFilters(data=request.query_params)
        given.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(given.validated_data)
        wanted = values.pop("format", getattr(request.accepted_renderer, "format", ""))
        by, first, last = Grouping(values.pop("by")), values.pop("first"), values.pop("last")
        zone = values.pop("time_zone", None)
        report = reports.make(
            by,
            first,
            last,
            transactions=visible(self.rows().filter(**values), self.access),
            zone=None if zone is None else ZoneInfo(zone),
        )
        if wanted == CSVRenderer.format:
            headers = {"Content-Disposition": f'attachment; filename="report-{report.by}-{first}-{last}.csv"'}
            return StreamingHttpResponse(
                reports.as_csv(report), content_type="text/csv; charset=utf-8", headers=headers
            )
        shown = {
            "by": report.by.value,
            "first": report.first,
            "last": report.last,
            "time_zone": str(report.zone),
            "rows": report.rows,
            "totals": report.totals,
        }
        return Response(ReportSerializer(shown).data)
