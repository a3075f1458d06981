"""Local authorization lists: which idTags they are to have, what they have, and where the two differ."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app import local_lists
from ocpp_app.admin.base import Admin, EvidenceAdmin
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, badge, list_link, seconds, status_badge
from ocpp_app.admin.filters import FewRelatedFilter, known_values, linked
from ocpp_app.admin.search import BoundedListMixin, ChargePointSearchMixin
from ocpp_app.local_list_entries import Entry
from ocpp_app.models import ChargePoint, ListState, LocalList, LocalListEntry
from ocppj.v16 import AuthorizationStatus

TONES = {
    ListState.UNKNOWN: IDLE,
    ListState.IN_SYNC: GOOD,
    ListState.PENDING: BUSY,
    ListState.FAILED: BAD,
    ListState.NOT_SUPPORTED: BAD,
}
SHOWN = 200
"""So many differences are shown at once."""


@admin.register(LocalList)
class LocalListAdmin(ChargePointSearchMixin, Admin):
    list_display = (
        "charge_point_link",
        "selection",
        "state_shown",
        "has",
        "wanted_count",
        "version",
        "reported_version",
        "changed_at",
    )
    list_display_links = ("selection",)
    list_filter = (
        "selection",
        "state",
        ("charge_point__organisation", FewRelatedFilter),
        ("charge_point__groups", FewRelatedFilter),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point",)
    autocomplete_fields = ("charge_point", "tags")
    actions = ("send_again",)
    fieldsets = (
        (None, {"fields": ("charge_point", "selection", "tags")}),
        (
            gettext_lazy("What the charge point has"),
            {"fields": ("state_shown", "has", ("version", "changed_at"), ("reported_version", "reported_at"))},
        ),
        (
            gettext_lazy("What it is to have"),
            {"fields": ("wanted_count", "omitted_count", "differences", ("attempts", "retry_at"))},
        ),
    )
    add_fieldsets = ((None, {"fields": ("charge_point", "selection", "tags")}),)
    readonly_fields = (
        "state_shown",
        "has",
        "version",
        "changed_at",
        "reported_version",
        "reported_at",
        "wanted_count",
        "omitted_count",
        "differences",
        "attempts",
        "retry_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(entry_count=count_of(LocalListEntry, "local_list"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*super().get_readonly_fields(request, obj), *(["charge_point"] if obj is not None else [])]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if form.has_changed():
            local_lists.note_selection(form.instance)

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=LocalList._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: LocalList) -> str:
        shown = badge(obj.get_state_display(), TONES[ListState(obj.state)])
        return format_html("{} {}", shown, obj.detail) if obj.detail else shown

    @admin.display(description=LocalListEntry._meta.verbose_name_plural, ordering="entry_count")
    def has(self, obj: Any) -> str:
        return list_link(LocalListEntry, obj.entry_count, local_list=obj.pk) if obj.entry_count else EMPTY

    @admin.display(description=gettext_lazy("differences"))
    def differences(self, obj: LocalList) -> str:
        """What is on one side only, or not the same on both."""
        found = local_lists.compare(obj)
        if not found:
            return _("none")
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            ((key, _described(has), _described(goal)) for key, has, goal in found[:SHOWN]),
        )
        heads = (_("idTag"), _("has"), _("is to have"))
        more = ngettext("%d difference", "%d differences", len(found)) % len(found)
        table = "<table><thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead><tbody>{}</tbody></table>{}"
        return format_html(table, *heads, rows, more)

    # -- actions --------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Send the whole list again"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet) -> None:
        rows = list(queryset)
        for row in rows:
            local_lists.send_again(row)
            self.log_change(request, row, _("The whole list is sent again."))
        message = ngettext("%d list is sent again.", "%d lists are sent again.", len(rows))
        self.message_user(request, message % len(rows), messages.SUCCESS)


@admin.register(LocalListEntry)
class LocalListEntryAdmin(BoundedListMixin, EvidenceAdmin):
    charge_point_path = "local_list__charge_point"
    search_fields = ("local_list__charge_point__identity",)
    list_display = ("id_tag", "local_list", "status_shown", "expires_at", "parent_id_tag")
    list_filter = (
        linked("local_list", LocalList),
        known_values("status", LocalListEntry._meta.get_field("status").verbose_name, AuthorizationStatus),
    )
    list_select_related = ("local_list__charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an idTag.")
    fields = ("local_list", "id_tag", "status_shown", "expires_at", "parent_id_tag")

    def other(self, word: str) -> Q:
        return Q(id_tag__iexact=word)

    @admin.display(description=LocalListEntry._meta.get_field("status").verbose_name, ordering="status")
    def status_shown(self, obj: LocalListEntry) -> str:
        return status_badge(obj.status)


def _described(entry: Entry | None) -> Any:
    if entry is None:
        return EMPTY
    expires = "" if entry.expires_at is None else seconds(entry.expires_at)
    return format_html("{} {} {}", status_badge(entry.status), expires, entry.parent_id_tag)
