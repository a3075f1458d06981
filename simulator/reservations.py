"""The reservations of a charge point (OCPP 1.6 §3.11, §5.13): which connectors are kept, for whom, until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from simulator.connector import Connector


@dataclass(frozen=True, slots=True)
class Reservation:
    """A connector (or any, where ``connector_id`` is 0) kept for an idTag until ``expiry_date``."""

    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expiry_date: datetime

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether this driver may use it; tags are case-insensitive (OCPP 1.6 §7.28)."""
        if id_tag.casefold() == self.id_tag.casefold():
            return True
        return parent_id_tag is not None and (self.parent_id_tag or "").casefold() == parent_id_tag.casefold()


class Reservations:
    """The reservations in force; after a change the connectors' statuses are to be settled."""

    def __init__(self, connectors: tuple[Connector, ...]) -> None:
        self._connectors = connectors
        self._by_id: dict[int, Reservation] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return iter(list(self._by_id.values()))

    def get(self, reservation_id: int) -> Reservation | None:
        """The reservation with that id, or None."""
        return self._by_id.get(reservation_id)

    def add(self, reservation: Reservation) -> None:
        """Keep a connector free for somebody; a reservation with the same id is replaced."""
        replaced = self.get(reservation.reservation_id)
        if replaced is not None:
            self.end(replaced)
        self._by_id[reservation.reservation_id] = reservation
        self._mark(reservation.connector_id)

    def end(self, reservation: Reservation) -> None:
        """It was used, cancelled, has expired, or its connector is out of use."""
        self._by_id.pop(reservation.reservation_id, None)
        self._mark(reservation.connector_id)

    def expire(self, utc: datetime) -> None:
        """End what has run out."""
        for reservation in self:
            if reservation.expiry_date <= utc:
                self.end(reservation)

    def end_for(self, connector: Connector) -> None:
        """The connector has become Faulted or Unavailable."""
        for reservation in self:
            if reservation.connector_id == connector.connector_id:
                self.end(reservation)

    def next_expiry(self) -> datetime | None:
        """When ``expire`` has something to do."""
        return min((reservation.expiry_date for reservation in self), default=None)

    def may_use(self, connector: Connector, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether no reservation for somebody else is in the way; one for connector 0 keeps one connector free."""
        others = [reservation for reservation in self if not reservation.is_for(id_tag, parent_id_tag)]
        if any(reservation.connector_id == connector.connector_id for reservation in others):
            return False
        kept_free = sum(reservation.connector_id == 0 for reservation in others)
        free = sum(other.is_free and not other.is_reserved for other in self._connectors if other is not connector)
        return kept_free <= free

    def used_by(self, connector: Connector, id_tag: str, parent_id_tag: str | None) -> Reservation | None:
        """The reservation that a driver uses up by starting here; one for this very connector goes first."""
        usable = [
            reservation
            for reservation in self
            if reservation.connector_id in (0, connector.connector_id) and reservation.is_for(id_tag, parent_id_tag)
        ]
        return max(usable, key=lambda reservation: reservation.connector_id, default=None)

    def _mark(self, connector_id: int) -> None:
        for connector in self._connectors:
            if connector.connector_id == connector_id:
                connector.is_reserved = any(one.connector_id == connector_id for one in self)
