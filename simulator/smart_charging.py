"""Charging profiles: which are installed, what they allow at a moment, and the composite schedule (OCPP 1.6 §3.13).

Limits are compared in watts. A limit in ampere is per phase, at the set voltage of the area (§7.12).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ocppj.v16 import (
    ChargingProfile,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfileRequest,
    RecurrencyKindType,
)
from simulator.meter import LINE_VOLTAGE_V

ASSUMED_PHASES = 3
"""OCPP 1.6 §7.14: unless another number is given."""
MOST_COMPOSITE_PERIODS = 200

_RECURRENCE_S = {RecurrencyKindType.Daily: 86_400.0, RecurrencyKindType.Weekly: 7 * 86_400.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """What is allowed now, in W (None: no limit), and until when that is sure to hold (None: for good)."""

    power_w: float | None
    until: datetime | None = None

    def and_also(self, other: "Limit") -> "Limit":
        """Both at once: the smaller one (OCPP 1.6 §3.13.3)."""
        if other is NO_LIMIT:
            return self
        powers = [power for power in (self.power_w, other.power_w) if power is not None]
        ends = [end for end in (self.until, other.until) if end is not None]
        return Limit(min(powers, default=None), min(ends, default=None))


NO_LIMIT = Limit(None)


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile and where it applies; ``connector_id`` 0 is the whole charge point, or every connector."""

    connector_id: int
    profile: ChargingProfile
    installed_at: datetime


class ChargingProfiles:
    """What SetChargingProfile.req has installed; it persists over a reset (errata 3.37)."""

    def __init__(self, *, max_stack_level: int, max_periods: int, max_installed: int) -> None:
        self._max_stack_level = max_stack_level
        self._max_periods = max_periods
        self._max_installed = max_installed
        self.installed: list[Installed] = []

    def set(self, connector_id: int, profile: ChargingProfile, utc: datetime) -> ChargingProfileStatus:
        """Install a profile, in place of one with its id, or with its purpose, stack level and connector (OCPP 1.6
        §5.16).
        """
        if not self._is_possible(connector_id, profile):
            return ChargingProfileStatus.Rejected
        others = [other for other in self.installed if not _is_replaced(other, connector_id, profile)]
        if len(others) >= self._max_installed:
            return ChargingProfileStatus.Rejected
        self.installed = [*others, Installed(connector_id, profile, utc)]
        return ChargingProfileStatus.Accepted

    def clear(self, request: ClearChargingProfileRequest) -> bool:
        """Remove what the request describes; whether there was any (errata 3.25 and 3.26)."""
        left = [installed for installed in self.installed if not _is_meant(installed, request)]
        found = len(left) < len(self.installed)
        self.installed = left
        return found

    def end_transaction(self, connector_id: int) -> None:
        """Delete the TxProfiles of a connector whose transaction has stopped (OCPP 1.6 §3.13.1)."""
        self.installed = [
            installed
            for installed in self.installed
            if installed.connector_id != connector_id
            or installed.profile.charging_profile_purpose != ChargingProfilePurposeType.TxProfile
        ]

    def charge_point_limit(self, utc: datetime, phases: int) -> Limit:
        """What the ChargePointMaxProfile allows all connectors together."""
        return self._limit(ChargingProfilePurposeType.ChargePointMaxProfile, (0,), utc, None, phases)

    def connector_limit(self, connector_id: int, utc: datetime, started_at: datetime | None, phases: int) -> Limit:
        """What the TxProfile, or in its absence the TxDefaultProfile, allows a connector; ``started_at`` is when its
        charging began.
        """
        own = self._limit(ChargingProfilePurposeType.TxProfile, (connector_id,), utc, started_at, phases)
        if own.power_w is not None:
            return own
        default = self._limit(ChargingProfilePurposeType.TxDefaultProfile, (0, connector_id), utc, started_at, phases)
        return Limit(default.power_w, own.and_also(default).until)

    def composite_schedule(
        self,
        connector_id: int,
        utc: datetime,
        duration_s: int,
        unit: ChargingRateUnitType,
        *,
        phases: int,
        max_power_w: float,
        started_at: datetime | None,
    ) -> ChargingSchedule:
        """The limits from ``utc`` on (OCPP 1.6 §5.7); ``connector_id`` 0 asks for the whole charge point."""
        periods: list[ChargingSchedulePeriod] = []
        at, end = utc, utc + timedelta(seconds=duration_s)
        while at < end and len(periods) < MOST_COMPOSITE_PERIODS:
            limit = self.charge_point_limit(at, phases)
            if connector_id:
                limit = limit.and_also(self.connector_limit(connector_id, at, started_at, phases))
            power_w = max_power_w if limit.power_w is None else min(max_power_w, limit.power_w)
            in_unit = power_w if unit == ChargingRateUnitType.W else power_w / (LINE_VOLTAGE_V * phases)
            rounded = Decimal(f"{in_unit:.1f}")
            if not periods or periods[-1].limit != rounded:
                start = int((at - utc).total_seconds())
                periods.append(ChargingSchedulePeriod(start_period=start, limit=rounded, number_phases=phases))
            if limit.until is None:
                break
            at = limit.until
        return ChargingSchedule(duration=duration_s, charging_rate_unit=unit, charging_schedule_period=periods)

    def _is_possible(self, connector_id: int, profile: ChargingProfile) -> bool:
        schedule = profile.charging_schedule
        is_recurring = profile.charging_profile_kind == ChargingProfileKindType.Recurring
        is_for_all = profile.charging_profile_purpose == ChargingProfilePurposeType.ChargePointMaxProfile
        is_for_one = profile.charging_profile_purpose == ChargingProfilePurposeType.TxProfile
        starts = [period.start_period for period in schedule.charging_schedule_period]
        return (
            profile.stack_level <= self._max_stack_level
            and len(starts) <= self._max_periods
            and starts[0] == 0  # errata 3.45
            and starts == sorted(set(starts))
            and not (is_recurring and (profile.recurrency_kind is None or schedule.start_schedule is None))
            and not (is_for_all and connector_id != 0)  # OCPP 1.6 §3.13.1
            and not (is_for_one and connector_id == 0)
        )

    def _limit(
        self,
        purpose: ChargingProfilePurposeType,
        connector_ids: tuple[int, ...],
        utc: datetime,
        started_at: datetime | None,
        phases: int,
    ) -> Limit:
        """The limit of the highest valid profile; ``until`` also covers those above it that are not valid yet."""
        if not self.installed:
            return NO_LIMIT
        candidates = sorted(
            (
                installed
                for installed in self.installed
                if installed.profile.charging_profile_purpose == purpose and installed.connector_id in connector_ids
            ),
            key=lambda installed: (installed.profile.stack_level, installed.connector_id),
            reverse=True,
        )
        until: datetime | None = None
        for installed in candidates:
            limit = _limit_of(installed, utc, started_at, phases)
            until = NO_LIMIT.and_also(Limit(None, until)).and_also(Limit(None, limit.until)).until
            if limit.power_w is not None:
                return Limit(limit.power_w, until)
        return Limit(None, until)


def _is_replaced(other: Installed, connector_id: int, profile: ChargingProfile) -> bool:
    if other.profile.charging_profile_id == profile.charging_profile_id:
        return True
    return (
        other.connector_id == connector_id
        and other.profile.charging_profile_purpose == profile.charging_profile_purpose
        and other.profile.stack_level == profile.stack_level
    )


def _is_meant(installed: Installed, request: ClearChargingProfileRequest) -> bool:
    profile = installed.profile
    if request.id is not None:  # errata 3.26: then all other fields are ignored
        return profile.charging_profile_id == request.id
    return (
        request.connector_id in (None, installed.connector_id)
        and request.charging_profile_purpose in (None, profile.charging_profile_purpose)
        and request.stack_level in (None, profile.stack_level)
    )


def _limit_of(installed: Installed, utc: datetime, started_at: datetime | None, phases: int) -> Limit:
    profile = installed.profile
    if profile.valid_from is not None and utc < profile.valid_from:
        return Limit(None, profile.valid_from)
    if profile.valid_to is not None and utc >= profile.valid_to:
        return NO_LIMIT
    limit = _limit_of_schedule(profile, started_at or installed.installed_at, utc, phases)
    return limit.and_also(Limit(None, profile.valid_to))


def _limit_of_schedule(profile: ChargingProfile, charging_since: datetime, utc: datetime, phases: int) -> Limit:
    schedule = profile.charging_schedule
    is_relative = profile.charging_profile_kind == ChargingProfileKindType.Relative or schedule.start_schedule is None
    start = charging_since if is_relative or schedule.start_schedule is None else schedule.start_schedule
    if utc < start:
        return Limit(None, start)
    ends = float("inf") if schedule.duration is None else float(schedule.duration)
    restarts = None
    if profile.charging_profile_kind == ChargingProfileKindType.Recurring and profile.recurrency_kind is not None:
        recurrence_s = _RECURRENCE_S[profile.recurrency_kind]
        start += timedelta(seconds=(utc - start).total_seconds() // recurrence_s * recurrence_s)
        restarts = start + timedelta(seconds=recurrence_s)
        ends = min(ends, recurrence_s)  # OCPP 1.6 §5.16.4: what is longer is not executed
    elapsed_s = (utc - start).total_seconds()
    if elapsed_s >= ends:
        return Limit(None, restarts)
    return _limit_of_period(schedule, start, elapsed_s, ends, phases)


def _limit_of_period(schedule: ChargingSchedule, start: datetime, elapsed_s: float, ends: float, phases: int) -> Limit:
    current = schedule.charging_schedule_period[0]
    for period in schedule.charging_schedule_period:
        if period.start_period > elapsed_s:
            ends = min(ends, float(period.start_period))
            break
        current = period
    until = None if ends == float("inf") else start + timedelta(seconds=ends)
    return Limit(_in_watts(current, schedule.charging_rate_unit, phases), until)


def _in_watts(period: ChargingSchedulePeriod, unit: ChargingRateUnitType, phases: int) -> float:
    if unit == ChargingRateUnitType.W:
        return float(period.limit)
    # Errata 3.34: with more phases than there are, the limit is used as it is for those there are.
    return float(period.limit) * LINE_VOLTAGE_V * min(period.number_phases or ASSUMED_PHASES, phases)
