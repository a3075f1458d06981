"""Charging profiles: the library with its assignments, what is installed where, and composite schedules."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app import charging_profiles
from ocpp_app.admin.base import Admin, EvidenceAdmin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import BAD, EMPTY, GOOD, IDLE, WARNING, badge, link, list_link, pretty, status_badge
from ocpp_app.admin.filters import FewRelatedFilter, linked
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.admin.plot import plot
from ocpp_app.admin.search import BoundedListMixin, integer
from ocpp_app.admin.send_profile import SendProfileMixin
from ocpp_app.errors import CommandError
from ocpp_app.models import (
    ChargePoint,
    ChargingProfile,
    ChargingProfilePeriod,
    CompositeSchedule,
    InstallationState,
    ProfileAssignment,
    ProfileInstallation,
    Transaction,
)

TONES = {InstallationState.REQUESTED: WARNING, InstallationState.INSTALLED: GOOD, InstallationState.REFUSED: BAD}


class PeriodFormSet(BaseInlineFormSet):
    """At least one period, the first at 0 (errata 3.45)."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        starts = [data["start_period_s"] for data in kept if "start_period_s" in data]
        if not starts or min(starts) != 0:
            raise ValidationError(_("The first period starts at 0 (OCPP 1.6 errata 3.45). Add it."))


class PeriodInline(admin.TabularInline):
    model = ChargingProfilePeriod
    formset = PeriodFormSet
    fields = ("start_period_s", "limit", "number_phases")
    extra = 0
    min_num = 1


class AssignmentInline(admin.TabularInline):
    model = ProfileAssignment
    fields = ("charge_point", "group", "connector_number")
    autocomplete_fields = ("charge_point", "group")
    extra = 0


class InstallationColumnsMixin:
    @admin.display(description=ProfileInstallation._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: ProfileInstallation) -> str:
        if obj.transaction is not None and not obj.transaction.is_active:
            return badge(_("ended with its transaction"), IDLE)
        return badge(obj.get_state_display(), TONES[InstallationState(obj.state)])

    @admin.display(description=ProfileInstallation._meta.get_field("answer").verbose_name, ordering="answer")
    def answer_shown(self, obj: ProfileInstallation) -> str:
        shown = status_badge(obj.answer)
        return format_html("{} {}", shown, obj.detail) if obj.detail else shown


class InstallationFormSet(ReadOnlyFormSet):
    limit = 100


class InstallationInline(InstallationColumnsMixin, ReadOnlyInline):
    model = ProfileInstallation
    formset = InstallationFormSet
    fields = ("charge_point_shown", "connector_number", "state_shown", "answer_shown", "status_at", "transaction_shown")
    ordering = ("charge_point",)
    select_related = ("charge_point", "transaction")

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point_shown(self, obj: ProfileInstallation) -> str:
        return link(obj, obj.charge_point)

    @admin.display(description=Transaction._meta.verbose_name)
    def transaction_shown(self, obj: ProfileInstallation) -> str:
        return link(obj.transaction)


class ChargingProfileForm(SameOrganisationForm):
    class Meta:
        model = ChargingProfile
        fields = "__all__"

    def clean(self) -> Any:
        cleaned = super().clean()
        organisation = self.cleaned_data.get("organisation")
        if self.instance.pk and organisation and organisation.pk != self.instance.organisation_id:
            self.add_error("organisation", _("A profile stays with its organisation. Copy it there."))
        return cleaned


@admin.register(ChargingProfile)
class ChargingProfileAdmin(SendProfileMixin, Admin):
    form = ChargingProfileForm
    list_display = ("id", "description", "purpose", "stack_level", "kind", "periods_shown", "installed", "organisation")
    list_display_links = ("id", "description")
    list_filter = ("purpose", "kind", ("organisation", FewRelatedFilter))
    list_select_related = ("organisation",)
    search_fields = ("description",)
    autocomplete_fields = ("organisation",)
    actions = ("copy",)
    inlines = (PeriodInline, AssignmentInline, InstallationInline)
    fieldsets = (
        (None, {"fields": ("id", "description", "organisation", ("purpose", "stack_level"))}),
        (gettext_lazy("When"), {"fields": ("kind", "recurrency_kind", "start_schedule", ("valid_from", "valid_to"))}),
        (gettext_lazy("Schedule"), {"fields": ("charging_rate_unit", "duration_s", "min_charging_rate", "curve")}),
        (None, {"fields": ("created_at",)}),
    )
    add_fieldsets = (
        (None, {"fields": ("description", "organisation", ("purpose", "stack_level"))}),
        (gettext_lazy("When"), {"fields": ("kind", "recurrency_kind", "start_schedule", ("valid_from", "valid_to"))}),
        (gettext_lazy("Schedule"), {"fields": ("charging_rate_unit", "duration_s", "min_charging_rate")}),
    )
    readonly_fields = ("id", "curve", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).prefetch_related("periods")
        return rows.annotate(installation_count=count_of(ProfileInstallation, "charging_profile"))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is ProfileAssignment:
            for one in formset.forms:
                one.instance.requested_by = one.instance.requested_by or request.user
        super().save_formset(request, form, formset, change)

    @admin.display(description=ChargingProfilePeriod._meta.verbose_name_plural)
    def periods_shown(self, obj: ChargingProfile) -> str:
        shown = [f"{period.limit:g} {obj.charging_rate_unit}" for period in obj.periods.all()[:4]]
        return ", ".join(shown) or EMPTY

    @admin.display(description=ProfileInstallation._meta.verbose_name_plural, ordering="installation_count")
    def installed(self, obj: Any) -> str:
        count = obj.installation_count
        return list_link(ProfileInstallation, count, charging_profile=obj.pk) if count else EMPTY

    @admin.display(description=gettext_lazy("curve"))
    def curve(self, obj: ChargingProfile) -> str:
        if obj.pk is None:
            return EMPTY
        steps = [(float(period.start_period_s), float(period.limit)) for period in obj.periods.all()]
        end = float(obj.duration_s or (steps[-1][0] * 1.25 if steps and steps[-1][0] else 86_400))
        return plot(steps, end, obj.charging_rate_unit)

    @admin.action(description=gettext_lazy("Copy"), permissions=["add"])
    def copy(self, request: HttpRequest, queryset: QuerySet) -> None:
        copied = 0
        for row in queryset.prefetch_related("periods"):
            periods = list(row.periods.all())
            row.pk, row._state.adding = None, True
            row.description = (_("%s (copy)") % row.description)[:200]
            with transaction.atomic():
                row.save(force_insert=True)
                for period in periods:
                    period.pk, period._state.adding, period.charging_profile = None, True, row
                ChargingProfilePeriod.objects.bulk_create(periods)
            self.log_addition(request, row, [{"added": {}}])
            copied += 1
        message = ngettext("%d charging profile is copied.", "%d charging profiles are copied.", copied)
        self.message_user(request, message % copied, messages.SUCCESS)


@admin.register(ChargingProfilePeriod)
class ChargingProfilePeriodAdmin(Admin):
    list_display = ("charging_profile", "start_period_s", "limit", "number_phases")
    list_select_related = ("charging_profile",)
    search_fields = ("charging_profile__description",)
    autocomplete_fields = ("charging_profile",)
    fields = ("charging_profile", "start_period_s", "limit", "number_phases")


@admin.register(ProfileAssignment)
class ProfileAssignmentAdmin(Admin):
    list_display = ("charging_profile", "target", "connector_number", "requested_by", "created_at")
    list_filter = (
        ("organisation", FewRelatedFilter),
        ("group", FewRelatedFilter),
        linked("charge_point", ChargePoint),
        linked("charging_profile", ChargingProfile),
    )
    list_select_related = ("charging_profile", "charge_point", "group", "requested_by")
    search_fields = ("charging_profile__description", "charge_point__identity", "group__name")
    autocomplete_fields = ("charging_profile", "charge_point", "group")
    fields = ("charging_profile", "charge_point", "group", "connector_number", "created_at")
    readonly_fields = ("created_at",)
    add_fieldsets = ((None, {"fields": ("charging_profile", "charge_point", "group", "connector_number")}),)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.requested_by = obj.requested_by or request.user
        super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("where"))
    def target(self, obj: ProfileAssignment) -> str:
        return link(obj.charge_point or obj.group)


@admin.register(ProfileInstallation)
class ProfileInstallationAdmin(InstallationColumnsMixin, BoundedListMixin, EvidenceAdmin):
    list_display = (
        "profile_id",
        "profile_shown",
        "charge_point_link",
        "connector_number",
        "purpose",
        "stack_level",
        "state_shown",
        "answer_shown",
        "status_at",
    )
    list_filter = (
        "state",
        ("charge_point__organisation", FewRelatedFilter),
        linked("charge_point", ChargePoint),
        linked("charging_profile", ChargingProfile),
        linked("transaction", Transaction),
    )
    list_select_related = ("charge_point", "charging_profile", "transaction")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a chargingProfileId.")
    actions = ("clear",)
    fields = (
        ("profile_id", "profile_shown"),
        "charge_point",
        "connector_number",
        ("purpose", "stack_level"),
        ("state_shown", "status_at"),
        ("answer_shown", "asked_at"),
        "transaction_shown",
        "id_tag",
        "is_assigned",
        "payload_shown",
        "command_shown",
    )

    def has_clear_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_profileinstallation")

    def other(self, word: str) -> Q:
        return integer("profile_id", word) if len(word) < 19 else Q(pk__in=())

    @admin.display(description=ChargingProfile._meta.verbose_name)
    def profile_shown(self, obj: ProfileInstallation) -> str:
        return link(obj.charging_profile)

    @admin.display(description=Transaction._meta.verbose_name)
    def transaction_shown(self, obj: ProfileInstallation) -> str:
        return link(obj.transaction)

    @admin.display(description=ProfileInstallation._meta.get_field("payload").verbose_name)
    def payload_shown(self, obj: ProfileInstallation) -> str:
        return pretty(obj.payload)

    @admin.display(description=gettext_lazy("command"))
    def command_shown(self, obj: ProfileInstallation) -> str:
        return link(obj.command)

    @admin.action(description=gettext_lazy("Clear at the charge point"), permissions=["clear"])
    def clear(self, request: HttpRequest, queryset: QuerySet) -> None:
        asked = 0
        for row in queryset.select_related("charge_point"):
            try:
                charging_profiles.clear_profiles(
                    row.charge_point, profile_id=row.profile_id, requested_by=request.user, source="admin"
                )
            except CommandError as error:
                self.message_user(request, str(error), messages.WARNING)
                continue
            self.log_change(request, row, _("Asked the charge point to clear it."))
            asked += 1
        message = ngettext(
            "The charge point is asked to clear %d profile.", "The charge points are asked to clear %d profiles.", asked
        )
        self.message_user(request, message % asked, messages.SUCCESS if asked else messages.WARNING)


@admin.register(CompositeSchedule)
class CompositeScheduleAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = (
        "received_at",
        "charge_point_link",
        "connector_number",
        "status_shown",
        "starts_at",
        "ends_at",
        "charging_rate_unit",
    )
    list_filter = ("status", ("charge_point__organisation", FewRelatedFilter), linked("charge_point", ChargePoint))
    list_select_related = ("charge_point",)
    fields = (
        "charge_point",
        "connector_number",
        "status_shown",
        ("starts_at", "ends_at"),
        "charging_rate_unit",
        "min_charging_rate",
        "curve",
        "periods_shown",
        "received_at",
        "command_shown",
    )

    @admin.display(description=CompositeSchedule._meta.get_field("status").verbose_name, ordering="status")
    def status_shown(self, obj: CompositeSchedule) -> str:
        return status_badge(obj.status)

    @admin.display(description=gettext_lazy("curve"))
    def curve(self, obj: CompositeSchedule) -> str:
        if obj.starts_at is None or obj.ends_at is None or not obj.periods:
            return EMPTY
        return plot(obj.steps(), (obj.ends_at - obj.starts_at).total_seconds(), obj.charging_rate_unit)

    @admin.display(description=CompositeSchedule._meta.get_field("periods").verbose_name)
    def periods_shown(self, obj: CompositeSchedule) -> str:
        return pretty(obj.periods)

    @admin.display(description=gettext_lazy("command"))
    def command_shown(self, obj: CompositeSchedule) -> str:
        return link(obj.command)
