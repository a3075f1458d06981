"""``manage.py replay``: transaction messages on which our code had failed, once more."""

import traceback
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ocpp_app import calls
from ocpp_app.batch import Batch
from ocpp_app.dispatch import commit
from ocpp_app.models import FailedMessage
from ocppj import frames
from ocppj.frames import Call, CallError

NO_SESSION = uuid.UUID(int=0)
"""A message that is replayed is of no session."""


class Command(BaseCommand):
    help = (
        "Handle failed transaction messages again, oldest first. "
        "The charge point is not told; its time and register count."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "ids", nargs="*", type=int, metavar="ID", help="only these (default: all that were not replayed)"
        )
        parser.add_argument("--dry-run", action="store_true", help="list them, do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = (
            FailedMessage.objects.filter(replayed_at=None).select_related("charge_point").order_by("received_at", "pk")
        )
        if options["ids"]:
            waiting = waiting.filter(pk__in=options["ids"])
        failed = 0
        for message in waiting:
            if options["dry_run"]:
                outcome = "waits"
            else:
                problem = replay(message)
                failed += problem is not None
                outcome = "replayed" if problem is None else f"failed again: {problem}"
            received = f"{message.received_at:%Y-%m-%d %H:%M:%S}"
            self.stdout.write(f"{message.pk}  {message.charge_point}  {message.action}  {received}  {outcome}")
        if not waiting:
            self.stdout.write("Nothing waits to be replayed.")
        if failed:
            self.stderr.write(f"{failed} failed again; their rows keep the newest traceback.")


def replay(failed: FailedMessage) -> str | None:
    """Handle one failed message in a transaction of its own; returns what went wrong, if anything did."""
    try:
        _nothing, after = commit(lambda batch: _handle(batch, failed))
    except Exception as error:  # noqa: BLE001  the next message may be in order
        FailedMessage.objects.filter(pk=failed.pk).update(error=traceback.format_exc())
        return str(error) if isinstance(error, ReplayRefused) else repr(error)
    after.run()
    return None


class ReplayRefused(Exception):
    """The chain answered with a CALLERROR: what it did is rolled back, the message waits on."""


def _handle(batch: Batch, failed: FailedMessage) -> None:
    batch.lock_charge_points([failed.charge_point.identity])
    frame = frames.decode(failed.raw)
    assert isinstance(frame, Call)
    charge_point = batch.charge_points[failed.charge_point.identity]
    context = calls.Context(batch, charge_point, failed.session_id or NO_SESSION, False, failed.received_at)
    answer, _commands = calls.handle(context, frame, calls.decode(batch, charge_point, frame), failed.raw)
    if isinstance(answer, CallError):
        raise ReplayRefused(f"{answer.code} {answer.description}")
    FailedMessage.objects.filter(pk=failed.pk).update(replayed_at=batch.now)
