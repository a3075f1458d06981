"""``manage.py export_tags``: idTags as a CSV file that ``import_tags`` takes again."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ocpp_app.management.commands.import_tags import organisation_of
from ocpp_app.models import IdTag
from ocpp_app.tag_csv import export_tags


class Command(BaseCommand):
    help = "Write the idTags of an organisation as CSV; spreadsheets find no formulas in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organisation", metavar="SLUG", help="whose tags (default: the default organisation)")
        parser.add_argument("--output", metavar="FILE", help="write to this file (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = export_tags(IdTag.objects.filter(organisation=organisation_of(options["organisation"])))
        if options["output"] is None:
            for line in lines:
                self.stdout.write(line, ending="")
            return
        try:
            with Path(options["output"]).open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
