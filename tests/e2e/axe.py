"""axe-core on a page that is open in Chromium."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = (Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What breaks the rules, in a line each: the rule, and where."""
    page.evaluate(SCRIPT)
    options = {"runOnly": TAGS, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate("(options) => axe.run(options)", options)
    assert found["passes"], "axe has examined nothing"
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
