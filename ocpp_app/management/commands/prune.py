"""``manage.py prune``: what is older than its table keeps goes."""

import os
import socket
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ocpp_app import conf, retention
from ocpp_app.errors import PruningElsewhere

EVER = "never"


class Command(BaseCommand):
    help = (
        "Remove what is older than OCPP_RETENTION says, in small steps beside a running system; meter values become "
        "means over 15 minutes. Transactions and the audit log stay. It may be stopped, or killed, at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go; remove nothing")
        parser.add_argument(
            "--only",
            action="append",
            choices=retention.TABLES,
            metavar="TABLE",
            help="only this table; may be repeated",
        )
        parser.add_argument(
            "--pause", type=_seconds, default=0.0, metavar="SECONDS", help="rest so long after each step (default: 0)"
        )
        for table in retention.TABLES:
            parser.add_argument(
                f"--{table.replace('_', '-')}",
                type=_days,
                dest=table,
                default=None,
                metavar="DAYS",
                help=f"keep {table.replace('_', ' ')} for so many days, or {EVER} remove any",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        ages = _ages(options)
        if options["dry_run"]:
            self._show(retention.outlook(ages, timezone.now()))
            return
        holder = f"prune:{socket.gethostname()}:{os.getpid()}"
        try:
            removed = retention.run(ages, holder=holder, pause=lambda _took: options["pause"])
        except PruningElsewhere as error:
            raise CommandError(str(error)) from None
        for table, count in removed.items():
            what = "rolled up" if table == "meter_values" else "removed"
            self.stdout.write(f"{table:<16} {count:>12,} {what}")

    def _show(self, rows: list[retention.Outlook]) -> None:
        self.stdout.write(f"{'table':<16} {'rows':>12}  {'oldest':<10}  {'kept for':<10} {'would go':>12}")
        for row in rows:
            oldest = "" if row.oldest is None else f"{row.oldest:%Y-%m-%d}"
            kept = "ever" if row.age is None else f"{row.age / timedelta(days=1):g} days"
            self.stdout.write(f"{row.table:<16} {row.rows:>12,}  {oldest:<10}  {kept:<10} {row.would_go:>12,}")
        self.stdout.write("Meter values do not go: they become means over 15 minutes.")


def _ages(options: dict[str, Any]) -> dict[str, timedelta | None]:
    ages = conf.retention()
    for table in retention.TABLES:
        given = options[table]
        if given is not None:
            ages[table] = None if given == EVER else given
        if options["only"] and table not in options["only"]:
            ages[table] = None
    return ages


def _days(text: str) -> timedelta | str:
    if text == EVER:
        return EVER
    try:
        days = float(text)
        datetime.now().astimezone() - timedelta(days=days)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no number of days; or say {EVER}") from None
    if not days >= 1:
        raise ArgumentTypeError(f"{text!r} is less than a day")
    return timedelta(days=days)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 60:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 60")
    return seconds
