"""The idTags that may charge."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app import audit
from ocpp_app.admin.base import Admin
from ocpp_app.admin.display import BAD, EMPTY, GOOD, badge, list_link
from ocpp_app.admin.filters import FewRelatedFilter, yes_no
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.admin.tag_csv import TagCsvMixin
from ocpp_app.models import IdTag, Transaction, key_of


class IdTagForm(SameOrganisationForm):
    class Meta:
        model = IdTag
        fields = "__all__"

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.instance.pk and self.cleaned_data.get("parent") == self.instance:
            self.add_error("parent", _("A tag cannot be its own parent."))
        if self._is_taken():
            self.add_error("id_tag", _("The organisation has this idTag already; upper and lower case are the same."))
        return cleaned

    def _is_taken(self) -> bool:
        key, organisation = key_of(self.cleaned_data.get("id_tag", "")), self.cleaned_data.get("organisation")
        return IdTag.objects.filter(organisation=organisation, key=key).exclude(pk=self.instance.pk).exists()


@admin.register(IdTag)
class IdTagAdmin(TagCsvMixin, Admin):
    form = IdTagForm
    list_display = ("id_tag", "state", "expires_at", "parent", "concurrent_limit", "owner", "organisation", "note")
    list_filter = (
        yes_no("blocked", gettext_lazy("blocked"), Q(is_blocked=True)),
        yes_no("expired", gettext_lazy("expired"), Q(expires_at__isnull=False, expires_at__lte=Now())),
        ("organisation", FewRelatedFilter),
        ("groups", FewRelatedFilter),
    )
    list_select_related = ("parent", "owner", "organisation")
    search_fields = ("id_tag", "note", f"owner__{get_user_model().USERNAME_FIELD}")
    search_help_text = gettext_lazy("idTag, note or owner.")
    autocomplete_fields = ("organisation", "parent", "groups", "tariff")
    raw_id_fields = ("owner",)  # no autocomplete: another project's user model need not be in its admin
    actions = ("block", "unblock", "export_csv")
    fieldsets = (
        (None, {"fields": ("related", "id_tag", "organisation", "owner", "note")}),
        (
            gettext_lazy("May charge"),
            {"fields": ("is_blocked", "expires_at", "concurrent_limit", "groups", "parent", "tariff")},
        ),
        (None, {"fields": ("created_at",)}),
    )
    add_fieldsets = (
        (None, {"fields": ("id_tag", "organisation", "owner", "note")}),
        (
            gettext_lazy("May charge"),
            {"fields": ("is_blocked", "expires_at", "concurrent_limit", "groups", "parent", "tariff")},
        ),
    )
    readonly_fields = ("related", "created_at")

    @admin.display(description=gettext_lazy("state"), ordering="is_blocked")
    def state(self, obj: IdTag) -> str:
        if obj.is_blocked:
            return badge(_("blocked"), BAD)
        if obj.expires_at is not None and obj.expires_at <= timezone.now():
            return badge(_("expired"), BAD)
        return badge(_("valid"), GOOD)

    @admin.display(description=gettext_lazy("see also"))
    def related(self, obj: IdTag) -> str:
        return list_link(Transaction, Transaction._meta.verbose_name_plural, tag=obj.pk) if obj.pk else EMPTY

    @admin.action(description=gettext_lazy("Block"), permissions=["change"])
    def block(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_blocked(request, queryset, True)

    @admin.action(description=gettext_lazy("Unblock"), permissions=["change"])
    def unblock(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_blocked(request, queryset, False)

    def _set_blocked(self, request: HttpRequest, queryset: QuerySet, is_blocked: bool) -> None:
        changed = list(queryset.exclude(is_blocked=is_blocked))
        IdTag.objects.filter(pk__in=[obj.pk for obj in changed]).update(is_blocked=is_blocked)
        for obj in changed:
            self.log_change(request, obj, _("Blocked.") if is_blocked else _("Unblocked."))
            detail = f"is_blocked: {not is_blocked} → {is_blocked}"
            audit.record("IdTag changed", subject=str(obj), detail=detail, organisation_id=obj.organisation_id)
        message = (
            ngettext("%d idTag is blocked now.", "%d idTags are blocked now.", len(changed))
            if is_blocked
            else ngettext("%d idTag is unblocked now.", "%d idTags are unblocked now.", len(changed))
        )
        self.message_user(request, message % len(changed), messages.SUCCESS)
