"""Reservations (OCPP 1.6 §5.1, §5.13): asked for here; ``reservation_rules`` keeps them true.

reservation = reserve("CP001", 1, "TAG1", in_an_hour, wait=True)
if reservation.status != ReservationState.ACCEPTED: …
cancel_reservation(reservation, wait=True)
"""

from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from ocpp_app.commands import issue_command
from ocpp_app.errors import ChargePointOffline, UnknownChargePoint, WaitNotPossible
from ocpp_app.models import ChargePoint, Command, Connector, IdTag, Reservation, key_of
from ocppj.messages import Request
from ocppj.v16 import CancelReservationRequest, ReserveNowRequest


def reserve(
    charge_point: str | ChargePoint,
    connector: int,
    id_tag: str,
    expires_at: datetime,
    *,
    wait: bool = False,
    timeout: float = 30,
    queue: bool = False,
    requested_by: Any = None,
    source: str = "",
) -> Reservation:
    """Ask the charge point to hold a connector (0: any) for an idTag, and for tags with the same parent, until
    ``expires_at``.

    Returns the row: ``Requested``, and with ``wait`` what the charge point made of it. ``queue``: a charge point that
    is not connected gets it as soon as it is, at the latest at ``expires_at``. Raises ``ValueError`` for a time that
    has passed, ``PayloadError`` naming the field that OCPP does not allow, and what ``issue_command`` raises; what
    could not even be asked for leaves nothing behind.
    """
    now = timezone.now()
    if expires_at <= now:
        raise ValueError(f"A reservation that expires at {expires_at} has expired already: choose a later time.")
    target = _charge_point(charge_point)
    tag = IdTag.objects.filter(organisation=target.organisation_id, key=key_of(id_tag)).select_related("parent").first()
    parent_id_tag = None if tag is None or tag.parent is None else tag.parent.id_tag
    message = ReserveNowRequest(
        connector_id=connector,
        expiry_date=expires_at,
        id_tag=id_tag,
        reservation_id=0,  # ours, once there is a row
        parent_id_tag=parent_id_tag,
    )
    row = Reservation.objects.create(
        organisation_id=target.organisation_id,  # type: ignore[misc]  # never None: it has a default
        charge_point=target,
        connector=Connector.objects.get_or_create(charge_point=target, number=connector)[0],
        id_tag=id_tag,
        tag=tag,
        parent_id_tag=parent_id_tag or "",
        expires_at=expires_at,
        status_at=now,
        created_at=now,
        requested_by=requested_by,
    )
    message = msgspec.structs.replace(message, reservation_id=row.pk)
    try:
        _issue(target, message, wait, timeout, expires_at if queue else None, requested_by, source)
    except (UnknownChargePoint, ChargePointOffline, WaitNotPossible):
        row.delete()
        raise
    finally:
        _link_command(row)
    row.refresh_from_db()
    return row


def cancel_reservation(
    reservation: Reservation,
    *,
    wait: bool = False,
    timeout: float = 30,
    queue: bool = False,
    requested_by: Any = None,
    source: str = "",
) -> Reservation:
    """Ask the charge point to give a reservation up; returns the row, with ``wait`` as the answer left it.

    One that has ended already is returned as it is. Raises what ``issue_command`` raises.
    """
    reservation.refresh_from_db()
    if not reservation.is_open:
        return reservation
    message = CancelReservationRequest(reservation_id=reservation.pk)
    until = reservation.expires_at if queue else None
    _issue(reservation.charge_point, message, wait, timeout, until, requested_by, source)
    reservation.refresh_from_db()
    return reservation


def _issue(
    charge_point: ChargePoint,
    message: Request,
    wait: bool,
    timeout: float,
    expires_at: datetime | None,
    requested_by: Any,
    source: str,
) -> None:
    options: dict[str, Any] = {
        "expires_at": expires_at,
        "requested_by": requested_by,
        "source": source or "reservation",
    }
    if wait:
        issue_command(charge_point, message, wait=True, timeout=timeout, **options)
    else:
        issue_command(charge_point, message, **options)


def _link_command(row: Reservation) -> None:
    """Let the reservation know its ReserveNow.req: should it never leave, nobody holds a connector."""
    sent = Command.objects.filter(charge_point=row.charge_point, action=ReserveNowRequest.action)
    command = sent.filter(payload__reservationId=row.pk).order_by("-created_at").first()
    if command is not None:
        Reservation.objects.filter(pk=row.pk).update(command=command)


def _charge_point(charge_point: str | ChargePoint) -> ChargePoint:
    if isinstance(charge_point, ChargePoint):
        return charge_point
    found = ChargePoint.objects.filter(identity=charge_point).first()
    if found is None:
        raise UnknownChargePoint(f"No charge point has the identity {charge_point!r}.")
    return found
