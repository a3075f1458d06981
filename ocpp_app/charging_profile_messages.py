"""Charging profiles of the library as OCPP sends them, and what makes two of them the same (OCPP 1.6 §7.8)."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import msgspec

from ocpp_app.models import ChargingProfile
from ocppj import v16
from ocppj.messages import decode, encode


def message_of(profile: ChargingProfile, transaction_id: int | None = None) -> v16.ChargingProfile:
    """The profile on the wire; a TxProfile gets its transaction now. Raises ``PayloadError`` naming the field that OCPP
    does not allow (a profile without periods)."""
    schedule = v16.ChargingSchedule(
        charging_rate_unit=v16.ChargingRateUnitType(profile.charging_rate_unit),
        charging_schedule_period=[
            v16.ChargingSchedulePeriod(
                start_period=period.start_period_s, limit=_tenths(period.limit), number_phases=period.number_phases
            )
            for period in sorted(profile.periods.all(), key=lambda period: period.start_period_s)
        ],
        duration=profile.duration_s,
        start_schedule=profile.start_schedule,
        min_charging_rate=None if profile.min_charging_rate is None else _tenths(profile.min_charging_rate),
    )
    return v16.ChargingProfile(
        charging_profile_id=profile.pk,
        stack_level=profile.stack_level,
        charging_profile_purpose=v16.ChargingProfilePurposeType(profile.purpose),
        charging_profile_kind=v16.ChargingProfileKindType(profile.kind),
        charging_schedule=schedule,
        transaction_id=transaction_id,
        recurrency_kind=v16.RecurrencyKindType(profile.recurrency_kind) if profile.recurrency_kind else None,
        valid_from=profile.valid_from,
        valid_to=profile.valid_to,
    )


def set_request(
    profile: ChargingProfile, connector_number: int, transaction_id: int | None = None
) -> v16.SetChargingProfileRequest:
    """The SetChargingProfile.req for it."""
    return v16.SetChargingProfileRequest(
        connector_id=connector_number, cs_charging_profiles=message_of(profile, transaction_id)
    )


def payload_of(message: v16.SetChargingProfileRequest) -> dict[str, Any]:
    """The profile in a message as JSON, as ``ProfileInstallation`` keeps it."""
    payload: dict[str, Any] = msgspec.json.decode(encode(message))["csChargingProfiles"]
    return payload


def profile_in(payload: dict[str, Any]) -> v16.ChargingProfile:
    """The profile that a payload of ``ProfileInstallation``, or of a command, means."""
    whole = {"connectorId": 0, "csChargingProfiles": payload}
    message = decode(v16.SetChargingProfileRequest, msgspec.json.encode(whole)).message
    assert isinstance(message, v16.SetChargingProfileRequest)
    return message.cs_charging_profiles


def digest_of(payload: dict[str, Any], connector_number: int | None) -> str:
    """What two installations have in common that limit the same in the same way; the transaction aside."""
    known = {name: value for name, value in payload.items() if name != "transactionId"}
    text = json.dumps([connector_number, _canonical(known)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Databases write 16 and 16.0 as they like."""
    if isinstance(value, dict):
        return {name: _canonical(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _tenths(value: Decimal) -> Decimal:
    """Without a zero behind the point: some charge points take integers only."""
    return value.to_integral_value() if value == value.to_integral_value() else value
