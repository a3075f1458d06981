"""New authorization keys and higher security profiles, handed to charge points step by step.

``rotate_authorization_key`` (whitepaper A01) and ``upgrade_security_profile`` (A05) begin it outside of a worker; the
charge point's answers (``SecurityUpgradeMiddleware``), its next connection (``came_back``) and the time (``review``) go
on with it. One that has a new key and does not connect with it by itself is made to: its websocket is closed, or it is
restarted where it says that it must (not while somebody charges):

    key_sent ──Accepted──▶ profile_sent ──Accepted──▶ waiting ──connects with it──▶ next profile … done
        └──Rejected──▶ failed                 └──Rejected──▶ failed     └──not in time──▶ fell_back

While it is under way nothing is taken away: the charge point gets in with what it had, too. What an upgrade has reached
is required from then on.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ocpp_app import admission, audit, loads, security_events, signals
from ocpp_app.admission import CURRENT, NEXT, Admission
from ocpp_app.batch import Batch
from ocpp_app.credentials import hash_key, new_key
from ocpp_app.errors import UpgradeUnderWay
from ocpp_app.middleware.base import PlannedCommand
from ocpp_app.models import (
    ALIVE_STATES,
    UPGRADING,
    ChargePoint,
    Command,
    CommandState,
    RegistrationStatus,
    SecurityEventKind,
    SecurityProfile,
    SecurityUpgrade,
    Transaction,
    UpgradeState,
)
from ocpp_app.secrecy import AUTHORIZATION_KEY, carries_key
from ocpp_app.security_events import Seen
from ocpp_app.set_aside import each
from ocppj.v16 import Action, ChangeConfigurationRequest, ConfigurationStatus, ResetRequest, ResetType

SECURITY_PROFILE = "SecurityProfile"
SOURCE = "security upgrade"
"""The ``source`` of an upgrade's commands; the row's key follows it."""
COMES_BACK_WITHIN = timedelta(minutes=15)
"""How long a charge point may take to reboot, to find its way back, and to give up a profile that does not work."""
KEY_NEEDS_RESTART = "It has to restart before it uses the new key."
CONNECT_AGAIN = "connect again, with what you were given"
TAKEN = frozenset({ConfigurationStatus.Accepted, ConfigurationStatus.RebootRequired})
NEVER_LEFT = frozenset({CommandState.EXPIRED, CommandState.CANCELLED})
UNANSWERED = frozenset({CommandState.LOST, CommandState.TIMED_OUT})


# -- beginning -----------------------------------------------------------------------------------------------


def begin_key(
    charge_point: ChargePoint, *, target: int | None, approves: bool = False, requested_by: Any = None
) -> tuple[SecurityUpgrade, ChangeConfigurationRequest]:
    """A row in state ``key_sent``, and the message that is to be sent with its source; in a transaction."""
    key = new_key()
    locked = _locked(charge_point)
    locked.next_authorization_key = hash_key(key)
    locked.save(update_fields=["next_authorization_key"])
    is_on_tls = locked.session is not None and locked.session.secure
    first = SecurityProfile.TLS if is_on_tls else SecurityProfile.BASIC  # A00.FR.201: no key leaves TLS for plain text
    step = SecurityProfile.NONE if target is None else first
    row = _begin(locked, UpgradeState.KEY_SENT, target=target, step=step, approves=approves, requested_by=requested_by)
    return row, ChangeConfigurationRequest(key=AUTHORIZATION_KEY, value=key)


def begin_profile(
    charge_point: ChargePoint, *, target: int, step: int, requested_by: Any = None
) -> tuple[SecurityUpgrade, ChangeConfigurationRequest]:
    """A row in state ``profile_sent``, and its message; for a charge point that has a key already."""
    locked = _locked(charge_point)
    row = _begin(locked, UpgradeState.PROFILE_SENT, target=target, step=step, requested_by=requested_by)
    return row, _profile_message(step)


def call_off(charge_point: ChargePoint) -> None:
    """End what is under way because somebody has set another key by hand; in a transaction, the row locked."""
    values = {"state": UpgradeState.FAILED, "detail": "Another key was set by hand.", "finished_at": timezone.now()}
    all_under_way().filter(charge_point=charge_point).update(**values)


def current_profile(charge_point: ChargePoint) -> int:
    """The profile of its present connection; without one, what is required of it."""
    if charge_point.session is None:
        return admission.required_profile(charge_point)
    return charge_point.session.security_profile


def source_of(row: SecurityUpgrade) -> str:
    return f"{SOURCE} {row.pk}"


def _locked(charge_point: ChargePoint) -> ChargePoint:
    locked = ChargePoint.objects.select_for_update(no_key=True).get(pk=charge_point.pk)
    if all_under_way().filter(charge_point=locked).exists():
        raise UpgradeUnderWay(
            f"{locked.identity} is being given a new key or profile; wait for its end, 15 minutes at most."
        )
    return locked


def _begin(charge_point: ChargePoint, state: UpgradeState, **fields: Any) -> SecurityUpgrade:
    deadline = timezone.now() + COMES_BACK_WITHIN
    return SecurityUpgrade.objects.create(charge_point=charge_point, state=state, deadline=deadline, **fields)


def _profile_message(profile: int) -> ChangeConfigurationRequest:
    return ChangeConfigurationRequest(key=SECURITY_PROFILE, value=str(int(profile)))


# -- going on ------------------------------------------------------------------------------------------------


def under_way(batch: Batch, charge_points: Iterable[ChargePoint]) -> dict[int, SecurityUpgrade]:
    """The upgrades of these charge points that have not ended, by charge point: one row of each for a whole batch, in
    which a charge point may have answered, left and come back."""
    wanted = list(charge_points)
    if unknown := [row for row in wanted if row.pk not in batch.security_upgrades]:
        remember(batch, unknown, loads.security_upgrades(row.pk for row in unknown).fetch())
    found = {row.pk: batch.security_upgrades[row.pk] for row in wanted}
    return {pk: row for pk, row in found.items() if row is not None and row.is_under_way}


def remember(batch: Batch, charge_points: Iterable[ChargePoint], found: Iterable[SecurityUpgrade]) -> None:
    """These are all the upgrades of these charge points that have not ended."""
    batch.security_upgrades.update(dict.fromkeys(row.pk for row in charge_points))
    batch.security_upgrades.update({row.charge_point_id: row for row in found})


def answered(
    batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade, status: str, taken: bool
) -> list[PlannedCommand]:
    """The charge point has answered the last ChangeConfiguration of its upgrade (a CALLERROR takes nothing)."""
    if row.state == UpgradeState.KEY_SENT:
        if not taken:  # A01.FR.04
            batch.change(charge_point, next_authorization_key="")
            return _end(batch, charge_point, row, UpgradeState.FAILED, f"AuthorizationKey: {status}")
        if status == ConfigurationStatus.RebootRequired:
            batch.change(row, detail=KEY_NEEDS_RESTART)
        elif charge_point.authorization_key:  # A01.FR.03
            _promote(batch, charge_point)
        return _after_key(batch, charge_point, row)
    if row.state == UpgradeState.PROFILE_SENT:
        # Many charge points know AuthorizationKey and no SecurityProfile: the first key alone makes profile 1, or 2.
        is_first = bool(charge_point.next_authorization_key)
        if not taken and row.step > SecurityProfile.BASIC and not is_first:
            return _end(batch, charge_point, row, UpgradeState.FAILED, f"SecurityProfile {row.step}: {status}")
        _go_on(batch, row, UpgradeState.WAITING)
        return _bring_back(batch, charge_point, row, status)
    if row.state == UpgradeState.WAITING and not taken:  # it does not restart
        batch.close_session(charge_point, CONNECT_AGAIN)
    return []


def came_back(
    batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade | None, admitted: Admission
) -> list[PlannedCommand]:
    """The charge point has connected; returns what it is to be sent."""
    first_step = bool(charge_point.next_authorization_key) and not charge_point.authorization_key
    if admitted.key == NEXT:
        _promote(batch, charge_point)
    elif admitted.key == CURRENT and charge_point.next_authorization_key and _is_unanswered(charge_point, row):
        # The answer was lost; now it is clear that the key was not taken.
        batch.change(charge_point, next_authorization_key="")
        return [] if row is None else _end(batch, charge_point, row, UpgradeState.FAILED, "It still uses its old key.")
    if row is None:
        return []
    if row.state == UpgradeState.KEY_SENT and admitted.key == NEXT:  # the answer was lost
        if row.target is None or not first_step:
            return _after_key(batch, charge_point, row)
        _go_on(batch, row, UpgradeState.WAITING)
    if row.target is None and row.state == UpgradeState.WAITING and admitted.key == NEXT:
        return _end(batch, charge_point, row, UpgradeState.DONE, "")
    if row.target is not None and row.state != UpgradeState.KEY_SENT and admitted.profile >= row.step:
        return _reached(batch, charge_point, row, admitted.profile)
    return []


def _after_key(batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade) -> list[PlannedCommand]:
    if row.target is None:
        if charge_point.next_authorization_key:  # RebootRequired: both stay valid until one is used
            _go_on(batch, row, UpgradeState.WAITING)
            return _restart(charge_point, row)
        return _end(batch, charge_point, row, UpgradeState.DONE, "")
    _go_on(batch, row, UpgradeState.PROFILE_SENT)
    return [_plan(row)]


def _bring_back(batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade, status: str) -> list[PlannedCommand]:
    """What makes it connect with what it was given. One that has accepted a profile does so by itself (A05.FR.06)."""
    if status == ConfigurationStatus.RebootRequired or row.detail == KEY_NEEDS_RESTART:
        return _restart(charge_point, row)
    if status != ConfigurationStatus.Accepted:
        batch.close_session(charge_point, CONNECT_AGAIN)
    return []


def _restart(charge_point: ChargePoint, row: SecurityUpgrade) -> list[PlannedCommand]:
    """Not while somebody charges: then it keeps what it was given until it restarts, and both are valid."""
    if Transaction.objects.filter(charge_point=charge_point, is_active=True).exists():
        return []
    return [PlannedCommand(ResetRequest(type=ResetType.Soft), delay_s=0.0, source=source_of(row))]


def _reached(batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade, profile: int) -> list[PlannedCommand]:
    target = SecurityProfile.NONE if row.target is None else row.target
    reached = min(profile, target)
    # A00.FR.005: never lowered this way.
    batch.change(charge_point, security_profile=max(reached, charge_point.security_profile or 0))
    if reached >= target:
        return _end(batch, charge_point, row, UpgradeState.DONE, "")
    batch.change(row, step=reached + 1)
    _go_on(batch, row, UpgradeState.PROFILE_SENT)
    return [_plan(row)]


def _plan(row: SecurityUpgrade) -> PlannedCommand:
    return PlannedCommand(_profile_message(row.step), delay_s=0.0, source=source_of(row))


def _go_on(batch: Batch, row: SecurityUpgrade, state: UpgradeState) -> None:
    batch.change(row, state=state, deadline=batch.now + COMES_BACK_WITHIN)


def _promote(batch: Batch, charge_point: ChargePoint) -> None:
    batch.change(charge_point, authorization_key=charge_point.next_authorization_key, next_authorization_key="")


def _is_unanswered(charge_point: ChargePoint, row: SecurityUpgrade | None) -> bool:
    """Whether nobody waits for the answer to the new key any more."""
    if row is None:  # sent by hand
        alive = Command.objects.filter(charge_point=charge_point, state__in=ALIVE_STATES)
        return not any(carries_key(command) for command in alive.filter(action=Action.ChangeConfiguration))
    if row.state != UpgradeState.KEY_SENT:
        return False
    key_commands = Command.objects.filter(charge_point=row.charge_point_id, source=source_of(row))
    state = key_commands.order_by("-created_at").values_list("state", flat=True).first()
    return state is None or state in UNANSWERED | NEVER_LEFT


def _end(
    batch: Batch, charge_point: ChargePoint, row: SecurityUpgrade, state: UpgradeState, detail: str
) -> list[PlannedCommand]:
    batch.change(row, state=state, detail=detail[:255], finished_at=batch.now)
    what = "key" if row.target is None else f"security profile {row.target}"
    if state == UpgradeState.DONE:
        if row.approves and charge_point.registration_status == RegistrationStatus.PENDING:
            batch.change(charge_point, registration_status=RegistrationStatus.ACCEPTED)
            batch.send(signals.registration_changed, ChargePoint, charge_point=charge_point)
    else:
        refused = state == UpgradeState.FAILED
        kind = SecurityEventKind.KEY_REJECTED if refused else SecurityEventKind.UPGRADE_FELL_BACK
        security_events.note(batch, Seen(kind, "", charge_point, detail=f"{what}: {detail}"))
    batch.add(audit.entry(f"security upgrade {state}", subject=charge_point.identity, detail=f"{what} {detail}".strip(),
                          charge_point=charge_point))  # fmt: skip
    return []


# -- time ----------------------------------------------------------------------------------------------------


def review() -> None:
    """End the upgrades whose message never left, or whose charge point did not come back in time."""
    now = timezone.now()
    each("upgrades.review", list(all_under_way().values_list("pk", flat=True)), lambda pk: _review(pk, now))


def all_under_way() -> QuerySet[SecurityUpgrade]:
    """The upgrades that have not ended."""
    return SecurityUpgrade.objects.filter(state__in=UPGRADING)


def _review(pk: int, now: datetime) -> None:
    row = all_under_way().select_related("charge_point").filter(pk=pk).first()
    if row is None:
        return
    batch = Batch(now)
    batch.lock_charge_points([row.charge_point.identity])
    charge_point = batch.charge_points[row.charge_point.identity]
    row.refresh_from_db(fields=["state", "deadline"])
    last = Command.objects.filter(charge_point=charge_point, source=source_of(row)).order_by("-created_at").first()
    if row.state == UpgradeState.WAITING or (last is not None and last.state in UNANSWERED):
        if now >= row.deadline:
            if row.state == UpgradeState.KEY_SENT and not charge_point.authorization_key:
                batch.change(charge_point, next_authorization_key="")  # what was accepted (A01.FR.03) stays valid
            _end(batch, charge_point, row, UpgradeState.FELL_BACK, "It did not come back in time.")
    elif last is not None and last.state in NEVER_LEFT and row.is_under_way:
        if row.state == UpgradeState.KEY_SENT:
            batch.change(charge_point, next_authorization_key="")
        _end(batch, charge_point, row, UpgradeState.FAILED, "The message never reached the charge point.")
    batch.flush()
