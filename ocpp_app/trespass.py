"""Requests of people and programs for what is not theirs: answered as if it were not there, and written down."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ocpp_app import audit, security_events
from ocpp_app.client_address import client_address
from ocpp_app.models import ChargePoint, SecurityEventKind
from ocpp_app.security_events import Seen


def note_if_foreign(request: HttpRequest, rows: QuerySet[Any]) -> None:
    """Somebody has asked for one of these rows and does not see it: an event, if there is such a row."""
    row = rows.order_by("pk").first()
    if row is not None:
        _note(request, SecurityEventKind.FOREIGN_ROW, f"{type(row).__name__} {_key_of(row)}")


def note_wrong_token(request: HttpRequest) -> None:
    """Somebody has shown a token that is none."""
    _note(request, SecurityEventKind.WRONG_TOKEN, request.path)


def note_wrong_transfer(request: HttpRequest, charge_point: ChargePoint | None, detail: str) -> None:
    """Somebody has used an address for a file that is none, or that is over; of a charge point, where it is known."""
    seen = Seen(SecurityEventKind.WRONG_TRANSFER, client_address(request), charge_point, detail=detail)
    security_events.write([seen], timezone.now())


def _note(request: HttpRequest, kind: str, detail: str) -> None:
    who, address = audit.name_of_visitor(request), client_address(request)
    security_events.write([Seen(kind, address, identity=who, detail=detail)], timezone.now())


def _key_of(row: Model) -> Any:
    return getattr(row, "identity", row.pk)
