"""Collects the English texts that reach people although they are made where there is no translation: in the pure
protocol code, in a worker, in a gateway, or long ago (they are kept in rows).

Writes them to ocpp_app/texts.py, from where ``makemessages`` takes them and ``ocpp_app.translation`` translates them at
the edge; then brings the catalogues up to date, the simulator page's as well, and compiles them (``make messages``). A
test says when it has to be run again. Only ``makemessages`` needs GNU gettext; what is compiled is committed, so nobody
else does.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from ocppj.assignments import words_of
from ocppj.documentation import describe, label_of, text_of
from ocppj.messages import Structure
from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL
from ocppj.v16.enums import FeatureProfile, Location, Measurand, Phase, ReadingContext, UnitOfMeasure, ValueFormat

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ROOT / "ocpp_app" / "texts.py"
CATALOGUES = (
    (ROOT / "ocpp_app", "django"),
    (ROOT / "simulator" / "web", "django"),
    (ROOT / "simulator" / "web", "djangojs"),
)
"""Django apps with texts, and the domains of these: templates and Python, scripts of the browser."""
LANGUAGES = ("de",)
SOURCES = ("ocppj", "ocpp_app", "wsgate")
LEFT_OUT = (
    "ocpp_app/admin/",
    "ocpp_app/api/",
    "ocpp_app/console/",
    "ocpp_app/management/",
    "ocpp_app/migrations/",
    "ocpp_app/monitoring/",
    "wsgate/admin.py",
)
OF_MIGRATIONS = "ocpp_app/migrations/0002_default_rows.py"
NOT_SHOWN = (
    "texts.py",
    "translation.py",
    "checks.py",
    "conf.py",
    "config.py",
    "known_limits.py",
    "quirks.py",
    "append_only.py",
    "limits.py",
    "metrics.py",
    "listeners.py",
    "tls.py",
    "amqp.py",
    "logs.py",
    "database.py",
    "admission.py",
    "array_rows.py",
    "fast_rows.py",
    "value_rows.py",
    "loads.py",
    "pipeline.py",
    "round_trips.py",
)
"""Modules whose words are for whoever sets the system up, in a terminal, or for the database."""
NOT_TEXT = frozenset(
    {"_", "gettext", "gettext_lazy", "ngettext", "pgettext", "RunPython", "RunSQL", "compile", "execute"}
)
LOGGERS = frozenset({"logger", "log", "logging"})
NOT_RAISED = frozenset(
    {
        "ImproperlyConfigured",
        "TypeError",
        "RuntimeError",
        "NotImplementedError",
        "AssertionError",
        "SessionError",
        "EnvelopeError",
        "LookupError",
    }
)
MEASURED = (Location, Measurand, Phase, ReadingContext, UnitOfMeasure, ValueFormat)
"""Names of what is measured: the same in every language."""
_CODE = re.compile(
    r"\b(SELECT|UPDATE|PRAGMA|WHERE|INSERT|IN|CONFLICT|AND|AS|ANY)\b|[<>{}\\\n]|\(\?|__|::|^#| \| "
    r"|charset|no-store|realm|filename=|-src|json_extract|\[Any|%%\(|%%s|development CA$"
    r"|^(OCPP 1\.6|Security whitepaper) §?[A-Z]?[\d.]+|^(bytes|disk|database|unable|readonly|Basic) "
    r"|^wsgate_|^manage\.py|^python -m|^issue_command\(|^Connection: |^Content-|^HTTP/1"
)
"""What looks like words and is none of a person's: SQL, headers, patterns, commands of a shell."""
_WORDS = re.compile(r"[A-Za-z]{2,}")


def main() -> int:
    WRITTEN.write_text(written())
    gather = [sys.executable, str(ROOT / "manage.py"), "makemessages", "--no-location", "--no-obsolete"]
    wanted = [word for language in LANGUAGES for word in ("--locale", language)]
    for app, domain in CATALOGUES:
        subprocess.run([*gather, *wanted, "--domain", domain], cwd=app, check=True)
    for path in catalogues():
        path.with_suffix(".mo").write_bytes(compiled(path))
    return 0


def catalogues() -> list[Path]:
    """Every catalogue that translators fill in."""
    return [
        app / "locale" / language / "LC_MESSAGES" / f"{domain}.po"
        for app, domain in CATALOGUES
        for language in LANGUAGES
    ]


def compiled(path: Path) -> bytes:
    """The catalogue as gettext reads it; what is not translated, or only guessed, is left out."""
    made = BytesIO()
    write_mo(made, read_po(BytesIO(path.read_bytes())))
    return made.getvalue()


def written() -> str:
    """What ocpp_app/texts.py has to be."""
    lines = [
        '"""Texts and words that are made elsewhere; written by ``python -m scripts.texts``, do not edit.',
        "",
        "A text of ``TEMPLATES`` holds what it was made with (``%(name)s``), a word of ``WORDS`` is shown as it is.",
        '"""',
        "",
        "# fmt: off",
        "# ruff: noqa: E501",
        "",
        "from django.utils.translation import gettext_noop as _",
        "",
        "TEMPLATES = (",
        *(f"    _({_quoted(text)})," for text in templates()),
        ")",
        "",
        "WORDS = (",
        *(f"    _({_quoted(text)})," for text in words()),
        ")",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# -- templates: what is said in sentences --------------------------------------------------------------------


def templates() -> list[str]:
    """Every text with which code of ours says something to a person, with a name for what varies in it."""
    found: set[str] = set()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            name = str(path.relative_to(ROOT))
            if not name.startswith(LEFT_OUT) or name == OF_MIGRATIONS:
                found.update(_texts_in(tree) if path.name not in NOT_SHOWN else ())
            else:
                found.update(_reasons_in(tree))
    return sorted(found)


def _reasons_in(tree: ast.AST) -> Iterator[str]:
    """What is kept in a row as the reason of something: in English there, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "reason":
            yield from _texts_in(node.value)


def _texts_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr | ast.Constant):
        text = _template(node)
        if text is not None and _is_said(text):
            yield text
        return
    if isinstance(node, ast.Call) and _is_no_text(node.func):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Assert | ast.AnnAssign) and not getattr(node, "value", None):
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts_in(child)


def _is_no_text(function: ast.AST) -> bool:
    if isinstance(function, ast.Attribute):
        owner = function.value
        return function.attr in NOT_TEXT or (isinstance(owner, ast.Name) and owner.id in LOGGERS)
    return isinstance(function, ast.Name) and function.id in NOT_TEXT | NOT_RAISED


def _is_said(text: str) -> bool:
    """Whether it reads as words of a sentence, and is neither a name nor a piece of SQL or code."""
    literal = re.sub(r"%\(\w+\)s", " ", text)
    return " " in text.strip() and len(_WORDS.findall(literal)) > 0 and not _CODE.search(text)


def _template(node: ast.JoinedStr | ast.Constant) -> str | None:
    if isinstance(node, ast.Constant):
        return _with_names(node.value.replace("%", "%%")) if isinstance(node.value, str) else None
    parts: list[str] = []
    taken: dict[str, int] = {}
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("%", "%%"))
        elif isinstance(value, ast.FormattedValue):
            name = _name_of(value.value)
            taken[name] = taken.get(name, 0) + 1
            parts.append(f"%({name if taken[name] == 1 else f'{name}{taken[name]}'})s")
    return _with_names("".join(parts))


def _with_names(text: str) -> str:
    """The braces that a note of tolerance leaves for what it quotes."""
    for name in ("%(value)s", "%(meant)s"):
        text = text.replace("{}", name, 1)
    return text


def _name_of(node: ast.AST) -> str:
    """A name for what stands in the braces: the last one in it that says something."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
        case ast.Call(func=ast.Name(id="quote" | "len" | "str" | "repr" | "min" | "max" | "round"), args=[first, *_]):
            return _name_of(first)
        case ast.Call(func=ast.Attribute(attr="join"), args=[first, *_]):
            return _name_of(first)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return attr if attr.startswith("get_") else _name_of(value)
        case ast.Call(func=func):
            return _name_of(func)
        case ast.Subscript(value=value) | ast.BoolOp(values=[value, *_]) | ast.BinOp(left=value):
            return _name_of(value)
        case ast.IfExp(body=body):
            return _name_of(body)
    return "text"


# -- words: the protocol's own -------------------------------------------------------------------------------


def words() -> list[str]:
    """What the forms of commands say of messages and their fields, and every word that a field may hold."""
    found: set[str] = set()
    for spec in PROTOCOL.actions.values():
        if spec.sender != Sender.charge_point:
            found.add(text_of(spec.request))
            found.update(_documented(spec.request))
        for message in (spec.request, spec.response):
            found.update(_spoken(message))
    found.update(str(profile) for profile in FeatureProfile)
    return sorted(found - {""})


def _documented(structure: type[Structure]) -> Iterator[str]:
    for field in describe(structure):
        yield label_of(field)
        yield field.text
        if field.struct is not None:
            yield from _documented(field.struct)


def _spoken(structure: type[Structure]) -> Iterator[str]:
    for field in describe(structure):
        if field.enum is not None and field.enum not in MEASURED:
            yield from words_of(field.enum)
        if field.struct is not None:
            yield from _spoken(field.struct)


if __name__ == "__main__":
    sys.exit(main())
