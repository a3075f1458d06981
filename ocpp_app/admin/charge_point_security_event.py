"""Security events of charge points. Evidence."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.filters import few_values, linked
from ocpp_app.admin.search import BigTableMixin
from ocpp_app.models import ChargePoint, ChargePointSecurityEvent


@admin.register(ChargePointSecurityEvent)
class ChargePointSecurityEventAdmin(BigTableMixin, EvidenceAdmin):
    list_display = ("received_at", "charge_point_link", "type", "is_critical", "tech_info", "timestamp")
    list_display_links = ("received_at", "type")
    list_filter = (
        "is_critical",
        few_values("type", ChargePointSecurityEvent._meta.get_field("type").verbose_name),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point",)
    time_column = "received_at"
    fields = ("charge_point", ("type", "is_critical"), "tech_info", ("timestamp", "received_at"))

    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a type.")

    def other(self, word: str) -> Q:
        return Q(type__iexact=word)
