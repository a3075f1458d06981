"""Connectors that are to be in use, or out of use."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, WARNING, badge, link
from ocpp_app.admin.filters import linked, yes_no
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.configuration import set_availability
from ocpp_app.models import Availability, AvailabilityState, ChargePoint, Connector, ConnectorAvailability

TONES = {
    AvailabilityState.TO_SEND: BUSY,
    AvailabilityState.SENT: BUSY,
    AvailabilityState.ACCEPTED: BUSY,
    AvailabilityState.SCHEDULED: WARNING,
    AvailabilityState.IN_FORCE: GOOD,
    AvailabilityState.REJECTED: BAD,
    AvailabilityState.FAILED: BAD,
    AvailabilityState.DRIFTED: BAD,
}


class AvailabilityMixin(admin.ModelAdmin):
    """A column, and two actions on connectors."""

    def has_availability_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_connectoravailability")

    @admin.display(description=gettext_lazy("availability"))
    def availability_shown(self, obj: Connector) -> str:
        row = getattr(obj, "availability", None)
        return EMPTY if row is None else _shown(row)

    @admin.action(description=gettext_lazy("Take out of use (Inoperative)"), permissions=["availability"])
    def take_out_of_use(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._want(request, queryset, operative=False)

    @admin.action(description=gettext_lazy("Put into use (Operative)"), permissions=["availability"])
    def put_into_use(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._want(request, queryset, operative=True)

    def _want(self, request: HttpRequest, queryset: QuerySet, *, operative: bool) -> None:
        found = list(queryset.select_related("charge_point"))
        for connector in found:
            set_availability(connector.charge_point, connector.number, operative=operative, requested_by=request.user)
        message = ngettext(
            "%d connector is asked, now or when its charge point connects.",
            "%d connectors are asked, now or when their charge points connect.",
            len(found),
        )
        self.message_user(request, message % len(found), messages.SUCCESS)


@admin.register(ConnectorAvailability)
class ConnectorAvailabilityAdmin(BoundedListMixin, EvidenceAdmin):
    charge_point_path = "connector__charge_point"
    search_fields = ("connector__charge_point__identity",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning.")
    list_display = ("connector_link", "wanted", "state_shown", "state_since", "detail", "requested_by", "created_at")
    list_display_links = ("wanted",)
    list_filter = (
        linked("charge_point", ChargePoint, "connector__charge_point"),
        "wanted",
        yes_no("in_force", gettext_lazy("in force"), Q(state=AvailabilityState.IN_FORCE)),
    )
    list_select_related = ("connector__charge_point", "requested_by")
    ordering = ("connector__charge_point__identity", "connector__number")
    fields = (
        "connector_link",
        "wanted",
        "state_shown",
        "state_since",
        "detail",
        "attempts",
        "command_id",
        "requested_by",
        "created_at",
    )

    @admin.display(description=Connector._meta.verbose_name, ordering="connector")
    def connector_link(self, obj: ConnectorAvailability) -> str:
        return link(obj.connector)

    @admin.display(description=ConnectorAvailability._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: ConnectorAvailability) -> str:
        words = str(obj.get_state_display())
        return badge(words.split(":")[0], TONES[AvailabilityState(obj.state)])


def _shown(row: ConnectorAvailability) -> str:
    words = str(row.get_wanted_display()).split(":")[0]
    if row.state == AvailabilityState.IN_FORCE:
        return badge(words, GOOD if row.wanted == Availability.OPERATIVE else IDLE)
    state: Any = str(row.get_state_display()).split(":")[0]
    return link(
        row, badge(_("%(wanted)s: %(state)s") % {"wanted": words, "state": state}, TONES[AvailabilityState(row.state)])
    )
