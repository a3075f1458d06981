"""What keeps local authorization lists true, and brings them up to date (OCPP 1.6 §3.5.2, §5.10, §5.15).

Housekeeping finds what differs (``differing``) and asks for it (``ask``); the answers go on until nothing is missing:

    GetLocalListVersion ──▶ SendLocalList Full ──Accepted──▶ Differential … ──Accepted──▶ in_sync
          ▲                      ▲      └──Failed──▶ failed, later again         │
          └──no answer───────────┴──────VersionMismatch, Failed──────────────────┘

An update counts once the charge point has accepted it, whoever sent it. Updates are the changes of some seconds
together: that is how often housekeeping looks.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models import QuerySet

from ocpp_app import known_limits, outbound
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit_text
from ocpp_app.local_list_entries import (
    SEND_MAX_LENGTH,
    SENT_AT_ONCE,
    Wanted,
    apply,
    next_update,
    wanted,
)
from ocpp_app.middleware.base import OCPPRequest, PlannedCommand
from ocpp_app.models import (
    ALIVE_STATES,
    ChargePoint,
    Command,
    CommandState,
    ListSelection,
    ListState,
    LocalList,
)
from ocppj.errors import ErrorCode
from ocppj.messages import Request, decode
from ocppj.v16 import (
    Action,
    GetLocalListVersionRequest,
    SendLocalListRequest,
    UpdateStatus,
    UpdateType,
)

SOURCE = "local list"
"""The ``source`` of the commands that keep a list."""
CHECKED_EVERY = timedelta(days=1)
"""A charge point is asked for its version after each boot, and so often."""
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6))
"""How long after its first, second … failure an update is tried again."""
UNSUPPORTED_CODES = frozenset({ErrorCode.NotSupported, ErrorCode.NotImplemented})
UNANSWERED = frozenset({CommandState.TIMED_OUT, CommandState.LOST})
KEEPS_NONE = -1
"""listVersion of a charge point that keeps no list (§5.10)."""


# -- answers -------------------------------------------------------------------------------------------------


def note_update_answer(request: OCPPRequest) -> list[PlannedCommand]:
    """Follow the answer to a SendLocalList.req; returns what is to be sent next."""
    command = _command(request)
    update = _update_of(command)
    row = _row(request.charge_point)
    if command.is_late and row.version is not None and update.list_version <= row.version:
        return []  # newer updates have been accepted meanwhile
    is_full = update.update_type == UpdateType.Full
    status = None if request.message is None else str(request.message.status)
    if status == UpdateStatus.Accepted:
        apply(row, update)
        _set(
            row,
            version=update.list_version,
            sent_version=update.list_version if is_full else max(row.sent_version, update.list_version),
            changed_at=request.received_at,
            synced_digest="",
            needs_full=False,
            attempts=0,
            retry_at=None,
        )
    elif status == UpdateStatus.NotSupported or (status is None and command.error_code in UNSUPPORTED_CODES):
        _give_up(row, request.batch.now, "The charge point keeps no local authorization list (LocalAuthListEnabled?).")
        return []
    elif status == UpdateStatus.VersionMismatch:
        # §5.15: the full list is to follow, with a version that is surely higher than the charge point's.
        _set(row, needs_full=True, version=None)
        if is_full:
            _fail(row, request.batch.now, "VersionMismatch")
        return _planned(request, row, GetLocalListVersionRequest())
    else:
        _set(row, needs_full=True)
        if is_full:
            _fail(row, request.batch.now, status or f"{command.error_code} {command.error_description}")
            return []
    return _next(request, row)


def note_version(request: OCPPRequest) -> list[PlannedCommand]:
    """Follow the answer to a GetLocalListVersion.req; returns what is to be sent next."""
    command = _command(request)
    if request.message is None:
        if command.error_code in UNSUPPORTED_CODES and LocalList.objects.filter(charge_point=request.charge_point):
            _give_up(_row(request.charge_point), request.batch.now, f"GetLocalListVersion: {command.error_code}")
        return []
    row = _row(request.charge_point)
    reported = request.message.list_version
    _set(row, reported_version=reported, reported_at=request.received_at, checked_at=request.batch.now)
    if reported == KEEPS_NONE:
        _give_up(row, request.batch.now, "The charge point reports version -1: it keeps no local authorization list.")
        return []
    if row.state == ListState.NOT_SUPPORTED:
        _set(row, state=ListState.UNKNOWN, detail="")
    _compare_version(request, row, reported)
    return _next(request, row)


def _compare_version(request: OCPPRequest, row: LocalList, reported: int) -> None:
    """What the version says of the contents: as known, empty, the unanswered update after all, or nobody knows."""
    is_empty = reported == 0
    if row.version == reported or (is_empty and row.version is not None and not row.entries.exists()):
        return
    unanswered = Command.objects.filter(
        charge_point=request.charge_point,
        action=Action.SendLocalList,
        state__in=UNANSWERED,
        payload__listVersion=reported,
        created_at__gt=row.changed_at or row.charge_point.created_at,
    ).first()
    if unanswered is not None:
        apply(row, _update_of(unanswered))
        _set(row, version=reported, changed_at=request.received_at, needs_full=False, synced_digest="")
        return
    row.entries.all().delete()
    _set(row, version=0 if is_empty else None, needs_full=True, synced_digest="")


def _next(request: OCPPRequest, row: LocalList) -> list[PlannedCommand]:
    if not row.is_kept or not request.charge_point.is_accepted:
        _note_state(row)
        return []
    goal = wanted([row], request.batch.now)[row.charge_point_id]
    _note_goal(row, goal)
    if row.retry_at is not None and row.retry_at > request.batch.now:
        return []  # it has failed just now: housekeeping tries it again
    message = _next_message(row, goal, request.batch.now)
    return [] if message is None else _planned(request, row, message)


def _planned(request: OCPPRequest, row: LocalList, message: Request) -> list[PlannedCommand]:
    if not row.is_kept or not request.charge_point.is_accepted:
        return []
    _note_sent(row, message, request.batch.now)
    return [PlannedCommand(message, delay_s=0.0, source=SOURCE)]


# -- what is to be done --------------------------------------------------------------------------------------


def differing(now: datetime) -> tuple[list[LocalList], dict[int, Wanted]]:
    """The lists that are kept and have something to be done, and what all of them are to be, by charge point; those
    that are only waited for are left out."""
    rows = list(kept().select_related("charge_point"))
    if not rows:
        return [], {}
    goals = wanted(rows, now)
    alive = Command.objects.filter(source=SOURCE, state__in=ALIVE_STATES)
    under_way = set(alive.values_list("charge_point", flat=True))
    found = []
    for row in rows:
        goal = goals[row.charge_point_id]
        if _differs(row, goal) or (row.charge_point_id not in under_way and _is_due(row, goal, now)):
            found.append(row)
    return found, goals


def kept() -> QuerySet[LocalList]:
    """The lists that follow the idTags."""
    return LocalList.objects.exclude(selection=ListSelection.OFF)


def _is_due(row: LocalList, goal: Wanted, now: datetime) -> bool:
    """Whether the charge point can be asked for something."""
    charge_point = row.charge_point
    if charge_point.session_id is None or not charge_point.is_accepted:
        return False
    if row.state == ListState.NOT_SUPPORTED:  # LocalAuthListEnabled can be switched on (§3.5.2): its version tells
        return _is_to_be_checked(row, now)
    if row.retry_at is not None and row.retry_at > now and goal.digest == row.wanted_digest:
        return False
    return goal.digest != row.synced_digest or row.needs_full or _is_to_be_checked(row, now)


def _is_to_be_checked(row: LocalList, now: datetime) -> bool:
    if row.checked_at is None or now - row.checked_at >= CHECKED_EVERY:
        return True
    booted_at = row.charge_point.last_boot_at
    return booted_at is not None and booted_at > row.checked_at


def _differs(row: LocalList, goal: Wanted) -> bool:
    """Whether what is written on the row about its goal is out of date."""
    written = (row.wanted_digest, row.wanted_count, row.omitted_count, row.state)
    return written != (goal.digest, len(goal.entries), goal.omitted, _state_of(row, goal.digest))


def ask(batch: Batch, rows: Sequence[LocalList], goals: dict[int, Wanted]) -> None:
    """Write down what these lists are to be, and ask those charge points that are connected and not busy with it."""
    batch.lock_charge_points({row.charge_point.identity for row in rows})
    locked = {row.pk: row for row in batch.charge_points.values()}
    fresh = kept().filter(pk__in=[row.pk for row in rows])
    under_way, given_up = _commands_of(locked, batch.now)
    for row in fresh:
        if row.charge_point_id not in locked:
            continue
        row.charge_point = locked[row.charge_point_id]
        goal = goals[row.charge_point_id]
        due = _is_due(row, goal, batch.now)
        _note_goal(row, goal)
        if not due or row.charge_point_id in under_way:
            continue
        if row.charge_point_id in given_up and _is_too_early(row, batch.now, given_up[row.charge_point_id]):
            continue
        message = _next_message(row, goal, batch.now)
        if message is not None:
            _note_sent(row, message, batch.now)
            batch.add(outbound.new_command(row.charge_point, message, now=batch.now, source=SOURCE))


def _commands_of(charge_points: Iterable[int], now: datetime) -> tuple[set[int], dict[int, Command]]:
    """Who has a command of ours under way, and the last command of those whose last one was never answered."""
    ours = Command.objects.filter(charge_point__in=list(charge_points), source=SOURCE)
    under_way = set(ours.filter(state__in=ALIVE_STATES).values_list("charge_point", flat=True))
    last: dict[int, Command] = {}
    recent = ours.exclude(charge_point__in=under_way).filter(created_at__gt=now - CHECKED_EVERY)
    for command in recent.order_by("created_at", "pk").defer("payload", "frame", "response"):
        last[command.charge_point_id] = command
    return under_way, {key: command for key, command in last.items() if command.state in UNANSWERED}


def _is_too_early(row: LocalList, now: datetime, command: Command) -> bool:
    """Nobody knows whether the last update was applied: ask for the version, later and later. Returns whether it is
    too early for that."""
    if command.finished_at is not None and (row.checked_at is None or command.created_at >= row.checked_at):
        if row.retry_at is None or row.retry_at < command.finished_at:
            wait = RETRY_AFTER[min(row.attempts, len(RETRY_AFTER) - 1)]
            _set(row, attempts=row.attempts + 1, retry_at=command.finished_at + wait, checked_at=None)
        assert row.retry_at is not None
        return row.retry_at > now
    return False


def _next_message(row: LocalList, goal: Wanted, now: datetime) -> Request | None:
    if _is_to_be_checked(row, now):
        return GetLocalListVersionRequest()
    update = next_update(row, goal.entries, _chunk(row))
    if update is None:
        _set(row, synced_digest=goal.digest, attempts=0, retry_at=None)
    _note_state(row)
    return update


def _chunk(row: LocalList) -> int:
    """How many idTags the next update may have: where the charge point has not said so, fewer after each failure."""
    place = (row.charge_point_id, SEND_MAX_LENGTH)
    known = known_limits.integers([row.charge_point_id], SEND_MAX_LENGTH).get(place)
    return known or max(1, SENT_AT_ONCE >> row.attempts)


# -- inside --------------------------------------------------------------------------------------------------


def _command(request: OCPPRequest) -> Command:
    assert request.command is not None
    return request.command


def _update_of(command: Command) -> SendLocalListRequest:
    update = decode(SendLocalListRequest, msgspec.json.encode(command.payload)).message
    assert isinstance(update, SendLocalListRequest)
    return update


def _row(charge_point: ChargePoint) -> LocalList:
    """The charge point's list; made when first heard of, since somebody may send one by hand."""
    row, _created = LocalList.objects.get_or_create(charge_point=charge_point)
    row.charge_point = charge_point
    return row


def _give_up(row: LocalList, now: datetime, detail: str) -> None:
    row.entries.all().delete()
    values: dict[str, Any] = {"version": None, "synced_digest": "", "needs_full": True}
    _set(row, state=ListState.NOT_SUPPORTED, detail=fit_text(detail, 255), checked_at=now, **values)


def _fail(row: LocalList, now: datetime, detail: str) -> None:
    wait = RETRY_AFTER[min(row.attempts, len(RETRY_AFTER) - 1)]
    _set(
        row,
        state=ListState.FAILED,
        detail=fit_text(detail, 255),
        attempts=row.attempts + 1,
        retry_at=now + wait,
        synced_digest="",
    )


def _set(row: LocalList, **values: Any) -> None:
    """Change the row at once: the next answer in this batch reads it."""
    for name, value in values.items():
        setattr(row, name, value)
    LocalList.objects.filter(pk=row.pk).update(**values)


def _note_sent(row: LocalList, message: Request, now: datetime) -> None:
    if isinstance(message, SendLocalListRequest):
        _set(row, sent_version=max(row.sent_version, message.list_version))
    else:
        _set(row, checked_at=now)


def _note_goal(row: LocalList, goal: Wanted) -> None:
    if _differs(row, goal):
        _set(row, wanted_digest=goal.digest, wanted_count=len(goal.entries), omitted_count=goal.omitted)
        _note_state(row)


def _note_state(row: LocalList) -> None:
    state = _state_of(row, row.wanted_digest)
    if state != row.state:
        _set(row, state=state, detail=row.detail if state in _KEPT else "")


_KEPT = (ListState.FAILED, ListState.NOT_SUPPORTED)


def _state_of(row: LocalList, wanted_digest: str) -> ListState:
    """Failed stays until an update is accepted; not supported until somebody asks again."""
    if row.state == ListState.NOT_SUPPORTED or (row.state == ListState.FAILED and row.retry_at is not None):
        return ListState(row.state)
    if not row.is_kept:
        return ListState.UNKNOWN
    return ListState.IN_SYNC if row.synced_digest == wanted_digest and not row.needs_full else ListState.PENDING
