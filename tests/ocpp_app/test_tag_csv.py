"""idTags as CSV: every bad line is told, nothing is half done, and what was exported comes in again as it was."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from ocpp_app import spreadsheets
from ocpp_app.models import ChargePointGroup, IdTag, Organisation
from ocpp_app.tag_csv import MAX_BYTES, export_tags, parse
from ocpp_app.tag_import import import_tags

HEADER = "id_tag,parent,expires_at,blocked,concurrent_limit,note,owner,groups\n"


def problems_of(text: str | bytes) -> list[tuple[int, str]]:
    """Line and column of each problem."""
    _rows, problems = parse(text if isinstance(text, bytes) else text.encode())
    assert all(problem.text.endswith((".", ")")) for problem in problems)
    return [(problem.line, problem.column) for problem in problems]


def values_of(line: str) -> dict[str, Any]:
    rows, problems = parse((HEADER + line).encode())
    assert problems == []
    return {"id_tag": rows[0].id_tag, **rows[0].values}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_line_with_everything() -> None:
    assert values_of('TAG1,FAMILY,2026-12-31T18:00+01:00,yes,3,"Ann, flat 3",ann,Depot; North\n') == {
        "id_tag": "TAG1",
        "parent": "FAMILY",
        "expires_at": datetime(2026, 12, 31, 17, tzinfo=UTC),
        "blocked": True,
        "concurrent_limit": 3,
        "note": "Ann, flat 3",
        "owner": "ann",
        "groups": ("Depot", "North"),
    }


def test_empty_cells_empty_the_field() -> None:
    assert (
        values_of("TAG1,,,,,,,\n")
        == values_of("TAG1\n")
        == {
            "id_tag": "TAG1",
            "parent": "",
            "expires_at": None,
            "blocked": False,
            "concurrent_limit": None,
            "note": "",
            "owner": "",
            "groups": (),
        }
    )


@pytest.mark.parametrize(
    "header",
    [
        "id_tag,blocked",
        "idTag,Blocked",
        '"ID tag","blocked"',
        "blocked,id_tag",
        "id_tag;blocked",
        "id_tag\tblocked",
        "\ufeffid_tag,blocked",
        "id_tag,blocked\r",
    ],
)
def test_headers_that_are_understood(header: str) -> None:
    delimiter = next(mark for mark in ";\t," if mark in header)
    cells = ["yes", "T1"] if header.startswith("blocked") else ["T1", "yes"]
    rows, problems = parse(f"{header}\n{delimiter.join(cells)}\n".encode())
    assert problems == []
    assert [(row.line, row.id_tag, row.values["blocked"]) for row in rows] == [(2, "T1", True)]


def test_only_the_columns_that_are_there_have_values() -> None:
    rows, _problems = parse(b"note,id_tag\nhello,T1\n")
    assert rows[0].values == {"note": "hello"}


@pytest.mark.parametrize(
    ("cell", "expires_at"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2026-06-30", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-12-31T18:00", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31 18:00:30", datetime(2026, 12, 31, 17, 0, 30, tzinfo=UTC)),
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00-05:00", datetime(2026, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_dates_are_those_of_the_site_and_a_day_lasts_to_its_end(cell: str, expires_at: datetime, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    assert values_of(f"T1,,{cell}\n")["expires_at"] == expires_at


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("", [(1, "")], id="nothing"),
        pytest.param("\n\n", [(1, "")], id="empty lines"),
        pytest.param(b"id_tag\nM\xfcller\n", [(2, "")], id="Latin 1"),
        pytest.param("id_tag\nT1\n".encode("utf-16"), [(1, "")], id="UTF-16"),
        pytest.param('id_tag,note\nT1,"open\n', [(1, "")], id="an open quotation mark"),
        pytest.param(b"x" * (MAX_BYTES + 1), [(1, "")], id="too large"),
        pytest.param("T1\nT2\n", [(1, "T1"), (1, "id_tag")], id="no header"),
        pytest.param("id_tag,colour\nT1,red\n", [(1, "colour")], id="an unknown column"),
        pytest.param("id_tag,note,note\nT1,a,b\n", [(1, "note")], id="a column twice"),
        pytest.param("note\na\n", [(1, "id_tag")], id="no id_tag"),
        pytest.param("id_tag,note\nT1,a,b\n", [(2, "")], id="too many cells"),
        pytest.param(HEADER + ",P\n", [(2, "id_tag")], id="no idTag"),
        pytest.param(HEADER + "T" * 21 + "\n", [(2, "id_tag")], id="an idTag of 21 characters"),
        pytest.param(HEADER + "T\x071\n", [(2, "id_tag")], id="a control character"),
        pytest.param(HEADER + "T1\nt1\n", [(3, "id_tag")], id="twice, but for the case"),
        pytest.param(HEADER + "T1," + "P" * 21 + "\n", [(2, "parent")], id="a parent of 21 characters"),
        pytest.param(HEADER + "T1,,31.12.2026\n", [(2, "expires_at")], id="a date of another form"),
        pytest.param(HEADER + "T1,,2026-02-30\n", [(2, "expires_at")], id="no such day"),
        pytest.param(HEADER + "T1,,,maybe\n", [(2, "blocked")], id="neither yes nor no"),
        pytest.param(HEADER + "T1,,,,0\n", [(2, "concurrent_limit")], id="limit 0"),
        pytest.param(HEADER + "T1,,,,-1\n", [(2, "concurrent_limit")], id="limit -1"),
        pytest.param(HEADER + "T1,,,,1.5\n", [(2, "concurrent_limit")], id="limit 1.5"),
        pytest.param(HEADER + "T1,,,,²\n", [(2, "concurrent_limit")], id="a number that is none"),
        pytest.param(
            HEADER + 'T1,,,,,"two\nlines"\n\nT2,,x,maybe\n',
            [(5, "expires_at"), (5, "blocked")],
            id="lines are counted as an editor counts them",
        ),
    ],
)
def test_every_problem_names_its_line_and_column(text: str | bytes, problems: list[tuple[int, str]]) -> None:
    assert problems_of(text) == problems


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "\n1", "＝1", "'=1", " =1", "''-x"])
def test_formulas_are_neutralised_and_come_back(cell: str) -> None:
    written = spreadsheets.safe(cell)
    assert written == "'" + cell
    assert spreadsheets.plain(written) == cell


@pytest.mark.parametrize(
    ("cell", "written"),
    [("x;=1", "x;'=1"), ("a; '-b;c", "a;' '-b;c"), ("\t=1", "'\t'=1"), ("x\n@1;", "x\n'@1;"), ("a;b", "a;b")],
)
def test_what_a_spreadsheet_takes_for_the_next_cell_is_none_either(cell: str, written: str) -> None:
    assert spreadsheets.safe(cell) == written
    assert spreadsheets.plain(written) == cell


@pytest.mark.parametrize("cell", ["TAG1", "", "'quoted'", "a=b", "1-2", -5, 1.5, 0])
def test_everything_else_is_written_as_it_is(cell: Any) -> None:
    assert spreadsheets.safe(cell) == cell


@given(cell=st.text() | st.text("=-;\t\n'| x＝"))
def test_no_text_gets_lost(cell: str) -> None:
    assert spreadsheets.plain(spreadsheets.safe(cell)) == cell
    assert not spreadsheets.safe(cell).startswith(spreadsheets.FORMULA)


# -- importing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def organisation(db: None) -> Organisation:
    IdTag.objects.all().delete()  # “anonymous”, made by a migration
    return Organisation.default()


@pytest.fixture
def ann(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("ann")


def stored(organisation: Organisation) -> dict[str, Any]:
    """Everything of every tag, by idTag."""
    tags = IdTag.objects.filter(organisation=organisation).select_related("parent", "owner")
    return {
        tag.id_tag: (
            None if tag.parent is None else tag.parent.id_tag,
            tag.expires_at,
            tag.is_blocked,
            tag.concurrent_limit,
            tag.note,
            None if tag.owner is None else tag.owner.get_username(),
            {group.name for group in tag.groups.all()},
        )
        for tag in tags
    }


def test_tags_are_made_and_changed(organisation: Organisation, ann: Any) -> None:
    ChargePointGroup.objects.create(name="Depot")
    ChargePointGroup.objects.create(name="A;B")
    IdTag.objects.create(id_tag="OLD", note="stays", is_blocked=True)
    same = IdTag.objects.create(id_tag="SAME", note="hello")
    text = (
        "id_tag,parent,concurrent_limit,blocked,owner,groups\n"
        "old,NEW,2,no,ann,Depot\n"  # its parent comes later, its case changes
        "SAME,,1,,,\n"
        'NEW,,,,,"Depot;A\\;B"\n'
    )
    report = import_tags(organisation, text.encode())
    assert (report.created, report.changed, report.unchanged, report.problems) == (["NEW"], ["old"], 1, [])
    assert stored(organisation) == {
        "old": ("NEW", None, False, 2, "stays", "ann", {"Depot"}),
        "SAME": (None, None, False, 1, "hello", None, set()),
        "NEW": (None, None, False, None, "", None, {"Depot", "A;B"}),
    }
    again = import_tags(organisation, text.encode())
    assert (again.created, again.changed, again.unchanged) == ([], [], 3)
    same.refresh_from_db()


def test_a_new_tag_without_a_column_has_the_default(organisation: Organisation) -> None:
    import_tags(organisation, b"id_tag\nT1\n")
    assert stored(organisation) == {"T1": (None, None, False, 1, "", None, set())}


def test_groups_are_replaced(organisation: Organisation) -> None:
    groups = [ChargePointGroup.objects.create(name=name) for name in ("A", "B")]
    tag = IdTag.objects.create(id_tag="T1")
    tag.groups.set(groups)
    import_tags(organisation, b"id_tag,note\nT1,x\n")
    assert stored(organisation)["T1"][-1] == {"A", "B"}
    assert import_tags(organisation, b"id_tag,groups\nT1,B\n").changed == ["T1"]
    assert stored(organisation)["T1"][-1] == {"B"}
    import_tags(organisation, b"id_tag,groups\nT1,\n")
    assert stored(organisation)["T1"][-1] == set()


@pytest.mark.parametrize(
    ("line", "column"),
    [
        pytest.param("T1,T1", "parent", id="its own parent"),
        pytest.param("T1,t1", "parent", id="its own parent in lower case"),
        pytest.param("T1,NOBODY", "parent", id="an unknown parent"),
        pytest.param("T1,FOREIGN", "parent", id="a parent of another organisation"),
        pytest.param("T1,,,,,,bob", "owner", id="an unknown user"),
        pytest.param("T1,,,,,,,North", "groups", id="an unknown group"),
        pytest.param("T1,,,,,,,Foreign", "groups", id="a group of another organisation"),
        pytest.param("T1,,never", "expires_at", id="no date"),
    ],
)
def test_one_bad_line_and_nothing_is_done(line: str, column: str, organisation: Organisation, ann: Any) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    IdTag.objects.create(id_tag="FOREIGN", organisation=other)
    ChargePointGroup.objects.create(name="Foreign", organisation=other)
    IdTag.objects.create(id_tag="OLD", note="stays")
    before = stored(organisation)
    report = import_tags(organisation, f"{HEADER}GOOD\nOLD,,,,,changed\n{line}\n".encode())
    assert [(problem.line, problem.column) for problem in report.problems] == [(4, column)]
    assert (report.created, report.changed, report.unchanged) == ([], [], 0)
    assert stored(organisation) == before


def test_a_dry_run_says_what_would_happen(organisation: Organisation) -> None:
    IdTag.objects.create(id_tag="OLD")
    IdTag.objects.create(id_tag="SAME")
    before = stored(organisation)
    report = import_tags(organisation, b"id_tag,parent\nOLD,NEW\nNEW,\nSAME,\n", dry_run=True)
    assert (report.created, report.changed, report.unchanged, report.is_dry_run) == (["NEW"], ["OLD"], 1, True)
    assert stored(organisation) == before


def test_the_same_id_tag_in_another_organisation_is_another_tag(organisation: Organisation) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    import_tags(organisation, b"id_tag,note\nT1,ours\n")
    import_tags(other, b"id_tag,note\nT1,theirs\n")
    assert [stored(one)["T1"][4] for one in (organisation, other)] == ["ours", "theirs"]


def test_number_of_queries_does_not_grow_with_the_lines(organisation: Organisation, ann: Any) -> None:
    ChargePointGroup.objects.create(name="Depot")

    def queries_of(lines: int, prefix: str) -> int:
        text = HEADER + "".join(f"{prefix}{number},{prefix}0,,,,,ann,Depot\n" for number in range(1, lines))
        with CaptureQueriesContext(connection) as captured:
            report = import_tags(organisation, (text + f"{prefix}0\n").encode())
        assert len(report.created) == lines
        return len(captured)

    assert queries_of(50, "B") == queries_of(3, "A") <= 12


# -- exporting ---------------------------------------------------------------------------------------------------------

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


@pytest.mark.django_db
@given(
    names=st.lists(PRINTABLE, min_size=1, max_size=5, unique_by=str.upper),
    notes=st.lists(
        st.text(st.characters(exclude_categories=("C",), include_characters="\n\t")), min_size=5, max_size=5
    ),
    numbers=st.lists(st.none() | st.integers(1, 10_000), min_size=5, max_size=5),
)
def test_what_is_exported_comes_in_again_as_it_was(names: list[str], notes: list[str], numbers: Any) -> None:
    source, target = (
        Organisation.objects.create(name=name, slug=f"{name}-{Organisation.objects.count()}") for name in "ab"
    )
    groups = [ChargePointGroup.objects.create(name=name, organisation=source) for name in ("=A", "B;C")]
    for group in groups:
        ChargePointGroup.objects.create(name=group.name, organisation=target)
    first: IdTag | None = None
    for number, name in enumerate(names):
        tag = IdTag.objects.create(
            organisation=source,
            id_tag=name,
            note=notes[number],
            concurrent_limit=numbers[number],
            parent=first,
            is_blocked=number % 2 == 1,
            expires_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number * 10**9 + 1),
        )
        tag.groups.set(groups[: number % 3])
        first = first or tag
    exported = "".join(export_tags(IdTag.objects.filter(organisation=source)))
    for cells in csv.reader(io.StringIO(exported, newline="")):
        assert not any(cell.startswith(spreadsheets.FORMULA) for cell in cells)
    report = import_tags(target, exported.encode())
    assert report.problems == []
    assert stored(target) == stored(source)


# -- commands ----------------------------------------------------------------------------------------------------------


def run(*arguments: str, **options: Any) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


def test_commands_import_and_export(organisation: Organisation, tmp_path: Any) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("id_tag,note\nT1,=cmd()\n")
    assert run("import_tags", str(path), "--dry-run") == (
        "Would import: 1 new, 0 changed, 0 as they were. Nothing was written.\n"
    )
    assert not IdTag.objects.exists()
    assert run("import_tags", str(path)) == "Imported: 1 new, 0 changed, 0 as they were.\n"
    expected = [HEADER.strip(), "T1,,,no,1,'=cmd(),,"]
    assert run("export_tags").splitlines() == expected
    out = tmp_path / "out.csv"
    run("export_tags", "--output", str(out))
    assert out.read_bytes().decode().split("\r\n") == [*expected, ""]
    assert run("import_tags", str(out)) == "Imported: 0 new, 0 changed, 1 as they were.\n"


def test_commands_work_on_the_organisation_that_is_named(organisation: Organisation, tmp_path: Any) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    path = tmp_path / "tags.csv"
    path.write_text("id_tag\nT1\n")
    run("import_tags", str(path), "--organisation", "other")
    assert IdTag.objects.get().organisation == other
    assert run("export_tags").splitlines() == [HEADER.strip()]
    assert len(run("export_tags", "--organisation", "other").splitlines()) == 2


def test_commands_say_what_to_do(organisation: Organisation, tmp_path: Any) -> None:
    path, errors = tmp_path / "tags.csv", io.StringIO()
    path.write_text("id_tag,blocked\nT1,maybe\n")
    with pytest.raises(CommandError, match="1 problems; nothing was imported"):
        run("import_tags", str(path), stderr=errors)
    assert errors.getvalue() == "line 2, blocked: maybe is neither yes nor no.\n"
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run("import_tags", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match=r"There is no organisation nope\. There are: default"):
        run("import_tags", str(path), "--organisation", "nope")
    with pytest.raises(CommandError, match="cannot be written"):
        run("export_tags", "--output", str(tmp_path / "no" / "dir.csv"))
