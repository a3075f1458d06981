"""Which serial number stands in a charge point's certificate (security whitepaper A00.FR.405, A00.FR.511).

What a charge point says of itself counts once it has proved by its password who it is; somebody may also write it down
beforehand. A serial number opens the door to one charge point only, so another's is never taken.
"""

import re
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db.models import Q

from ocpp_app import admission, audit
from ocpp_app.batch import Batch
from ocpp_app.errors import SerialNumberTaken
from ocpp_app.models import ChargePoint, RegistrationStatus, SecurityProfile, Session

USABLE = re.compile(r"(?=.*[0-9A-Za-z])[!-~](?:[ -~]{0,23}[!-~])?")
"""A CiString25Type (OCPP 1.6 §6.3) with something in it; what is longer is no serial number of anybody."""
PENDING = RegistrationStatus.PENDING
WORD = re.compile(r"[0-9A-Za-z]+")


def reported(charge_point: ChargePoint) -> str:
    """The serial number that it says it has, if it can stand in a certificate."""
    for serial in (charge_point.serial_number, charge_point.charge_box_serial_number):
        if USABLE.fullmatch(serial):
            return serial
    return ""


def register_reported(batch: Batch, charge_points: list[ChargePoint]) -> None:
    """Write down what these accepted charge points have said in their BootNotification, where nothing is written down
    and their connection has a password (for ``Batch.at_end``)."""
    waiting = {row.pk: row for row in charge_points if not row.registered_serial_number and reported(row)}
    sessions = Session.objects.filter(
        pk__in=[row.session_id for row in waiting.values()], security_profile__gte=SecurityProfile.BASIC
    )
    proven = [waiting[pk] for pk in sessions.values_list("charge_point", flat=True) if pk in waiting]
    others = list(_others(proven)) if proven else []
    for row in proven:
        serial = reported(row)
        if any(_collides(serial, other) for other in others if other.pk != row.pk):
            continue
        batch.change(row, registered_serial_number=serial)
        others.append(row)
        batch.add(audit.entry("serial number registered", subject=row.identity, detail=serial, charge_point=row))


def check_free(serial: str, charge_point: ChargePoint | None = None) -> None:
    """Raise ``SerialNumberTaken`` where a certificate with this serial number would open the door to another charge
    point, or another's certificate would open it to this one (None: one that is yet to be made)."""
    wanted = ChargePoint(pk=None if charge_point is None else charge_point.pk, registered_serial_number=serial)
    if any(_collides(serial, other) for other in _others([wanted]) if other.pk != wanted.pk):
        raise SerialNumberTaken(
            f"The serial number {serial} is another charge point's, or a part of its name: a certificate with it would "
            "let in both. Write down what stands in this charge point's certificate; its identity will do."
        )


def cleaned(serial: str, charge_point: ChargePoint | None) -> str:
    """What somebody writes down, for a form; ``ValidationError`` as ``check_free``."""
    if serial and (charge_point is None or serial != charge_point.registered_serial_number):
        try:
            check_free(serial, charge_point)
        except SerialNumberTaken as error:
            raise ValidationError(str(error)) from error
    return serial


def _others(charge_points: Iterable[ChargePoint]) -> Iterable[ChargePoint]:
    """The charge points that one of these serial numbers may collide with, and perhaps more."""
    alike = Q()
    for row in charge_points:
        serial = row.registered_serial_number or reported(row)
        parts = _parts(serial)
        # Whoever waits for approval has chosen his identity himself.
        named = Q(identity__contains=serial) & ~Q(registration_status=PENDING)
        alike |= named | Q(registered_serial_number__in=parts) | Q(registered_serial_number__contains=serial)
    return ChargePoint.objects.filter(alike).only("identity", "registered_serial_number").iterator()


def _parts(serial: str) -> set[str]:
    """Everything that stands in it as a word, or as several words: what may be the serial number of another."""
    starts = [0, *(found.start() for found in WORD.finditer(serial))]
    ends = [*(found.end() for found in WORD.finditer(serial)), len(serial)]
    return {serial[start:end] for start in starts for end in ends if start < end}


def _collides(serial: str, other: ChargePoint) -> bool:
    """Whether one certificate would be both this charge point's and the other's."""
    if admission.is_named(other, serial):
        return True
    mine = ChargePoint(registered_serial_number=serial)
    return any(name and admission.is_named(mine, name) for name in (other.identity, other.registered_serial_number))
