"""How the console shows values: energies in kWh, times in the viewer's zone, states as words on a colour.

Whatever a charge point wrote passes ``format_html`` or Django's own escaping.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.access import Access, organisation_id_of
from ocpp_app.admin.display import IDLE, TONES, showable
from ocpp_app.models import CommandState, ReservationState, Scope, Session, TargetState
from ocpp_app.pricing import LineKind
from ocpp_app.translation import tell

register = template.Library()

NOTHING = "–"
LONG = 28
"""A badge of more characters may break."""

TONES_HERE = {
    **TONES,
    CommandState.QUEUED: "warning",
    CommandState.DISPATCHED: "busy",
    CommandState.SENT: "busy",
    CommandState.ANSWERED: "good",
    CommandState.ERROR: "bad",
    CommandState.TIMED_OUT: "bad",
    CommandState.LOST: "bad",
    CommandState.EXPIRED: "idle",
    CommandState.CANCELLED: "idle",
    "Used": "good",
    "Requested": "warning",
    "Cancelled": "idle",
}

STATES: dict[str, Any] = {
    CommandState.QUEUED: gettext_lazy("queued"),
    CommandState.DISPATCHED: gettext_lazy("dispatched"),
    CommandState.SENT: gettext_lazy("sent"),
    CommandState.ANSWERED: gettext_lazy("answered"),
    CommandState.ERROR: gettext_lazy("error"),
    CommandState.TIMED_OUT: gettext_lazy("timed out"),
    CommandState.LOST: gettext_lazy("lost"),
    CommandState.EXPIRED: gettext_lazy("expired"),
    CommandState.CANCELLED: gettext_lazy("cancelled"),
    ReservationState.REQUESTED: gettext_lazy("Requested"),
    ReservationState.USED: gettext_lazy("Used"),
    ReservationState.CANCELLED: gettext_lazy("Cancelled"),
    ReservationState.EXPIRED: gettext_lazy("Expired"),
}
"""The state of a command or of a reservation in a word; the model's own words explain it."""
CAMPAIGN_TONES = {
    "done": "good",
    "failed": "bad",
    "stopped": "bad",
    "paused": "warning",
    "waiting": "idle",
    "skipped": "idle",
    "cancelled": "idle",
}
LINE_KINDS: dict[str, Any] = {
    LineKind.ENERGY: gettext_lazy("energy"),
    LineKind.TIME: gettext_lazy("time"),
    LineKind.START: gettext_lazy("start"),
    LineKind.IDLE: gettext_lazy("idle"),
}


@register.filter
def kwh(energy_wh: float | None, decimals: int = 2) -> str:
    """Wh as kWh."""
    return NOTHING if energy_wh is None else _amount(Decimal(str(energy_wh)) / 1000, decimals, "kWh")


@register.filter
def kw(power_w: float | None, decimals: int = 1) -> str:
    """W as kW."""
    return NOTHING if power_w is None else _amount(Decimal(str(power_w)) / 1000, decimals, "kW")


@register.filter
def percent(value: float | None) -> str:
    return NOTHING if value is None else _amount(Decimal(str(value)), 0, "%")


@register.simple_tag
def money(amount: Decimal | None, currency: str) -> str:
    """An amount with its currency, with the digits that it has."""
    if amount is None:
        return NOTHING
    return _amount(amount, max(0, -int(amount.as_tuple().exponent)), currency)


def _amount(value: Decimal, decimals: int, unit: str) -> SafeString:
    text = formats.number_format(value, decimals, use_l10n=True, force_grouping=True)
    return format_html('<span class="figure">{}&nbsp;{}</span>', text, unit)


# -- times ---------------------------------------------------------------------------------------------------


@register.filter
def stamp(value: datetime | None) -> SafeString | str:
    """A time to the second: today's as the time alone, others with their day."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value)
    today = timezone.localdate()
    if local.date() == today:
        text = f"{local:%H:%M:%S}"
    elif local.year == today.year:
        text = f"{formats.date_format(local, 'j M')} {local:%H:%M:%S}"
    else:
        text = f"{local:%Y-%m-%d %H:%M:%S}"
    return _time(value, text)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """How long ago, roughly."""
    return NOTHING if value is None else _time(value, _rough(timezone.now() - value))


def _rough(age: timedelta) -> str:
    seconds = age.total_seconds()
    if seconds < 60:
        return _("just now") if seconds > -60 else _("in the future")
    for size, one in ((60, "minutes"), (3600, "hours"), (86400, "days")):
        if seconds < size * (60 if size == 60 else 48 if size == 3600 else 10**9):
            count = int(seconds // size)
            return str(AGO[one](count))
    return ""


AGO = {
    "minutes": lambda count: ngettext("%d min ago", "%d min ago", count) % count,
    "hours": lambda count: ngettext("%d hour ago", "%d hours ago", count) % count,
    "days": lambda count: ngettext("%d day ago", "%d days ago", count) % count,
}


def _time(value: datetime, text: str) -> SafeString:
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S}",
        local.tzname(),
        text,
    )


@register.filter
def elapsed(duration: timedelta | int | float | None) -> SafeString | str:
    """A duration, or so many seconds, as hours:minutes:seconds."""
    if duration is None:
        return NOTHING
    total = round(duration.total_seconds() if isinstance(duration, timedelta) else duration)
    minutes, second = divmod(max(0, total), 60)
    hours, minute = divmod(minutes, 60)
    return format_html('<span class="figure">{}</span>', f"{hours}:{minute:02}:{second:02}")


@register.filter
def milliseconds(seconds: float | None) -> SafeString | str:
    """A latency."""
    if seconds is None:
        return NOTHING
    return _amount(Decimal(str(round(seconds * 1000))), 0, "ms")


# -- words ---------------------------------------------------------------------------------------------------


@register.simple_tag
def badge(word: Any, tone: str = "", text: Any = "") -> SafeString | str:
    """A status word in its colour; the colour only helps to find it."""
    if not word:
        return NOTHING
    shown = showable(tell(text or STATES.get(word, word)))
    colour = tone or TONES_HERE.get(str(word), IDLE)
    return format_html('<span class="badge {}">{}</span>', f"{colour} long" if len(shown) > LONG else colour, shown)


@register.filter
def pretty(value: Any) -> str:
    """A decoded JSON value, or a frame, indented; as it is when it is no JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return showable(value)
    return showable(json.dumps(value, indent=2, ensure_ascii=False))


@register.filter
def told(value: Any) -> str:
    """What the system, or the specification, says with it, in the viewer's language; else as ``safe_text``."""
    return showable(tell(value))


@register.filter
def safe_text(value: Any) -> str:
    """Text that can be sent: lone surrogates are written out."""
    return showable(str(value))


# -- rights and addresses ------------------------------------------------------------------------------------


@register.filter
def may_operate(access: Access, row: Any) -> bool:
    """Whether the visitor may operate in the row's organisation."""
    return access.may(Scope.OPERATE, f"ocpp_app.change_{row._meta.model_name}", organisation_id_of(row))


@register.filter
def may_administer(access: Access, row: Any) -> bool:
    """Whether the visitor may register, change and delete in the row's organisation."""
    return access.may(Scope.ADMIN, f"ocpp_app.change_{row._meta.model_name}", organisation_id_of(row))


@register.simple_tag(takes_context=True)
def query(context: Any, **changes: Any) -> str:
    """The query of this page with these parameters changed (None: without it), from ``?`` on."""
    values = context["request"].GET.copy()
    for name, value in changes.items():
        values.pop(name, None)
        if value not in (None, ""):
            values[name] = str(value)
    return f"?{values.urlencode()}" if values else "?"


@register.filter
def numbered(connector: Any) -> str:
    """A connector's number and status."""
    return f"{connector.number} {tell(connector.status) or _('unknown')}"


@register.filter
def with_power(connector: Any) -> str:
    """The same with what it delivers."""
    power_kw = formats.number_format(Decimal(str(connector.charging[0].last_power_w)) / 1000, 1)
    return f"{numbered(connector)} {power_kw} kW"


@register.filter
def plain_value(value: Any) -> str:
    """A value of an answer: text as it is, what is nested as JSON."""
    return pretty(value) if isinstance(value, dict | list) else showable(str(value))


@register.filter
def line_kind(kind: str) -> Any:
    """What a line of a bill is for."""
    return LINE_KINDS.get(kind, kind)


@register.filter
def console_name(name: str) -> str:
    """The name of an address of the console."""
    return f"console:{name}"


@register.filter
def session_length(session: Session) -> timedelta:
    """How long a session has lasted."""
    return (session.ended_at or timezone.now()) - session.connected_at


@register.filter
def counted(word: str, count: int) -> str:
    """How often a word was said."""
    return f"{count} × {tell(STATES.get(word, word))}"


@register.filter
def prefixed(key: Any, prefix: str) -> str:
    """An id of an element."""
    return f"{prefix}-{key}"


@register.filter
def task_tone(task: Any) -> str:
    """The colour of a task's state."""
    return {"done": "good", "failed": "bad", "rejected": "bad", "cancelled": "idle"}.get(task.state, "busy")


@register.filter
def profile_tone(installation: Any) -> str:
    """The colour of whether a charging profile is installed."""
    return {"installed": "good", "refused": "bad"}.get(installation.state, "busy")


@register.filter
def installation_tone(state: str) -> str:
    """The colour of a state of it."""
    return {"installed": "good", "refused": "bad"}.get(state, "busy")


@register.filter
def campaign_tone(state: str) -> str:
    """The colour of a campaign, or of one of its charge points."""
    return CAMPAIGN_TONES.get(state, "busy")


@register.filter
def target_word(state: str) -> Any:
    """What has become of a charge point of a campaign."""
    return TargetState(state).label


@register.filter
def list_tone(local_list: Any) -> str:
    """The colour of how a local list compares."""
    return {"in_sync": "good", "failed": "bad", "pending": "busy"}.get(local_list.state, "idle")
