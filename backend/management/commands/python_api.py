"""``manage.py python_api``: the tables of ``docs/python-api.md``."""

from typing import Any

from django.core.management.base import BaseCommand

from backend import api_reference


class Command(BaseCommand):
    help = "Print every public name of the packages with its parameters as Markdown tables, from the code."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in api_reference.lines():
            self.stdout.write(line)
