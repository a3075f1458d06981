"""How log records look: one line, the message first, then the fields that tell which frame it was about."""

import logging

FIELDS = ("charge_point", "session", "action", "unique_id")
"""Fields that a record may carry through ``extra``."""


class ReadableFormatter(logging.Formatter):
    """``2026-01-31 12:00:00 INFO  ocpp_app.dispatch  CP001 booted  charge_point=CP001 action=BootNotification``"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        fields = [f"{name}={_one_line(getattr(record, name))}" for name in FIELDS if getattr(record, name, None)]
        if not record.message.isprintable():
            record.message = record.message.encode("unicode_escape").decode()
        line = super().formatMessage(record)
        return "  ".join((line, " ".join(fields))) if fields else line


def _one_line(value: object) -> str:
    """What a charge point sent must not be able to forge a log line."""
    return str(value).encode("unicode_escape").decode()[:80]
