"""What people want of a charge point's configuration, and of its connectors.

want("CP001", {"MeterValueSampleInterval": "60"})
set_availability("CP001", 1, operative=False)

Nothing is sent here: the charge point is looked at within a second or two (``first_contact``), or when it connects.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from ocpp_app import audit, command_access, configuration_rules, inquiries, secrecy
from ocpp_app.batch import Batch
from ocpp_app.commands import load
from ocpp_app.models import (
    Availability,
    AvailabilityState,
    ChargePoint,
    ConfigurationKey,
    Connector,
    ConnectorAvailability,
    Inquiry,
    WantedState,
    name_of,
)

MOST_CHARACTERS = {"key": 50, "value": 500}
"""CiString50Type and CiString500Type (OCPP 1.6 §6.9)."""


def check_wish(key: str, value: str) -> None:
    """Raise ``ValidationError``, saying what to do, where this cannot be wanted of a charge point."""
    if not key.strip():
        raise ValidationError("Name the configuration key, such as MeterValueSampleInterval.")
    for name, text in (("key", key.strip()), ("value", value)):
        most = MOST_CHARACTERS[name]
        if len(text) > most:
            raise ValidationError(f"{key[:50]}: the {name} has {len(text)} characters; OCPP allows {most}.")
        if "\x00" in text:
            raise ValidationError(f"{key[:50]}: the {name} has a NUL character.")
    if secrecy.is_secret(key):
        raise ValidationError(
            f"{key.strip()} holds a secret, which is not kept here. For AuthorizationKey give the charge point a new "
            "key; send others once, as a ChangeConfiguration command."
        )
    if command_access.is_credential(key):
        raise ValidationError(
            f"{key.strip()} is raised step by step, each when the charge point has come back with the last: use the "
            "upgrade to a security profile."
        )


def want(charge_point: str | ChargePoint, values: Mapping[str, str | None], *, requested_by: Any = None) -> None:
    """Want these values of this charge point itself, whatever templates say; None: as the templates say again.

    Raises ``UnknownChargePoint``, and ``ValidationError`` for a key or a value that cannot be.
    """
    for key, value in values.items():
        check_wish(key, "" if value is None else value)
    with transaction.atomic():
        batch = _batch(load(charge_point).identity)
        (locked,) = batch.charge_points.values()
        rows = configuration_rules.load([locked.pk])
        for key, value in values.items():
            row = rows[locked.pk].get(name_of(key))
            if value is not None:
                row = row or _new_row(batch, locked, key, rows)
                configuration_rules.want(batch, row, value, is_own=True)
            elif row is not None and row.is_own:
                configuration_rules.want(batch, row, None)
        configuration_rules.settle(batch, [locked], rows)
        batch.flush()
        inquiries.look_at([locked], batch.now)
        detail = ", ".join(f"{key}={'as templates say' if value is None else value}" for key, value in values.items())
        audit.record(
            "configuration wanted", actor=requested_by, subject=locked.identity, detail=detail, charge_point=locked
        )


def _new_row(batch: Batch, charge_point: ChargePoint, key: str, rows: configuration_rules.Rows) -> ConfigurationKey:
    row = ConfigurationKey(charge_point=charge_point, key=key.strip(), name=name_of(key))
    rows[charge_point.pk][row.name] = row
    batch.add(row)
    return row


def reapply(charge_points: Iterable[ChargePoint], *, requested_by: Any = None, names: Iterable[str] = ()) -> int:
    """Send again what is wanted and not there, also what was rejected; returns how many values. ``names``: only of
    these keys."""
    found = list(charge_points)
    rows = ConfigurationKey.objects.filter(charge_point__in=found, wanted__isnull=False)
    rows = rows.exclude(state__in=(WantedState.IN_FORCE, WantedState.REBOOT_REQUIRED))
    if wanted_names := [name_of(name) for name in names]:
        rows = rows.filter(name__in=wanted_names)
    again = {"state": WantedState.TO_SEND, "state_since": timezone.now(), "attempts": 0, "detail": ""}
    with transaction.atomic():
        count = rows.update(**again)
        inquiries.look_at(found, timezone.now())
        for charge_point in found:
            audit.record(
                "configuration applied again",
                actor=requested_by,
                subject=charge_point.identity,
                charge_point=charge_point,
            )
    return count


def read_again(charge_points: Iterable[ChargePoint]) -> None:
    """Ask these charge points for all of their configuration: now, or when they connect."""
    found = list(charge_points)
    with transaction.atomic():
        inquiries.look_at(found, timezone.now())
        Inquiry.objects.filter(charge_point__in=found).update(configuration_read_at=None, unanswered=0)


def set_availability(
    charge_point: str | ChargePoint, connector_number: int, *, operative: bool, requested_by: Any = None
) -> ConnectorAvailability:
    """Want a connector (0: the charge point with all of them) in use, or out of use, from now on.

    Asked for now, or when the charge point connects; the row says how far it has come. Raises ``UnknownChargePoint``.
    """
    found, now = load(charge_point), timezone.now()
    wanted = Availability.OPERATIVE if operative else Availability.INOPERATIVE
    with transaction.atomic():
        batch = _batch(found.identity)
        (locked,) = batch.charge_points.values()
        connector, _is_new = Connector.objects.get_or_create(charge_point=locked, number=connector_number)
        fields = {
            "wanted": wanted,
            "state": AvailabilityState.TO_SEND,
            "state_since": now,
            "detail": "",
            "command_id": None,
            "attempts": 0,
            "requested_by": requested_by,
            "created_at": now,
        }
        row, _is_new = ConnectorAvailability.objects.update_or_create(connector=connector, defaults=fields)
        inquiries.look_at([locked], now)
        detail = f"connector {connector_number}: {wanted.value}"
        audit.record(
            "availability wanted", actor=requested_by, subject=locked.identity, detail=detail, charge_point=locked
        )
    return row


def _batch(identity: str) -> Batch:
    batch = Batch(timezone.now())
    batch.lock_charge_points([identity])
    return batch
