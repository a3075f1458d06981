"""``manage.py protocol_table``: the table of ``docs/protocol.md``."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from ocpp_app.chains import DEFAULT_CHAINS
from ocppj.frames import MessageType
from ocppj.v16 import PROTOCOL
from ocppj.v16.table import cells

HEADER = ("Action", "Sent by", "Messages", "Profile, section", "Middlewares")


class Command(BaseCommand):
    help = "Print every OCPP message with its types and default middlewares as a Markdown table."

    def handle(self, *args: Any, **options: Any) -> None:
        for row in rows():
            self.stdout.write(row)


def rows() -> Iterator[str]:
    """The lines of the table."""
    yield _line(HEADER)
    yield "|---" * len(HEADER) + "|"
    for spec in PROTOCOL.actions.values():
        yield _line((*cells(spec), _middlewares(str(spec.action))))


def _middlewares(action: str) -> str:
    names = dict.fromkeys(
        f"`{middleware.__name__}`"
        for message_type in MessageType
        for middleware in DEFAULT_CHAINS.get((action, message_type), ())
    )
    return " ".join(names) or "-"


def _line(values: tuple[str, ...]) -> str:
    return f"| {' | '.join(values)} |"
