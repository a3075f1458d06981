"""``manage.py metrics_table``: the tables of ``docs/monitoring.md``."""

from typing import Any

from django.core.management.base import BaseCommand

from backend import metrics_reference


class Command(BaseCommand):
    help = "Print every metric with its type and labels as Markdown tables, from its definition."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in metrics_reference.lines():
            self.stdout.write(line)
