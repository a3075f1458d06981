"""What is generated in docs/ is current."""

import io
from pathlib import Path

from django.core.management import call_command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_protocol_table_is_current() -> None:
    printed = io.StringIO()
    call_command("protocol_table", stdout=printed)
    hint = "Run: manage.py protocol_table > docs/generated/protocol-table.md"
    assert printed.getvalue() == (DOCS / "generated" / "protocol-table.md").read_text(), hint
