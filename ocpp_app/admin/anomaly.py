"""Anomalies of transactions: evidence, but for the note with which somebody resolves them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import Admin
from ocpp_app.admin.display import BAD, GOOD, badge, link, pretty_frame
from ocpp_app.admin.filters import linked, yes_no
from ocpp_app.admin.search import BoundedListMixin, integer
from ocpp_app.models import Anomaly, ChargePoint, Transaction


class NoteForm(ActionForm):
    """The note goes beside the action, where it is asked for."""

    note = forms.CharField(label=gettext_lazy("Note:"), required=False, widget=forms.TextInput(attrs={"size": 40}))


@admin.register(Anomaly)
class AnomalyAdmin(BoundedListMixin, Admin):
    charge_point_path = "transaction__charge_point"
    search_fields = ("transaction__charge_point__identity",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a transactionId.")
    list_display = (
        "found_at",
        "kind",
        "state",
        "charge_point",
        "transaction_shown",
        "detail",
        "note",
    )
    list_display_links = ("found_at", "kind")
    list_filter = (
        linked("transaction", Transaction),
        yes_no("resolved", gettext_lazy("resolved"), Q(resolved_at__isnull=False)),
        "kind",
    )
    list_select_related = ("transaction__charge_point",)
    action_form = NoteForm
    actions = ("resolve",)
    fieldsets = (
        (None, {"fields": ("kind", "charge_point", "transaction_shown", "detail", "frame", "found_at")}),
        (
            gettext_lazy("Resolution"),
            {
                "fields": ("state", "note", "resolved_at", "resolved_by"),
                "description": gettext_lazy("Saved with a note, it is resolved; without one, it is open again."),
            },
        ),
    )
    readonly_fields = (
        "kind",
        "charge_point",
        "transaction_shown",
        "detail",
        "frame",
        "found_at",
        "state",
        "resolved_at",
        "resolved_by",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changed_columns(self, obj: Anomaly, form: ModelForm) -> list[str]:
        return [*super().changed_columns(obj, form), "resolved_at", "resolved_by"]

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if not obj.note.strip():
            obj.resolved_at, obj.resolved_by = None, None
        elif obj.resolved_at is None:
            obj.resolved_at, obj.resolved_by = timezone.now(), request.user
        super().save_model(request, obj, form, change)

    def other(self, word: str) -> Q:
        return integer("transaction__id", word)

    @admin.action(description=gettext_lazy("Resolve selected with a note"), permissions=["change"])
    def resolve(self, request: HttpRequest, queryset: QuerySet) -> None:
        note = request.POST.get("note", "").strip()
        if not note:
            self.message_user(request, _("Write a note beside the action: why is it resolved?"), messages.ERROR)
            return
        unresolved = list(queryset.filter(resolved_at=None))
        rows = Anomaly.objects.filter(pk__in=[obj.pk for obj in unresolved], resolved_at=None)
        rows.update(resolved_at=timezone.now(), resolved_by=request.user, note=note)
        for obj in unresolved:
            self.log_change(request, obj, _("Resolved: %(note)s") % {"note": note})
        message = ngettext("%d anomaly is resolved now.", "%d anomalies are resolved now.", len(unresolved))
        self.message_user(request, message % len(unresolved), messages.SUCCESS)

    @admin.display(description=gettext_lazy("state"), ordering="resolved_at")
    def state(self, obj: Anomaly) -> str:
        return badge(_("unresolved"), BAD) if obj.resolved_at is None else badge(_("resolved"), GOOD)

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point(self, obj: Anomaly) -> str:
        return link(obj.transaction.charge_point)

    @admin.display(description=Transaction._meta.verbose_name, ordering="transaction")
    def transaction_shown(self, obj: Anomaly) -> str:
        return link(obj.transaction, f"#{obj.transaction_id}")

    @admin.display(description=Anomaly._meta.get_field("raw").verbose_name)
    def frame(self, obj: Anomaly) -> str:
        return pretty_frame(obj.raw)
