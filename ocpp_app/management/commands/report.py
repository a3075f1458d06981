"""``manage.py report``: who charged how much."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ocpp_app import reports
from ocpp_app.management.commands.import_tags import organisation_of
from ocpp_app.models import Transaction

FORMATS = {"csv": reports.as_csv, "table": reports.as_table}


class Command(BaseCommand):
    help = (
        "Energy, sessions, duration and cost of the transactions that ended in a period. "
        "Energy in doubt is not billed and stands in columns of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="first", type=_day, metavar="DAY", help="the first day (default: of this month)"
        )
        parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="the last day (default: today)")
        parser.add_argument(
            "--by", choices=[one.value for one in reports.Grouping], default="tag", help="a row for each (default: tag)"
        )
        parser.add_argument("--format", choices=FORMATS, default="table", help="(default: table)")
        parser.add_argument("--organisation", metavar="SLUG", help="only of this one (default: all)")
        parser.add_argument(
            "--time-zone", type=_zone, metavar="NAME", help="where days begin (default: the setting TIME_ZONE)"
        )
        parser.add_argument("--output", metavar="FILE", help="write to this file (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        zone = options["time_zone"] or ZoneInfo(timezone.get_default_timezone_name())
        last = options["last"] or timezone.localdate(timezone=zone)
        first = options["first"] or last.replace(day=1)
        if first > last:
            raise CommandError(f"--from {first} is after --to {last}: both days are included, the first comes first.")
        transactions = Transaction.objects.all()
        if options["organisation"]:
            transactions = transactions.filter(organisation=organisation_of(options["organisation"]))
        report = reports.make(reports.Grouping(options["by"]), first, last, transactions=transactions, zone=zone)
        self._write(FORMATS[options["format"]](report), options["output"])

    def _write(self, lines: Any, output: str | None) -> None:
        if output is None:
            for line in lines:
                self.stdout.write(line, ending="" if line.endswith("\n") else "\n")
            return
        try:
            with Path(output).open("w", encoding="utf-8", newline="") as file:
                file.writelines(line if line.endswith("\n") else f"{line}\n" for line in lines)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no day. Write it as 2026-01-31.") from None


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ArgumentTypeError(f"{text} is no time zone. Use a name such as Europe/Berlin.") from None
