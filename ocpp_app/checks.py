"""System checks: wrong settings are found by ``manage.py check`` and at every start, with what to do."""

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from ocpp_app import chains, conf, data_transfer, quirks
from ocpp_app.models import ChargePoint, SecurityProfile
from ocppj.frames import MessageType
from ocppj.queues import broker_urls
from ocppj.tracing import ADVICE
from ocppj.v16 import PROTOCOL

CHOICES = {
    "OCPP_UNKNOWN_CHARGE_POINT": ("pending", "accept", "reject"),
    "OCPP_UNKNOWN_ID_TAG": ("reject", "accept"),
    "OCPP_RPC_QUEUE_TYPE": ("classic", "quorum"),
    "OCPP_RELAY": ("amqp", "memory", None, ""),
    "OCPP_SECURITY_PROFILE": (1, 2, 3),
}
MORE_HINTS = {
    "OCPP_SECURITY_PROFILE": " Profile 0 lets in whoever comes: set it for the charge points that need it (admin, or"
    " security_profile over the API); OCPP_UNKNOWN_CHARGE_POINT=accept gives it to those that nobody has registered.",
}
POSITIVE = (
    "OCPP_UPLOAD_MAX_BYTES",
    "OCPP_TASK_HOURS",
    "OCPP_HEARTBEAT_INTERVAL",
    "OCPP_WORKER_BATCH",
    "OCPP_CALL_TIMEOUT",
    "OCPP_COMMAND_GRACE",
    "OCPP_TELL_CHANGES_EVERY",
    "OCPP_EVENTS_KEEP_DAYS",
)
NOT_NEGATIVE = ("OCPP_MAX_UNKNOWN_CHARGE_POINTS", "OCPP_FAILED_LOGINS_PER_MINUTE")
MAX_NAMED = 10
"""Charge points in one message."""
FLAGS = (
    "OCPP_AUTO_REMOTE_START",
    "OCPP_FIRST_CONTACT",
    "OCPP_STRICT",
    "OCPP_CLEAR_CACHE",
    "OCPP_PRUNE",
    "OCPP_METRICS_PER_CHARGE_POINT",
)
OPENTELEMETRY = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
RATE = re.compile(r"\d+/(s|sec|second|m|min|minute|h|hour|d|day)s?")


@register()
def check_choices(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Settings with a few allowed values have one of them."""
    return [
        Error(
            f"{name} is {conf.read(name)!r}.",
            hint=f"Use one of {', '.join(repr(choice) for choice in choices if choice)}.{MORE_HINTS.get(name, '')}",
            id="ocpp_app.E001",
        )
        for name, choices in CHOICES.items()
        if conf.read(name) not in choices
    ]


@register()
def check_numbers(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Durations and sizes are numbers above zero."""
    return [
        Error(f"{name} is {conf.read(name)!r}.", hint="Use a number above 0.", id="ocpp_app.E002")
        for name in POSITIVE
        if isinstance(conf.read(name), bool) or not isinstance(conf.read(name), int | float) or conf.read(name) <= 0
    ]


@register()
def check_counts(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """What may be none is a number all the same."""
    return [
        Error(f"{name} is {conf.read(name)!r}.", hint="Use a number, 0 or more.", id="ocpp_app.E016")
        for name in NOT_NEGATIVE
        if isinstance(conf.read(name), bool) or not isinstance(conf.read(name), int | float) or conf.read(name) < 0
    ]


@register()
def check_flags(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Switches are True or False: the text "off" would be on."""
    return [
        Error(f"{name} is {conf.read(name)!r}.", hint="Use True or False.", id="ocpp_app.E017")
        for name in FLAGS
        if not isinstance(conf.read(name), bool)
    ]


@register()
def check_throttle(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_API_THROTTLE is a rate, or empty."""
    rate = conf.api_throttle()
    if not rate or RATE.fullmatch(rate):
        return []
    hint = "Use so many requests in a time, such as 1000/min or 50000/day; empty: without limit."
    return [Error(f"OCPP_API_THROTTLE is {rate!r}.", hint=hint, id="ocpp_app.E018")]


@register()
def check_relay(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """The broker's URL is there where it is needed, and can be one."""
    url = conf.amqp_url()
    if conf.read("OCPP_RELAY") == "amqp" and not url:
        hint = "Set AMQP_URL to amqp://user:password@host:5672/, or OCPP_RELAY to 'memory' for one process."
        return [Error("OCPP_RELAY is 'amqp', but there is no AMQP_URL.", hint=hint, id="ocpp_app.E003")]
    if not all(_is_amqp(each) for each in broker_urls(url)):
        hint = "Such as amqp://user:password@host:5672/vhost; several, for a cluster, are separated by commas."
        return [Error("AMQP_URL is no AMQP URL.", hint=hint, id="ocpp_app.E004")]
    return []


def _is_amqp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("amqp", "amqps") and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


@register()
def check_events(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """There is a broker for the events' exchange, and the networks for webhooks are networks."""
    found: list[CheckMessage] = []
    if conf.events_exchange() and not conf.amqp_url():
        hint = "Set AMQP_URL, or leave OCPP_EVENTS_EXCHANGE empty: webhooks need no broker."
        found.append(Error("OCPP_EVENTS_EXCHANGE is set, but there is no AMQP_URL.", hint=hint, id="ocpp_app.E010"))
    for network in conf.webhook_allowed_networks():
        try:
            ip_network(network)
        except ValueError as error:
            hint = "Such as 10.0.0.0/8, 192.168.1.20/32 or fd00::/8."
            found.append(Error(f"OCPP_WEBHOOK_ALLOWED_NETWORKS: {error}.", hint=hint, id="ocpp_app.E011"))
    return found


@register()
def check_trusted_proxies(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_TRUSTED_PROXIES is a list of networks."""
    found: list[CheckMessage] = []
    for text in conf.trusted_proxies():
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            hint = "Use networks such as 10.0.0.0/8 or 192.0.2.7."
            found.append(Error(f"OCPP_TRUSTED_PROXIES: {error}.", hint=hint, id="ocpp_app.E012"))
    return found


@register()
def check_metrics_from(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_METRICS_FROM is a list of networks."""
    found: list[CheckMessage] = []
    for text in conf.metrics_from():
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            hint = "Use networks such as 10.0.0.0/8 or 192.0.2.7."
            found.append(Error(f"OCPP_METRICS_FROM: {error}.", hint=hint, id="ocpp_app.E025"))
    return found


@register()
def check_tracing(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_TRACING is a share, and OpenTelemetry is there where it is wanted."""
    share = conf.read("OCPP_TRACING")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        hint = "Use a number from 0 (no frame) to 1 (every frame), such as 0.01."
        return [Error(f"OCPP_TRACING is {share!r}.", hint=hint, id="ocpp_app.E023")]
    if share and (missing := _missing(*OPENTELEMETRY)):
        hint = f"{ADVICE[0].upper()}{ADVICE[1:]}, or set it to 0."
        return [Error(f"OCPP_TRACING is {share!r}, but {missing} is missing.", hint=hint, id="ocpp_app.E024")]
    return []


def _missing(*modules: str) -> str:
    """The first of these that is not installed."""
    for name in modules:
        try:
            found = find_spec(name)
        except ModuleNotFoundError:  # of a package above it
            found = None
        if found is None:
            return name
    return ""


@register(Tags.security, deploy=True)
def check_logins(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Who guesses passwords is slowed down, and who does what is written down."""
    wanted = {
        "AUTHENTICATION_BACKENDS": "ocpp_app.logins.ThrottledLogins",
        "MIDDLEWARE": "ocpp_app.audit.AuditMiddleware",
    }
    hints = {
        "AUTHENTICATION_BACKENDS": "Put it first; and ocpp_app.logins.LoginMiddleware into MIDDLEWARE.",
        "MIDDLEWARE": "Put it behind django.contrib.auth.middleware.AuthenticationMiddleware.",
    }
    return [
        Warning(f"{setting} is without {name}.", hint=hints[setting], id="ocpp_app.W010")
        for setting, name in wanted.items()
        if name not in getattr(settings, setting)
    ]


@register(Tags.security, deploy=True)
def check_unknown_charge_points(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Nobody becomes a charge point by saying that he is one."""
    if conf.unknown_charge_point() != "accept":
        return []
    hint = "Use 'pending': somebody approves each; or 'reject'."
    text = "OCPP_UNKNOWN_CHARGE_POINT is 'accept': whoever reaches the gateway is a charge point, and may charge."
    return [Warning(text, hint=hint, id="ocpp_app.W011")]


@register(Tags.security, deploy=True)
def check_open_charge_points(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Every charge point proves who it is. Looks into the database, so only with ``--database``."""
    if not databases:
        return []
    rows = ChargePoint.objects.using(databases[0]).filter(security_profile=SecurityProfile.NONE, authorization_key="")
    try:
        identities = list(rows.order_by("identity").values_list("identity", flat=True)[: MAX_NAMED + 1])
    except DatabaseError:  # not migrated yet
        return []
    if not identities:
        return []
    named = ", ".join(map(repr, identities[:MAX_NAMED])) + (", …" if len(identities) > MAX_NAMED else "")
    hint = "Give each a password ('Upgrade to security profile 1', or its page); then leave profile 0."
    text = f"Whoever says that he is one of these charge points is let in (security profile 0): {named}."
    return [Warning(text, hint=hint, id="ocpp_app.W012")]


@register()
def check_middleware(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_MIDDLEWARE has known keys, and lists of middlewares that can be imported."""
    found: list[CheckMessage] = []
    configured = conf.read("OCPP_MIDDLEWARE")
    if not isinstance(configured, Mapping):
        hint = "It is a dictionary of lists; a key is a pair such as (Action.Heartbeat, MessageType.call)."
        return [Error("OCPP_MIDDLEWARE is no dictionary.", hint=hint, id="ocpp_app.E006")]
    for key, entries in configured.items():
        found.extend(_check_key(key))
        found.extend(_check_entries(key, entries))
    return found


@register()
def check_quirks(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_QUIRKS is a list of quirks as in ``quirks.toml``."""
    try:
        quirks.checked(conf.quirks())
    except (ImproperlyConfigured, TypeError) as error:
        return [
            Error(f"OCPP_QUIRKS: {error}", hint="See ocpp_app/quirks.toml for what a quirk is.", id="ocpp_app.E008")
        ]
    return []


@register()
def check_data_transfer_handlers(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_DATA_TRANSFER_HANDLERS has pairs as keys, and handlers that can be imported and called."""
    try:
        data_transfer.checked(conf.data_transfer_handlers())
    except ImproperlyConfigured as error:
        hint = 'Such as {("com.example", "GetTariff"): "myapp.ocpp.get_tariff"}; see docs/middleware.md.'
        return [Error(str(error), hint=hint, id="ocpp_app.E009")]
    return []


@register()
def check_websocket_url(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_WEBSOCKET_URL is where a websocket can be."""
    url = conf.read("OCPP_WEBSOCKET_URL")
    if isinstance(url, str) and urlsplit(url.replace("{host}", "host")).scheme in ("ws", "wss"):
        return []
    hint = "It begins with ws:// or wss://, such as wss://csms.example.com/ocpp; the identity is put behind it."
    return [Error(f"OCPP_WEBSOCKET_URL is {url!r}.", hint=hint, id="ocpp_app.E015")]


@register()
def check_retention(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_RETENTION has days for tables that there are."""
    days = conf.read("OCPP_RETENTION")
    hint = 'Such as {"messages": 30, "sessions": None}: days, None for ever; tables: ' + ", ".join(conf.RETENTION_DAYS)
    if not isinstance(days, Mapping):
        return [Error("OCPP_RETENTION is no dictionary.", hint=hint, id="ocpp_app.E019")]
    return [
        Error(f"OCPP_RETENTION has {name!r}: {number!r}.", hint=hint, id="ocpp_app.E019")
        for name, number in days.items()
        if name not in conf.RETENTION_DAYS or not _is_days(number)
    ]


def _is_days(number: Any) -> bool:
    """A day at least: what is younger is still looked at by what runs."""
    return number is None or (isinstance(number, int | float) and not isinstance(number, bool) and number >= 1)


def _check_key(key: Any) -> Sequence[CheckMessage]:
    try:
        action, message_type = key
        MessageType(message_type)
    except (TypeError, ValueError):
        hint = "A key is a pair such as (Action.Heartbeat, MessageType.call)."
        return [Error(f"OCPP_MIDDLEWARE has the key {key!r}.", hint=hint, id="ocpp_app.E005")]
    if action not in PROTOCOL.actions:
        hint = "Use a member of ocppj.v16.Action; a chain for a misspelt action never runs."
        return [Warning(f"OCPP_MIDDLEWARE has the unknown action {action!r}.", hint=hint, id="ocpp_app.W001")]
    return []


def _check_entries(key: Any, entries: Any) -> Sequence[CheckMessage]:
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        hint = 'A value is a list of classes or dotted paths, such as ["myapp.ocpp.TellTheDoorman"].'
        return [Error(f"OCPP_MIDDLEWARE[{key!r}] is no list.", hint=hint, id="ocpp_app.E006")]
    try:
        chains.link(chains.classes_of(entries))
    except ImproperlyConfigured as error:
        return [
            Error(str(error), hint="Check the dotted path, and that its module can be imported.", id="ocpp_app.E007")
        ]
    except TypeError as error:
        hint = "A middleware is made with one argument, the next one in its chain: __init__(self, next)."
        return [Error(f"OCPP_MIDDLEWARE[{key!r}] cannot be linked: {error}.", hint=hint, id="ocpp_app.E007")]
    return []
