"""Who did what, who was kept out, and charge points on their way to a new key or profile. Evidence."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, GOOD, badge
from ocpp_app.admin.filters import FewRelatedFilter, linked, yes_no
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.models import (
    UPGRADING,
    AuditEntry,
    ChargePoint,
    SecurityEvent,
    SecurityUpgrade,
    SignIn,
    UpgradeState,
)


@admin.register(AuditEntry)
class AuditEntryAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("at", "actor", "action", "subject", "detail", "remote_address")
    list_filter = (linked("charge_point", ChargePoint), ("organisation", FewRelatedFilter))
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; who did it, or what.")
    fields = (
        "at",
        "actor",
        "actor_id",
        "remote_address",
        "action",
        "subject",
        "detail",
        "organisation",
        "charge_point",
    )

    def other(self, word: str) -> Q:
        return Q(actor__iexact=word) | Q(action__icontains=word) | Q(subject__istartswith=word)


@admin.register(SecurityEvent)
class SecurityEventAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("last_at", "kind", "identity", "remote_address", "count", "detail", "first_at")
    list_display_links = ("last_at", "kind")
    list_filter = ("kind", linked("charge_point", ChargePoint), ("organisation", FewRelatedFilter))
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a remote address.")
    fields = (
        "kind",
        "identity",
        "remote_address",
        "hour",
        "count",
        "detail",
        "charge_point",
        "organisation",
        "first_at",
        "last_at",
    )

    def other(self, word: str) -> Q:
        return Q(remote_address__startswith=word) | Q(identity__istartswith=word)


@admin.register(SecurityUpgrade)
class SecurityUpgradeAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("created_at", "charge_point_link", "target", "state_shown", "detail", "deadline", "finished_at")
    list_filter = (
        linked("charge_point", ChargePoint),
        yes_no("under_way", gettext_lazy("under way"), Q(state__in=UPGRADING)),
    )
    list_select_related = ("charge_point",)
    fields = (
        "charge_point",
        "target",
        "step",
        "state",
        "detail",
        "approves",
        "deadline",
        "command_id",
        "requested_by",
        "created_at",
        "finished_at",
    )

    @admin.display(description=SecurityUpgrade._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: SecurityUpgrade) -> str:
        colour = GOOD if obj.state == UpgradeState.DONE else BUSY if obj.is_under_way else BAD
        return badge(obj.get_state_display(), colour)


@admin.register(SignIn)
class SignInAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("at", "account", "remote_address", "has_succeeded", "device")
    list_filter = ("has_succeeded",)
    search_fields = ("account", "remote_address")
    search_help_text = gettext_lazy("An account, or the beginning of a remote address.")
    fields = ("at", "account", "remote_address", "has_succeeded", "device")

    def of_charge_point(self, word: str) -> None:
        return None

    def other(self, word: str) -> Q:
        return Q(account=word.lower()) | Q(remote_address__startswith=word)
