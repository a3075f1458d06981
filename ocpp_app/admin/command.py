"""Commands to charge points. Evidence: ``issue_command`` makes them, and what happens to them changes them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app import secrecy
from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import (
    BAD,
    BUSY,
    EMPTY,
    GOOD,
    IDLE,
    WARNING,
    badge,
    code,
    elapsed,
    link,
    number,
    pretty,
    status_badge,
)
from ocpp_app.admin.filters import known_values, linked
from ocpp_app.admin.search import BoundedListMixin, uuid
from ocpp_app.commands import cancel_command
from ocpp_app.models import ChargePoint, Command, CommandBatch, CommandState, Message
from ocppj.versions import PROTOCOLS, Sender

ACTIONS = sorted(
    {name for one in PROTOCOLS.values() for name, spec in one.actions.items() if spec.sender is not Sender.charge_point}
)
STATE_TONES = {
    CommandState.QUEUED: WARNING,
    CommandState.DISPATCHED: BUSY,
    CommandState.SENT: BUSY,
    CommandState.ANSWERED: GOOD,
    CommandState.ERROR: BAD,
    CommandState.TIMED_OUT: BAD,
    CommandState.LOST: BAD,
    CommandState.EXPIRED: WARNING,
    CommandState.CANCELLED: IDLE,
}


@admin.register(Command)
class CommandAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = (
        "created_at",
        "action",
        "charge_point_link",
        "state_shown",
        "status_shown",
        "duration",
        "requested_by",
        "source",
    )
    list_display_links = ("created_at", "action")
    list_filter = (
        linked("charge_point", ChargePoint),
        linked("batch", CommandBatch),
        "state",
        known_values("action", Command._meta.get_field("action").verbose_name, ACTIONS),
    )
    list_select_related = ("charge_point", "requested_by")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a unique id.")
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("action", "charge_point", "state_shown", "status_shown", "reason", "id", "message")}),
        (
            gettext_lazy("Asked for by"),
            {"fields": ("requested_by", "api_token", "source", "batch", "idempotency_key", "transaction")},
        ),
        (
            gettext_lazy("Request"),
            {"fields": ("payload_shown", "frame_shown", ("timeout_s", "delay_s"), "not_before", "expires_at")},
        ),
        (
            gettext_lazy("Answer"),
            {
                "fields": (
                    "response_shown",
                    "answer_frame",
                    "is_late",
                    "error_code",
                    "error_description",
                    "error_details_shown",
                )
            },
        ),
        (
            gettext_lazy("Course"),
            {
                "fields": (
                    "created_at",
                    "dispatched_at",
                    "repeated_at",
                    "sent_at",
                    "cancel_requested_at",
                    "finished_at",
                    ("waited_shown", "latency_shown", "duration"),
                    "session",
                )
            },
        ),
    )

    def other(self, word: str) -> Q:
        return uuid("pk", word)

    @admin.display(description=Command._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: Command) -> str:
        words = str(obj.get_state_display())
        return badge(words.split(":")[0], STATE_TONES.get(CommandState(obj.state), IDLE))

    @admin.display(description=Command._meta.get_field("status").verbose_name, ordering="status")
    def status_shown(self, obj: Command) -> str:
        return badge(obj.error_code, BAD) if obj.error_code else status_badge(obj.status)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, obj: Command) -> str:
        return elapsed((obj.finished_at or timezone.now()) - obj.created_at)

    @admin.display(description=Message._meta.verbose_name)
    def message(self, obj: Command) -> Any:
        found = Message.objects.filter(command=obj).first()
        return EMPTY if found is None else link(found, _("its frame in the message log"))

    @admin.display(description=Command._meta.get_field("payload").verbose_name)
    def payload_shown(self, obj: Command) -> str:
        return pretty(secrecy.without_secrets(obj.action, obj.payload))

    @admin.display(description=Command._meta.get_field("frame").verbose_name)
    def frame_shown(self, obj: Command) -> str:
        return code(secrecy.loggable_frame(obj))

    @admin.display(description=gettext_lazy("frame"))
    def answer_frame(self, obj: Command) -> str:
        found = Message.objects.filter(command=obj).first()
        return EMPTY if found is None else code(found.answer)

    @admin.display(description=gettext_lazy("waited"))
    def waited_shown(self, obj: Command) -> str:
        return elapsed(obj.waited)

    @admin.display(description=gettext_lazy("answered after"))
    def latency_shown(self, obj: Command) -> str:
        return number(obj.latency_s, "s", 3)

    @admin.display(description=Command._meta.get_field("response").verbose_name)
    def response_shown(self, obj: Command) -> str:
        return pretty(obj.response)

    @admin.display(description=Command._meta.get_field("error_details").verbose_name)
    def error_details_shown(self, obj: Command) -> str:
        return pretty(obj.error_details)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_command")

    @admin.action(description=gettext_lazy("Take back, if not sent yet"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        asked = [cancel_command(row, reason=f"cancelled by {request.user}") for row in queryset]
        left = [row for row in asked if row.state in (CommandState.CANCELLED, CommandState.DISPATCHED)]
        for row in left:
            self.log_change(request, row, _("Taken back."))
        text = ngettext("%d command is taken back.", "%d commands are taken back.", len(left))
        if len(left) < len(asked):
            text += " " + _("The others have been sent or have ended already.")
        self.message_user(request, text % len(left), messages.SUCCESS if left else messages.WARNING)
