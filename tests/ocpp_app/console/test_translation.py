"""Every text of the console goes through Django's translation, and all of it is there in German."""

import re
import time
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from django.test import Client
from django.utils import translation

from ocpp_app.events.catalogue import TYPES
from ocpp_app.models import ChargePoint, Command, Role
from ocpp_app.translation import tell
from ocppj.errors import ErrorCode, PayloadError
from ocppj.v16 import PROTOCOL, ResetRequest
from scripts import texts
from scripts.screenshots.pages import BUTTONS, FILES
from tests.ocpp_app.console import pseudo
from tests.ocpp_app.console.world import Tenant, addresses, body_of, person, text_of

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "ocpp_app/console/templates").rglob("*.html"))
HOLES = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\}")
OF_THE_WORLD = (
    "ours", "user-", "member", "TAG1", "GONE", "Depot", "Fast", "Day", "night", "EUR", "Default", "default",
    "anonymous", "billing", "Spring", "a.bin",
)  # fmt: skip
OF_THE_PROTOCOL = [
    *map(str, PROTOCOL.actions),
    *map(str, ErrorCode),
    "ManufacturerRootCertificate",
    "StartupOfTheDevice",
]
DATA = re.compile(
    r"<script>alert\(1\)<(/?script>|/sc)|(OCPP 1\.6|Security whitepaper) §?[\w.]+|\w+\.\*|HeartbeatInterval|NullField|https://\S+|"
    rf"({'|'.join(map(re.escape, (*OF_THE_WORLD, *OF_THE_PROTOCOL, *TYPES)))})(?![a-z])"
)
"""What pages show that nobody translates: what the rows of the tests are called, and names of the protocol."""


@pytest.fixture
def pseudo_language(settings: Any, tmp_path: Path) -> None:
    pseudo.write_catalogue(tmp_path)
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [("en", "English"), (pseudo.CODE, "Pseudo")]


def test_every_word_of_every_page_is_translated(pseudo_language: None, ours: Tenant) -> None:
    superuser = person(None, is_superuser=True, is_staff=True)
    found = {}
    for name, address in addresses(ours).items():
        if name in BUTTONS | FILES:
            continue
        page = body_of(superuser.get(address, headers={"Accept-Language": pseudo.CODE}))
        if words := set(pseudo.untranslated(page, DATA)):
            found[name] = words
    assert found == {}


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in pseudo.SHOWN_ATTRIBUTES]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    """Also where the pages of the test above do not come by."""
    text = re.sub(
        r"\{% blocktranslate.*?endblocktranslate %\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text(), flags=re.DOTALL
    )
    reader = _Words()
    reader.feed(text)
    assert [words for words in reader.found if re.search(r"[^\W\d_]{2,}", words.replace("TLS", ""))] == []


# -- what is said far from the page -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("expected a number, got a list", "eine Zahl erwartet, eine Liste erhalten"),
        ("key[0]: 51 characters, at most 50 allowed", "key[0]: 51 Zeichen, höchstens 50 erlaubt"),
        ("Nobody is left to be updated. The group has no charge points.",
         "Es bleibt niemand zu aktualisieren. Die Gruppe hat keine Ladestationen."),
        ("from 12.5 Wh to 9 Wh", "von 12.5 Wh auf 9 Wh"),
        ("cancelled by ada", "zurückgenommen von ada"),
        ("No sign of life after a ping.", "Kein Lebenszeichen nach einem Ping."),
        ("SuspendedEVSE", "Von der Ladestation unterbrochen"),
        ("A word of its own, 100 % unknown", "A word of its own, 100 % unknown"),
        ("expected " + "x" * 3000 + ", got null", "expected " + "x" * 3000 + ", got null"),
    ],
)  # fmt: skip
def test_what_was_said_in_english_is_told_in_the_language_of_the_page(english: str, german: str) -> None:
    assert tell(english) == english
    with translation.override("de"):
        assert tell(english) == german


def test_every_text_is_found_again_however_it_was_filled_in() -> None:
    """What a template is filled with may be a sentence itself, so what is compared is all but that."""
    with translation.override("de"):
        for template in texts.templates():
            filled = dict.fromkeys(re.findall(r"%\((\w+)\)s", template), "§1")
            assert tell(template % filled) == translation.gettext(template) % filled


def test_text_of_a_charge_point_that_looks_like_ours_is_told_quickly() -> None:
    """Repeating what a template says made one such text take seconds, in every row of a list."""
    slowest = 0.0
    with translation.override("de"):
        for template in texts.templates():
            begins, *literals = re.split(r"%\(\w+\)s", template)
            core = max([begins, *literals], key=len)
            room = (1990 - len(core)) // max(1, len(literals) - 1)
            text = begins + "".join(literal * (room // len(literal)) for literal in literals[:-1] if literal) + core
            started = time.process_time()
            tell(f"{text}\x01")
            slowest = max(slowest, time.process_time() - started)
    assert slowest < 0.2


def test_a_wrong_command_is_refused_in_the_language_of_the_browser(operator: Client, ours: Tenant) -> None:
    address = f"/charge-points/{ours.charge_point.pk}/commands/ChangeConfiguration/"
    sent = {"key": "x" * 51, "value": "1"}
    page = text_of(operator.post(address, sent, headers={"Accept-Language": "de"}))
    assert "51 Zeichen, höchstens 50 erlaubt" in page
    assert "51 characters, at most 50 allowed" in text_of(operator.post(address, sent))
    ChargePoint.objects.update(session=None)
    offline = text_of(operator.post(address, {"key": "a", "value": "1"}, headers={"Accept-Language": "de"}))
    assert "ist nicht verbunden, darum wurde das nicht gesendet" in offline


def test_a_reason_is_kept_in_english_and_shown_in_the_language_of_each_reader(operator: Client, ours: Tenant) -> None:
    row = Command.objects.create(
        charge_point=ours.charge_point,
        action="Reset",
        payload={"type": "Soft"},
        timeout_s=30,
        created_at=ours.transaction.started_at,
    )
    operator.post(f"/commands/{row.pk}/cancel/", headers={"Accept-Language": "de"})
    row.refresh_from_db()
    assert row.reason.startswith("cancelled by user-")
    page = operator.get(f"/commands/{row.pk}/", headers={"Accept-Language": "de"})
    assert "zurückgenommen von user-" in text_of(page)


def test_protocol_errors_stay_english_for_programs() -> None:
    with translation.override("de"), pytest.raises(PayloadError, match="is no ResetType"):
        ResetRequest(type="Cold")


# -- languages --------------------------------------------------------------------------------------------------


def test_a_browser_chooses_and_a_person_overrides_it(viewer: Client, ours: Tenant) -> None:
    german = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    page = viewer.get("/", headers=german)
    assert '<html lang="de"' in body_of(page)
    assert "Laden gerade" in text_of(page)
    chosen = viewer.post("/language/", {"language": "en", "next": "/transactions/"}, headers=german)
    assert chosen.headers["Location"] == "/transactions/"
    assert "Charging now" in text_of(viewer.get("/", headers=german))
    assert "Charging now" in text_of(person(ours, Role.VIEWER).get("/", headers={"Accept-Language": "fr"}))


@pytest.mark.parametrize("path", texts.catalogues(), ids=lambda path: str(path.relative_to(ROOT)))
def test_german_is_complete_and_compiled(path: Path) -> None:
    catalogue = read_po(BytesIO(path.read_bytes()))
    for message in catalogue:
        wanted = message.id if isinstance(message.id, tuple) else (message.id,)
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(given), f"{message.id!r} has no German"
        assert not message.fuzzy, f"{message.id!r} is only guessed in German"
        if message.id:
            assert sorted(HOLES.findall(wanted[-1])) == sorted(HOLES.findall(given[-1])), message.id
    assert path.with_suffix(".mo").read_bytes() == texts.compiled(path), "run: make messages"


@pytest.mark.parametrize(
    ("domain", "sources", "marked"),
    [("django", "templates/**/*.html", r'translate "(.+?)"'), ("djangojs", "static/**/*.js", r'gettext\("(.+?)"\)')],
)
def test_the_texts_of_the_simulator_page_are_collected(domain: str, sources: str, marked: str) -> None:
    folder = ROOT / "simulator" / "web"
    catalogue = read_po(BytesIO((folder / f"locale/de/LC_MESSAGES/{domain}.po").read_bytes()))
    found = {text for path in folder.glob(sources) for text in re.findall(marked, path.read_text())}
    assert len(found) > 70
    assert [text for text in sorted(found) if text not in catalogue] == [], "run: make messages"


def test_the_texts_of_the_code_are_collected() -> None:
    assert texts.WRITTEN.read_text() == texts.written(), "run: make messages"
    catalogue = read_po(BytesIO(pseudo.OURS.read_bytes()))
    assert [text for text in (*texts.templates(), *texts.words()) if text not in catalogue] == [], "run: make messages"
