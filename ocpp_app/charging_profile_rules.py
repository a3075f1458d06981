"""What keeps installed charging profiles true, and puts them where they are assigned (OCPP 1.6 §3.13, §5.5, §5.16).

A profile is installed once the charge point has accepted it, whoever sent it; it ends when it is cleared, when another
takes its place (the same id; the same purpose and stack level on its connector), or with its transaction.
Housekeeping compares with the assignments (``differing``) and sends what is missing (``put``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
from django.db.models import Q, QuerySet

from ocpp_app import outbound
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit_json, fit_text
from ocpp_app.charging_profile_messages import digest_of, payload_of, set_request
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    ALIVE_STATES,
    ChargePoint,
    ChargingProfile,
    Command,
    CommandState,
    CompositeSchedule,
    InstallationState,
    ProfileAssignment,
    ProfileInstallation,
    ProfilePurpose,
    Transaction,
)
from ocpp_app.set_aside import each
from ocppj import v16
from ocppj.errors import PayloadError
from ocppj.messages import Request, decode
from ocppj.v16 import ChargingProfileStatus, ClearChargingProfileStatus, RemoteStartStopStatus

SOURCE = "charging profile"
REFUSED_AGAIN_AFTER = timedelta(hours=1)
"""When a profile that a charge point has refused is sent again, unless it was changed."""
UNANSWERED_AGAIN_AFTER = timedelta(minutes=1)
STARTS_WITHIN = timedelta(minutes=10)
"""How long a profile that came with a remote start waits for its transaction, which the driver may yet have to plug in
for."""
CLEAR = "clear"
"""In place of the digest: that the profile is to be gone was asked for."""
LONGEST_SCHEDULE_S = 10 * 365 * 86_400


# -- answers -------------------------------------------------------------------------------------------------


def note_set_answer(request: OCPPRequest) -> None:
    """Follow the answer to a SetChargingProfile.req."""
    command = _command(request)
    message = decode(v16.SetChargingProfileRequest, msgspec.json.encode(command.payload)).message
    assert isinstance(message, v16.SetChargingProfileRequest)
    profile = message.cs_charging_profiles
    if request.message is not None and request.message.status == ChargingProfileStatus.Accepted:
        _install(request, profile, message.connector_id, command.payload["csChargingProfiles"])
        return
    # What was installed under this id before still is (§5.16).
    row = _rows(request).filter(profile_id=profile.charging_profile_id)
    answer, detail = _answer_of(request)
    row.update(answer=answer, detail=detail, command=command)
    row.exclude(state=InstallationState.INSTALLED).update(
        state=InstallationState.REFUSED, status_at=request.received_at
    )


def note_remote_start_answer(request: OCPPRequest) -> None:
    """Follow the answer to a RemoteStartTransaction.req that carried a profile (§5.16.2)."""
    command = _command(request)
    payload = command.payload.get("chargingProfile")
    if payload is None or request.message is None or request.message.status != RemoteStartStopStatus.Accepted:
        return
    message = decode(v16.RemoteStartTransactionRequest, msgspec.json.encode(command.payload)).message
    assert isinstance(message, v16.RemoteStartTransactionRequest)
    assert message.charging_profile is not None
    _install(request, message.charging_profile, message.connector_id, payload, id_tag=message.id_tag)


def note_clear_answer(request: OCPPRequest) -> None:
    """Follow the answer to a ClearChargingProfile.req: what it names is not there any more, or never was (Unknown)."""
    command = _command(request)
    message = decode(v16.ClearChargingProfileRequest, msgspec.json.encode(command.payload)).message
    assert isinstance(message, v16.ClearChargingProfileRequest)
    known = (ClearChargingProfileStatus.Accepted, ClearChargingProfileStatus.Unknown)
    if request.message is None or request.message.status not in known:
        answer, detail = _answer_of(request)
        _rows(request).filter(command=command).update(answer=answer, detail=detail)
        return
    # What was sent after it and accepted meanwhile is newer than this answer.
    newer = Q(state=InstallationState.INSTALLED, command__created_at__gt=command.created_at) & ~Q(command=command)
    _rows(request).filter(_named_by(message)).exclude(newer).delete()


def _named_by(message: v16.ClearChargingProfileRequest) -> Q:
    """OCPP 1.6 errata 3.25, 3.26: an id alone counts; of the other fields all that are given, none: everything."""
    if message.id is not None:
        return Q(profile_id=message.id)
    named = Q()
    if message.connector_id is not None:
        named &= Q(connector_number=message.connector_id)
    if message.charging_profile_purpose is not None:
        named &= Q(purpose=str(message.charging_profile_purpose))
    if message.stack_level is not None:
        named &= Q(stack_level=message.stack_level)
    return named


def note_composite_schedule(request: OCPPRequest) -> None:
    """Keep the answer to a GetCompositeSchedule.req, its periods with absolute times."""
    command, answer = _command(request), request.message
    if answer is None:
        return
    row = CompositeSchedule(
        charge_point=request.charge_point,
        # Some answer without it.
        connector_number=command.payload["connectorId"] if answer.connector_id is None else answer.connector_id,
        status=str(answer.status),
        received_at=request.received_at,
        command=command,
    )
    if answer.charging_schedule is not None:
        _describe(row, answer.schedule_start or request.received_at, answer.charging_schedule, command)
    request.batch.add(row)


def _describe(row: CompositeSchedule, start: datetime, schedule: v16.ChargingSchedule, command: Command) -> None:
    asked_s = command.payload.get("duration")
    duration_s = schedule.duration if schedule.duration is not None else asked_s
    row.starts_at = start
    row.ends_at = _after(start, duration_s or 0)
    row.charging_rate_unit = str(schedule.charging_rate_unit)
    row.min_charging_rate = schedule.min_charging_rate
    row.periods = periods_of(schedule, start, row.ends_at)


def periods_of(schedule: v16.ChargingSchedule, start: datetime, end: datetime | None) -> list[dict[str, Any]]:
    """A schedule's periods with absolute times; ``end`` None: the last one goes on."""
    periods = sorted(schedule.charging_schedule_period, key=lambda period: period.start_period)
    found = []
    for index, period in enumerate(periods):
        begins = _after(start, period.start_period)
        ends = _after(start, periods[index + 1].start_period) if index + 1 < len(periods) else end
        if end is not None and ends is not None:
            ends = min(ends, end)  # §5.16.4: what is longer than the duration is not executed
            if begins >= end > start:
                break
        found.append(
            {
                "start": begins.isoformat(),
                "end": None if ends is None else ends.isoformat(),
                "limit": _number(period.limit),
                "number_phases": period.number_phases,
            }
        )
    return found


def _after(start: datetime, seconds: int) -> datetime:
    """A charge point may name any number of seconds; a date has an end."""
    try:
        return start + timedelta(seconds=min(max(seconds, 0), LONGEST_SCHEDULE_S))
    except OverflowError:
        return start


def _number(limit: Decimal) -> float:
    return float(limit)


# -- installing ----------------------------------------------------------------------------------------------


def _install(
    request: OCPPRequest,
    profile: v16.ChargingProfile,
    connector_number: int | None,
    payload: dict[str, Any],
    id_tag: str = "",
) -> None:
    command = _command(request)
    rows = _rows(request)
    before = rows.filter(profile_id=profile.charging_profile_id).select_related("command").first()
    if before is not None and before.command is not None and before.command.created_at > command.created_at:
        return  # a late answer: what was sent after it counts
    _replace(rows, profile, connector_number)
    purpose = str(profile.charging_profile_purpose)
    values = {
        "connector_number": connector_number,
        "charging_profile": _library_entry(request.charge_point, profile.charging_profile_id),
        "purpose": purpose,
        "stack_level": profile.stack_level,
        "transaction": _transaction(request, profile, connector_number) if not id_tag else None,
        "id_tag": id_tag,
        "state": InstallationState.INSTALLED,
        "answer": str(request.message.status),
        "detail": "",
        "status_at": request.received_at,
        "payload": fit_json(payload),
        "digest": digest_of(payload, connector_number),
        "command": command,
    }
    ProfileInstallation.objects.update_or_create(
        charge_point=request.charge_point, profile_id=profile.charging_profile_id, defaults=values
    )


def _replace(rows: Any, profile: v16.ChargingProfile, connector_number: int | None) -> None:
    """Forget what the new profile takes the place of (§3.13.2, §5.16.3); for one connector only (§3.13.1)."""
    same_place = rows.filter(
        connector_number=connector_number,
        purpose=str(profile.charging_profile_purpose),
        stack_level=profile.stack_level,
        state=InstallationState.INSTALLED,
    )
    same_place.exclude(profile_id=profile.charging_profile_id).delete()


def _library_entry(charge_point: ChargePoint, profile_id: int) -> ChargingProfile | None:
    if not 0 < profile_id < 2**31:
        return None
    return ChargingProfile.objects.filter(pk=profile_id, organisation=charge_point.organisation_id).first()


def _transaction(
    request: OCPPRequest, profile: v16.ChargingProfile, connector_number: int | None
) -> Transaction | None:
    """The transaction of a TxProfile: the one that it names, else the one on its connector."""
    if profile.charging_profile_purpose != v16.ChargingProfilePurposeType.TxProfile:
        return None
    own = Transaction.objects.filter(charge_point=request.charge_point)
    if profile.transaction_id is not None and 0 < profile.transaction_id < 2**31:
        return own.filter(pk=profile.transaction_id).first()
    if connector_number is None:
        return None
    return own.filter(connector__number=connector_number, is_active=True).order_by("-pk").first()


def link_remote_starts(now: datetime) -> None:
    """Give the profiles that came with a remote start their transactions, and forget those that have ended or never
    began."""
    waiting = ProfileInstallation.objects.filter(purpose=ProfilePurpose.TX, transaction=None)
    keys = waiting.filter(state=InstallationState.INSTALLED).values_list("pk", flat=True)
    each("link_remote_starts", list(keys), _link_remote_start)
    waiting.filter(state=InstallationState.INSTALLED, status_at__lt=now - STARTS_WITHIN).delete()
    over = ProfileInstallation.objects.filter(purpose=ProfilePurpose.TX, transaction__is_active=False)
    over.exclude(command__state__in=ALIVE_STATES).delete()


def _link_remote_start(pk: int) -> None:
    for row in ProfileInstallation.objects.filter(pk=pk, transaction=None).select_related("command"):
        begun = Transaction.objects.filter(
            charge_point=row.charge_point_id,
            id_tag__iexact=row.id_tag,
            start_received_at__gte=row.status_at if row.command is None else row.command.created_at,
        )
        if row.connector_number is not None:
            begun = begun.filter(connector__number=row.connector_number)
        transaction = begun.select_related("connector").order_by("pk").first()
        if transaction is not None:
            ProfileInstallation.objects.filter(pk=row.pk).update(
                transaction=transaction, connector_number=transaction.connector.number
            )


# -- what is to be where -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placement:
    """That a charge point is to have a profile at a connector."""

    charge_point_id: int
    profile: ChargingProfile
    connector_number: int


def placements(charge_point_ids: Iterable[int] | None = None) -> list[Placement]:
    """What the assignments ask for, of these charge points or of all.

    Where two ask for the same place (connector, purpose and stack level), or for one profile at two connectors, that of
    the charge point itself counts before that of a group, and the newer before the older.
    """
    assignments = ProfileAssignment.objects.select_related("charging_profile").prefetch_related(
        "charging_profile__periods"
    )
    of_groups = ChargePoint.groups.through._default_manager.filter(
        chargepointgroup__in=ProfileAssignment.objects.filter(group__isnull=False).values("group")
    )
    if charge_point_ids is not None:
        ids = list(charge_point_ids)
        of_groups = of_groups.filter(chargepoint__in=ids)
        assignments = assignments.filter(Q(charge_point__in=ids) | Q(group__isnull=False))
    members: dict[int, list[int]] = {}
    for group_id, charge_point_id in of_groups.values_list("chargepointgroup_id", "chargepoint_id"):
        members.setdefault(group_id, []).append(charge_point_id)
    ordered = sorted(assignments, key=lambda one: (one.charge_point_id is not None, one.pk), reverse=True)
    taken: set[tuple[Any, ...]] = set()
    found = []
    for one in ordered:
        profile = one.charging_profile
        targets = [one.charge_point_id] if one.charge_point_id is not None else members.get(one.group_id or 0, [])
        for charge_point_id in targets:
            place = (charge_point_id, one.connector_number, profile.purpose, profile.stack_level)
            if place in taken or (charge_point_id, profile.pk) in taken:
                continue
            taken |= {place, (charge_point_id, profile.pk)}
            found.append(Placement(charge_point_id, profile, one.connector_number))
    return found


def differing(now: datetime) -> list[ChargePoint]:
    """The connected charge points that are to have something that they have not, or have something no longer."""
    wanted = placements()
    profiles = {one.profile.pk for one in wanted}
    if not wanted and not ProfileInstallation.objects.filter(is_assigned=True).exists():
        return []
    rows = ProfileInstallation.objects.filter(Q(is_assigned=True) | Q(profile_id__in=profiles))
    known = _installations(rows.filter(charge_point__session__isnull=False))
    keys = {_key(one) for one in wanted}
    by_hand = [row.pk for key, row in known.items() if key in keys and not row.is_assigned]
    if by_hand:  # sent before it was assigned: now it goes with its assignment
        ProfileInstallation.objects.filter(pk__in=by_hand).update(is_assigned=True)
    digests = _Digests(now)
    found = {one.charge_point_id for one in wanted if _is_due(known.get(_key(one)), digests.of(one), now)}
    found |= {key[0] for key, row in known.items() if key not in keys and row.is_assigned and _is_due(row, CLEAR, now)}
    connected = ChargePoint.objects.filter(session__isnull=False, pk__in=found).order_by("pk")
    return [row for row in connected if row.is_accepted]


def occasions(_now: Any) -> tuple[QuerySet[Any], ...]:
    """Without any of these nobody is to have a profile, or has one."""
    return ProfileAssignment.objects.all(), ProfileInstallation.objects.all()


def put(batch: Batch, charge_points: Iterable[ChargePoint]) -> None:
    """Send these charge points what they are to have, and clear what they are not to have any longer."""
    batch.lock_charge_points({row.identity for row in charge_points})
    locked = {row.pk: row for row in batch.charge_points.values()}
    known = _installations(ProfileInstallation.objects.filter(charge_point__in=locked))
    wanted, digests = placements(locked), _Digests(batch.now)
    keys = {_key(one) for one in wanted}
    moments = (batch.now + timedelta(microseconds=number) for number in count())
    for (charge_point_id, profile_id), row in known.items():
        if (charge_point_id, profile_id) in keys or not row.is_assigned or not _is_due(row, CLEAR, batch.now):
            continue
        if row.state == InstallationState.REFUSED:
            row.delete()
        else:
            message = v16.ClearChargingProfileRequest(id=profile_id)
            _send(batch, locked[charge_point_id], row, message, CLEAR, next(moments))
    # What makes room goes first; then connector 0, whose profile the others override (OCPP 1.6 §3.13.1).
    for one in sorted(wanted, key=lambda one: one.connector_number):
        found, digest = known.get(_key(one)), digests.of(one)
        if _is_due(found, digest, batch.now):
            charge_point = locked[one.charge_point_id]
            placed = set_request(one.profile, one.connector_number)
            row = found or requested(charge_point, one.profile, one.connector_number, batch.now)
            _send(batch, charge_point, row, placed, digest, next(moments))


def requested(
    charge_point: ChargePoint, profile: ChargingProfile, connector_number: int, now: datetime
) -> ProfileInstallation:
    """The row of a profile that the charge point is about to be asked to install."""
    return ProfileInstallation.objects.create(
        charge_point=charge_point,
        profile_id=profile.pk,
        charging_profile=profile,
        connector_number=connector_number,
        purpose=profile.purpose,
        stack_level=profile.stack_level,
        state=InstallationState.REQUESTED,
        status_at=now,
    )


def _send(
    batch: Batch, charge_point: ChargePoint, row: ProfileInstallation, message: Request, digest: str, at: datetime
) -> None:
    """``at``: commands leave in the order of their times."""
    command = outbound.new_command(charge_point, message, now=at, source=SOURCE)
    batch.add(command)
    batch.change(row, command=command, asked_at=batch.now, asked_digest=digest, is_assigned=True)


def _installations(rows: QuerySet[ProfileInstallation]) -> dict[tuple[int, int], ProfileInstallation]:
    without = ("payload", "command__frame", "command__payload", "command__response")
    return {(row.charge_point_id, row.profile_id): row for row in rows.select_related("command").defer(*without)}


def _key(one: Placement) -> tuple[int, int]:
    return one.charge_point_id, one.profile.pk


class _Digests:
    """The digests of placements, made once for all charge points that have the profile at the same connector."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[tuple[int, int], str] = {}

    def of(self, one: Placement) -> str:
        """Empty where it is not to be sent: it is over, or OCPP does not allow it."""
        place = one.profile.pk, one.connector_number
        if place not in self._known:
            self._known[place] = self._make(one)
        return self._known[place]

    def _make(self, one: Placement) -> str:
        if one.profile.valid_to is not None and one.profile.valid_to <= self._now:
            return ""
        try:
            message = set_request(one.profile, one.connector_number)
        except PayloadError:
            return ""
        return digest_of(payload_of(message), one.connector_number)


def _is_due(row: ProfileInstallation | None, digest: str, now: datetime) -> bool:
    """Whether something is to be sent now, to bring the row to this digest."""
    if not digest:
        return False
    if row is None:
        return True
    command = row.command
    if command is not None and command.state in ALIVE_STATES:
        return False
    if row.state == InstallationState.INSTALLED and row.digest == digest:
        return False
    if row.asked_digest != digest or row.asked_at is None:
        return True
    answered = command is not None and command.state in (CommandState.ANSWERED, CommandState.ERROR)
    return now - row.asked_at >= (REFUSED_AGAIN_AFTER if answered else UNANSWERED_AGAIN_AFTER)


# -- inside --------------------------------------------------------------------------------------------------


def _command(request: OCPPRequest) -> Command:
    assert request.command is not None
    return request.command


def _rows(request: OCPPRequest) -> Any:
    return ProfileInstallation.objects.filter(charge_point=request.charge_point)


def _answer_of(request: OCPPRequest) -> tuple[str, str]:
    command = _command(request)
    if request.message is not None:
        return fit_text(str(request.message.status), 50), ""
    return fit_text(command.error_code, 50), fit_text(command.error_description, 255)
