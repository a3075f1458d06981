"""The Reservation profile of OCPP 1.6 (§3.3)."""

from typing import Annotated

from ocppj.messages import DateTime, Integer, Request, Response, at_least
from ocppj.v16.datatypes import IdToken
from ocppj.v16.enums import Action, CancelReservationStatus, ReservationStatus


class CancelReservationResponse(Response):
    """CancelReservation.conf (OCPP 1.6 §6.6), sent by the Charge Point."""

    action = Action.CancelReservation

    status: CancelReservationStatus
    """Success or failure of the cancelling of a reservation."""


class CancelReservationRequest(Request):
    """CancelReservation.req (OCPP 1.6 §6.5), sent by the Central System."""

    action = Action.CancelReservation
    response = CancelReservationResponse

    reservation_id: Integer
    """Id of the reservation to cancel."""


class ReserveNowResponse(Response):
    """ReserveNow.conf (OCPP 1.6 §6.38), sent by the Charge Point."""

    action = Action.ReserveNow

    status: ReservationStatus
    """Success or failure of the reservation."""


class ReserveNowRequest(Request):
    """ReserveNow.req (OCPP 1.6 §6.37), sent by the Central System."""

    action = Action.ReserveNow
    response = ReserveNowResponse

    connector_id: Annotated[Integer, at_least(0)]
    """The connector to be reserved; 0: the reservation is not for a specific connector."""
    expiry_date: DateTime
    """When the reservation ends."""
    id_tag: IdToken
    """The identifier for which the Charge Point has to reserve a connector."""
    reservation_id: Integer
    """Unique id for this reservation; one that the Charge Point has is replaced (§5.13)."""
    parent_id_tag: IdToken | None = None
    """The parent idTag."""
