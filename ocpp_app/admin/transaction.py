"""Transactions. Evidence: their oddities are resolved at the anomalies."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.back_office import BackOfficeMixin
from ocpp_app.admin.base import EvidenceAdmin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.cost import cost_lines
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import (
    BAD,
    BUSY,
    EMPTY,
    GOOD,
    IDLE,
    badge,
    elapsed,
    kilowatt_hours,
    kilowatts,
    link,
    links,
    list_link,
    money,
    number,
    pretty,
    seconds,
    status_badge,
)
from ocpp_app.admin.filters import ChoiceFilter, FewRelatedFilter, known_values, linked
from ocpp_app.admin.meter_value import READINGS, ReadingsMixin
from ocpp_app.admin.report import ReportMixin
from ocpp_app.admin.search import BoundedListMixin, integer
from ocpp_app.models import Anomaly, ChargePoint, Connector, IdTag, Message, MeterValue, Tariff, Transaction
from ocppj.v16 import AuthorizationStatus, Reason

AROUND = timedelta(minutes=1)
"""How much more of the message log is shown before the start and after the end: the tag before, the status after."""

UNRESOLVED = Anomaly.objects.filter(resolved_at=None).values("transaction")


class AnomalyFilter(ChoiceFilter):
    title = Anomaly._meta.verbose_name_plural
    parameter_name = "anomalies"
    options = {
        "unresolved": (gettext_lazy("some unresolved"), Q(has_anomaly=True, pk__in=UNRESOLVED)),
        "any": (gettext_lazy("some"), Q(pk__in=Anomaly.objects.values("transaction"))),
        "none": (gettext_lazy("none unresolved"), ~Q(pk__in=UNRESOLVED)),
    }


class AnomalyFormSet(ReadOnlyFormSet):
    limit = 20


class AnomalyInline(ReadOnlyInline):
    model = Anomaly
    formset = AnomalyFormSet
    fields = ("page", "detail", "found_at", "resolved_at", "resolved_by", "note")
    select_related = ("resolved_by",)

    @admin.display(description=Anomaly._meta.get_field("kind").verbose_name)
    def page(self, obj: Anomaly) -> str:
        return link(obj, obj.get_kind_display())


class MeterValueFormSet(ReadOnlyFormSet):
    limit = 50


class MeterValueInline(ReadingsMixin, ReadOnlyInline):
    model = MeterValue
    formset = MeterValueFormSet
    verbose_name_plural = gettext_lazy("last 50 meter values")
    fields = ("page", *READINGS)
    ordering = ("-timestamp", "-pk")


@admin.register(Transaction)
class TransactionAdmin(BackOfficeMixin, ReportMixin, BoundedListMixin, EvidenceAdmin):
    list_display = (
        "id",
        "charge_point_link",
        "connector_number",
        "id_tag",
        "started_at",
        "stopped_or_active",
        "duration",
        "energy",
        "cost_shown",
        "anomalies_shown",
        "stop_reason",
        "meter_start",
        "meter_stop",
    )
    list_filter = (
        linked("charge_point", ChargePoint),
        linked("connector", Connector),
        linked("tag", IdTag),
        linked("tariff", Tariff),
        "is_active",
        AnomalyFilter,
        "closed_by",
        known_values("stop_reason", Transaction._meta.get_field("stop_reason").verbose_name, Reason),
        known_values("id_tag_status", Transaction._meta.get_field("id_tag_status").verbose_name, AuthorizationStatus),
        ("organisation", FewRelatedFilter),
    )
    list_select_related = ("charge_point", "connector")
    date_hierarchy = "started_at"
    actions = ("close", "bill_in_doubt")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an idTag; a transactionId.")
    inlines = (AnomalyInline, MeterValueInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "related",
                    "state",
                    "charge_point",
                    "connector",
                    "organisation",
                    ("id_tag", "status_of_tag"),
                    ("tag", "owner"),
                    "reservation_id",
                )
            },
        ),
        (
            gettext_lazy("Energy"),
            {
                "fields": (
                    ("energy", "doubtful"),
                    ("meter_start", "meter_stop"),
                    "last_register",
                    ("last_power", "last_soc"),
                    ("last_meter_at", "roll_up"),
                )
            },
        ),
        (gettext_lazy("Cost"), {"fields": ("cost_shown", "cost_in_detail", "tariff", "terms")}),
        (
            gettext_lazy("Start"),
            {"fields": ("started_at", "start_timestamp", "start_received_at")},
        ),
        (
            gettext_lazy("End"),
            {
                "fields": (
                    "stopped_at",
                    "duration",
                    "stop_timestamp",
                    "stop_received_at",
                    "stop_reason",
                    "stop_id_tag",
                    ("closed_by", "closed_by_user"),
                    "close_note",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(
                anomaly_count=count_of(Anomaly, "transaction"),
                unresolved_count=count_of(Anomaly, "transaction", resolved_at=None),
            )
        )

    def of_charge_point(self, word: str) -> Q | None:
        found = super().of_charge_point(word)
        return None if found is None else found | integer("pk", word)

    def other(self, word: str) -> Q:
        return integer("pk", word) | Q(id_tag__iexact=word)

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=Connector._meta.verbose_name, ordering="connector")
    def connector_number(self, obj: Transaction) -> str:
        return link(obj.connector, obj.connector.number)

    @admin.display(description=gettext_lazy("state"), ordering="is_active")
    def state(self, obj: Transaction) -> str:
        return badge(_("active"), BUSY) if obj.is_active else badge(_("ended"), IDLE)

    @admin.display(description=Transaction._meta.get_field("stopped_at").verbose_name, ordering="stopped_at")
    def stopped_or_active(self, obj: Transaction) -> str:
        return self.state(obj) if obj.is_active else seconds(obj.stopped_at)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, obj: Transaction) -> str:
        end = timezone.now() if obj.is_active else obj.stopped_at
        return EMPTY if end is None else elapsed(end - obj.started_at)

    @admin.display(description=gettext_lazy("energy"), ordering="energy_wh")
    def energy(self, obj: Transaction) -> str:
        energy = kilowatt_hours(obj.energy_wh)
        return format_html(_("{} so far"), energy) if obj.is_active and obj.energy_wh is not None else energy

    @admin.display(description=Transaction._meta.get_field("doubtful_wh").verbose_name)
    def doubtful(self, obj: Transaction) -> str:
        return kilowatt_hours(obj.doubtful_wh)

    @admin.display(description=Transaction._meta.get_field("cost_minor").verbose_name, ordering="cost_minor")
    def cost_shown(self, obj: Transaction) -> str:
        return money(obj.cost, obj.currency)

    @admin.display(description=Transaction._meta.get_field("cost_lines").verbose_name)
    def cost_in_detail(self, obj: Transaction) -> str:
        return cost_lines(obj.cost_lines, obj.currency)

    @admin.display(description=Transaction._meta.get_field("tariff_terms").verbose_name)
    def terms(self, obj: Transaction) -> str:
        return pretty(obj.tariff_terms)

    @admin.display(description=gettext_lazy("meter start"), ordering="meter_start_wh")
    def meter_start(self, obj: Transaction) -> str:
        return kilowatt_hours(obj.meter_start_wh)

    @admin.display(description=gettext_lazy("meter stop"), ordering="meter_stop_wh")
    def meter_stop(self, obj: Transaction) -> str:
        return kilowatt_hours(obj.meter_stop_wh)

    @admin.display(description=gettext_lazy("last register"))
    def last_register(self, obj: Transaction) -> str:
        return kilowatt_hours(obj.last_register_wh)

    @admin.display(description=gettext_lazy("last power"))
    def last_power(self, obj: Transaction) -> str:
        return kilowatts(obj.last_power_w)

    @admin.display(description=gettext_lazy("last state of charge"))
    def last_soc(self, obj: Transaction) -> str:
        return number(obj.last_soc_percent, "%", 1)

    @admin.display(description=Transaction._meta.get_field("id_tag_status").verbose_name)
    def status_of_tag(self, obj: Transaction) -> str:
        return status_badge(obj.id_tag_status)

    @admin.display(description=Anomaly._meta.verbose_name_plural)
    def anomalies_shown(self, obj: Any) -> str:
        if obj.unresolved_count:
            text = ngettext("%d unresolved", "%d unresolved", obj.unresolved_count) % obj.unresolved_count
            return list_link(Anomaly, badge(text, BAD), transaction=obj.pk)
        if obj.anomaly_count:
            text = ngettext("%d resolved", "%d resolved", obj.anomaly_count) % obj.anomaly_count
            return list_link(Anomaly, badge(text, GOOD), transaction=obj.pk)
        return EMPTY

    @admin.display(description=gettext_lazy("see also"))
    def related(self, obj: Transaction) -> str:
        return links(
            (
                list_link(Message, _("its frames in the message log"), **_time_range(obj)),
                list_link(MeterValue, _("all its meter values"), transaction=obj.pk),
                list_link(Transaction, _("transactions of this charge point"), charge_point=obj.charge_point_id),
            )
        )


def _time_range(obj: Transaction) -> dict[str, Any]:
    """The filter of the message log by receipt: a charge point may start a transaction offline and tell of it later."""
    first = min(obj.start_received_at, obj.started_at)
    query = {"charge_point": obj.charge_point_id, "at__gte": (first - AROUND).isoformat()}
    if obj.is_active:
        return query
    last = max(filter(None, (obj.stop_received_at, obj.stopped_at, obj.last_meter_at, obj.start_received_at)))
    return {**query, "at__lt": (last + AROUND).isoformat()}
