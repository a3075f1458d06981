"""``manage.py settings_table``: the tables of ``docs/settings.md``."""

from typing import Any

from django.core.management.base import BaseCommand

from backend import settings_reference


class Command(BaseCommand):
    help = "Print every setting with its type and default as Markdown tables, from the code that reads it."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in settings_reference.lines():
            self.stdout.write(line)
