"""Since when a car has been full: the evidence for an idle fee."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ocppj.v16 import ChargePointStatus

IDLE_BELOW_W = 100.0
"""A car that takes less is full: what it draws to keep itself awake is no charging."""
TELLING = frozenset({ChargePointStatus.Charging, ChargePointStatus.SuspendedEV, ChargePointStatus.SuspendedEVSE})
"""The states that tell who takes, or withholds, the energy (OCPP 1.6 §7.7)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Power and register at a time, in W and Wh; None where a meter value does not tell."""

    at: datetime
    power_w: float | None
    register_wh: float | None


def full_since(
    started_at: datetime,
    stopped_at: datetime,
    statuses: Sequence[tuple[datetime, str]],
    readings: Sequence[Reading],
) -> datetime | None:
    """Since when, until the end of the transaction, the car has taken no energy; None when it took some to the end.

    By the connector's status first: since the SuspendedEV that lasted to the end. After SuspendedEVSE nobody is idle:
    the charge point holds back the power, it is not the car's fault. A charge point that says Charging, or nothing, is
    judged by its meter values: since the one after which, to the last, the register has not risen, nor power been
    measured, by more than 100 W.
    """
    telling = sorted((at, status) for at, status in statuses if started_at <= at <= stopped_at and status in TELLING)
    suspended_at = _suspended_at(telling)
    if suspended_at is not None:
        return suspended_at
    if telling and telling[-1][1] == ChargePointStatus.SuspendedEVSE:
        return None
    resumed_at = telling[-1][0] if telling else started_at
    in_time = sorted(readings, key=lambda reading: reading.at)
    return _powerless_since([reading for reading in in_time if resumed_at <= reading.at <= stopped_at])


def _suspended_at(telling: Sequence[tuple[datetime, str]]) -> datetime | None:
    since = None
    for at, status in reversed(telling):
        if status != ChargePointStatus.SuspendedEV:
            break
        since = at
    return since


def _powerless_since(readings: Sequence[Reading]) -> datetime | None:
    """The reading after which no energy flowed to the last one."""
    telling = [reading for reading in readings if reading.power_w is not None or reading.register_wh is not None]
    telling.sort(key=lambda reading: reading.at)
    since = None
    for before, after in reversed(list(pairwise(telling))):
        if _flowed(before, after):
            break
        since = before.at
    return since


def _flowed(before: Reading, after: Reading) -> bool:
    """Whether energy may have flowed between two readings: not if neither the register nor the power tells of any."""
    powers = (before.power_w, after.power_w)
    if before.register_wh is None or after.register_wh is None:
        return any(power_w is None or power_w >= IDLE_BELOW_W for power_w in powers)
    hours = (after.at - before.at).total_seconds() / 3600
    rise_wh = after.register_wh - before.register_wh
    return rise_wh > IDLE_BELOW_W * hours or (after.power_w or 0) >= IDLE_BELOW_W
