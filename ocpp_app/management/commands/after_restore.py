"""``manage.py after_restore``: what has happened since the backup is not known here; nothing may be done twice."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from ocpp_app import audit, bulk, configuration, leases, lifecycle
from ocpp_app.models import ChargePoint, CommandState, Lease, Transaction
from ocpp_app.models import Command as Sent
from ocpp_app.rpc import gateway_care, housekeeping

SKIP = 100_000
AT_ONCE = 1000
ENDS = {
    CommandState.QUEUED: CommandState.CANCELLED,
    CommandState.DISPATCHED: CommandState.LOST,
    CommandState.SENT: CommandState.LOST,
}
"""A command that waited when the backup was made may have been carried out since."""
REASON = "The database was restored from a backup."


class Command(BaseCommand):
    help = (
        "Run this once after a backup was restored, before anything is started: no transactionId is given a second "
        "time, no command of then is carried out now, connections of then are ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--skip",
            type=int,
            default=SKIP,
            metavar="N",
            help="transactionIds that may have been given out since the backup (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["skip"] <= 10**8:
            raise CommandError("--skip is a number from 1 to 100000000.")
        if Lease.objects.filter(name=housekeeping.LEASE, expires_at__gt=Now()).exists():
            raise CommandError(
                "A worker is at work on this database: stop everything first. (Just restored from a backup of this "
                "moment? Then try again in ten seconds.)"
            )
        leases.release_all()
        with transaction.atomic():
            first = bulk.advance_ids(Transaction, options["skip"])  # charge points may hold ids that are not known here
        gateway_care.close_all_sessions()
        ended = sum(_end_all(state, end) for state, end in ENDS.items())
        configuration.read_again(ChargePoint.objects.all())
        audit.record("database restored", detail=f"next transactionId {first}, {ended} commands ended")
        self.stdout.write(f"The next transactionId is {first}. {ended} commands that waited have been ended.")


def _end_all(state: CommandState, end: CommandState) -> int:
    ended, last = 0, None
    values = {"finished_at": timezone.now(), "reason": REASON}
    while True:
        rows = Sent.objects.filter(state=state).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        keys = list(rows.values_list("pk", flat=True)[:AT_ONCE])
        if not keys:
            return ended
        ended += lifecycle.change_rows(Sent.objects.filter(pk__in=keys), end, **values)
        last = keys[-1]
