"""The Smart Charging profile's commands (OCPP 1.6 §5.5, §5.7, §5.16)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.errors import ErrorCode, PayloadError
from ocppj.v16 import (
    Action,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileRequest,
    ClearChargingProfileResponse,
    ClearChargingProfileStatus,
    GetCompositeScheduleRequest,
    GetCompositeScheduleResponse,
    GetCompositeScheduleStatus,
    SetChargingProfileRequest,
    SetChargingProfileResponse,
)
from simulator.commands.reply import Handler, Reply

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def clear_charging_profile(charge_point: "ChargePoint", request: ClearChargingProfileRequest, now: float) -> Reply:
    """Remove profiles (§5.5); what they limited is free again."""
    found = charge_point.profiles.clear(request)
    status = ClearChargingProfileStatus.Accepted if found else ClearChargingProfileStatus.Unknown
    return Reply(ClearChargingProfileResponse(status=status), lambda: charge_point.charging.settle(now))


def get_composite_schedule(charge_point: "ChargePoint", request: GetCompositeScheduleRequest, now: float) -> Reply:
    """What the profiles together allow from now on (§5.7)."""
    if request.connector_id > len(charge_point.connectors):
        return Reply(GetCompositeScheduleResponse(status=GetCompositeScheduleStatus.Rejected))
    utc = charge_point.clock.utc(now)
    connector = charge_point.charging.connector(request.connector_id)
    transaction = None if connector is None else connector.transaction
    addressed = charge_point.connectors if connector is None else (connector,)
    schedule = charge_point.profiles.composite_schedule(
        request.connector_id,
        utc,
        request.duration,
        ChargingRateUnitType(request.charging_rate_unit or ChargingRateUnitType.A),
        phases=charge_point.specification.phases,
        max_power_w=sum(one.max_power_w for one in addressed),
        started_at=None if transaction is None else transaction.started_at,
    )
    return Reply(
        GetCompositeScheduleResponse(
            status=GetCompositeScheduleStatus.Accepted,
            connector_id=request.connector_id,
            schedule_start=utc,
            charging_schedule=schedule,
        )
    )


def set_charging_profile(charge_point: "ChargePoint", request: SetChargingProfileRequest, now: float) -> Reply:
    """Install a profile (§5.16); it holds at once."""
    if request.connector_id > len(charge_point.connectors):  # errata 3.39
        raise PayloadError(
            ErrorCode.PropertyConstraintViolation,
            f"connectorId: there is no connector {request.connector_id}.",
            field="connectorId",
        )
    profile = request.cs_charging_profiles
    if profile.charging_profile_purpose == ChargingProfilePurposeType.TxProfile:
        connector = charge_point.charging.connector(request.connector_id)
        transaction = None if connector is None else connector.transaction
        if transaction is None or profile.transaction_id not in (None, transaction.transaction_id):
            return Reply(SetChargingProfileResponse(status=ChargingProfileStatus.Rejected))  # §3.13.1
    status = charge_point.profiles.set(request.connector_id, profile, charge_point.clock.utc(now))
    return Reply(SetChargingProfileResponse(status=status), lambda: charge_point.charging.settle(now))


HANDLERS: Mapping[str, Handler] = {
    Action.ClearChargingProfile: clear_charging_profile,
    Action.GetCompositeSchedule: get_composite_schedule,
    Action.SetChargingProfile: set_charging_profile,
}
