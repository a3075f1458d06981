"""Every page is found: in the table of the first page, in the navigation, and by its links."""

import re
import tomllib
from typing import Any

import yaml

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
PAGES = {page.name for page in DOCS.glob("*.md")}


def pages_in(part: Any) -> list[str]:
    """The files of a navigation, in its order."""
    if isinstance(part, str):
        return [part]
    if isinstance(part, dict):
        return [page for value in part.values() for page in pages_in(value)]
    return [page for value in part for page in pages_in(value)]


def test_navigation_has_every_page_once() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages_in(navigation)) == sorted(PAGES)


def test_first_page_answers_a_question_with_every_other() -> None:
    table = [line for line in (DOCS / "index.md").read_text().splitlines() if line.startswith("|")]
    assert set(re.findall(r"\(([\w-]+\.md)\)", "\n".join(table))) == PAGES - {"index.md"}


def test_vendors_that_are_treated_differently_are_named() -> None:
    quirks = tomllib.loads((ROOT / "ocpp_app" / "quirks.toml").read_text())["quirk"]
    page = (DOCS / "charge-points.md").read_text()
    names = {quirk.get("vendor", quirk.get("model")).rstrip("*") for quirk in quirks}
    assert [name for name in names if name not in page] == []


def test_folders_and_files_that_pages_name_are_there() -> None:
    later = "ocppj/v201/"
    named = {
        (page.name, path)
        for page in [*DOCS.glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
        for path in re.findall(
            r"`((?:deploy|ocppj|wsgate|ocpp_app|simulator|scripts|tests|docs)/[\w./-]+)`", page.read_text()
        )
    }
    missing = [(page, path) for page, path in named if not (ROOT / path).exists() and path != later]
    assert missing == []
