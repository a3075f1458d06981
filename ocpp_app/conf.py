"""The settings of this app, read from Django's settings with their defaults; nothing else reads them."""

from datetime import timedelta
from typing import Any, Literal

from django.conf import settings

from ocppj.queues import RPC_QUEUE

DEFAULTS: dict[str, Any] = {
    "AMQP_URL": "",
    "OCPP_RELAY": None,
    "OCPP_HEARTBEAT_INTERVAL": 3600,
    "OCPP_MIDDLEWARE": {},
    "OCPP_WORKER_BATCH": 256,
    "OCPP_UNKNOWN_CHARGE_POINT": "pending",
    "OCPP_UNKNOWN_ID_TAG": "reject",
    "OCPP_AUTO_REMOTE_START": True,
    "OCPP_FIRST_CONTACT": True,
    "OCPP_CALL_TIMEOUT": 30,
    "OCPP_COMMAND_GRACE": 10,
    "OCPP_TELL_CHANGES_EVERY": 10,
    "OCPP_RPC_QUEUE": RPC_QUEUE,
    "OCPP_RPC_QUEUE_TYPE": "classic",
    "OCPP_STRICT": False,
    "OCPP_SECURITY_PROFILE": 1,
    "OCPP_TRUSTED_OPERATORS": (),
    "OCPP_MAX_UNKNOWN_CHARGE_POINTS": 1000,
    "OCPP_TRUSTED_PROXIES": (),
    "OCPP_FAILED_LOGINS_PER_MINUTE": 5,
    "OCPP_QUIRKS": (),
    "OCPP_DATA_TRANSFER_HANDLERS": {},
    "OCPP_CLEAR_CACHE": True,
    "OCPP_API_THROTTLE": "1000/min",
    "OCPP_EVENTS_EXCHANGE": "",
    "OCPP_EVENTS_KEEP_DAYS": 7,
    "OCPP_WEBHOOK_ALLOWED_NETWORKS": (),
    "OCPP_WEBSOCKET_URL": "ws://{host}:9000/ocpp",
    "OCPP_STORAGE": "ocpp",
    "OCPP_TRANSFER_URL": "",
    "OCPP_UPLOAD_MAX_BYTES": 100 * 1024 * 1024,
    "OCPP_TASK_HOURS": 24,
    "OCPP_CERTIFICATE_SIGNER": "",
    "OCPP_RETENTION": {},
    "OCPP_PRUNE": True,
    "OCPP_METRICS_FROM": ["127.0.0.0/8", "::1/128"],
    "OCPP_METRICS_TOKEN": "",
    "OCPP_METRICS_PER_CHARGE_POINT": False,
    "OCPP_TRACING": 0.0,
}

RETENTION_DAYS: dict[str, float | None] = {
    "messages": 90,
    "meter_values": 180,
    "sessions": 400,
    "commands": 400,
    "statuses": 400,
    "security_events": 400,
    "failed_messages": 400,
    "uploads": 180,
}
"""How many days the rows of each table are kept; None: for ever. OCPP_RETENTION changes single ones."""


def read(name: str) -> Any:
    """The setting ``name``, or its default."""
    return getattr(settings, name, DEFAULTS[name])


def amqp_url() -> str:
    """The broker, ``amqp://user:password@host:5672/vhost``; without one everything runs in one process."""
    return str(read("AMQP_URL"))


def relay() -> Literal["amqp", "memory"]:
    """How gateway and worker reach each other: through RabbitMQ, or in one process. ``amqp`` when AMQP_URL is set."""
    return read("OCPP_RELAY") or ("amqp" if amqp_url() else "memory")


def heartbeat_interval_s() -> int:
    """The heartbeat interval that an accepted BootNotification is answered with, in seconds."""
    return int(read("OCPP_HEARTBEAT_INTERVAL"))


def middleware() -> dict[Any, list[Any]]:
    """Your chains by (action, message type); each replaces the default chain of its key."""
    return dict(read("OCPP_MIDDLEWARE"))


def worker_batch() -> int:
    """How many requests a worker takes into one database transaction."""
    return int(read("OCPP_WORKER_BATCH"))


def unknown_charge_point() -> Literal["pending", "accept", "reject"]:
    """What becomes of a charge point that nobody has registered; ``accept`` gives it security profile 0."""
    policy: Literal["pending", "accept", "reject"] = read("OCPP_UNKNOWN_CHARGE_POINT")
    return policy


def max_unknown_charge_points() -> int:
    """How many charge points may wait for approval; further unknown ones are not let in."""
    return int(read("OCPP_MAX_UNKNOWN_CHARGE_POINTS"))


def security_profile() -> int:
    """The security profile (1-3) required of a charge point that says nothing else; 0 must be its own."""
    return max(1, int(read("OCPP_SECURITY_PROFILE")))


def trusted_operators() -> tuple[str, ...]:
    """The organisation names (O) in client certificates that are trusted (security whitepaper A00.FR.404)."""
    return tuple(read("OCPP_TRUSTED_OPERATORS"))


def trusted_proxies() -> tuple[str, ...]:
    """The networks of web proxies whose X-Forwarded-For is believed, such as ``10.0.0.0/8``; with BEHIND_PROXY this
    machine unless it says otherwise."""
    return tuple(read("OCPP_TRUSTED_PROXIES"))


def failed_logins_per_minute() -> float:
    """How often somebody may get a password wrong in a minute, after a burst of as many; 0: as often as he likes."""
    return float(read("OCPP_FAILED_LOGINS_PER_MINUTE"))


def unknown_id_tag() -> Literal["reject", "accept"]:
    """What becomes of an idTag that nobody has registered."""
    policy: Literal["reject", "accept"] = read("OCPP_UNKNOWN_ID_TAG")
    return policy


def auto_remote_start() -> bool:
    """Whether charging starts by itself, with the tag ``anonymous``, as soon as a car is plugged in, unless a charge
    point says otherwise."""
    return bool(read("OCPP_AUTO_REMOTE_START"))


def first_contact() -> bool:
    """Whether a charge point is asked for what is not known of it: its configuration, status, BootNotification."""
    return bool(read("OCPP_FIRST_CONTACT"))


def strict() -> bool:
    """Whether messages that break the specification are refused, unless a charge point says otherwise."""
    return bool(read("OCPP_STRICT"))


def quirks() -> list[Any]:
    """Your own vendor quirks, after those of ``quirks.toml``."""
    return list(read("OCPP_QUIRKS"))


def data_transfer_handlers() -> Any:
    """Your handlers of vendor messages by (vendorId, messageId)."""
    return read("OCPP_DATA_TRANSFER_HANDLERS")


def clear_cache() -> bool:
    """Whether charge points are told to clear their authorization cache when an idTag has lost its right to charge."""
    return bool(read("OCPP_CLEAR_CACHE"))


def api_throttle() -> str:
    """How much of the API each token, user and address may ask for, such as ``1000/min``; empty: without limit."""
    return str(read("OCPP_API_THROTTLE") or "")


def events_exchange() -> str:
    """The topic exchange on which every event is published, such as ``ocpp.events``; empty: on none."""
    return str(read("OCPP_EVENTS_EXCHANGE") or "")


def events_keep_days() -> float:
    """How long events and their deliveries are kept, in days."""
    return float(read("OCPP_EVENTS_KEEP_DAYS"))


def webhook_allowed_networks() -> tuple[str, ...]:
    """The networks of one's own (CIDR) to which webhooks may be sent, by plain http, too."""
    return tuple(read("OCPP_WEBHOOK_ALLOWED_NETWORKS"))


def websocket_url(host: str) -> str:
    """Where charge points connect, without the identity, as the console shows it; ``{host}`` is the name in the
    browser's address. ``runcsms`` knows its own."""
    return str(read("OCPP_WEBSOCKET_URL")).replace("{host}", host).rstrip("/")


def storage() -> str:
    """The alias in STORAGES for firmware, diagnostics and the development CA: never a public one."""
    return str(read("OCPP_STORAGE"))


def transfer_url() -> str:
    """How charge points reach ``ocpp_app.transfer.urls``, such as ``https://csms.example.com/transfer/``; ``runcsms``
    knows it on its own machine. Empty: they do not, there are no uploads to here and no firmware from here."""
    url = str(read("OCPP_TRANSFER_URL") or "")
    return url if not url or url.endswith("/") else f"{url}/"


def upload_max_bytes() -> int:
    """The size of the largest file that a charge point may upload, in bytes."""
    return int(read("OCPP_UPLOAD_MAX_BYTES"))


def task_time() -> timedelta:
    """How long a firmware update, once it may begin, or an upload may take; so long its address is valid."""
    return timedelta(hours=float(read("OCPP_TASK_HOURS")))


def certificate_signer() -> str:
    """The class that signs certificates for charge points; empty: nobody does. This project has the development CA,
    `ocpp_app.signers.DevelopmentCA`, with `DEBUG` and `make run` only."""
    return str(read("OCPP_CERTIFICATE_SIGNER") or "")


def retention() -> dict[str, timedelta | None]:
    """Days after which old rows go, by table, such as ``{"messages": 30, "sessions": null}``; null: never. What it does
    not name: see "What is kept, and for how long"."""
    days = {**RETENTION_DAYS, **read("OCPP_RETENTION")}
    return {name: None if number is None else timedelta(days=float(number)) for name, number in days.items()}


def rolls_up_after() -> timedelta | None:
    """After how long meter values become means over a quarter of an hour; None: never."""
    days = read("OCPP_RETENTION").get("meter_values", RETENTION_DAYS["meter_values"])
    return None if days is None else timedelta(days=float(days))


def prune() -> bool:
    """Whether workers remove by themselves, once a day, what is older than OCPP_RETENTION says."""
    return bool(read("OCPP_PRUNE"))


def metrics_from() -> tuple[str, ...]:
    """The networks (CIDR) that may read /metrics of the web part."""
    return tuple(read("OCPP_METRICS_FROM"))


def metrics_token() -> str:
    """Who sends it as ``Authorization: Bearer`` may read /metrics from anywhere; empty: nobody."""
    return str(read("OCPP_METRICS_TOKEN") or "")


def metrics_per_charge_point() -> bool:
    """Whether some metrics come for each charge point, too: a time series for each, so not for thousands."""
    return bool(read("OCPP_METRICS_PER_CHARGE_POINT"))


def tracing() -> float:
    """The share of frames whose way is told to OpenTelemetry, 0 to 1; 0: of none. See "Traces". A gateway of its own
    needs WSGATE_TRACING."""
    return float(read("OCPP_TRACING"))


def call_timeout_s() -> float:
    """How long a charge point may take to answer a CALL of ours, in seconds."""
    return float(read("OCPP_CALL_TIMEOUT"))


def command_grace_s() -> float:
    """How long after its timeout a command of which no gateway has reported anything is given up, in seconds."""
    return float(read("OCPP_COMMAND_GRACE"))


def tell_changes_every_s() -> float:
    """How long changes of idTags and charging profiles are collected before charge points are told, in seconds."""
    return float(read("OCPP_TELL_CHANGES_EVERY"))


def rpc_queue() -> str:
    """The queue from which workers take requests. The gateways need the same (WSGATE_QUEUE)."""
    return str(read("OCPP_RPC_QUEUE"))


def rpc_queue_type() -> Literal["classic", "quorum"]:
    """The type of that queue; quorum for a broker cluster. The gateways need the same
    (WSGATE_QUEUE_TYPE)."""
    queue_type: Literal["classic", "quorum"] = read("OCPP_RPC_QUEUE_TYPE")
    return queue_type
