"""Settings from the environment; a ``.env`` file beside ``manage.py`` is read first, the environment wins.

Without any of them: SQLite in ``data/``, no broker, DEBUG off, a secret key made once and kept in ``data/secret_key``.
"""

import os
import secrets
from pathlib import Path
from typing import Any

from backend.environment import Environment, WrongSetting
from ocpp_app.api.spectacular import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_further(BASE_DIR / ".env")

#: The folder of the database, the secret key and the files of charge points (default: `data` beside `manage.py`)
DATA_DIR = env.folder("DATA_DIR", default=BASE_DIR / "data")


def _kept_secret_key(path: Path) -> str:
    """The secret key in ``path``, made on first use: sessions and charge point passwords outlive a restart."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


#: Never on where others can reach it.
DEBUG = env.bool("DEBUG", default=False)
#: The same for all processes of one system: charger passwords depend on it (default: made once, kept in `DATA_DIR`)
SECRET_KEY = env.secret("SECRET_KEY") or _kept_secret_key(DATA_DIR / "secret_key")
#: Earlier secret keys, until every charger has a new password.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
#: Names under which the web part is reached.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
#: `https://csms.example.com` behind a proxy.
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ocpp_app",
    "ocpp_app.console",
    "simulator.web",
    "runcsms",
    "backend",
]

MIDDLEWARE = [
    "ocpp_app.csp.ContentSecurityPolicyMiddleware",
    "ocpp_app.monitoring.middleware.MonitoringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ocpp_app.audit.AuditMiddleware",
    "ocpp_app.logins.LoginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "backend.urls"
WSGI_APPLICATION = "backend.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# -- database ------------------------------------------------------------------------------------------------

SQLITE_OPTIONS = {
    "timeout": 20,  # seconds to wait for another writer
    "transaction_mode": "IMMEDIATE",  # the write lock at BEGIN: a reader that turns writer would fail at once
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",  # an answered frame survives a power cut
}
POSTGRESQL_OPTIONS = {
    "connect_timeout": 10,  # seconds; of a host that is gone nobody would hear for minutes
    # A worker that was frozen while it held rows blocks nobody for longer than this.
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c jit=off",
    # A worker's few statements are parsed and planned once for each connection (None behind a PgBouncer before 1.21).
    "prepare_threshold": 1,
}


def _database() -> dict[str, Any]:
    #: `postgres://user:password@host:5432/name` (default: SQLite in `DATA_DIR`)
    config: dict[str, Any] = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'csms.sqlite3'}")
    options = SQLITE_OPTIONS if config["ENGINE"].endswith("sqlite3") else POSTGRESQL_OPTIONS
    config["OPTIONS"] = {**options, **config.get("OPTIONS", {})}
    #: Seconds for which a database connection is kept.
    config["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- web -----------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["ocpp_app.logins.ThrottledLogins", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "console:login"
CSRF_FAILURE_VIEW = "ocpp_app.console.errors.forged"
#: Of the web pages, where a browser asks for no other.
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", ("en-us", "en", "de"), default="en-us")
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # those in which everything is said: no page in two languages
#: Of the web pages, where a person has chosen no other.
TIME_ZONE = env.zone("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns without it, though it also finds files where they are
WHITENOISE_USE_FINDERS = True  # no collectstatic needed for a single process
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    # Firmware, diagnostics, the development CA: no web server shows this folder.
    "ocpp": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "files",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}

#: Secure cookies, redirects to https, and HSTS; off for a site without TLS on a network of its own
#: (default: `on` unless `DEBUG`)
HTTPS = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
# Whether files travel over TLS is decided by OCPP_TRANSFER_URL: not every charge point can.
SECURE_REDIRECT_EXEMPT = [r"^transfer/"]
#: For so many seconds a browser insists on https (default: a year with `HTTPS`, else 0)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
#: Trust `X-Forwarded-Proto` of the proxy in front.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_HTTPONLY = True
#: After so many hours people sign in again.
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", default=168) * 3600
if SESSION_COOKIE_AGE <= 0:
    raise WrongSetting("SESSION_HOURS is not above 0: nobody could sign in.")
X_FRAME_OPTIONS = "DENY"

# -- OCPP ----------------------------------------------------------------------------------------------------

AMQP_URL = env.secret("AMQP_URL")
OCPP_RELAY = env.str("OCPP_RELAY", default="amqp" if AMQP_URL else "memory")
OCPP_HEARTBEAT_INTERVAL = env.int("OCPP_HEARTBEAT_INTERVAL", default=3600)
OCPP_MIDDLEWARE: dict[Any, list[Any]] = {}
OCPP_WORKER_BATCH = env.int("OCPP_WORKER_BATCH", default=256)
OCPP_UNKNOWN_CHARGE_POINT = env.str("OCPP_UNKNOWN_CHARGE_POINT", default="pending")
OCPP_MAX_UNKNOWN_CHARGE_POINTS = env.int("OCPP_MAX_UNKNOWN_CHARGE_POINTS", default=1000)
OCPP_SECURITY_PROFILE = env.int("OCPP_SECURITY_PROFILE", default=1)
OCPP_TRUSTED_OPERATORS = env.list("OCPP_TRUSTED_OPERATORS", default=[])
OCPP_TRUSTED_PROXIES = env.list("OCPP_TRUSTED_PROXIES", default=["127.0.0.0/8", "::1"] if BEHIND_PROXY else [])
OCPP_FAILED_LOGINS_PER_MINUTE = env.float("OCPP_FAILED_LOGINS_PER_MINUTE", default=5)
OCPP_UNKNOWN_ID_TAG = env.str("OCPP_UNKNOWN_ID_TAG", default="reject")
OCPP_AUTO_REMOTE_START = env.bool("OCPP_AUTO_REMOTE_START", default=True)
OCPP_FIRST_CONTACT = env.bool("OCPP_FIRST_CONTACT", default=True)
OCPP_CALL_TIMEOUT = env.float("OCPP_CALL_TIMEOUT", default=30)
OCPP_API_THROTTLE = env.str("OCPP_API_THROTTLE", default="1000/min")
OCPP_EVENTS_EXCHANGE = env.str("OCPP_EVENTS_EXCHANGE", default="")
OCPP_EVENTS_KEEP_DAYS = env.float("OCPP_EVENTS_KEEP_DAYS", default=7)
OCPP_WEBHOOK_ALLOWED_NETWORKS = env.list("OCPP_WEBHOOK_ALLOWED_NETWORKS", default=[])
OCPP_WEBSOCKET_URL = env.str("OCPP_WEBSOCKET_URL", default="ws://{host}:9000/ocpp")
#: Who sees the [simulator page](simulator.md#who-sees-it) (default: `off`, `staff` with `DEBUG`)
OCPP_SIMULATOR = env.str("OCPP_SIMULATOR", default="staff" if DEBUG else "off")
OCPP_STORAGE = "ocpp"
OCPP_TRANSFER_URL = env.str("OCPP_TRANSFER_URL", default="")
OCPP_UPLOAD_MAX_BYTES = env.int("OCPP_UPLOAD_MAX_BYTES", default=104_857_600)
OCPP_TASK_HOURS = env.float("OCPP_TASK_HOURS", default=24)
OCPP_CERTIFICATE_SIGNER = env.str("OCPP_CERTIFICATE_SIGNER", default="ocpp_app.signers.DevelopmentCA" if DEBUG else "")
OCPP_RETENTION = env.json("OCPP_RETENTION", default={})
OCPP_PRUNE = env.bool("OCPP_PRUNE", default=True)
OCPP_METRICS_FROM = env.list("OCPP_METRICS_FROM", default=["127.0.0.0/8", "::1/128"])
OCPP_METRICS_TOKEN = env.secret("OCPP_METRICS_TOKEN")
OCPP_METRICS_PER_CHARGE_POINT = env.bool("OCPP_METRICS_PER_CHARGE_POINT", default=False)
OCPP_TRACING = env.float("OCPP_TRACING", default=0.0)
OCPP_STRICT = env.bool("OCPP_STRICT", default=False)
OCPP_CLEAR_CACHE = env.bool("OCPP_CLEAR_CACHE", default=True)
OCPP_QUIRKS = env.json("OCPP_QUIRKS", default=[])
OCPP_COMMAND_GRACE = env.float("OCPP_COMMAND_GRACE", default=10)
OCPP_TELL_CHANGES_EVERY = env.float("OCPP_TELL_CHANGES_EVERY", default=10)
OCPP_RPC_QUEUE = env.str("OCPP_RPC_QUEUE", default="ocpp.rpc")
OCPP_RPC_QUEUE_TYPE = env.str("OCPP_RPC_QUEUE_TYPE", default="classic")

# -- logs ----------------------------------------------------------------------------------------------------

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: The least that is logged.
LOG_LEVEL = env.choice("LOG_LEVEL", LOG_LEVELS, default="INFO")
LOG_FORMATS = ("text", "json")
#: Lines for people, or a [JSON object in each line](logs.md).
LOG_FORMAT = env.choice("LOG_FORMAT", LOG_FORMATS, default="text")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "ocpp_app.logs.ReadableFormatter"},
        "json": {"()": "ocpp_app.logs.JSONFormatter"},
    },
    "filters": {"frame": {"()": "ocpp_app.logs.FrameFilter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["frame"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # pika writes a traceback for every attempt to connect; we say it in a line ourselves.
    "loggers": {"pika": {"level": "CRITICAL"}, "aio_pika": {"level": "WARNING"}, "aiormq": {"level": "WARNING"}},
}
