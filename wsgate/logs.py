"""How the gateway logs: lines for people or JSON for machines, with the same fields."""

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = ("charge_point", "session", "unique_id", "action", "remote_address")
"""What a log record may carry beside its text. Payloads are logged at DEBUG only, credentials never."""


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z INFO wsgate.connection: Disconnected: 1000 charge_point=CP001 …``"""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}"
        fields = "".join(f" {name}={_one_line(str(value))}" for name, value in _fields(record).items())
        return line + fields + _traceback(self, record)


class JSONFormatter(logging.Formatter):
    """One JSON object in each line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({name: str(value) for name, value in _fields(record).items()})
        traceback = _traceback(self, record)
        if traceback:
            entry["traceback"] = traceback.strip()
        return json.dumps(entry, ensure_ascii=False)


FORMATTERS = {"text": TextFormatter, "json": JSONFormatter}


def configure(level: str, log_format: str) -> None:
    """Log to standard error; the libraries below us only when something is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[log_format]())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("wsgate").setLevel(level)
    # Each failed attempt to reconnect would be an error of theirs; wsgate.amqp says it once, with what to do.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = {name: getattr(record, name, None) for name in FIELDS}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _one_line(text: str) -> str:
    # A charge point chooses its identity and its frames; it must not be able to forge a line of this log.
    return text if text.isprintable() else text.encode("unicode_escape").decode()
