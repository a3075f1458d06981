"""One row of everything about local lists, caches and charging profiles, which all call themselves the same."""

from datetime import datetime, timedelta

from ocpp_app.models import (
    AuthorizationCache,
    ChargePoint,
    ChargingProfile,
    Command,
    CompositeSchedule,
    InstallationState,
    ListSelection,
    LocalList,
    ProfileAssignment,
    ProfileInstallation,
    ToldTag,
)


def make_list_and_profiles(charge_point: ChargePoint, command: Command, text: str, now: datetime) -> None:
    """A local list with an entry, an outdated cache, and a charging profile that is assigned and installed."""
    local_list = LocalList.objects.create(
        charge_point=charge_point,
        selection=ListSelection.ALL,
        detail=text,
        version=3,
        reported_at=now,
        changed_at=now,
    )
    short = text[:20]
    local_list.entries.create(key="GONE", id_tag="GONE", status=short, expires_at=now, parent_id_tag=short)
    AuthorizationCache.objects.create(
        charge_point=charge_point, outdated_at=now, status=text, status_at=now, cleared_at=now, command=command
    )
    ToldTag.objects.create(organisation=charge_point.organisation, key=short, is_blocked=True, expires_at=now)
    profile = ChargingProfile.objects.create(
        organisation=charge_point.organisation,
        description=text,
        purpose="TxDefaultProfile",
        kind="Absolute",
        start_schedule=now,
        valid_from=now,
    )
    profile.periods.create(start_period_s=0, limit="16.5", number_phases=1)
    ProfileAssignment.objects.create(charging_profile=profile, charge_point=charge_point)
    other = ChargingProfile.objects.create(
        organisation=charge_point.organisation, description=text, purpose="ChargePointMaxProfile", kind="Relative"
    )
    ProfileAssignment.objects.create(charging_profile=other, charge_point=charge_point)
    ProfileInstallation.objects.create(
        charge_point=charge_point,
        connector_number=0,
        profile_id=profile.pk,
        charging_profile=profile,
        purpose=text,
        stack_level=0,
        state=InstallationState.INSTALLED,
        answer=text,
        detail=text,
        status_at=now,
        asked_at=now,
        payload={"a": text},
        command=command,
    )
    CompositeSchedule.objects.create(
        charge_point=charge_point,
        connector_number=1,
        status=text,
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        charging_rate_unit="<b>",
        periods=[{"start": now.isoformat(), "end": None, "limit": 16.0, "number_phases": 3}],
        received_at=now,
        command=command,
    )
