"""Firmware for a group of charge points, wave by wave.

campaign = start_campaign(firmware, group, wave_size="10%", failures_allowed="2")

The rows are the whole memory of a campaign: housekeeping looks at them (``review``), one worker at a time, and goes on
from there after whatever has died.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ocpp_app import firmware as updates
from ocpp_app.commands import cancel_command
from ocpp_app.errors import CampaignEnded, FirmwareNotFitting, OCPPAppError
from ocpp_app.models import (
    OPEN_TASK_STATES,
    CampaignState,
    CampaignTarget,
    ChargePoint,
    ChargePointGroup,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    TargetState,
    TaskState,
    amount_of,
)
from ocpp_app.set_aside import each
from ocpp_app.transfer import links
from ocppj.errors import PayloadError

SOURCE = "firmware campaign"
AT_ONCE = 100
"""So many charge points begin in one transaction; the rest of a wave follows with the next review."""
ENDED_BY_TASK = {
    TaskState.DONE: TargetState.DONE,
    TaskState.FAILED: TargetState.FAILED,
    TaskState.REJECTED: TargetState.FAILED,
    TaskState.CANCELLED: TargetState.FAILED,
}


# -- what people do ------------------------------------------------------------------------------------------


def start_campaign(
    firmware: Firmware,
    charge_points: ChargePointGroup | Iterable[ChargePoint],
    *,
    name: str = "",
    signed: bool | None = None,
    wave_size: str = "10%",
    failures_allowed: str = "0",
    hours_per_charge_point: int = 24,
    requested_by: Any = None,
    api_token: str = "",
) -> FirmwareCampaign:
    """Begin to update a group, or these charge points; housekeeping does the rest.

    Charge points that have the version already, or for whom the firmware is not made, are left out; their row says why.
    Raises ``FirmwareNotFitting`` where nobody is left or the firmware is not signed though ``signed`` asks for it,
    ``TransferNotPossible`` where charge points cannot reach us, ``ValidationError`` for amounts that are none.
    """
    is_signed = firmware.is_signed if signed is None else signed
    links.download_link(firmware.file_name)
    group = charge_points if isinstance(charge_points, ChargePointGroup) else None
    chosen = list(group.charge_points.order_by("identity") if group is not None else charge_points)  # type: ignore[arg-type]
    campaign = FirmwareCampaign(
        organisation_id=firmware.organisation_id,
        name=name or f"{firmware} {timezone.now():%Y-%m-%d}",
        firmware=firmware,
        group=group,
        is_signed=is_signed,
        wave_size=wave_size,
        failures_allowed=failures_allowed,
        hours_per_charge_point=hours_per_charge_point,
        requested_by=requested_by,
        api_token=api_token,
        created_at=timezone.now(),
    )
    campaign.clean_fields(exclude=["firmware", "group", "organisation", "requested_by"])
    reasons = {charge_point.pk: _why_left_out(charge_point, firmware, is_signed) for charge_point in chosen}
    wanted = [charge_point for charge_point in chosen if not reasons[charge_point.pk]]
    if not wanted:
        told = sorted(set(reasons.values())) or ["The group has no charge points."]
        raise FirmwareNotFitting(f"Nobody is left to be updated. {told[0]}")
    per_wave = max(1, amount_of(wave_size, len(wanted)))
    targets = [
        CampaignTarget(campaign=campaign, charge_point=charge_point, wave=1 + index // per_wave)
        for index, charge_point in enumerate(wanted)
    ]
    targets += [
        CampaignTarget(
            campaign=campaign,
            charge_point=charge_point,
            wave=0,
            state=TargetState.SKIPPED,
            detail=reasons[charge_point.pk][:255],
        )
        for charge_point in chosen
        if reasons[charge_point.pk]
    ]
    with transaction.atomic():
        campaign.save(force_insert=True)
        CampaignTarget.objects.bulk_create(targets, batch_size=500)
    return campaign


def pause_campaign(campaign: FirmwareCampaign) -> FirmwareCampaign:
    """Let nobody else begin; those that have begun go on."""
    return _change(campaign, (CampaignState.RUNNING,), CampaignState.PAUSED, "paused", detail="")


def resume_campaign(campaign: FirmwareCampaign, *, failures_allowed: str = "") -> FirmwareCampaign:
    """Go on after a pause, or after a stop for failures: then with more failures allowed, else it stops again."""
    more = {"failures_allowed": failures_allowed} if failures_allowed else {}
    if more:
        FirmwareCampaign._meta.get_field("failures_allowed").clean(failures_allowed, campaign)
    may = (CampaignState.PAUSED, CampaignState.STOPPED)
    return _change(campaign, may, CampaignState.RUNNING, "resumed", detail="", **more)


def cancel_campaign(campaign: FirmwareCampaign, *, reason: str = "") -> FirmwareCampaign:
    """End it: those that have not begun are cancelled, and updates that have not been sent are taken back; a charge
    point that has its order goes on."""
    may = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.STOPPED)
    now = timezone.now()
    _change(campaign, may, CampaignState.CANCELLED, "cancelled", detail=reason[:255], finished_at=now)
    waiting = CampaignTarget.objects.filter(campaign=campaign, state=TargetState.WAITING)
    waiting.update(state=TargetState.CANCELLED, finished_at=now)
    running = CampaignTarget.objects.filter(campaign=campaign, state=TargetState.RUNNING)
    for target in running.select_related("task__command__charge_point"):
        task = target.task
        if task is not None and task.state == TaskState.REQUESTED and task.command is not None:
            cancel_command(task.command, reason="the campaign was cancelled")
    campaign.refresh_from_db()
    return campaign


def _change(
    campaign: FirmwareCampaign, may: tuple[CampaignState, ...], state: CampaignState, word: str, **values: Any
) -> FirmwareCampaign:
    if not FirmwareCampaign.objects.filter(pk=campaign.pk, state__in=may).update(state=state, **values):
        campaign.refresh_from_db()
        raise CampaignEnded(f"The campaign is {campaign.state}: it cannot be {word}.")
    campaign.refresh_from_db()
    campaign.__dict__.pop("outcomes", None)
    return campaign


def _why_left_out(charge_point: ChargePoint, firmware: Firmware, is_signed: bool) -> str:
    if charge_point.firmware_version == firmware.version:
        return f"It has version {firmware.version} already."
    try:
        updates.check_fitting(charge_point, firmware, signed=is_signed)
    except FirmwareNotFitting as error:
        return str(error)
    return ""


# -- what time does ------------------------------------------------------------------------------------------


def review(now: datetime | None = None) -> None:
    """Take every campaign a step further: note who has ended, stop where too many failed, let the next begin."""
    now = now or timezone.now()
    unfinished = running_targets().values_list("campaign", flat=True)
    keys = sorted({*unfinished, *running().values_list("pk", flat=True)})
    each("campaigns.review", keys, lambda pk: _review(pk, now))


def running() -> QuerySet[FirmwareCampaign]:
    """The campaigns that go on."""
    return FirmwareCampaign.objects.filter(state=CampaignState.RUNNING)


def running_targets() -> QuerySet[CampaignTarget]:
    """Those that have begun, also of campaigns that were stopped."""
    return CampaignTarget.objects.filter(state=TargetState.RUNNING)


def _review(pk: int, now: datetime) -> None:
    campaign = FirmwareCampaign.objects.select_for_update(of=("self",), no_key=True).filter(pk=pk).first()
    if campaign is None:  # somebody has deleted it meanwhile
        return
    _follow_tasks(campaign, now)
    if campaign.state != CampaignState.RUNNING:
        return
    targets = CampaignTarget.objects.filter(campaign=campaign)
    states = Counter(targets.exclude(state=TargetState.SKIPPED).values_list("state", flat=True))
    allowed = amount_of(campaign.failures_allowed, sum(states.values()))
    if states[TargetState.FAILED] > allowed:
        campaign.state = CampaignState.STOPPED
        campaign.detail = f"{states[TargetState.FAILED]} failed, {allowed} are allowed."
    elif not states[TargetState.WAITING] and not states[TargetState.RUNNING]:
        campaign.state, campaign.finished_at = CampaignState.DONE, now
    else:
        _begin(campaign, now)
    campaign.save(update_fields=["state", "detail", "finished_at", "wave"])


def _follow_tasks(campaign: FirmwareCampaign, now: datetime) -> None:
    ended = CampaignTarget.objects.filter(campaign=campaign, state=TargetState.RUNNING)
    for target in ended.exclude(task__state__in=OPEN_TASK_STATES).select_related("task"):
        task = target.task
        if task is None:  # deleted with its charge point's history
            target.state, target.detail = TargetState.FAILED, "Its update is not known any more."
        elif task.state == TaskState.FAILED and task.status and not _has_given_up(task, now):
            continue  # it may try again
        else:
            target.state, target.detail = ENDED_BY_TASK[TaskState(task.state)], task.detail
        target.finished_at = now
        target.save(update_fields=["state", "detail", "finished_at"])


def _has_given_up(task: FirmwareTask, now: datetime) -> bool:
    """Whether a charge point that has reported a failure has had the time to try again, as often as it was told to."""
    if not task.retries or task.finished_at is None:
        return True
    return now >= task.finished_at + timedelta(seconds=2 * (task.retry_interval_s or 60))


def _begin(campaign: FirmwareCampaign, now: datetime) -> None:
    """Let the next of the present wave begin; of the next wave, once all of the present one have ended."""
    targets = CampaignTarget.objects.filter(campaign=campaign)
    waiting = targets.filter(state=TargetState.WAITING).order_by("wave", "charge_point__identity")
    first = waiting.first()
    if first is None or (first.wave > campaign.wave and targets.filter(state=TargetState.RUNNING).exists()):
        return
    campaign.wave = first.wave
    expires_at = now + timedelta(hours=campaign.hours_per_charge_point)
    for target in waiting.filter(wave=first.wave).select_related("charge_point")[:AT_ONCE]:
        _begin_one(campaign, target, now, expires_at)


def _begin_one(campaign: FirmwareCampaign, target: CampaignTarget, now: datetime, expires_at: datetime) -> None:
    target.started_at = now
    try:
        with transaction.atomic():
            target.task = updates.queue_update(
                target.charge_point,
                campaign.firmware,
                signed=campaign.is_signed,
                expires_at=expires_at,
                requested_by=campaign.requested_by,
                api_token=campaign.api_token,
                source=f"{SOURCE} {campaign.pk}",
            )
        target.state = TargetState.RUNNING
    except (OCPPAppError, PayloadError) as error:
        target.state, target.detail, target.finished_at = TargetState.FAILED, str(error)[:255], now
    target.save(update_fields=["state", "detail", "task", "started_at", "finished_at"])
