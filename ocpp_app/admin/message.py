"""The frame log, and the messages on which we failed. Evidence."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import Admin, EvidenceAdmin
from ocpp_app.admin.display import (
    BAD,
    EMPTY,
    GOOD,
    IDLE,
    WARNING,
    badge,
    code,
    link,
    list_link,
    number,
    pretty_frame,
)
from ocpp_app.admin.filters import known_values, linked, yes_no
from ocpp_app.admin.search import BigTableMixin, BoundedListMixin
from ocpp_app.models import ChargePoint, Direction, FailedMessage, Message, Session
from ocppj.versions import PROTOCOLS

CALL_ERROR = 4
ACTIONS = sorted({action for protocol in PROTOCOLS.values() for action in protocol.actions})
ACTION = Message._meta.get_field("action").verbose_name


@admin.register(Message)
class MessageAdmin(BigTableMixin, EvidenceAdmin):
    time_column = "at"
    list_display = ("at", "charge_point_link", "arrow", "action_shown", "unique_id", "outcome", "latency")
    list_display_links = ("at", "action_shown")
    list_filter = (
        linked("charge_point", ChargePoint),
        "direction",
        "answer_type",
        "at",
        known_values("action", ACTION, ACTIONS),
    )
    list_select_related = ("charge_point",)
    sortable_by = ()
    search_help_text = gettext_lazy(
        "The identity of a charge point, or its beginning, and then, if wanted, a unique id. "
        "Without a charge point, only the newest 1,000,000 rows are looked at. At most 10,000 are listed."
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "at",
                    "charge_point",
                    "arrow",
                    "action_shown",
                    "unique_id",
                    "outcome",
                    "latency",
                    "session",
                    "command",
                )
            },
        ),
        (gettext_lazy("Frame"), {"fields": ("call_shown", "answer_shown", "answered_at")}),
        (gettext_lazy("As on the wire"), {"fields": ("raw_call", "raw_answer")}),
    )

    def other(self, word: str) -> Q:
        return Q(unique_id=word)

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=Message._meta.get_field("direction").verbose_name)
    def arrow(self, obj: Message) -> str:
        sign = "→" if obj.direction == Direction.INBOUND else "←"
        text = _("received") if obj.direction == Direction.INBOUND else _("sent")
        return format_html('<span class="ocpp-nowrap" title="{}">{} {}</span>', obj.get_direction_display(), sign, text)

    @admin.display(description=ACTION)
    def action_shown(self, obj: Message) -> str:
        return obj.action or _("no CALL")

    @admin.display(description=gettext_lazy("answer"))
    def outcome(self, obj: Message) -> str:
        if obj.answer_type is None:
            return badge(_("no answer"), WARNING) if obj.action else badge(_("none expected"), IDLE)
        if obj.answer_type == CALL_ERROR:
            return badge(f"CALLERROR {_error_code(obj.answer)}".strip(), BAD)
        return badge(obj.get_answer_type_display(), GOOD)

    @admin.display(description=gettext_lazy("latency"))
    def latency(self, obj: Message) -> str:
        return EMPTY if obj.answered_at is None else number((obj.answered_at - obj.at).total_seconds() * 1000, "ms", 0)

    # -- the page -------------------------------------------------------------------------------------------------

    @admin.display(description=Session._meta.verbose_name)
    def session(self, obj: Message) -> Any:
        return link(Session.objects.filter(pk=obj.session_id).first()) if obj.session_id else EMPTY

    @admin.display(description=gettext_lazy("call"))
    def call_shown(self, obj: Message) -> str:
        return pretty_frame(obj.raw)

    @admin.display(description=gettext_lazy("answer"))
    def answer_shown(self, obj: Message) -> str:
        return pretty_frame(obj.answer)

    @admin.display(description=gettext_lazy("call"))
    def raw_call(self, obj: Message) -> str:
        return code(obj.raw)

    @admin.display(description=gettext_lazy("answer"))
    def raw_answer(self, obj: Message) -> str:
        return code(obj.answer)


def _error_code(answer: str) -> str:
    """The errorCode of a CALLERROR frame (OCPP-J 1.6 §4.2.3), as far as it can be read."""
    try:
        return str(json.loads(answer)[2])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


@admin.register(FailedMessage)
class FailedMessageAdmin(BoundedListMixin, Admin):
    list_display = ("received_at", "charge_point_link", "action", "last_line", "state", "replayed_at", "note")
    list_display_links = ("received_at", "action")
    list_filter = (
        linked("charge_point", ChargePoint),
        yes_no("replayed", gettext_lazy("replayed"), Q(replayed_at__isnull=False)),
        known_values("action", ACTION, ACTIONS),
    )
    list_select_related = ("charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; a word of the error.")
    fieldsets = (
        (None, {"fields": ("received_at", "charge_point", "action", "state", "replayed_at", "note")}),
        (gettext_lazy("Frame"), {"fields": ("frame", "answered", "raw_frame")}),
        (FailedMessage._meta.get_field("error").verbose_name, {"fields": ("traceback", "messages")}),
    )
    readonly_fields = (
        "received_at",
        "charge_point",
        "action",
        "state",
        "replayed_at",
        "frame",
        "answered",
        "raw_frame",
        "traceback",
        "messages",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def other(self, word: str) -> Q:
        return Q(error__icontains=word)

    @admin.display(description=FailedMessage._meta.get_field("error").verbose_name)
    def last_line(self, obj: FailedMessage) -> str:
        return (obj.error.strip().splitlines() or [EMPTY])[-1]

    @admin.display(description=gettext_lazy("state"), ordering="replayed_at")
    def state(self, obj: FailedMessage) -> str:
        return badge(_("to be replayed"), BAD) if obj.replayed_at is None else badge(_("replayed"), GOOD)

    @admin.display(description=gettext_lazy("call"))
    def frame(self, obj: FailedMessage) -> str:
        return pretty_frame(obj.raw)

    @admin.display(description=gettext_lazy("as on the wire"))
    def raw_frame(self, obj: FailedMessage) -> str:
        return code(obj.raw)

    @admin.display(description=FailedMessage._meta.get_field("answered_with").verbose_name)
    def answered(self, obj: FailedMessage) -> str:
        return pretty_frame(obj.answered_with)

    @admin.display(description=gettext_lazy("traceback"))
    def traceback(self, obj: FailedMessage) -> str:
        return code(obj.error)

    @admin.display(description=gettext_lazy("see also"))
    def messages(self, obj: FailedMessage) -> str:
        return list_link(Message, _("messages of this charge point"), charge_point=obj.charge_point_id)
