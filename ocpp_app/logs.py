"""How log records look: lines for people or JSON for machines, with the fields that tell which frame they were about.

``FrameFilter`` puts these fields on every record that is logged while a worker handles a frame, whoever logs it. What
is logged while nothing is handled has those that it carries itself (``extra``). Field names are the gateway's.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

from ocpp_app.work import Work

FIELDS = ("charge_point", "session", "action", "unique_id", "remote_address")
"""Fields that a record may carry through ``extra``."""
LONGEST_FIELD = 255
"""What a charge point sends as its unique id may be as long as a frame."""

at_hand: ContextVar[Work | None] = ContextVar("at_hand", default=None)
"""The request that is handled here and now; set once for each, read only when something is logged."""


class FrameFilter(logging.Filter):
    """For a handler: lets everything pass, with the fields of the frame that is being handled."""

    def filter(self, record: logging.LogRecord) -> bool:
        """A record's own fields come first."""
        work = at_hand.get()
        if work is not None:
            for name, value in work.log_fields().items():
                if value and not getattr(record, name, None):
                    setattr(record, name, value)
        return True


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


class JSONFormatter(logging.Formatter):
    """One JSON object in each line: ``time``, ``level``, ``logger``, ``message``, what is known of ``FIELDS``, and
    ``traceback`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in FIELDS:
            if value := getattr(record, name, None):
                entry[name] = str(value)[:LONGEST_FIELD]
        if record.exc_info and record.exc_info[0]:
            entry["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        line = json.dumps(entry, ensure_ascii=False)
        # What a terminal or another program would take for the end of a line, or for a command, is escaped.
        return line if line.isprintable() else json.dumps(entry)


def _one_line(value: object) -> str:
    """What a charge point sent must not be able to forge a log line."""
    return str(value).encode("unicode_escape").decode()[:80]
