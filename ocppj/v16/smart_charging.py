"""The Smart Charging profile of OCPP 1.6 (§3.3)."""

from typing import Annotated

from ocppj.messages import DateTime, Integer, Request, Response, Seconds, at_least
from ocppj.v16.datatypes import ChargingProfile, ChargingSchedule
from ocppj.v16.enums import (
    Action,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
)


class ClearChargingProfileResponse(Response):
    """ClearChargingProfile.conf (OCPP 1.6 §6.14), sent by the Charge Point."""

    action = Action.ClearChargingProfile

    status: ClearChargingProfileStatus
    """Whether the Charge Point was able to execute the request."""


class ClearChargingProfileRequest(Request):
    """ClearChargingProfile.req (OCPP 1.6 §6.13), sent by the Central System.

    Clears the profiles that match all the fields given, all profiles if none is given (errata 3.25 and 3.26).
    """

    action = Action.ClearChargingProfile
    response = ClearChargingProfileResponse

    id: Integer | None = None
    """The charging profile to clear; all other fields are ignored then (errata 3.26)."""
    connector_id: Annotated[Integer, at_least(0)] | None = None
    """The connector for which to clear charging profiles; 0: the profile for the overall Charge Point."""
    charging_profile_purpose: ChargingProfilePurposeType | None = None
    """Purpose of the charging profiles to clear."""
    stack_level: Annotated[Integer, at_least(0)] | None = None
    """Stack level of the charging profiles to clear."""


class GetCompositeScheduleResponse(Response):
    """GetCompositeSchedule.conf (OCPP 1.6 §6.22), sent by the Charge Point."""

    action = Action.GetCompositeSchedule

    status: GetCompositeScheduleStatus
    """Whether the Charge Point was able to process the request."""
    connector_id: Integer | None = None
    """The connector to which the schedule applies."""
    schedule_start: DateTime | None = None
    """The point in time to which the periods are relative; may be absent if Rejected."""
    charging_schedule: ChargingSchedule | None = None
    """Planned composite schedule, always relative to scheduleStart; may be absent if Rejected."""


class GetCompositeScheduleRequest(Request):
    """GetCompositeSchedule.req (OCPP 1.6 §6.21), sent by the Central System."""

    action = Action.GetCompositeSchedule
    response = GetCompositeScheduleResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector for which the schedule is requested; 0: what the Charge Point expects to take from the grid."""
    duration: Annotated[Seconds, at_least(0)]
    """Length of the requested schedule in seconds."""
    charging_rate_unit: ChargingRateUnitType | None = None
    """Can be used to force a power or current profile."""


class SetChargingProfileResponse(Response):
    """SetChargingProfile.conf (OCPP 1.6 §6.44), sent by the Charge Point."""

    action = Action.SetChargingProfile

    status: ChargingProfileStatus
    """Whether the Charge Point has been able to process the message; no guarantee that the schedule is followed to the
    letter."""


class SetChargingProfileRequest(Request):
    """SetChargingProfile.req (OCPP 1.6 §6.43), sent by the Central System."""

    action = Action.SetChargingProfile
    response = SetChargingProfileResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector; 0: the whole Charge Point (ChargePointMaxProfile) or any connector of it (TxDefaultProfile;
    errata 3.53)."""
    cs_charging_profiles: ChargingProfile
    """The charging profile to be set at the Charge Point."""
