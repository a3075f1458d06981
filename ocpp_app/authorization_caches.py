"""Authorization caches (OCPP 1.6 §3.5.1, §5.4) that may still let in an idTag that has lost its right to charge.

``note_stricter_tags`` (housekeeping) compares each idTag with what charge points may have been told of it: one that was
blocked, deleted, given an earlier end, another parent or fewer groups outdates the caches of its organisation's charge
points. ``clear`` sends them ClearCache as soon as they are connected.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from ocpp_app import known_limits, outbound
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit_text
from ocpp_app.events import outbox
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    ALIVE_STATES,
    AuthorizationCache,
    ChargePoint,
    IdTag,
    ListSelection,
    ListState,
    LocalListEntry,
    RegistrationStatus,
    ToldTag,
)
from ocppj.errors import ErrorCode
from ocppj.v16 import ClearCacheRequest, ClearCacheStatus

SOURCE = "authorization cache"
CACHE_ENABLED = "AuthorizationCacheEnabled"
LIST_ENABLED = "LocalAuthListEnabled"
HAS_NONE = frozenset({ClearCacheStatus.Rejected, ErrorCode.NotSupported, ErrorCode.NotImplemented})
"""What a charge point without a cache answers (errata 3.23)."""
RETRY_AFTER = timedelta(minutes=5)
"""How long after a ClearCache.req that was not answered another one is sent."""
NEW_AT_ONCE = 200
"""Of thousands that were imported, so many are remembered before the worker looks after frames again."""
PORTION = 1_000
"""So many idTags are written in one statement, and so many charge points locked in one transaction."""


# -- answers -------------------------------------------------------------------------------------------------


def note_answer(request: OCPPRequest) -> None:
    """Keep the answer to a ClearCache.req; what has become stricter since it was sent still outdates the cache."""
    command = request.command
    assert command is not None
    row, _created = AuthorizationCache.objects.get_or_create(charge_point=request.charge_point)
    status = command.error_code if request.message is None else str(request.message.status)
    values: dict[str, Any] = {"status": fit_text(status, 50), "status_at": request.received_at}
    if status == ClearCacheStatus.Accepted:
        values["cleared_at"] = request.received_at
    is_newer = row.outdated_at is not None and row.outdated_at > command.created_at
    if not is_newer:  # else another ClearCache.req is on its way, or follows
        values["command"] = command
        if request.message is not None or status in HAS_NONE:
            values |= {"outdated_at": None, "retry_at": None}
    AuthorizationCache.objects.filter(pk=row.pk).update(**values)


# -- what outdates them --------------------------------------------------------------------------------------


def note_stricter_tags(now: datetime) -> bool:
    """Mark the caches that may hold more than the idTags now allow, and remember what they will have been told; returns
    whether there are more new tags to be remembered.

    What is not marked when it ends early is found again: it is remembered last.
    """
    outdated: dict[int, set[str]] = defaultdict(set)
    gone = list(_gone())
    for told in gone:
        outdated[told.organisation_id].add(told.key)
    new = _new_tags()
    has_more = len(new) == NEW_AT_ONCE
    changed = new if has_more else [*new, *_changed_tags()]
    for told_now, before in changed:
        if before is not None and _is_stricter(told_now, before):
            outdated[before.organisation_id].add(before.key)
    for organisation_id, keys in outdated.items():
        _outdate(organisation_id, keys, now)
    with transaction.atomic():
        ToldTag.objects.filter(pk__in=[told.pk for told in gone]).delete()
        _remember([told_now for told_now, _before in changed])
    return has_more


Change = tuple[ToldTag, ToldTag | None]
"""An idTag as it is to be told now, and as it was told."""


def _new_tags() -> list[Change]:
    """Some of the idTags of which nobody has been told yet; of none of them can a cache hold too much."""
    tags = list(_untold().select_related("parent").order_by("pk")[:NEW_AT_ONCE])
    groups = _groups() if tags else {}
    return [(_as_it_is(tag, groups), None) for tag in tags]


def _changed_tags() -> list[Change]:
    """The idTags that are not as they were told."""
    known = _known().select_related("tag__parent")
    groups = _groups()
    different = {told.pk: told for told in known.exclude(_is_as_told())}
    for some in _portions(sorted(groups)):
        different |= {told.pk: told for told in known.filter(tag__in=some) if told.groups != groups[told.tag_id]}
    for told in known.exclude(groups=""):
        if told.tag_id not in groups:
            different[told.pk] = told
    return [(_as_it_is(told.tag, groups), told) for told in different.values() if told.tag is not None]


def _groups() -> dict[Any, str]:
    """The groups of the idTags that are for groups only, as ``ToldTag`` keeps them."""
    found: dict[Any, list[int]] = defaultdict(list)
    for tag_id, group_id in _memberships().values_list("idtag_id", "chargepointgroup_id"):
        found[tag_id].append(group_id)
    return {tag_id: ",".join(map(str, sorted(groups))) for tag_id, groups in found.items()}


def occasions(_now: Any) -> tuple[QuerySet[Any], ...]:
    """Without any of these nothing has become stricter; those that are soon told come first."""
    return _gone(), _memberships(), _known().exclude(groups=""), _untold(), _known().exclude(_is_as_told())


def _gone() -> QuerySet[ToldTag]:
    return ToldTag.objects.filter(tag=None)


def _untold() -> QuerySet[IdTag]:
    return IdTag.objects.filter(told=None)


def _known() -> QuerySet[ToldTag]:
    return ToldTag.objects.exclude(tag=None)


def _is_as_told() -> Q:
    """Whether an idTag, but for its groups, is as it was told."""
    return Q(
        key=F("tag__key"),
        is_blocked=F("tag__is_blocked"),
        parent_id_tag=Coalesce("tag__parent__id_tag", Value("")),
    ) & (Q(expires_at=F("tag__expires_at")) | Q(expires_at=None, tag__expires_at=None))


def _memberships() -> QuerySet[Any]:
    return IdTag.groups.through._default_manager.all()


def _as_it_is(tag: IdTag, groups: dict[Any, str]) -> ToldTag:
    return ToldTag(
        organisation_id=tag.organisation_id,  # type: ignore[misc]  # never None: it has a default
        tag=tag,
        key=tag.key,
        is_blocked=tag.is_blocked,
        expires_at=tag.expires_at,
        parent_id_tag="" if tag.parent is None else tag.parent.id_tag,
        groups=groups.get(tag.pk, ""),
    )


def _remember(told: Sequence[ToldTag]) -> None:
    fields = ("organisation", "key", "is_blocked", "expires_at", "parent_id_tag", "groups")
    for some in _portions(told):
        ToldTag.objects.bulk_create(some, update_conflicts=True, unique_fields=["tag"], update_fields=fields)


def _portions(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(rows), PORTION):
        yield rows[start : start + PORTION]


def _is_stricter(now: ToldTag, before: ToldTag) -> bool:
    """Whether a cache that knows ``before`` would allow what is not allowed now. An end that has come is in the cache
    already (§3.5.1)."""
    if before.is_blocked and now.key == before.key:
        return False
    is_earlier = now.expires_at is not None and (before.expires_at is None or now.expires_at < before.expires_at)
    return (
        now.key != before.key
        or now.is_blocked
        or is_earlier
        or now.parent_id_tag != before.parent_id_tag
        or _has_fewer_groups(now, before)
    )


def _has_fewer_groups(now: ToldTag, before: ToldTag) -> bool:
    if not now.groups:
        return False
    return not before.groups or bool(set(before.groups.split(",")) - set(now.groups.split(",")))


def _outdate(organisation_id: int, keys: set[str], now: datetime) -> None:
    """Mark the caches of the organisation's charge points, but of those that have none, or that have all of these
    idTags on a list of theirs: it has precedence (§3.5.3)."""
    charge_points = set(ChargePoint.objects.filter(organisation=organisation_id).values_list("pk", flat=True))
    known = known_limits.texts(charge_points, CACHE_ENABLED, LIST_ENABLED)

    def says(charge_point_id: int, key: str) -> bool | None:
        text = known.get((charge_point_id, key))
        return None if text is None else text.strip().lower() == "true"

    listed = LocalListEntry.objects.filter(local_list__charge_point__in=charge_points, key__in=keys)
    working = listed.exclude(local_list__selection=ListSelection.OFF).exclude(
        local_list__state__in=(ListState.FAILED, ListState.NOT_SUPPORTED)
    )
    counted = working.order_by().values_list("local_list__charge_point").annotate(Count("pk"))
    covered = {pk for pk, count in counted if count == len(keys) and says(pk, LIST_ENABLED) is not False}
    refused = AuthorizationCache.objects.filter(charge_point__in=charge_points, status__in=HAS_NONE)
    without = {pk for pk in refused.values_list("charge_point", flat=True) if says(pk, CACHE_ENABLED) is not True}
    without |= {pk for pk in charge_points if says(pk, CACHE_ENABLED) is False}
    meant = sorted(charge_points - covered - without)
    for some in _portions(meant):
        with transaction.atomic():
            outbox.lock(some)
            there = ChargePoint.objects.filter(pk__in=some).order_by("pk").values_list("pk", flat=True)
            missing = [AuthorizationCache(charge_point_id=pk) for pk in there]
            AuthorizationCache.objects.bulk_create(missing, ignore_conflicts=True)
            AuthorizationCache.objects.filter(charge_point__in=some).update(outdated_at=now, retry_at=None)


# -- clearing them -------------------------------------------------------------------------------------------


def to_be_cleared(now: datetime, at_most: int) -> list[AuthorizationCache]:
    """The outdated caches whose charge point can be asked."""
    found = outdated().filter(
        Q(retry_at=None) | Q(retry_at__lte=now),
        charge_point__session__isnull=False,
        charge_point__registration_status=RegistrationStatus.ACCEPTED,
    )
    under_way = Q(command__state__in=ALIVE_STATES, command__created_at__gt=F("outdated_at"))
    return list(found.exclude(under_way).select_related("charge_point").order_by("pk")[:at_most])


def outdated() -> QuerySet[AuthorizationCache]:
    """Those that may let in somebody who may not charge any more."""
    return AuthorizationCache.objects.filter(outdated_at__isnull=False)


def clear(batch: Batch, rows: Iterable[AuthorizationCache]) -> None:
    """Send ClearCache to the charge points of these rows; the answers keep what became of it."""
    listed = list(rows)
    batch.lock_charge_points({row.charge_point.identity for row in listed})
    locked = {charge_point.pk: charge_point for charge_point in batch.charge_points.values()}
    still = outdated().filter(pk__in=[row.pk for row in listed])
    for row in still:
        if row.charge_point_id in locked:
            charge_point = locked[row.charge_point_id]
            command = outbound.new_command(charge_point, ClearCacheRequest(), now=batch.now, source=SOURCE)
            batch.add(command)
            batch.change(row, command=command, retry_at=batch.now + RETRY_AFTER)
