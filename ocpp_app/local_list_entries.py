"""What belongs on a local authorization list, and the update that brings a charge point nearer to it; pure of effects.

OCPP 1.6 §3.5.2, §5.15, §6.41.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ocpp_app import known_limits
from ocpp_app.models import ChargePoint, IdTag, ListSelection, LocalList, LocalListEntry, key_of
from ocppj.v16 import (
    AuthorizationData,
    AuthorizationStatus,
    IdTagInfo,
    SendLocalListRequest,
    UpdateType,
)

SEND_MAX_LENGTH = "SendLocalListMaxLength"
LIST_MAX_LENGTH = "LocalAuthListMaxLength"
SENT_AT_ONCE = 50
"""How many idTags one SendLocalList.req has where the charge point has not said how many it takes."""
HIGHEST_VERSION = 2**31 - 1
"""Charge points keep the version in 32 bits; after it a full update begins with 1 again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An idTag on a list."""

    id_tag: str
    status: str
    expires_at: datetime | None = None
    parent_id_tag: str = ""

    def authorization_data(self) -> AuthorizationData:
        """As it is sent (OCPP 1.6 §7.1)."""
        info = IdTagInfo(
            status=AuthorizationStatus(self.status),
            expiry_date=self.expires_at,
            parent_id_tag=self.parent_id_tag or None,
        )
        return AuthorizationData(id_tag=self.id_tag, id_tag_info=info)


Entries = Mapping[str, Entry]
"""By the idTag's key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a charge point's list is to be."""

    entries: Entries
    omitted: int = 0
    """So many idTags have no room (LocalAuthListMaxLength)."""
    digest: str = ""


# -- what belongs on it --------------------------------------------------------------------------------------


def wanted(local_lists: Iterable[LocalList], now: datetime) -> dict[int, Wanted]:
    """What each of these lists is to be, by charge point; a few queries, however many they are.

    Blocked and expired idTags are on it as well, as such: the list has precedence over the authorization cache, and
    an idTag that is on neither may be allowed to charge offline (§3.5.3, §3.5.4).
    """
    rows = list(local_lists)
    room = known_limits.integers((row.charge_point_id for row in rows), LIST_MAX_LENGTH)
    source = _Source(rows, now)
    found = {}
    for row in rows:
        tags = source.tags_of(row)
        found[row.charge_point_id] = source.cut(tags, room.get((row.charge_point_id, LIST_MAX_LENGTH)))
    return found


@dataclass(slots=True)
class _Tag:
    pk: int
    key: str
    entry: Entry
    groups: frozenset[int]


@dataclass(slots=True)
class _Source:
    """The idTags of the organisations that have lists, read once."""

    local_lists: list[LocalList]
    now: datetime
    by_organisation: dict[int, list[_Tag]] = field(default_factory=lambda: defaultdict(list))
    chosen: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    groups: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _known: dict[tuple[int, frozenset[int]], list[_Tag]] = field(default_factory=dict)
    _cut: dict[tuple[int, int | None], tuple[list[_Tag], Wanted]] = field(default_factory=dict)
    """By the very list of idTags, which is kept beside it: most charge points share one."""

    def __post_init__(self) -> None:
        organisations = {row.charge_point.organisation_id for row in self.local_lists if row.is_kept}
        restricted: dict[int, set[int]] = defaultdict(set)
        of_tags = IdTag.groups.through._default_manager.filter(idtag__organisation__in=organisations)
        for tag_id, group_id in of_tags.values_list("idtag_id", "chargepointgroup_id"):
            restricted[tag_id].add(group_id)
        columns = ("organisation_id", "pk", "key", "id_tag", "is_blocked", "expires_at", "parent__id_tag")
        tags = IdTag.objects.filter(organisation__in=organisations).order_by("key")
        for organisation_id, pk, key, id_tag, is_blocked, expires_at, parent in tags.values_list(*columns):
            entry = _entry(id_tag, is_blocked, expires_at, parent, self.now)
            self.by_organisation[organisation_id].append(_Tag(pk, key, entry, frozenset(restricted.get(pk, ()))))
        of_lists = LocalList.tags.through._default_manager.filter(
            locallist__in=[row.pk for row in self.local_lists if row.selection == ListSelection.CHOSEN]
        )
        for list_id, tag_id in of_lists.values_list("locallist_id", "idtag_id"):
            self.chosen[list_id].add(tag_id)
        charge_points = ChargePoint.groups.through._default_manager.filter(
            chargepoint__in=[row.charge_point_id for row in self.local_lists if row.is_kept]
        )
        for charge_point_id, group_id in charge_points.values_list("chargepoint_id", "chargepointgroup_id"):
            self.groups[charge_point_id].add(group_id)

    def tags_of(self, row: LocalList) -> list[_Tag]:
        """The idTags that may charge here, or those of them that were chosen."""
        if not row.is_kept:
            return []
        organisation_id = row.charge_point.organisation_id
        assert organisation_id is not None
        groups = frozenset(self.groups.get(row.charge_point_id, ()))
        if (organisation_id, groups) not in self._known:
            self._known[organisation_id, groups] = [
                tag for tag in self.by_organisation[organisation_id] if not tag.groups or tag.groups & groups
            ]
        allowed = self._known[organisation_id, groups]
        if row.selection == ListSelection.ALL:
            return allowed
        chosen = self.chosen.get(row.pk, set())
        return [tag for tag in allowed if tag.pk in chosen]

    def cut(self, tags: list[_Tag], room: int | None) -> Wanted:
        """No more than there is room for: first who may charge."""
        place = (id(tags), room)
        if place not in self._cut:
            kept = tags
            if room is not None and len(tags) > room:
                kept = sorted(tags, key=lambda tag: (tag.entry.status != AuthorizationStatus.Accepted, tag.key))[:room]
            entries = {tag.key: tag.entry for tag in kept}
            self._cut[place] = tags, Wanted(entries, len(tags) - len(kept), digest(entries))
        return self._cut[place][1]


def _entry(id_tag: str, is_blocked: bool, expires_at: datetime | None, parent: str | None, now: datetime) -> Entry:
    status = AuthorizationStatus.Accepted
    if is_blocked:
        status = AuthorizationStatus.Blocked
    elif expires_at is not None and expires_at <= now:
        status = AuthorizationStatus.Expired
    # To the second: what charge points keep of a time.
    return Entry(id_tag, str(status), expires_at and expires_at.replace(microsecond=0), parent or "")


def digest(entries: Entries) -> str:
    """What two lists that are the same have in common."""
    found = hashlib.sha256()
    for key in sorted(entries):
        entry = entries[key]
        expires = "" if entry.expires_at is None else entry.expires_at.timestamp()
        found.update(f"{entry.id_tag}\t{entry.status}\t{expires}\t{entry.parent_id_tag}\n".encode())
    return found.hexdigest()


# -- what is missing -----------------------------------------------------------------------------------------


def present(row: LocalList) -> dict[str, Entry]:
    """What the charge point has."""
    columns = ("key", "id_tag", "status", "expires_at", "parent_id_tag")
    return {key: Entry(*rest) for key, *rest in row.entries.values_list(*columns)}


def next_update(row: LocalList, entries: Entries, chunk: int) -> SendLocalListRequest | None:
    """The update that is due, at most ``chunk`` idTags of it; None where the charge point has what it is to have.

    What is too long for a full update goes on as differential ones, each with a higher version. A differential one
    takes away first: a list that is full has no room for more.
    """
    if row.needs_full or row.version is None:
        return _full(row, entries, chunk)
    has = present(row)
    changes = [AuthorizationData(id_tag=has[key].id_tag) for key in sorted(has.keys() - entries.keys())]
    changes += [entries[key].authorization_data() for key in sorted(entries) if has.get(key) != entries[key]]
    if not changes:
        return None
    version = _next_version(row)
    if version is None or len(entries) <= min(chunk, len(changes)):  # a full one is no longer
        return _full(row, entries, chunk)
    return SendLocalListRequest(
        list_version=version, update_type=UpdateType.Differential, local_authorization_list=changes[:chunk]
    )


def _full(row: LocalList, entries: Entries, chunk: int) -> SendLocalListRequest:
    first = [entries[key].authorization_data() for key in sorted(entries)[:chunk]]
    return SendLocalListRequest(
        list_version=_next_version(row) or 1, update_type=UpdateType.Full, local_authorization_list=first
    )


def _next_version(row: LocalList) -> int | None:
    """Higher than any that the charge point may have; None after the highest there is."""
    known = row.reported_version if row.version is None else row.version
    version = max(0, row.sent_version, known or 0) + 1
    return version if version <= HIGHEST_VERSION else None


def apply(row: LocalList, update: SendLocalListRequest) -> None:
    """Note that the charge point has applied an update."""
    changes = update.local_authorization_list or []
    if update.update_type == UpdateType.Full:
        row.entries.all().delete()
    else:
        row.entries.filter(key__in=[key_of(data.id_tag) for data in changes]).delete()
    LocalListEntry.objects.bulk_create(
        LocalListEntry(
            local_list=row,
            key=key_of(data.id_tag),
            id_tag=data.id_tag,
            status=str(info.status),
            expires_at=info.expiry_date,
            parent_id_tag=info.parent_id_tag or "",
        )
        for data in changes
        if (info := data.id_tag_info) is not None
    )
