"""How values are shown: times with seconds, energies in kWh, states as words on a colour, frames as readable JSON.

Charge points write what they like: everything passes ``format_html``, which escapes it, or goes back as plain text, for
Django to escape.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import models
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

EMPTY = "-"

GOOD, BUSY, WARNING, BAD, IDLE = "good", "busy", "warning", "bad", "idle"
TONES = {
    # ChargePointStatus (OCPP 1.6 §7.7)
    "Available": GOOD,
    "Charging": BUSY,
    "Preparing": WARNING,
    "SuspendedEV": WARNING,
    "SuspendedEVSE": WARNING,
    "Finishing": WARNING,
    "Reserved": WARNING,
    "Unavailable": IDLE,
    "Faulted": BAD,
    # what answers say: RegistrationStatus, AuthorizationStatus, RemoteStartStopStatus, UnlockStatus …
    "Accepted": GOOD,
    "Unlocked": GOOD,
    "Scheduled": GOOD,
    "Pending": WARNING,
    "RebootRequired": WARNING,
    "ConcurrentTx": WARNING,
    "Rejected": BAD,
    "Blocked": BAD,
    "Expired": BAD,
    "Invalid": BAD,
    "Failed": BAD,
    "UnlockFailed": BAD,
    "NotSupported": BAD,
    "NotImplemented": BAD,
    "Occupied": BAD,
}


def badge(text: Any, tone: str) -> SafeString:
    """``text`` on the colour that admin.css gives to ``tone``."""
    return format_html('<span class="ocpp-badge ocpp-{}">{}</span>', tone, text)


def status_badge(word: str, text: Any = None) -> SafeString | str:
    """A status word of the specification in its colour; one that is not in the table, in grey."""
    return badge(word if text is None else text, TONES.get(word, IDLE)) if word else EMPTY


def seconds(value: datetime | None) -> SafeString | str:
    """A time to the second in the current time zone, whose name and the full value are the tooltip."""
    if value is None:
        return EMPTY
    try:
        local = timezone.localtime(value)
    except OverflowError:  # a charger's clock in the year 1 or 9999 has no local time everywhere
        local = value
    day, time = local.isoformat(" ")[:19].split()
    return format_html(
        '<time datetime="{}" title="{}"><span>{}</span> <span>{}</span></time>',
        value.isoformat(),
        local.tzname(),
        day,
        time,
    )


@cache
def moment(field: models.DateTimeField) -> Callable[[models.Model], SafeString | str]:
    """A column or a read-only field that shows ``field`` to the second; the same one each time, as sorting demands."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def value(obj: models.Model) -> SafeString | str:
        return seconds(getattr(obj, field.attname))

    value.__name__ = field.name  # Django takes the CSS class and the help text from it
    return value


def elapsed(duration: timedelta | None) -> SafeString | str:
    """A duration as hours, minutes and seconds: 26:03:09."""
    if duration is None:
        return EMPTY
    total = round(duration.total_seconds())
    minutes, second = divmod(abs(total), 60)
    hours, minute = divmod(minutes, 60)
    sign = "-" if total < 0 else ""
    return format_html('<span class="ocpp-number">{}</span>', f"{sign}{hours}:{minute:02}:{second:02}")


def number(value: float | Decimal | None, unit: str, decimals: int | None = None) -> SafeString | str:
    """A figure with its unit, in the reader's number format."""
    if value is None:
        return EMPTY
    text = number_format(value, decimals)
    return format_html('<span class="ocpp-number">{} {}</span>', text, unit)


def byte_count(size: int | None) -> SafeString | str:
    """A size in the unit that fits it."""
    return EMPTY if size is None else format_html('<span class="ocpp-number">{}</span>', filesizeformat(size))


def kilowatt_hours(energy_wh: float | None) -> SafeString | str:
    """Wh as kWh with three decimals: nothing is rounded away."""
    return EMPTY if energy_wh is None else number(Decimal(str(energy_wh)) / 1000, "kWh", 3)


def kilowatts(power_w: float | None) -> SafeString | str:
    """W as kW with two decimals."""
    return EMPTY if power_w is None else number(Decimal(str(power_w)) / 1000, "kW", 2)


def money(amount: Decimal | None, currency: str) -> SafeString | str:
    """An amount with its currency; its digits behind the point are those that it has."""
    return number(amount, currency, None if amount is None else -int(amount.as_tuple().exponent))


def code(text: str) -> SafeString | str:
    """``text`` as it is, in a box of its own."""
    return format_html('<pre class="ocpp-code">{}</pre>', showable(text)) if text else EMPTY


def pretty(value: Any) -> SafeString | str:
    """A decoded JSON value, indented."""
    return EMPTY if value is None else code(json.dumps(value, indent=2, ensure_ascii=False))


def pretty_frame(raw: str) -> SafeString | str:
    """A frame as it was on the wire, indented; as it is when it is no JSON."""
    try:
        return pretty(json.loads(raw))
    except (ValueError, RecursionError):
        return code(raw)


def showable(text: str) -> str:
    """``text`` with lone surrogates written out: JSON may escape them, UTF-8 cannot carry them to the browser."""
    return text.encode("utf-8", "backslashreplace").decode()


def link(obj: models.Model | None, text: Any = None) -> SafeString | str:
    """A link to the page of ``obj``; only its text where that model is not in the admin."""
    if obj is None:
        return EMPTY
    return link_to(type(obj), obj.pk, obj if text is None else text)


def link_to(model: type[models.Model], pk: Any, text: Any) -> SafeString | str:
    """A link to the page of one row that need not be loaded."""
    try:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=(quote(pk),))
    except NoReverseMatch:
        return str(text)
    return format_html('<a href="{}">{}</a>', url, text)


def list_link(model: type[models.Model], text: Any, **query: Any) -> SafeString | str:
    """A link to the list of ``model`` under the filters ``query``."""
    try:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    except NoReverseMatch:
        return str(text)
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(query), text)


def links(each: Iterable[Any]) -> SafeString:
    """Links beside each other."""
    return format_html('<span class="ocpp-links">{}</span>', format_html_join("", "{}", ((one,) for one in each)))
