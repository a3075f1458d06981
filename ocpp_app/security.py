"""What people ask for: new authorization keys, higher security profiles, approval of charge points without a key.

Each begins with a command to the charge point, which must be connected; ``ocpp_app.upgrades`` goes on from there.
"""

from typing import Any

from django.db import transaction

from ocpp_app import admission, audit, serial_numbers, signals, upgrades
from ocpp_app.commands import issue_command, load
from ocpp_app.credentials import hash_key, new_key
from ocpp_app.errors import UpgradeNotNeeded
from ocpp_app.events import outbox
from ocpp_app.models import ChargePoint, RegistrationStatus, SecurityProfile, SecurityUpgrade
from ocppj.v16 import ChangeConfigurationRequest


def rotate_authorization_key(charge_point: str | ChargePoint, *, requested_by: Any = None) -> SecurityUpgrade:
    """Give a charge point a new random key (security whitepaper A01); returns the row that follows it.

    From the sending on the old and the new key are valid. Accepted ends the old one, Rejected and NotSupported the new
    one; without an answer both stay until one of them is used. Nobody ever sees the key.

    Raises ``UnknownChargePoint``, ``ChargePointOffline`` and ``UpgradeUnderWay``.
    """
    found = load(charge_point)
    with transaction.atomic():
        row, message = upgrades.begin_key(found, target=None, requested_by=requested_by)
        return _send(found, row, message, "new key sent", requested_by)


def upgrade_security_profile(
    charge_point: str | ChargePoint, target: int, *, approves: bool = False, requested_by: Any = None
) -> SecurityUpgrade:
    """Lead a charge point step by step to a higher security profile (1-3); returns the row that follows it.

    It is given a key if it has none, then ``SecurityProfile`` is raised by one at a time; each step counts when it has
    come back with it, and is required from then on. If it refuses, or does not come back within 15 minutes, it stays
    where it was. ``approves``: it is accepted at the end.

    Raises as ``rotate_authorization_key``, ``UpgradeNotNeeded`` where it has that profile already, and for profile 3
    ``SerialNumberTaken`` where the serial number that it reports is another's.
    """
    found = load(charge_point)
    with transaction.atomic():
        now_at = upgrades.current_profile(found)
        if found.authorization_key and now_at >= target:
            raise UpgradeNotNeeded(f"{found.identity} connects with security profile {now_at} already.")
        if target >= SecurityProfile.MUTUAL_TLS and not found.registered_serial_number:
            # What it says of itself from now on must not change whose certificate it is.
            found.registered_serial_number = serial_numbers.reported(found)
            if found.registered_serial_number:
                serial_numbers.check_free(found.registered_serial_number, found)
            found.save(update_fields=["registered_serial_number"])
        if found.authorization_key:
            row, message = upgrades.begin_profile(found, target=target, step=now_at + 1, requested_by=requested_by)
        else:
            row, message = upgrades.begin_key(found, target=target, approves=approves, requested_by=requested_by)
        return _send(found, row, message, f"upgrade to security profile {target}", requested_by)


def approve(
    charge_point: ChargePoint, *, without_password: bool = False, requested_by: Any = None
) -> SecurityUpgrade | None:
    """Accept a charge point; one that needs a password and has none is given a key first and accepted when it has
    come back with it: then the upgrade's row is returned.

    ``without_password``: it is set to security profile 0, for charge points that know no AuthorizationKey.
    Only one that waits for approval, and of which nobody has said otherwise, gets that: never one that has been trusted
    with a certificate. Raises as ``upgrade_security_profile``; then nothing has changed.
    """
    is_new = charge_point.registration_status == RegistrationStatus.PENDING and charge_point.security_profile is None
    if without_password and is_new and not charge_point.authorization_key:
        ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=SecurityProfile.NONE)
        charge_point.security_profile = SecurityProfile.NONE
        _record("security profile 0", charge_point, requested_by)
    if needs_key(charge_point):
        return upgrade_security_profile(charge_point, SecurityProfile.BASIC, approves=True, requested_by=requested_by)
    set_registration(charge_point, RegistrationStatus.ACCEPTED, requested_by=requested_by)
    return None


def set_registration(charge_point: ChargePoint, status: RegistrationStatus, *, requested_by: Any = None) -> bool:
    """Accept or reject a charge point as it is; it hears so with its next BootNotification. False: it was so before."""
    others = ChargePoint.objects.filter(pk=charge_point.pk).exclude(registration_status=status)
    with transaction.atomic():
        if not others.update(registration_status=status):
            return False
        charge_point.registration_status = status
        note_registration(charge_point, requested_by=requested_by)
    return True


def note_registration(charge_point: ChargePoint, *, requested_by: Any = None) -> None:
    """Write down, and tell, that somebody has just given a charge point its registration status."""
    status = charge_point.registration_status
    _record(f"registration {status}", charge_point, requested_by)
    if status != RegistrationStatus.PENDING:
        outbox.tell(signals.registration_changed, ChargePoint, charge_point=charge_point)


def make_key(charge_point: ChargePoint, *, requested_by: Any = None) -> str:
    """A new random key, valid at once, to be typed into the charge point by hand; shown this once and kept hashed."""
    key = new_key()
    set_key(charge_point, key, requested_by=requested_by)
    return key


def set_key(charge_point: ChargePoint, key: str, *, requested_by: Any = None) -> None:
    """Make this the charge point's only key, at once; empty: it has none. What was being handed to it ends."""
    with transaction.atomic():
        locked = ChargePoint.objects.select_for_update(no_key=True).get(pk=charge_point.pk)
        upgrades.call_off(locked)
        charge_point.authorization_key = hash_key(key) if key else ""
        charge_point.next_authorization_key = ""
        changed = {"authorization_key": charge_point.authorization_key, "next_authorization_key": ""}
        ChargePoint.objects.filter(pk=locked.pk).update(**changed)
        what = "authorization key set" if key else "authorization key removed"
        _record(what, charge_point, requested_by)


def _record(what: str, charge_point: ChargePoint, requested_by: Any) -> None:
    audit.record(what, actor=requested_by, subject=charge_point.identity, charge_point=charge_point)


def needs_key(charge_point: ChargePoint) -> bool:
    """Whether it cannot connect, or not be accepted, because it has no key."""
    return not charge_point.authorization_key and admission.required_profile(charge_point) in (
        SecurityProfile.BASIC,
        SecurityProfile.TLS,
    )


def _send(
    charge_point: ChargePoint,
    row: SecurityUpgrade,
    message: ChangeConfigurationRequest,
    what: str,
    requested_by: Any,
) -> SecurityUpgrade:
    command = issue_command(charge_point, message, requested_by=requested_by, source=upgrades.source_of(row))
    row.command_id, row.requested_by = command.pk, requested_by
    row.save(update_fields=["command_id", "requested_by"])
    _record(what, charge_point, requested_by)
    return row
