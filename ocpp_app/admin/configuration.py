"""What charge points are configured to do, what is wanted of them, and the templates that want it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import Admin, EvidenceAdmin
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import (
    BAD,
    BUSY,
    EMPTY,
    GOOD,
    IDLE,
    WARNING,
    badge,
    link,
    links,
    list_link,
    showable,
)
from ocpp_app.admin.filters import FewRelatedFilter, linked, yes_no
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.command_batches import issue_command_to_many
from ocpp_app.configuration import MOST_CHARACTERS, check_wish, read_again, reapply, want
from ocpp_app.models import (
    ChargePoint,
    ConfigurationKey,
    ConfigurationTemplate,
    Inquiry,
    TemplateValue,
    WantedState,
    name_of,
)
from ocppj.v16 import ResetRequest, ResetType

TONES = {
    WantedState.TO_SEND: BUSY,
    WantedState.SENT: BUSY,
    WantedState.IN_FORCE: GOOD,
    WantedState.REBOOT_REQUIRED: WARNING,
    WantedState.REJECTED: BAD,
    WantedState.NOT_SUPPORTED: BAD,
    WantedState.FAILED: BAD,
    WantedState.DRIFTED: BAD,
}
NOT_IN_FORCE = Q(wanted__isnull=False) & ~Q(state=WantedState.IN_FORCE)
NEEDS_RESTART = Q(next_value__isnull=False)
LONGEST_SHOWN = 80


class ConfigurationActionsMixin(admin.ModelAdmin):
    """Actions on charge points, from their own list and from that of their keys."""

    def has_configure_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_configurationkey")

    def has_restart_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.add_command")

    def charge_points_of(self, queryset: QuerySet) -> QuerySet[ChargePoint]:
        """The charge points that the selected rows are, or belong to."""
        return queryset

    @admin.action(description=gettext_lazy("Read the configuration again"), permissions=["configure"])
    def read_configuration(self, request: HttpRequest, queryset: QuerySet) -> None:
        found = list(self.charge_points_of(queryset))
        read_again(found)
        message = ngettext(
            "%d charge point is asked for its configuration, now or when it connects.",
            "%d charge points are asked for their configuration, now or when they connect.",
            len(found),
        )
        self.message_user(request, message % len(found), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Apply the wanted configuration again"), permissions=["configure"])
    def apply_configuration(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._apply(request, reapply(self.charge_points_of(queryset), requested_by=request.user))

    def _apply(self, request: HttpRequest, count: int) -> None:
        message = ngettext(
            "%d wanted value is sent again, now or when its charge point connects.",
            "%d wanted values are sent again, now or when their charge points connect.",
            count,
        )
        self.message_user(request, message % count, messages.SUCCESS if count else messages.WARNING)

    @admin.action(description=gettext_lazy("Restart (Reset, Soft)"), permissions=["restart"])
    def restart(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        """What was answered with RebootRequired comes into force by it."""
        batch = issue_command_to_many(
            ChargePoint.objects.filter(pk__in=[row.pk for row in self.charge_points_of(queryset)]),
            ResetRequest(type=ResetType.Soft),
            requested_by=request.user,
            source="admin",
            selection={"admin": _("restart")},
        )
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:ocpp_app_commandbatch_change", args=(batch.pk,)))


def summary_of(charge_point: ChargePoint) -> str:
    """What the page of a charge point says of its configuration."""
    counts = charge_point.configuration_keys.aggregate(
        known_keys=Count("pk", filter=Q(is_known=True)),
        wanted_keys=Count("pk", filter=Q(wanted__isnull=False)),
        missing_keys=Count("pk", filter=NOT_IN_FORCE),
        changed_keys=Count("pk", filter=NEEDS_RESTART),
    )
    of_it: dict[str, Any] = {"charge_point": charge_point.pk}
    shown: list[Any] = [list_link(ConfigurationKey, _("%d keys") % counts["known_keys"], **of_it)]
    if counts["wanted_keys"]:
        shown.append(list_link(ConfigurationKey, _("%d wanted") % counts["wanted_keys"], **of_it, wanted="yes"))
    if counts["missing_keys"]:
        words = badge(_("%d not in force") % counts["missing_keys"], BAD)
        shown.append(list_link(ConfigurationKey, words, **of_it, drift="yes"))
    if counts["changed_keys"]:
        words = badge(_("reboot required"), WARNING)
        shown.append(list_link(ConfigurationKey, words, **of_it, reboot="yes"))
    return links(shown)


# -- keys ------------------------------------------------------------------------------------------------------


class ConfigurationKeyForm(forms.ModelForm):
    """What is wanted of one charge point."""

    wish = forms.CharField(
        label=gettext_lazy("Wanted value"),
        required=False,
        strip=False,
        max_length=MOST_CHARACTERS["value"],
        widget=forms.TextInput(attrs={"size": 80}),
        help_text=gettext_lazy("Brought to the charge point now, or when it connects, and kept there."),
    )
    as_templates_say = forms.BooleanField(
        label=gettext_lazy("As the templates say"),
        required=False,
        help_text=gettext_lazy("Nothing is wanted of this charge point itself any more."),
    )

    class Meta:
        model = ConfigurationKey
        fields = ("charge_point", "key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "wish" in self.fields:
            self.fields["wish"].initial = self.instance.wanted or ""

    def clean(self) -> Any:
        super().clean()
        key = self.cleaned_data.get("key") or self.instance.key
        try:
            check_wish(key, self.cleaned_data.get("wish") or "")
        except ValidationError as error:
            self.add_error("wish", error)
        return self.cleaned_data


@admin.register(ConfigurationKey)
class ConfigurationKeyAdmin(ConfigurationActionsMixin, BoundedListMixin, Admin):
    form = ConfigurationKeyForm
    list_display = (
        "key",
        "charge_point_link",
        "value_shown",
        "wanted_shown",
        "state_shown",
        "state_since",
        "wanted_by",
        "read_at",
    )
    list_filter = (
        linked("charge_point", ChargePoint),
        yes_no("wanted", gettext_lazy("wanted"), Q(wanted__isnull=False)),
        yes_no("drift", gettext_lazy("not in force"), NOT_IN_FORCE),
        yes_no("reboot", gettext_lazy("reboot required"), NEEDS_RESTART),
        "state",
        ("template", FewRelatedFilter),
    )
    list_select_related = ("charge_point", "template")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; the beginning of a key.")
    ordering = ("charge_point", "name")
    autocomplete_fields = ("charge_point",)
    actions = ("apply_selected", "read_configuration", "restart")
    readonly_fields = (
        "related",
        "value_shown",
        "value_since",
        "is_readonly",
        "is_known",
        "read_at",
        "next_value_shown",
        "state_shown",
        "state_since",
        "detail",
        "wanted_by",
        "confirmed_at",
        "attempts",
    )
    fieldsets = (
        (None, {"fields": ("related", "charge_point", "key", "wish", "as_templates_say")}),
        (
            gettext_lazy("How far it has come"),
            {"fields": ("state_shown", "state_since", "detail", "wanted_by", "confirmed_at", "attempts")},
        ),
        (
            gettext_lazy("What the charge point has"),
            {
                "fields": (
                    "value_shown",
                    "value_since",
                    "next_value_shown",
                    "is_readonly",
                    "is_known",
                    "read_at",
                )
            },
        ),
    )
    add_fieldsets = ((None, {"fields": ("charge_point", "key", "wish")}),)

    def other(self, word: str) -> Q:
        return Q(name__startswith=name_of(word))

    def charge_points_of(self, queryset: QuerySet) -> QuerySet[ChargePoint]:
        return ChargePoint.objects.filter(pk__in=queryset.order_by().values("charge_point"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*super().get_readonly_fields(request, obj), *(["charge_point", "key"] if obj is not None else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what a charge point has is not deleted here

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if data.get("as_templates_say"):
            want(obj.charge_point, {obj.key: None}, requested_by=request.user)
        elif not change or "wish" in form.changed_data:
            want(obj.charge_point, {obj.key: data["wish"]}, requested_by=request.user)
        obj.pk = ConfigurationKey.objects.get(charge_point=obj.charge_point, name=name_of(obj.key)).pk

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=ConfigurationKey._meta.get_field("value").verbose_name)
    def value_shown(self, obj: ConfigurationKey) -> str:
        if obj.is_known is False:
            return badge(_("unknown key"), IDLE)
        return _short(obj.value)

    @admin.display(description=ConfigurationKey._meta.get_field("next_value").verbose_name)
    def next_value_shown(self, obj: ConfigurationKey) -> str:
        return _short(obj.next_value)

    @admin.display(description=ConfigurationKey._meta.get_field("wanted").verbose_name)
    def wanted_shown(self, obj: ConfigurationKey) -> str:
        return _short(obj.wanted)

    @admin.display(description=ConfigurationKey._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: ConfigurationKey) -> str:
        if not obj.state:
            return badge(_("reboot required"), WARNING) if obj.next_value is not None else EMPTY
        words = str(obj.get_state_display())
        return badge(words.split(":")[0], TONES[WantedState(obj.state)])

    @admin.display(description=gettext_lazy("wanted by"))
    def wanted_by(self, obj: ConfigurationKey) -> str:
        if obj.wanted is None:
            return EMPTY
        return _("itself") if obj.is_own or obj.template is None else link(obj.template)

    @admin.display(description=gettext_lazy("see also"))
    def related(self, obj: ConfigurationKey) -> str:
        all_of_it = list_link(ConfigurationKey, _("all keys of the charge point"), charge_point=obj.charge_point_id)
        same = list_link(ConfigurationKey, _("this key at all charge points"), q=obj.key)
        return links((all_of_it, same))

    @admin.action(description=gettext_lazy("Apply again what is wanted"), permissions=["configure"])
    def apply_selected(self, request: HttpRequest, queryset: QuerySet) -> None:
        count = 0
        by_charge_point: dict[int, list[str]] = {}
        for row in queryset.select_related(None):
            by_charge_point.setdefault(row.charge_point_id, []).append(row.name)
        for charge_point in ChargePoint.objects.filter(pk__in=by_charge_point):
            names = by_charge_point[charge_point.pk]
            count += reapply([charge_point], requested_by=request.user, names=names)
        self._apply(request, count)


def _short(value: str | None) -> str:
    if value is None:
        return EMPTY
    text = showable(value) or "“”"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


# -- templates -------------------------------------------------------------------------------------------------


class TemplateValueForm(forms.ModelForm):
    class Meta:
        model = TemplateValue
        fields = ("template", "key", "value")

    def clean(self) -> Any:
        super().clean()
        if "key" in self.cleaned_data:
            try:
                check_wish(self.cleaned_data["key"], self.cleaned_data.get("value") or "")
            except ValidationError as error:
                self.add_error("key", error)
            if self._is_taken():
                self.add_error("key", _("The template has this key already; upper and lower case are the same."))
        return self.cleaned_data

    def _is_taken(self) -> bool:
        template = self.cleaned_data.get("template")
        if template is None or template.pk is None:
            return False
        same = TemplateValue.objects.filter(template=template, name=name_of(self.cleaned_data["key"]))
        return same.exclude(pk=self.instance.pk).exists()


class TemplateValueFormSet(forms.BaseInlineFormSet):
    """The values of a template, each key once."""

    def clean(self) -> None:
        super().clean()
        seen = set()
        for form in self.forms:
            data = getattr(form, "cleaned_data", None) or {}
            name = name_of(data.get("key") or "")
            if name in seen and not data.get("DELETE"):
                form.add_error("key", _("This key is here already; upper and lower case are the same."))
            if name and not data.get("DELETE"):
                seen.add(name)


class TemplateValueInline(admin.TabularInline):
    model = TemplateValue
    form = TemplateValueForm
    formset = TemplateValueFormSet
    fields = ("key", "value")
    extra = 3


@admin.register(ConfigurationTemplate)
class ConfigurationTemplateAdmin(ConfigurationActionsMixin, Admin):
    form = SameOrganisationForm
    list_display = ("name", "organisation", "applies_to", "is_enabled", "position", "value_count", "in_force")
    list_filter = (("organisation", FewRelatedFilter), "is_enabled")
    list_select_related = ("organisation",)
    search_fields = ("name", "description", "vendor", "model", "values__key")
    autocomplete_fields = ("organisation", "groups")
    inlines = (TemplateValueInline,)
    actions = ("apply_configuration",)
    readonly_fields = ("in_force", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "organisation", "description", "is_enabled", "in_force")}),
        (
            gettext_lazy("Applies to charge points that fit all of these"),
            {"fields": ("vendor", "model", "firmware", "groups", "position")},
        ),
        (gettext_lazy("Where a restart is needed"), {"fields": ("resets",)}),
        (None, {"fields": ("created_at",)}),
    )
    add_fieldsets = fieldsets[:1] + fieldsets[1:3]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).prefetch_related("groups")
        missing = [state for state in WantedState if state != WantedState.IN_FORCE]
        return rows.annotate(
            values_counted=count_of(TemplateValue, "template"),
            wanted_counted=count_of(ConfigurationKey, "template", wanted__isnull=False),
            missing_counted=count_of(ConfigurationKey, "template", state__in=missing),
        )

    def charge_points_of(self, queryset: QuerySet) -> QuerySet[ChargePoint]:
        concerned = ConfigurationKey.objects.filter(template__in=queryset.order_by().values("pk"))
        return ChargePoint.objects.filter(pk__in=concerned.values("charge_point"))

    @admin.display(description=gettext_lazy("applies to"))
    def applies_to(self, obj: ConfigurationTemplate) -> str:
        patterns = " ".join(filter(None, (obj.vendor, obj.model, obj.firmware)))
        groups = ", ".join(group.name for group in obj.groups.all())
        return " · ".join(filter(None, (patterns, groups))) or _("every charge point")

    @admin.display(description=TemplateValue._meta.verbose_name_plural, ordering="values_counted")
    def value_count(self, obj: Any) -> str:
        return list_link(TemplateValue, obj.values_counted, template__id__exact=obj.pk)

    @admin.display(description=gettext_lazy("in force"))
    def in_force(self, obj: Any) -> str:
        """Of all values that it wants of charge points, those that are there; and the others."""
        if obj.pk is None or not obj.wanted_counted:
            return EMPTY
        of_it = {"template__id__exact": obj.pk}
        words = _("%(there)d of %(all)d") % {
            "there": obj.wanted_counted - obj.missing_counted,
            "all": obj.wanted_counted,
        }
        shown: list[Any] = [list_link(ConfigurationKey, words, **of_it)]
        if obj.missing_counted:
            missing = badge(_("%d not in force") % obj.missing_counted, BAD)
            shown.append(list_link(ConfigurationKey, missing, **of_it, drift="yes"))
        return links(shown)


@admin.register(TemplateValue)
class TemplateValueAdmin(Admin):
    form = TemplateValueForm
    list_display = ("key", "value", "template")
    list_filter = (("template", FewRelatedFilter),)
    list_select_related = ("template",)
    search_fields = ("key", "value", "template__name")
    autocomplete_fields = ("template",)
    fields = ("template", "key", "value")

    def changed_columns(self, obj: Any, form: Any) -> list[str]:
        columns: Iterable[str] = super().changed_columns(obj, form)
        return [*columns, "name"]


# -- what the system asks by itself ----------------------------------------------------------------------------


@admin.register(Inquiry)
class InquiryAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = (
        "charge_point_link",
        "due_at",
        "configuration_read_at",
        "unanswered",
        "told",
        "boot_asked_at",
        "status_asked_at",
    )
    list_display_links = ("due_at",)
    list_filter = (
        linked("charge_point", ChargePoint),
        yes_no("unanswered", gettext_lazy("unanswered"), Q(unanswered__gt=0)),
        yes_no("refuses_all", gettext_lazy("refuses to tell all"), Q(refuses_all=True)),
    )
    list_select_related = ("charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning.")
    fields = (
        "charge_point",
        "due_at",
        "told",
        "boot_asked_at",
        "status_asked_at",
        "configuration_asked_at",
        "unanswered",
        "configuration_read_at",
        "firmware_version",
        "refuses_all",
        "refuses_triggers",
        "reset_at",
    )
