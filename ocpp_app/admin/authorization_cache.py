"""Authorization caches of charge points. Evidence: the answers to ClearCache, and the idTags, change them."""

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, GOOD, badge, link, status_badge
from ocpp_app.admin.filters import FewRelatedFilter, linked, yes_no
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.models import AuthorizationCache, ChargePoint, ToldTag


@admin.register(AuthorizationCache)
class AuthorizationCacheAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("charge_point_link", "state", "status_shown", "status_at", "cleared_at", "outdated_at")
    list_display_links = ("state",)
    list_filter = (
        yes_no("outdated", gettext_lazy("outdated"), Q(outdated_at__isnull=False)),
        ("charge_point__organisation", FewRelatedFilter),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point", "command")
    actions = ("clear",)
    fields = ("charge_point", "state", "outdated_at", ("status_shown", "status_at"), "cleared_at", "command_shown")

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_authorizationcache")

    @admin.display(description=gettext_lazy("state"), ordering="outdated_at")
    def state(self, obj: AuthorizationCache) -> str:
        return badge(_("up to date"), GOOD) if obj.outdated_at is None else badge(_("to be cleared"), BAD)

    @admin.display(description=AuthorizationCache._meta.get_field("status").verbose_name, ordering="status")
    def status_shown(self, obj: AuthorizationCache) -> str:
        return status_badge(obj.status)

    @admin.display(description=AuthorizationCache._meta.get_field("command").verbose_name)
    def command_shown(self, obj: AuthorizationCache) -> str:
        return link(obj.command)

    @admin.action(description=gettext_lazy("Clear: as soon as the charge point is connected"), permissions=["clear"])
    def clear(self, request: HttpRequest, queryset: QuerySet) -> None:
        rows = list(queryset)
        AuthorizationCache.objects.filter(pk__in=[row.pk for row in rows]).update(
            outdated_at=timezone.now(), retry_at=None
        )
        for row in rows:
            self.log_change(request, row, _("To be cleared."))
        message = ngettext("%d cache is to be cleared.", "%d caches are to be cleared.", len(rows))
        self.message_user(request, message % len(rows), messages.SUCCESS)


@admin.register(ToldTag)
class ToldTagAdmin(EvidenceAdmin):
    list_display = ("key", "organisation", "is_blocked", "expires_at", "parent_id_tag", "tag")
    list_filter = ("is_blocked", ("organisation", FewRelatedFilter))
    list_select_related = ("organisation", "tag")
    search_fields = ("key",)
    fields = ("key", "organisation", "tag", "is_blocked", "expires_at", "parent_id_tag", "groups")
