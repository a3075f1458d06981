"""Connections: gateways and the websocket sessions of charge points. Evidence."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import EMPTY, GOOD, IDLE, badge, elapsed, link, list_link, seconds
from ocpp_app.admin.filters import linked, yes_no
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.models import ChargePoint, Gateway, Session

SESSION_COLUMNS = (
    "page",
    "ended_at",
    "duration",
    "close_code",
    "close_reason",
    "remote_address",
    "subprotocol",
    "secure",
    "authenticated",
    "gateway",
)


class SessionColumnsMixin:
    """How sessions look in a list, be it their own or that of their charge point."""

    @admin.display(description=Session._meta.get_field("connected_at").verbose_name, ordering="connected_at")
    def page(self, obj: Session) -> str:
        return link(obj, seconds(obj.connected_at))

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, obj: Session) -> str:
        return elapsed((obj.ended_at or timezone.now()) - obj.connected_at)


@admin.register(Session)
class SessionAdmin(SessionColumnsMixin, BoundedListMixin, EvidenceAdmin):
    list_display = (
        "connected_at",
        "charge_point_link",
        "is_open",
        "ended_at",
        "duration",
        "close_code",
        "close_reason",
        "remote_address",
        "secure",
        "authenticated",
        "gateway",
    )
    list_filter = (
        linked("charge_point", ChargePoint),
        linked("gateway", Gateway),
        yes_no("open", gettext_lazy("open"), Q(ended_at=None)),
        "secure",
        "authenticated",
    )
    list_select_related = ("charge_point", "gateway")
    search_help_text = gettext_lazy(
        "The identity of a charge point, or its beginning; a remote address, or its beginning."
    )
    fieldsets = (
        (None, {"fields": ("id", "charge_point", "gateway", "is_open")}),
        (
            gettext_lazy("Handshake"),
            {"fields": ("remote_address", "path", "subprotocol", "user_agent", "secure", "authenticated")},
        ),
        (gettext_lazy("Time"), {"fields": ("connected_at", "ended_at", "duration", "close_code", "close_reason")}),
    )

    def other(self, word: str) -> Q:
        return Q(remote_address__startswith=word)

    @admin.display(description=gettext_lazy("state"), ordering="ended_at")
    def is_open(self, obj: Session) -> str:
        return badge(_("open"), GOOD) if obj.ended_at is None else badge(_("ended"), IDLE)


@admin.register(Gateway)
class GatewayAdmin(EvidenceAdmin):
    list_display = ("name", "is_alive", "connections", "started_at", "last_announced_at", "gone_at", "sessions")
    list_filter = (yes_no("alive", gettext_lazy("alive"), Q(gone_at=None)),)
    search_fields = ("name", "queue")
    fields = ("name", "is_alive", "queue", "connections", "started_at", "last_announced_at", "gone_at", "sessions")

    @admin.display(description=gettext_lazy("state"), ordering="gone_at")
    def is_alive(self, obj: Gateway) -> str:
        return badge(_("alive"), GOOD) if obj.gone_at is None else badge(_("gone"), IDLE)

    @admin.display(description=Session._meta.verbose_name_plural)
    def sessions(self, obj: Gateway) -> Any:
        return list_link(Session, _("its sessions"), gateway=obj.pk) if obj.pk else EMPTY
