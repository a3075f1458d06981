"""The rules of the availability of connectors: what answers and status notifications say of what is wanted.

``ocpp_app.availability`` is for people.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ocpp_app import inquiries
from ocpp_app.batch import Batch
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import (
    ALIVE_STATES,
    Availability,
    AvailabilityState,
    ChargePoint,
    CommandState,
    Connector,
    ConnectorAvailability,
)
from ocppj.messages import Request
from ocppj.v16 import AvailabilityStatus, AvailabilityType, ChangeAvailabilityRequest, ChargePointStatus

SOURCE = "availability"
ATTEMPTS = 3
STATES = {
    AvailabilityStatus.Accepted: AvailabilityState.ACCEPTED,
    AvailabilityStatus.Scheduled: AvailabilityState.SCHEDULED,
    AvailabilityStatus.Rejected: AvailabilityState.REJECTED,
}
TAKEN = (AvailabilityState.ACCEPTED, AvailabilityState.SCHEDULED)
NO_ANSWER = "It did not answer."


def enter(batch: Batch, row: ConnectorAvailability, state: AvailabilityState, detail: str = "", **values: Any) -> None:
    """Give a wanted availability this state; since when stays, where it had it already."""
    if row.state != state:
        values["state_since"] = batch.now
    batch.change(row, state=state, detail=detail[:255], **values)


def is_in_force(row: ConnectorAvailability, status: str) -> bool:
    """Whether a connector with this status has the wanted availability."""
    is_unavailable = status == ChargePointStatus.Unavailable
    return is_unavailable if row.wanted == Availability.INOPERATIVE else bool(status) and not is_unavailable


def note(batch: Batch, items: list[OCPPRequest | Connector]) -> None:
    """Answers to ChangeAvailability, and connectors that have become (un)available, in their order (for
    ``Batch.at_end``)."""
    answers = [item for item in items if isinstance(item, OCPPRequest)]
    charge_points = {request.charge_point.pk: request.charge_point for request in answers}
    reported = {item.pk for item in items if isinstance(item, Connector)}
    rows = {row.connector_id: row for row in _concerned(charge_points, reported)}
    for item in items:
        if isinstance(item, OCPPRequest):
            _note_answer(batch, item, rows)
        elif item.pk in rows:
            rows[item.pk].connector = item  # fresher than the table
            _note_status(batch, rows[item.pk], item)


def _concerned(charge_point_ids: Iterable[int], connector_ids: set[int]) -> list[ConnectorAvailability]:
    found = ConnectorAvailability.objects.select_related("connector")
    by_charge_point = found.filter(connector__charge_point__in=list(charge_point_ids))
    return list(by_charge_point | found.filter(connector__in=connector_ids))


def _note_answer(batch: Batch, request: OCPPRequest, rows: dict[int, ConnectorAvailability]) -> None:
    command = request.command
    assert command is not None
    number, wanted = command.payload.get("connectorId"), str(command.payload.get("type", ""))
    if not isinstance(number, int) or wanted not in Availability.values:
        return
    status = str(getattr(request.message, "status", "")) or f"CALLERROR {command.error_code}"
    state = STATES.get(AvailabilityStatus(status)) if status in set(AvailabilityStatus) else None
    for connector in _meant(batch, request.charge_point, number):
        row = rows.get(connector.pk)
        if row is None or row.command_id != command.pk:
            if state not in TAKEN:
                continue  # somebody else's wish that came to nothing changes none of ours
            row = _row(batch, connector, wanted, command, rows)
        if row.wanted == wanted:
            detail = "" if state in TAKEN else f"It answered {status}."
            enter(batch, row, state or AvailabilityState.FAILED, detail, command_id=command.pk)
            if row.state == AvailabilityState.ACCEPTED and is_in_force(row, connector.status):
                enter(batch, row, AvailabilityState.IN_FORCE, attempts=0)


def _meant(batch: Batch, charge_point: ChargePoint, number: int) -> list[Connector]:
    """The connector; of connector 0, all that are known beside it (§5.2)."""
    if number:
        return [batch.connector(charge_point, number)]
    others = Connector.objects.filter(charge_point=charge_point).exclude(number=0).values_list("number", flat=True)
    return [batch.connector(charge_point, each) for each in (0, *others)]


def _row(
    batch: Batch, connector: Connector, wanted: str, command: Any, rows: dict[int, ConnectorAvailability]
) -> ConnectorAvailability:
    """The row of a connector whose availability somebody has changed by a command."""
    row = rows.get(connector.pk)
    if row is None:
        row = rows[connector.pk] = ConnectorAvailability(connector=connector, state_since=batch.now)
        batch.add(row)
    if row.wanted != wanted:
        batch.change(row, wanted=wanted, state="", created_at=batch.now, requested_by=command.requested_by, attempts=0)
    return row


def _note_status(batch: Batch, row: ConnectorAvailability, connector: Connector) -> None:
    """A connector has reported that it is unavailable, or that it is not any more."""
    if is_in_force(row, connector.status):
        if row.state not in (AvailabilityState.REJECTED, AvailabilityState.FAILED):
            enter(batch, row, AvailabilityState.IN_FORCE, attempts=0)
    elif row.state == AvailabilityState.IN_FORCE:
        enter(batch, row, AvailabilityState.DRIFTED, f"It reports {connector.status}.")
        inquiries.look_at([connector.charge_point], batch.now + inquiries.SOON)


# -- what is to be sent --------------------------------------------------------------------------------------


def plan(
    batch: Batch, rows: Iterable[ConnectorAvailability], outcomes: Mapping[uuid.UUID, str]
) -> list[tuple[Request, ConnectorAvailability]]:
    """ChangeAvailability for each connector that is not as it is wanted, of one charge point."""
    planned: list[tuple[Request, ConnectorAvailability]] = []
    for row in rows:
        if row.state == AvailabilityState.SENT:
            _note_outcome(batch, row, outcomes.get(row.command_id) if row.command_id else None)
        # A connector may report Unavailable for reasons of its own (an update); but one that is out of use must not
        # charge.
        drifted = row.state == AvailabilityState.DRIFTED and row.wanted == Availability.INOPERATIVE
        if row.state == AvailabilityState.TO_SEND or (drifted and row.attempts < ATTEMPTS):
            enter(batch, row, AvailabilityState.SENT, attempts=row.attempts + 1)
            wanted = AvailabilityType(row.wanted)
            planned.append((ChangeAvailabilityRequest(connector_id=row.connector.number, type=wanted), row))
    return planned


def _note_outcome(batch: Batch, row: ConnectorAvailability, outcome: str | None) -> None:
    if outcome in ALIVE_STATES:
        return
    if outcome in (CommandState.ANSWERED, CommandState.ERROR):
        enter(batch, row, AvailabilityState.FAILED, "Its answer could not be handled.")
    elif row.attempts >= ATTEMPTS:
        enter(batch, row, AvailabilityState.FAILED, NO_ANSWER)
    else:
        enter(batch, row, AvailabilityState.TO_SEND)


def has_become_available_or_not(before: str, after: str) -> bool:
    """Whether a status notification is of interest here."""
    return before != after and (not before or ChargePointStatus.Unavailable in (before, after))
