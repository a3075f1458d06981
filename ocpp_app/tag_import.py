"""Import idTags from CSV: a file is checked as a whole, and imported as a whole or not at all.

A tag that the organisation has already is changed, in the columns that the file has; any other is made. An empty cell
empties the field.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from ocpp_app import audit
from ocpp_app.models import ChargePointGroup, IdTag, Organisation, key_of
from ocpp_app.tag_csv import AT_ONCE, Problem, TagRow, parse

Value = TypeVar("Value")


@dataclass(slots=True)
class Report:
    """What an import has done, or would do; with ``problems`` it did nothing."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)
    is_dry_run: bool = False


@dataclass(slots=True)
class Known:
    """What the rows may refer to: the organisation's tags and groups, and the users, that they name."""

    tags: dict[str, IdTag]
    groups: dict[str, ChargePointGroup]
    owners: dict[str, Any]


def import_tags(organisation: Organisation, data: bytes, *, dry_run: bool = False) -> Report:
    """Import a file into an organisation: all of it, or nothing and a report of every line that is wrong.

    No signals are sent. The number of queries grows with the thousands of lines, not with the lines.
    """
    rows, problems = parse(data)
    if problems:
        return Report(problems=problems, is_dry_run=dry_run)
    try:
        with transaction.atomic():
            known = _load(organisation, rows)
            report = Report(problems=list(_unknown(rows, known)), is_dry_run=dry_run)
            if not report.problems:
                _apply(organisation, rows, known, report)
            if (report.created or report.changed) and not dry_run:
                detail = f"new: {', '.join(report.created)}; changed: {', '.join(report.changed)}"
                audit.record(
                    "IdTags imported", subject=organisation.name, detail=detail, organisation_id=organisation.pk
                )
    except IntegrityError:
        text = "Somebody has changed tags of this organisation at the same moment. Import the file again."
        return Report(problems=[Problem(1, "", text)], is_dry_run=dry_run)
    return report


def _load(organisation: Organisation, rows: Iterable[TagRow]) -> Known:
    users = get_user_model()
    keys = {key_of(name) for row in rows for name in (row.id_tag, row.values.get("parent")) if name}
    names = {name for row in rows for name in row.values.get("groups", ())}
    owners = {row.values["owner"] for row in rows if row.values.get("owner")}
    tags = IdTag.objects.filter(organisation=organisation).prefetch_related("groups").select_for_update(no_key=True)
    groups = ChargePointGroup.objects.filter(organisation=organisation)
    return Known(
        {tag.key: tag for some in _portions(keys) for tag in tags.filter(key__in=some).order_by("key")},
        {group.name: group for some in _portions(names) for group in groups.filter(name__in=some)},
        {
            user.get_username(): user
            for some in _portions(owners)
            for user in users._default_manager.filter(**{f"{users.USERNAME_FIELD}__in": some})
        },
    )


def _portions(values: Iterable[Value]) -> Iterator[list[Value]]:
    ordered = sorted(values)  # type: ignore[type-var]
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _unknown(rows: Iterable[TagRow], known: Known) -> Iterator[Problem]:
    """What the rows refer to without its being there."""
    rows = list(rows)
    keys = {key_of(row.id_tag) for row in rows} | set(known.tags)
    for row in rows:
        parent, owner = row.values.get("parent"), row.values.get("owner")
        if parent and key_of(parent) == key_of(row.id_tag):
            yield Problem(row.line, "parent", "A tag cannot be its own parent. Leave the cell empty.")
        elif parent and key_of(parent) not in keys:
            yield Problem(row.line, "parent", f"There is no tag {parent}. Add a line for it, in this file.")
        if owner and owner not in known.owners:
            yield Problem(row.line, "owner", f"There is no user {owner}. Create the user first, or leave it empty.")
        for name in row.values.get("groups", ()):
            if name not in known.groups:
                yield Problem(row.line, "groups", f"There is no group {name}. Create it first, or take it out.")


def _apply(organisation: Organisation, rows: list[TagRow], known: Known, report: Report) -> None:
    fresh = [row for row in rows if key_of(row.id_tag) not in known.tags]
    report.created = [row.id_tag for row in fresh]
    before = {key: _state(tag) for key, tag in known.tags.items()}
    if not report.is_dry_run:
        made = [
            IdTag(organisation=organisation, id_tag=row.id_tag, key=key_of(row.id_tag), **_own_values(row, known))
            for row in fresh
        ]
        known.tags |= {tag.key: tag for tag in IdTag.objects.bulk_create(made, batch_size=AT_ONCE)}
    touched = []
    for row in rows:
        tag = known.tags.get(key_of(row.id_tag))
        if tag is not None and _differs(row, tag, known, before.get(tag.key)):
            touched.append((row, tag))
    created = {key_of(id_tag) for id_tag in report.created}
    report.changed = [row.id_tag for row, tag in touched if tag.key not in created]
    report.unchanged = len(rows) - len(report.created) - len(report.changed)
    if not report.is_dry_run:
        _write(touched, known)


def _own_values(row: TagRow, known: Known) -> dict[str, Any]:
    """The columns of the table, but for the parent, which may itself be made by this file."""
    values = row.values
    columns: dict[str, Any] = {
        name: values[name] for name in ("expires_at", "concurrent_limit", "note") if name in values
    }
    if "blocked" in values:
        columns["is_blocked"] = values["blocked"]
    if "owner" in values:
        columns["owner_id"] = known.owners[values["owner"]].pk if values["owner"] else None
    return columns


def _parent_id(row: TagRow, known: Known) -> int | None:
    parent = known.tags.get(key_of(row.values["parent"])) if row.values["parent"] else None
    return None if parent is None else parent.pk


State = tuple[dict[str, Any], set[str]]


def _state(tag: IdTag) -> State:
    names = ("expires_at", "concurrent_limit", "note", "is_blocked", "owner_id", "parent_id", "id_tag")
    return {name: getattr(tag, name) for name in names}, {group.name for group in tag.groups.all()}


def _differs(row: TagRow, tag: IdTag, known: Known, before: State | None) -> bool:
    """Whether the line asks for anything that the tag has not; of a new one, whether it has a parent or groups."""
    wanted_groups = set(row.values.get("groups", ()))
    if before is None:
        return bool(wanted_groups or row.values.get("parent"))
    fields, groups = before
    wanted = {**_own_values(row, known), "id_tag": row.id_tag}
    if "parent" in row.values:
        key = key_of(row.values["parent"])
        # A parent that this file makes has no key in the database yet when nothing is written.
        wanted["parent_id"] = _parent_id(row, known) if key in known.tags or not key else "new"
    return any(fields[name] != value for name, value in wanted.items()) or (
        "groups" in row.values and groups != wanted_groups
    )


def _write(touched: list[tuple[TagRow, IdTag]], known: Known) -> None:
    for row, tag in touched:
        tag.id_tag = row.id_tag
        for name, value in _own_values(row, known).items():
            setattr(tag, name, value)
        if "parent" in row.values:
            tag.parent_id = _parent_id(row, known)
    columns = ("id_tag", "expires_at", "concurrent_limit", "note", "is_blocked", "owner", "parent")
    IdTag.objects.bulk_update([tag for _row, tag in touched], columns, batch_size=AT_ONCE)
    through = IdTag.groups.through
    regrouped = [(row, tag) for row, tag in touched if "groups" in row.values]
    for some in _portions([tag.pk for _row, tag in regrouped]):
        through._default_manager.filter(idtag__in=some).delete()
    through._default_manager.bulk_create(
        [
            through(idtag_id=tag.pk, chargepointgroup_id=known.groups[name].pk)
            for row, tag in regrouped
            for name in row.values["groups"]
        ],
        batch_size=AT_ONCE,
    )
