"""Meter values. Evidence."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import EMPTY, kilowatt_hours, kilowatts, link, link_to, number, pretty, seconds
from ocpp_app.admin.filters import linked, yes_no
from ocpp_app.admin.search import BigTableMixin
from ocpp_app.models import ChargePoint, Connector, MeterValue, MeterValueMean, Transaction

READINGS = ("register", "power", "soc", "current", "voltage")


class ReadingsMixin:
    """The usual measurands, readable; in the list of meter values and on the page of their transaction."""

    @admin.display(description=MeterValue._meta.get_field("timestamp").verbose_name, ordering="timestamp")
    def page(self, obj: MeterValue) -> str:
        return link(obj, seconds(obj.timestamp))

    @admin.display(description=gettext_lazy("register"), ordering="energy_wh")
    def register(self, obj: MeterValue) -> str:
        return kilowatt_hours(obj.energy_wh)

    @admin.display(description=gettext_lazy("power"), ordering="power_w")
    def power(self, obj: MeterValue) -> str:
        return kilowatts(obj.power_w)

    @admin.display(description=gettext_lazy("state of charge"), ordering="soc_percent")
    def soc(self, obj: MeterValue) -> str:
        return number(obj.soc_percent, "%", 1)

    @admin.display(description=gettext_lazy("current"), ordering="current_a")
    def current(self, obj: MeterValue) -> str:
        return number(obj.current_a, "A", 2)

    @admin.display(description=gettext_lazy("voltage"), ordering="voltage_v")
    def voltage(self, obj: MeterValue) -> str:
        return number(obj.voltage_v, "V", 1)


@admin.register(MeterValue)
class MeterValueAdmin(ReadingsMixin, BigTableMixin, EvidenceAdmin):
    charge_point_path = "connector__charge_point"
    search_fields = ("connector__charge_point__identity",)
    time_column = "timestamp"
    narrowing_parameters = ("charge_point", "connector", "transaction")
    list_display = ("timestamp", "charge_point", "connector_number", "transaction_shown", *READINGS)
    list_filter = (
        linked("charge_point", ChargePoint, "connector__charge_point"),
        linked("connector", Connector),
        linked("transaction", Transaction),
        yes_no("in_transaction", gettext_lazy("in a transaction"), Q(transaction__isnull=False)),
        "timestamp",
    )
    list_select_related = ("connector__charge_point",)
    sortable_by = ()
    fields = (
        "charge_point",
        "connector",
        "transaction",
        "timestamp",
        "received_at",
        "mean_shown",
        *READINGS,
        "sampled_values_shown",
    )

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point(self, obj: MeterValue) -> str:
        return link(obj.connector.charge_point)

    @admin.display(description=Connector._meta.get_field("number").verbose_name)
    def connector_number(self, obj: MeterValue) -> str:
        return link(obj.connector, obj.connector.number)

    @admin.display(description=Transaction._meta.verbose_name)
    def transaction_shown(self, obj: MeterValue) -> str:
        return (
            EMPTY if obj.transaction_id is None else link_to(Transaction, obj.transaction_id, f"#{obj.transaction_id}")
        )

    @admin.display(description=MeterValue._meta.get_field("sampled_values").verbose_name)
    def sampled_values_shown(self, obj: MeterValue) -> str:
        return pretty(obj.sampled_values)

    @admin.display(description=MeterValueMean._meta.verbose_name)
    def mean_shown(self, obj: MeterValue) -> str:
        mean = getattr(obj, "mean", None)
        return EMPTY if mean is None else link(mean, gettext("of %d meter values") % mean.count)


@admin.register(MeterValueMean)
class MeterValueMeanAdmin(BigTableMixin, EvidenceAdmin):
    charge_point_path = "connector__charge_point"
    search_fields = ("connector__charge_point__identity",)
    time_column = "span_at"
    narrowing_parameters = ("charge_point", "connector")
    list_display = ("span_at", "charge_point", "connector_number", "first_register", "power_max", "count")
    list_filter = (
        linked("charge_point", ChargePoint, "connector__charge_point"),
        linked("connector", Connector),
        "span_at",
    )
    list_select_related = ("connector__charge_point",)
    sortable_by = ()
    fields = ("value_link", "connector", "span_at", "first_at", "first_register", "first_power", "power_max", "count")

    @admin.display(description=MeterValue._meta.verbose_name)
    def value_link(self, obj: MeterValueMean) -> str:
        return link(obj.value)

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point(self, obj: MeterValueMean) -> str:
        return link(obj.connector.charge_point)

    @admin.display(description=Connector._meta.get_field("number").verbose_name)
    def connector_number(self, obj: MeterValueMean) -> str:
        return link(obj.connector, obj.connector.number)

    @admin.display(description=gettext_lazy("first register"))
    def first_register(self, obj: MeterValueMean) -> str:
        return kilowatt_hours(obj.first_energy_wh)

    @admin.display(description=gettext_lazy("first power"))
    def first_power(self, obj: MeterValueMean) -> str:
        return kilowatts(obj.first_power_w)

    @admin.display(description=gettext_lazy("greatest power"))
    def power_max(self, obj: MeterValueMean) -> str:
        return kilowatts(obj.power_max_w)
