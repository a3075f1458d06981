"""Commands to many charge points: how far they are, and what came of them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.command import ACTIONS, STATE_TONES
from ocpp_app.admin.display import EMPTY, IDLE, badge, list_link, pretty, status_badge
from ocpp_app.admin.filters import known_values
from ocpp_app.command_batches import cancel_batch
from ocpp_app.models import Command, CommandBatch, CommandState, outcomes_of


@admin.register(CommandBatch)
class CommandBatchAdmin(EvidenceAdmin):
    list_display = ("created_at", "action", "size", "progress", "answers", "requested_by", "source")
    list_display_links = ("created_at", "action")
    list_filter = (known_values("action", CommandBatch._meta.get_field("action").verbose_name, ACTIONS),)
    list_select_related = ("requested_by",)
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("action", "size", "progress", "answers", "results")}),
        (
            gettext_lazy("Request"),
            {"fields": ("payload_shown", "selection_shown", "expires_at", "created_at", "organisation")},
        ),
        (gettext_lazy("Asked for by"), {"fields": ("requested_by", "api_token", "source", "idempotency_key", "id")}),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows: Any = changelist.result_list
        changelist.result_list = list(rows)
        outcomes_of(changelist.result_list)
        return changelist

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, obj: CommandBatch) -> str:
        counts = ((badge(f"{count} {state}", STATE_TONES[CommandState(state)]),) for state, count in obj.states.items())
        return format_html_join(" ", "{}", counts) or EMPTY

    @admin.display(description=gettext_lazy("answers"))
    def answers(self, obj: CommandBatch) -> str:
        counts = ((status_badge(word, f"{count} {word}") or badge(word, IDLE),) for word, count in obj.statuses.items())
        return format_html_join(" ", "{}", counts) or EMPTY

    @admin.display(description=gettext_lazy("results"))
    def results(self, obj: CommandBatch) -> str:
        return list_link(Command, gettext_lazy("what became of it at each charge point"), batch=obj.pk)

    @admin.display(description=CommandBatch._meta.get_field("payload").verbose_name)
    def payload_shown(self, obj: CommandBatch) -> str:
        return pretty(obj.payload)

    @admin.display(description=CommandBatch._meta.get_field("selection").verbose_name)
    def selection_shown(self, obj: CommandBatch) -> str:
        return pretty(obj.selection)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_command")

    @admin.action(description=gettext_lazy("Take back what has not been sent"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        batches = list(queryset)
        for batch in batches:
            cancel_batch(batch, reason=f"cancelled by {request.user}")
            self.log_change(request, batch, gettext_lazy("Took back what had not been sent."))
        text = ngettext(
            "What %d command to many has not sent yet is taken back.",
            "What %d commands to many have not sent yet is taken back.",
            len(batches),
        )
        self.message_user(request, text % len(batches), messages.SUCCESS)
