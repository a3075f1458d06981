"""Which serial number stands in a charge point's certificate (security whitepaper A00.FR.405, A00.FR.511).

What a charge point says of itself counts once it has proved by its password who it is; somebody may also write it down
beforehand. A serial number opens the door to one charge point only, so another's is never taken.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from django.core.exceptions import ValidationError

from ocpp_app import audit, loads, round_trips
from ocpp_app.batch import Batch
from ocpp_app.errors import SerialNumberTaken
from ocpp_app.models import ChargePoint
from ocpp_app.round_trips import Query

USABLE = re.compile(r"(?=.*[0-9A-Za-z])[!-~](?:[ -~]{0,23}[!-~])?")
"""A CiString25Type (OCPP 1.6 §6.3) with something in it; what is longer is no serial number of anybody."""
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
    if not waiting:
        return
    serials = {pk: reported(row) for pk, row in waiting.items()}
    session_ids = [row.session_id for row in waiting.values() if row.session_id is not None]
    proven, others = round_trips.fetch([loads.proven(session_ids), _others(serials.values())])
    names = _Names(serials.values(), others)
    for pk, row in waiting.items():
        serial = serials[pk]
        if pk not in proven or names.are_anothers(serial, pk):
            continue
        batch.change(row, registered_serial_number=serial)
        names.add(loads.Named(pk, "", serial))
        batch.add(audit.entry("serial number registered", subject=row.identity, detail=serial, charge_point=row))


def check_free(serial: str, charge_point: ChargePoint | None = None) -> None:
    """Raise ``SerialNumberTaken`` where a certificate with this serial number would open the door to another charge
    point, or another's certificate would open it to this one (None: one that is yet to be made)."""
    names = _Names([serial], _others([serial]).fetch())
    if names.are_anothers(serial, None if charge_point is None else charge_point.pk):
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


class _Names:
    """The names that others have: who has one of the wanted serial numbers in his, and who is a part of it himself."""

    def __init__(self, wanted: Iterable[str], others: Iterable[loads.Named]) -> None:
        self._holders: dict[str, set[int]] = {serial: set() for serial in wanted}
        self._owners: dict[str, set[int]] = defaultdict(set)
        for other in others:
            self.add(other)

    def add(self, other: loads.Named) -> None:
        for name in (other.identity, other.serial):
            for part in self._holders.keys() & _parts(name):
                self._holders[part].add(other.pk)
        if other.serial:
            self._owners[other.serial].add(other.pk)

    def are_anothers(self, serial: str, pk: int | None) -> bool:
        """Whether a certificate with this wanted serial number would be another's than this charge point's, too, or
        the other's would be this one's."""
        owners = [self._owners[part] for part in self._owners.keys() & _parts(serial)]
        return bool(self._holders[serial].union(*owners) - {pk})


def _others(serials: Iterable[str]) -> Query[list[loads.Named]]:
    """The charge points that one of these serial numbers may collide with, and perhaps more."""
    listed = list(serials)
    parts = {part for serial in listed for part in _parts(serial)}
    return loads.named(parts, [WORD.findall(serial) for serial in listed])


def _parts(name: str) -> set[str]:
    """Everything that stands in it as a word, or as several (``admission.is_named``): no letter, no digit beside it."""
    is_word = [WORD.match(sign) is not None for sign in name]
    starts = [at for at in range(len(name)) if at == 0 or not is_word[at - 1]]
    ends = [at for at in range(1, len(name) + 1) if at == len(name) or not is_word[at]]
    return {name[start:end] for start in starts for end in ends if start < end}
