"""Connectors and the history of their status. Evidence: a connector is what its charge point reports."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy

from ocpp_app.admin.availability import AvailabilityMixin
from ocpp_app.admin.base import EvidenceAdmin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.display import link, links, list_link, status_badge
from ocpp_app.admin.filters import known_values, linked, yes_no
from ocpp_app.admin.search import BigTableMixin, ChargePointSearchMixin
from ocpp_app.models import ChargePoint, Connector, MeterValue, StatusHistory, Transaction
from ocppj.v16 import ChargePointErrorCode, ChargePointStatus

STATUS = StatusHistory._meta.get_field("status").verbose_name
STATUS_FILTER = known_values("status", STATUS, ChargePointStatus)
ERROR_CODE_FILTER = known_values(
    "error_code", StatusHistory._meta.get_field("error_code").verbose_name, ChargePointErrorCode
)
HAS_ERROR = ~Q(error_code__in=("", ChargePointErrorCode.NoError))


class StatusMixin:
    @admin.display(description=STATUS, ordering="status")
    def status_shown(self, obj: Connector | StatusHistory) -> str:
        return status_badge(obj.status)


class StatusHistoryFormSet(ReadOnlyFormSet):
    limit = 20


class StatusHistoryInline(StatusMixin, ReadOnlyInline):
    model = StatusHistory
    formset = StatusHistoryFormSet
    verbose_name_plural = gettext_lazy("last 20 status notifications")
    fields = ("received_at", "status_shown", "error_code", "info", "vendor_id", "vendor_error_code", "timestamp")
    ordering = ("-received_at", "-pk")


@admin.register(Connector)
class ConnectorAdmin(StatusMixin, AvailabilityMixin, ChargePointSearchMixin, EvidenceAdmin):
    list_display = (
        "charge_point_link",
        "number",
        "status_shown",
        "status_at",
        "availability_shown",
        "error_code",
        "vendor_error_code",
        "info",
    )
    list_display_links = ("number",)
    list_filter = (
        linked("charge_point", ChargePoint),
        STATUS_FILTER,
        yes_no("has_error", gettext_lazy("error"), HAS_ERROR),
    )
    list_select_related = ("charge_point", "availability")
    actions = ("take_out_of_use", "put_into_use")
    ordering = ("charge_point__identity", "number")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning.")
    inlines = (StatusHistoryInline,)
    fields = (
        "related",
        "charge_point",
        "number",
        "status_shown",
        "status_at",
        "availability_shown",
        "error_code",
        "info",
        "vendor_id",
        "vendor_error_code",
    )

    @admin.display(description=gettext_lazy("see also"))
    def related(self, obj: Connector) -> str:
        return links(
            list_link(model, model._meta.verbose_name_plural, connector=obj.pk)
            for model in (Transaction, MeterValue, StatusHistory)
        )


@admin.register(StatusHistory)
class StatusHistoryAdmin(StatusMixin, BigTableMixin, EvidenceAdmin):
    charge_point_path = "connector__charge_point"
    search_fields = ("connector__charge_point__identity",)
    time_column = "received_at"
    narrowing_parameters = ("connector",)
    list_display = (
        "received_at",
        "charge_point",
        "connector_number",
        "status_shown",
        "error_code",
        "vendor_error_code",
        "info",
    )
    list_filter = (STATUS_FILTER, ERROR_CODE_FILTER, linked("connector", Connector))
    list_select_related = ("connector__charge_point",)
    fields = (
        "charge_point",
        "connector",
        "status_shown",
        "error_code",
        "info",
        "vendor_id",
        "vendor_error_code",
        "timestamp",
        "received_at",
    )

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point(self, obj: StatusHistory) -> str:
        return link(obj.connector.charge_point)

    @admin.display(description=Connector._meta.get_field("number").verbose_name)
    def connector_number(self, obj: StatusHistory) -> str:
        return link(obj.connector, obj.connector.number)
