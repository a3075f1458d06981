"""Reservations: what the charge points make of them is evidence."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import link, status_badge
from ocpp_app.admin.filters import FewRelatedFilter, linked
from ocpp_app.admin.reserve import ReserveMixin
from ocpp_app.admin.search import BoundedListMixin, integer
from ocpp_app.models import ChargePoint, Connector, IdTag, Reservation


@admin.register(Reservation)
class ReservationAdmin(ReserveMixin, BoundedListMixin, EvidenceAdmin):
    list_display = (
        "id",
        "charge_point_link",
        "connector_number",
        "id_tag",
        "status_shown",
        "expires_at",
        "transaction_shown",
        "detail",
        "created_at",
    )
    list_filter = (
        "status",
        ("organisation", FewRelatedFilter),
        linked("charge_point", ChargePoint),
        linked("connector", Connector),
        linked("tag", IdTag),
    )
    list_select_related = ("charge_point", "connector", "transaction")
    actions = ("cancel",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an idTag; a reservationId.")
    fields = (
        "id",
        "charge_point",
        "connector",
        ("id_tag", "tag"),
        "parent_id_tag",
        "expires_at",
        ("status_shown", "status_at"),
        "detail",
        "transaction_shown",
        "command",
        ("requested_by", "created_at"),
    )

    def other(self, word: str) -> Q:
        return integer("pk", word) | Q(id_tag__iexact=word)

    @admin.display(description=Connector._meta.get_field("number").verbose_name)
    def connector_number(self, obj: Reservation) -> str:
        return link(obj.connector, obj.connector.number)

    @admin.display(description=Reservation._meta.get_field("status").verbose_name, ordering="status")
    def status_shown(self, obj: Reservation) -> str:
        return status_badge(obj.status, obj.get_status_display())

    @admin.display(description=Reservation._meta.get_field("transaction").verbose_name)
    def transaction_shown(self, obj: Reservation) -> str:
        return link(obj.transaction, f"#{obj.transaction_id}")
