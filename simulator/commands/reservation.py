"""The Reservation profile's commands (OCPP 1.6 §5.1, §5.13)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocppj.v16 import (
    Action,
    CancelReservationRequest,
    CancelReservationResponse,
    CancelReservationStatus,
    ChargePointStatus,
    ReservationStatus,
    ReserveNowRequest,
    ReserveNowResponse,
)
from simulator.commands.reply import Handler, Reply
from simulator.reservations import Reservation

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def cancel_reservation(charge_point: "ChargePoint", request: CancelReservationRequest, now: float) -> Reply:
    """Give a reservation up (§5.1)."""
    reservation = charge_point.charging.reservations.get(request.reservation_id)
    if reservation is None:
        return Reply(CancelReservationResponse(status=CancelReservationStatus.Rejected))

    def cancel() -> None:
        charge_point.charging.reservations.end(reservation)
        charge_point.charging.settle(now)

    return Reply(CancelReservationResponse(status=CancelReservationStatus.Accepted), cancel)


def reserve_now(charge_point: "ChargePoint", request: ReserveNowRequest, now: float) -> Reply:
    """Keep a connector, or any one of them (connector 0), for a tag (§5.13)."""
    status = _outcome(charge_point, request, now)
    if status != ReservationStatus.Accepted:
        return Reply(ReserveNowResponse(status=status))
    reservation = Reservation(
        request.reservation_id, request.connector_id, request.id_tag, request.parent_id_tag, request.expiry_date
    )

    def reserve() -> None:
        charge_point.charging.reservations.add(reservation)
        charge_point.charging.settle(now)

    return Reply(ReserveNowResponse(status=status), reserve)


def _outcome(charge_point: "ChargePoint", request: ReserveNowRequest, now: float) -> ReservationStatus:
    charging = charge_point.charging
    if request.expiry_date <= charge_point.clock.utc(now) or request.connector_id > len(charge_point.connectors):
        return ReservationStatus.Rejected
    replaced = charging.reservations.get(request.reservation_id)
    others = [one for one in charging.reservations if one is not replaced]
    candidates = charge_point.connectors
    if request.connector_id:
        candidates = (charge_point.connectors[request.connector_id - 1],)
    taken = {one.connector_id for one in others}
    free = [
        connector
        for connector in candidates
        if connector.status in (ChargePointStatus.Available, ChargePointStatus.Reserved)
        and connector.connector_id not in taken
        and not connector.is_plugged
    ]
    kept_free = sum(one.connector_id == 0 for one in others)
    all_free = sum(
        connector.is_free and connector.connector_id not in taken and not connector.is_plugged
        for connector in charge_point.connectors
    )
    if free and all_free > kept_free:
        return ReservationStatus.Accepted
    statuses = {connector.status for connector in candidates}
    if statuses == {ChargePointStatus.Faulted}:
        return ReservationStatus.Faulted
    if statuses <= {ChargePointStatus.Unavailable, ChargePointStatus.Faulted}:
        return ReservationStatus.Unavailable
    return ReservationStatus.Occupied


HANDLERS: Mapping[str, Handler] = {
    Action.CancelReservation: cancel_reservation,
    Action.ReserveNow: reserve_now,
}
