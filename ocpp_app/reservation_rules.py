"""What keeps reservations true: answers, starts, statuses and time (OCPP 1.6 §5.1, §5.13)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from ocpp_app import signals
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit_text
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    OPEN_RESERVATION_STATES,
    ChargePoint,
    Command,
    CommandState,
    Connector,
    Reservation,
    ReservationState,
    Transaction,
    key_of,
)
from ocppj.v16 import CancelReservationStatus, ChargePointStatus, ReservationStatus

AT_ONCE = 200
ROUGH_CLOCK = timedelta(minutes=5)
"""Clocks differ: so near its expiry, a reservation that is released has expired, and a start still uses it."""
ENDING = {
    ChargePointStatus.Faulted: ReservationState.FAULTED,
    ChargePointStatus.Unavailable: ReservationState.UNAVAILABLE,
}
"""OCPP 1.6 §5.13: a charge point or connector that becomes one of these ends its reservations."""


# -- answers -------------------------------------------------------------------------------------------------


def note_reserve_answer(request: OCPPRequest) -> None:
    """Follow the answer to a ReserveNow.req: its status, or Rejected where it is a CALLERROR."""
    row = _of_command(request)
    if row is None or request.command is None:
        return
    if request.message is None:
        status, detail = ReservationState.REJECTED, _error_of(request.command)
    else:
        status, detail = _state_of(request.message.status), ""
    # Used, cancelled or expired in the meantime: that is newer than this answer.
    if row.status == ReservationState.REQUESTED:
        _set(request.batch, row, status, request.received_at, detail, command=request.command)


def note_cancel_answer(request: OCPPRequest) -> None:
    """Follow the answer to a CancelReservation.req; Rejected means that the charge point has no such reservation."""
    row = _of_command(request)
    if row is None or not row.is_open or request.message is None:
        return
    detail = (
        "" if request.message.status == CancelReservationStatus.Accepted else "The charge point had none (any more)."
    )
    _set(request.batch, row, ReservationState.CANCELLED, request.received_at, detail)


def _of_command(request: OCPPRequest) -> Reservation | None:
    """The reservation that the answered command is about, if it is one of ours."""
    assert request.command is not None
    reservation_id = request.command.payload.get("reservationId")
    return _named(request.batch, request.charge_point, reservation_id)


def _state_of(status: Any) -> ReservationState:
    try:
        return ReservationState(ReservationStatus(status).value)
    except ValueError:
        return ReservationState.REJECTED  # a word that the specification does not have is no yes


def _error_of(command: Command) -> str:
    return f"{command.error_code} {command.error_description}".strip()


# -- starts --------------------------------------------------------------------------------------------------


def use(request: OCPPRequest, transaction: Transaction) -> None:
    """Note that a transaction that has just begun ends a reservation: the one it names, else one that is for its tag or
    its tag's parent on this connector (OCPP 1.6 §5.13: the charge point must name it, some do not)."""
    named = request.message.reservation_id
    row = _fitting(request, transaction) if named is None else _named(request.batch, request.charge_point, named)
    if row is None or row.transaction_id not in (None, transaction.pk) or row.status == ReservationState.USED:
        return
    request.batch.change(transaction, reservation_id=row.pk)
    _set(request.batch, row, ReservationState.USED, request.received_at, "", transaction=transaction)


def _fitting(request: OCPPRequest, transaction: Transaction) -> Reservation | None:
    tag = request.batch.tag(transaction.organisation_id, transaction.id_tag)
    parent = "" if tag is None or tag.parent is None else key_of(tag.parent.id_tag)
    fitting = [
        row
        for row in request.batch.open_reservations(request.charge_point)
        if row.status == ReservationState.ACCEPTED
        and row.connector.number in (0, transaction.connector.number)
        and (key_of(row.id_tag) == key_of(transaction.id_tag) or key_of(row.parent_id_tag) == parent != "")
        and row.created_at - ROUGH_CLOCK <= transaction.started_at <= row.expires_at + ROUGH_CLOCK
    ]
    # That of the very connector before that of any, and the one that would expire first.
    return min(fitting, key=lambda row: (row.connector.number == 0, row.expires_at), default=None)


# -- statuses ------------------------------------------------------------------------------------------------


def note_status(request: OCPPRequest, before: str) -> None:
    """Follow a connector that has got a new status (it had ``before``): Faulted and Unavailable end its reservations,
    and so does Available after Reserved."""
    connector, status = request.connector(request.message.connector_id), request.message.status
    if status in ENDING:
        for row in _accepted_on(request, connector):
            _set(request.batch, row, ENDING[status], request.received_at, "The connector became " + status)
    elif status == ChargePointStatus.Available and before == ChargePointStatus.Reserved:
        for row in _accepted_on(request, connector):
            expired = row.expires_at <= request.received_at + ROUGH_CLOCK
            state = ReservationState.EXPIRED if expired else ReservationState.CANCELLED
            detail = "" if expired else "The charge point made the connector available."
            _set(request.batch, row, state, request.received_at, detail)


def _accepted_on(request: OCPPRequest, connector: Connector) -> Iterator[Reservation]:
    """The accepted reservations of this connector; of connector 0, which is the charge point, all."""
    for row in request.batch.open_reservations(request.charge_point):
        here = row.connector_id == connector.pk or connector.number == 0
        if here and row.status == ReservationState.ACCEPTED:
            yield row


# -- time ----------------------------------------------------------------------------------------------------


def overdue(now: datetime, *, after: int = 0, but: Iterable[Any] = ()) -> list[Reservation]:
    """The next open reservations after this key whose time is over, or whose ReserveNow.req never left or failed; none
    of these."""
    unsent = Q(status=ReservationState.REQUESTED, command__state__in=(CommandState.EXPIRED, CommandState.CANCELLED))
    found = open_reservations().filter(Q(expires_at__lte=now) | unsent, pk__gt=after).exclude(pk__in=list(but))
    return list(found.select_related("charge_point", "command").order_by("pk")[:AT_ONCE])


def open_reservations() -> QuerySet[Reservation]:
    """Those that hold a connector, or are asked for."""
    return Reservation.objects.filter(status__in=OPEN_RESERVATION_STATES)


def expire(batch: Batch, rows: Iterable[Reservation]) -> None:
    """End reservations that are overdue; the charge points of the batch are theirs."""
    batch.lock_charge_points({row.charge_point.identity for row in rows})
    still_open = open_reservations().filter(pk__in=[row.pk for row in rows])
    for row in still_open.select_related("charge_point", "connector"):
        is_over = row.expires_at <= batch.now
        state = ReservationState.EXPIRED if is_over else ReservationState.CANCELLED
        _set(batch, row, state, batch.now, "" if is_over else "It was never sent to the charge point.")


# -- inside --------------------------------------------------------------------------------------------------


def _named(batch: Batch, charge_point: ChargePoint, reservation_id: Any) -> Reservation | None:
    """This charge point's reservation with this id; never another's."""
    if not isinstance(reservation_id, int) or not 0 < reservation_id < 2**31:
        return None
    return batch.reservation(charge_point, reservation_id)


def _set(batch: Batch, row: Reservation, status: ReservationState, at: datetime, detail: str, **values: Any) -> None:
    batch.change(row, status=status, status_at=at, detail=fit_text(detail, 255), **values)
    batch.send(signals.reservation_changed, Reservation, charge_point=row.charge_point, reservation=row)
