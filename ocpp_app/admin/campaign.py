"""Firmware campaigns: how far they are, and what became of each charge point."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, WARNING, badge, link, list_link
from ocpp_app.admin.filters import FewRelatedFilter, linked
from ocpp_app.admin.search import BoundedListMixin
from ocpp_app.campaigns import cancel_campaign, pause_campaign, resume_campaign
from ocpp_app.errors import CampaignEnded
from ocpp_app.models import (
    CampaignState,
    CampaignTarget,
    ChargePoint,
    FirmwareCampaign,
    TargetState,
    campaign_outcomes,
)

CAMPAIGN_TONES = {
    CampaignState.RUNNING: BUSY,
    CampaignState.PAUSED: WARNING,
    CampaignState.STOPPED: BAD,
    CampaignState.CANCELLED: IDLE,
    CampaignState.DONE: GOOD,
}
TARGET_TONES = {
    TargetState.WAITING: IDLE,
    TargetState.RUNNING: BUSY,
    TargetState.DONE: GOOD,
    TargetState.FAILED: BAD,
    TargetState.SKIPPED: IDLE,
    TargetState.CANCELLED: IDLE,
}


@admin.register(FirmwareCampaign)
class FirmwareCampaignAdmin(EvidenceAdmin):
    list_display = ("name", "firmware", "group", "state_shown", "wave", "progress", "detail", "created_at")
    list_filter = ("state", ("organisation", FewRelatedFilter))
    list_select_related = ("firmware", "group")
    search_fields = ("name",)
    actions = ("pause", "resume", "cancel")
    fields = (
        "name",
        ("firmware", "is_signed"),
        "group",
        ("state_shown", "wave"),
        "progress",
        "detail",
        "results",
        ("wave_size", "failures_allowed", "hours_per_charge_point"),
        ("organisation", "requested_by", "api_token"),
        ("created_at", "finished_at"),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows: Any = changelist.result_list
        changelist.result_list = list(rows)
        campaign_outcomes(changelist.result_list)
        return changelist

    @admin.display(description=FirmwareCampaign._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: FirmwareCampaign) -> str:
        return badge(obj.get_state_display(), CAMPAIGN_TONES[CampaignState(obj.state)])

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, obj: FirmwareCampaign) -> str:
        known = [(state, tone) for state, tone in TARGET_TONES.items() if state in obj.outcomes]
        shown = ((badge(f"{obj.outcomes[state]} {state.label}", tone),) for state, tone in known)
        return format_html_join(" ", "{}", shown) or EMPTY

    def has_drive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_firmwarecampaign")

    @admin.action(description=gettext_lazy("Pause: nobody else begins"), permissions=["drive"])
    def pause(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._drive(request, queryset, pause_campaign)

    @admin.action(description=gettext_lazy("Resume"), permissions=["drive"])
    def resume(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._drive(request, queryset, self._resume)

    @admin.action(description=gettext_lazy("Cancel"), permissions=["drive"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._drive(request, queryset, cancel_campaign)

    def _drive(self, request: HttpRequest, queryset: QuerySet, change: Callable[..., FirmwareCampaign]) -> None:
        for campaign in queryset:
            try:
                changed = change(campaign)
            except CampaignEnded as error:
                self.message_user(request, f"{campaign}: {error}", messages.ERROR)
                continue
            text = f"{changed}: {changed.get_state_display()}"
            self.log_change(request, changed, text)
            self.message_user(request, text, messages.SUCCESS)

    @staticmethod
    def _resume(campaign: FirmwareCampaign) -> FirmwareCampaign:
        """After a stop, with as many failures as there are: the next one stops it again."""
        is_stopped = campaign.state == CampaignState.STOPPED
        failed = campaign.outcomes.get(TargetState.FAILED, 0)
        return resume_campaign(campaign, failures_allowed=str(failed) if is_stopped else "")

    @admin.display(description=gettext_lazy("results"))
    def results(self, obj: FirmwareCampaign) -> str:
        return list_link(CampaignTarget, gettext_lazy("what became of each charge point"), campaign=obj.pk)


@admin.register(CampaignTarget)
class CampaignTargetAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = (
        "charge_point_link",
        "campaign",
        "wave",
        "state_shown",
        "update",
        "detail",
        "started_at",
        "finished_at",
    )
    list_filter = (
        "state",
        linked("campaign", FirmwareCampaign),
        linked("charge_point", ChargePoint),
    )
    list_select_related = ("charge_point", "campaign", "task")
    fields = ("campaign", "charge_point", "wave", "state_shown", "update", "detail", "started_at", "finished_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).order_by("-campaign", "wave", "charge_point__identity")

    @admin.display(description=CampaignTarget._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: CampaignTarget) -> str:
        return badge(obj.get_state_display(), TARGET_TONES[TargetState(obj.state)])

    @admin.display(description=CampaignTarget._meta.get_field("task").verbose_name)
    def update(self, obj: CampaignTarget) -> str:
        return link(obj.task)
