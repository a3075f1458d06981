"""The table of metrics is made from their definitions, and is current."""

import io
from pathlib import Path

from django.core.management import call_command

from backend import metrics_reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "generated" / "metrics.md"


def test_it_is_current() -> None:
    printed = io.StringIO()
    call_command("metrics_table", stdout=printed)
    assert printed.getvalue() == PAGE.read_text(), "Run: manage.py metrics_table > docs/generated/metrics.md"


def test_no_name_has_two_meanings() -> None:
    names = [each.name for section in metrics_reference.SECTIONS.values() for each in section]
    assert len(names) > 60
    assert len(set(names)) == len(names)
