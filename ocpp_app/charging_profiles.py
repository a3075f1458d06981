"""Charging profiles (OCPP 1.6 §3.13): assigned, sent and cleared here; ``charging_profile_rules`` keeps them true.

assign(profile, charge_point=charge_point)                     # housekeeping sends it, and clears it once unassigned
send_profile(tx_profile, "CP001", 1, wait=True)                # once; a TxProfile gets the transaction on connector 1
clear_profiles("CP001", purpose=ProfilePurpose.TX_DEFAULT, wait=True)
schedule = get_composite_schedule("CP001", 1, duration_s=86_400)
"""

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone

from ocpp_app.charging_profile_messages import digest_of, message_of, payload_of, set_request
from ocpp_app.charging_profile_rules import SOURCE
from ocpp_app.commands import issue_command, load
from ocpp_app.errors import ChargePointOffline, IdempotencyKeyReused, ProfileNotSendable, WaitNotPossible
from ocpp_app.models import (
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    Command,
    CompositeSchedule,
    InstallationState,
    ProfileAssignment,
    ProfileInstallation,
    ProfilePurpose,
    RateUnit,
    Transaction,
)
from ocppj import v16
from ocppj.messages import Request


def assign(
    profile: ChargingProfile,
    *,
    charge_point: ChargePoint | None = None,
    group: ChargePointGroup | None = None,
    connector: int = 0,
    requested_by: Any = None,
) -> ProfileAssignment:
    """Let a charge point, or each of a group, have a profile; a profile that is assigned there already goes to this
    connector. It is sent within seconds, or when the charge point connects.

    Raises ``ValidationError`` naming the field: a TxProfile, a ChargePointMaxProfile at a connector, another
    organisation.
    """
    row = ProfileAssignment.objects.filter(charging_profile=profile, charge_point=charge_point, group=group).first()
    row = row or ProfileAssignment(
        charging_profile=profile,
        charge_point=charge_point,
        group=group,
        requested_by=requested_by,
        organisation=profile.organisation,
    )
    row.connector_number = connector
    row.full_clean()
    row.save()
    return row


def unassign(assignment: ProfileAssignment) -> None:
    """Take a profile from a charge point or a group again: it is cleared there."""
    assignment.delete()


def send_profile(
    profile: ChargingProfile,
    charge_point: str | ChargePoint,
    connector: int = 0,
    *,
    transaction: Transaction | None = None,
    wait: bool = False,
    timeout: float = 30,
    expires_at: datetime | None = None,
    requested_by: Any = None,
    source: str = "",
    idempotency_key: str = "",
    api_token: str = "",
) -> Command:
    """Send a profile once; returns the SetChargingProfile.req, with ``wait`` answered.

    A TxProfile is for ``transaction``, or for the one that is active on the connector. Raises ``ProfileNotSendable``
    where there is none, ``PayloadError`` and what ``issue_command`` raises; ``expires_at``: it may wait that long.
    """
    target = load(charge_point)
    transaction_id = None
    if profile.purpose == ProfilePurpose.TX:
        transaction = transaction or _active_transaction(target, connector)
        if transaction.charge_point_id != target.pk or not transaction.is_active:
            raise ProfileNotSendable(f"Transaction {transaction.pk} is not active at {target.identity}.")
        connector, transaction_id = transaction.connector.number, transaction.pk
    elif transaction is not None:
        raise ProfileNotSendable("Only a TxProfile is for a transaction (OCPP 1.6 §7.8).")
    message = set_request(profile, connector, transaction_id)
    row, is_new = _note_asked(target, profile, connector, transaction, message)
    try:
        command = _issue(
            target, message, wait, timeout, expires_at, requested_by, source, idempotency_key, api_token, row=row
        )
    except (ChargePointOffline, WaitNotPossible, IdempotencyKeyReused):
        if is_new:
            row.delete()
        raise
    return command


def clear_profiles(
    charge_point: str | ChargePoint,
    *,
    profile_id: int | None = None,
    connector: int | None = None,
    purpose: ProfilePurpose | None = None,
    stack_level: int | None = None,
    wait: bool = False,
    timeout: float = 30,
    expires_at: datetime | None = None,
    requested_by: Any = None,
    source: str = "",
    idempotency_key: str = "",
    api_token: str = "",
) -> Command:
    """Clear the profiles that fit all that is given (``profile_id``: that one alone; nothing: all); returns the
    ClearChargingProfile.req. What is assigned there is sent again: unassign it instead."""
    message = v16.ClearChargingProfileRequest(
        id=profile_id,
        connector_id=connector,
        charging_profile_purpose=None if purpose is None else v16.ChargingProfilePurposeType(purpose),
        stack_level=stack_level,
    )
    target = load(charge_point)
    return _issue(target, message, wait, timeout, expires_at, requested_by, source, idempotency_key, api_token)


def for_remote_start(profile: ChargingProfile) -> v16.ChargingProfile:
    """The profile as a RemoteStartTransaction.req carries it: a TxProfile without transactionId (errata 3.41)."""
    if profile.purpose != ProfilePurpose.TX:
        raise ProfileNotSendable(f"A remote start takes a TxProfile, not a {profile.purpose} (OCPP 1.6 §5.16.2).")
    return message_of(profile)


def get_composite_schedule(
    charge_point: str | ChargePoint,
    connector: int,
    *,
    duration_s: int,
    unit: RateUnit | None = None,
    timeout: float = 30,
    requested_by: Any = None,
    source: str = "",
) -> CompositeSchedule:
    """Ask for the limits of the next ``duration_s`` seconds, and wait; raises what ``issue_command`` raises."""
    message = v16.GetCompositeScheduleRequest(
        connector_id=connector,
        duration=duration_s,
        charging_rate_unit=None if unit is None else v16.ChargingRateUnitType(unit),
    )
    command = _issue(load(charge_point), message, True, timeout, None, requested_by, source, "", "")
    return CompositeSchedule.objects.get(command=command)


# -- inside --------------------------------------------------------------------------------------------------


def _issue(
    charge_point: ChargePoint,
    message: Request,
    wait: bool,
    timeout: float,
    expires_at: datetime | None,
    requested_by: Any,
    source: str,
    idempotency_key: str,
    api_token: str,
    row: ProfileInstallation | None = None,
) -> Command:
    """Issue a command; ``row`` gets to know it, whatever becomes of it."""
    key = idempotency_key or f"profile:{uuid.uuid4()}"  # by which it is found again once it was answered
    issued = Command.objects.filter(charge_point=charge_point, idempotency_key=key)
    options: dict[str, Any] = {
        "expires_at": expires_at,
        "requested_by": requested_by,
        "source": source or SOURCE,
        "idempotency_key": key,
        "api_token": api_token,
    }
    try:
        if wait:
            issue_command(charge_point, message, wait=True, timeout=timeout, **options)
        else:
            issue_command(charge_point, message, **options)
    finally:
        command = issued.first()
        if row is not None and command is not None:
            ProfileInstallation.objects.filter(pk=row.pk).update(command=command)
    return issued.get()


def _note_asked(
    charge_point: ChargePoint,
    profile: ChargingProfile,
    connector: int,
    transaction: Transaction | None,
    message: v16.SetChargingProfileRequest,
) -> tuple[ProfileInstallation, bool]:
    """Show that it is asked for, and whether there was nothing of it before."""
    asked = {"asked_at": timezone.now(), "asked_digest": digest_of(payload_of(message), connector)}
    row, is_new = ProfileInstallation.objects.get_or_create(
        charge_point=charge_point,
        profile_id=profile.pk,
        defaults={
            "charging_profile": profile,
            "connector_number": connector,
            "purpose": profile.purpose,
            "stack_level": profile.stack_level,
            "transaction": transaction,
            "state": InstallationState.REQUESTED,
            "status_at": timezone.now(),
            **asked,
        },
    )
    if not is_new:
        ProfileInstallation.objects.filter(pk=row.pk).update(**asked)
    return row, is_new


def _active_transaction(charge_point: ChargePoint, connector: int) -> Transaction:
    active = Transaction.objects.filter(charge_point=charge_point, connector__number=connector, is_active=True)
    found = active.select_related("connector").order_by("-pk").first()
    if found is None:
        raise ProfileNotSendable(
            f"A TxProfile is for a transaction, and none is active on connector {connector} of {charge_point.identity}."
        )
    return found
