"""What is generated in docs/ is current."""

import io
import re
from pathlib import Path

from django.core.management import call_command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_protocol_table_is_current() -> None:
    printed = io.StringIO()
    call_command("protocol_table", stdout=printed)
    hint = "Run: manage.py protocol_table > docs/generated/protocol-table.md"
    assert printed.getvalue() == (DOCS / "generated" / "protocol-table.md").read_text(), hint


def test_every_test_that_the_tolerance_list_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "tolerance.md").read_text())
    assert len(named) > 30
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []
