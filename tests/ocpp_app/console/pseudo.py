"""A language that nobody speaks: every text of the catalogues in brackets; what is not translated stands out."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import django
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

CODE = "xx"
OPEN, CLOSE = "⟦", "⟧"
OURS = Path(__file__).resolve().parents[3] / "ocpp_app" / "locale" / "de" / "LC_MESSAGES" / "django.po"
SHOWN_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt", "data-done")
UNSEEN = {"script", "style", "template", "head"}
VOID = {"meta", "link", "input", "br", "img", "hr", "path", "rect", "col"}


def write_catalogue(folder: Path) -> None:
    """Make ``folder`` a locale folder with the language."""
    pseudo = Catalog(locale="en")
    own = Path(django.__file__).parent
    for path in (
        *own.glob("contrib/*/locale/en/LC_MESSAGES/django.po"),
        own / "conf/locale/en/LC_MESSAGES/django.po",
        OURS,
    ):
        for message in read_po(BytesIO(path.read_bytes())):
            if message.id:
                texts = message.id if isinstance(message.id, tuple) else (message.id,)
                bracketed = tuple(f"{OPEN}{text}{CLOSE}" for text in texts)
                pseudo.add(message.id, bracketed if len(texts) > 1 else bracketed[0], context=message.context)
    target = folder / CODE / "LC_MESSAGES"
    target.mkdir(parents=True)
    with (target / "django.mo").open("wb") as file:
        write_mo(file, pseudo)


class Reader(HTMLParser):
    """What a person sees or hears of a page, in its order; ``data`` is what the page marks as such."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID and (self._unseen or tag in UNSEEN or is_data(tag, given)):
            self._unseen.append(tag)
        if not self._unseen:
            self.said += [f"{given[name]}\n" for name in SHOWN_ATTRIBUTES if given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        if self._unseen and tag not in VOID:
            self._unseen.pop()

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said.append(f"{data}\n")


def is_data(tag: str, attrs: dict[str, str | None]) -> bool:
    """Frames, keys and addresses; times, which Django writes; options and rows that are named by their users."""
    classes = set((attrs.get("class") or "").split())
    return (
        tag in {"pre", "code", "time", "textarea"}
        or bool(classes & {"mono", "gist", "figure"})
        or ("lang" in attrs and tag != "html")
    )


def untranslated(html: str, data: re.Pattern[str]) -> Iterator[str]:
    """Words outside of all brackets, but for ``data``."""
    reader = Reader()
    reader.feed(html)
    text = data.sub(" ", "".join(reader.said))
    depth, outside = 0, []
    for part in re.split(f"([{OPEN}{CLOSE}])", text):
        if part in (OPEN, CLOSE):
            depth += 1 if part == OPEN else -1
            outside.append("\n")
        elif not depth:
            outside.append(part)
    for line in "".join(outside).splitlines():
        if re.search(r"[^\W\d_]{2,}", line):
            yield line.strip()
