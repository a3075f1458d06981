"""Commands to charge points. Evidence: ``issue_command`` makes them, and what happens to them changes them."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, WARNING, badge, elapsed, link, pretty, status_badge
from ocpp_app.admin.filters import known_values, linked
from ocpp_app.admin.search import BoundedListMixin, uuid
from ocpp_app.models import ChargePoint, Command, CommandState, Message
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
        "state",
        known_values("action", Command._meta.get_field("action").verbose_name, ACTIONS),
    )
    list_select_related = ("charge_point", "requested_by")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a unique id.")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "action",
                    "charge_point",
                    "state_shown",
                    "status_shown",
                    "requested_by",
                    "source",
                    "id",
                    "message",
                )
            },
        ),
        (gettext_lazy("Request"), {"fields": ("payload_shown", ("timeout_s", "delay_s"), "expires_at")}),
        (
            gettext_lazy("Answer"),
            {"fields": ("response_shown", "is_late", "error_code", "error_description", "error_details_shown")},
        ),
        (
            gettext_lazy("Course"),
            {"fields": ("created_at", "dispatched_at", "sent_at", "finished_at", "duration", "session")},
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
        return pretty(obj.payload)

    @admin.display(description=Command._meta.get_field("response").verbose_name)
    def response_shown(self, obj: Command) -> str:
        return pretty(obj.response)

    @admin.display(description=Command._meta.get_field("error_details").verbose_name)
    def error_details_shown(self, obj: Command) -> str:
        return pretty(obj.error_details)
