"""``manage.py import_tags``: idTags from a CSV file, all of them or none."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ocpp_app.models import Organisation
from ocpp_app.tag_csv import COLUMNS
from ocpp_app.tag_import import Report, import_tags


class Command(BaseCommand):
    help = (
        f"Import idTags from a CSV file with the columns {', '.join(COLUMNS)}; only id_tag must be there. "
        "If a line is wrong, nothing is imported and every such line is told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the CSV file (UTF-8); - for standard input")
        parser.add_argument("--organisation", metavar="SLUG", help="whose tags (default: the default organisation)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = organisation_of(options["organisation"])
        report = import_tags(organisation, _read(options["file"]), dry_run=options["dry_run"])
        if report.problems:
            for problem in report.problems:
                self.stderr.write(str(problem))
            raise CommandError(f"{len(report.problems)} problems; nothing was imported. Mend the lines and try again.")
        self.stdout.write(_said(report))


def organisation_of(slug: str | None) -> Organisation:
    """The organisation with this slug, else the default; raises CommandError naming those that there are."""
    if slug is None:
        return Organisation.default()
    found = Organisation.objects.filter(slug=slug).first()
    if found is None:
        slugs = ", ".join(Organisation.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no organisation {slug}. There are: {slugs}.")
    return found


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _said(report: Report) -> str:
    counts = f"{len(report.created)} new, {len(report.changed)} changed, {report.unchanged} as they were"
    return f"Would import: {counts}. Nothing was written." if report.is_dry_run else f"Imported: {counts}."
