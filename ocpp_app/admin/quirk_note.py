"""Habits of charge points that break the specification. Evidence."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.filters import known_values, linked
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.models import ChargePoint, QuirkNote
from ocppj.tolerance import NoteCode


class QuirkNoteFormSet(ReadOnlyFormSet):
    limit = 20


class QuirkNoteInline(ReadOnlyInline):
    model = QuirkNote
    formset = QuirkNoteFormSet
    verbose_name_plural = gettext_lazy("last 20 habits that break the specification")
    fields = ("code", "action", "field", "detail", "count", "first_at", "last_at")
    ordering = ("-last_at",)


@admin.register(QuirkNote)
class QuirkNoteAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("last_at", "charge_point_link", "code", "action", "field", "detail", "count", "first_at")
    list_display_links = ("last_at", "code")
    list_filter = (
        linked("charge_point", ChargePoint),
        known_values("code", QuirkNote._meta.get_field("code").verbose_name, NoteCode),
    )
    list_select_related = ("charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an action or a field.")
    fields = ("charge_point", "code", "action", "field", "detail", "count", "first_at", "last_at")

    def other(self, word: str) -> Q:
        return Q(action__iexact=word) | Q(field__icontains=word)
