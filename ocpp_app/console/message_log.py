"""The frames of a charge point as a timeline: each call beside its answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from ocpp_app.console.charge_point import tabbed
from ocpp_app.console.visitor import ConsoleRequest, find, signed_in
from ocpp_app.models import ChargePoint, Direction, Message
from ocppj.frames import MessageType
from ocppj.versions import PROTOCOLS

SHOWN = 50
LOOKED_AT = 5000
"""How many messages a filter looks through before it asks whether to go on: no index leads to an action."""
GIST = 160
ACTIONS = sorted({str(action) for protocol in PROTOCOLS.values() for action in protocol.actions})
DIRECTIONS = (
    ("", _("both")),
    (Direction.INBOUND, _("from the charge point")),
    (Direction.OUTBOUND, _("to the charge point")),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for."""

    action: str
    direction: str
    only_errors: bool
    before: datetime | None

    @classmethod
    def of(cls, request: Any) -> "Filter":
        given = request.GET
        direction = given.get("direction", "")
        return cls(
            given.get("action", "")[:255].replace("\0", ""),
            direction if direction in Direction.values else "",
            given.get("errors") == "1",
            _moment(given.get("before", "")),
        )

    @property
    def condition(self) -> Q:
        condition = Q()
        if self.action:
            condition &= Q(action=self.action)
        if self.direction:
            condition &= Q(direction=self.direction)
        if self.only_errors:
            condition &= Q(answer_type=MessageType.call_error) | Q(answer_type=None)
        return condition

    def since(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        """Of these, those before the time where the last page ended, the newest first."""
        return (rows if self.before is None else rows.filter(at__lt=self.before)).order_by("-at", "-pk")


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


@signed_in
def messages(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The newest first, so many at a time."""
    charge_point = find(request, ChargePoint.objects.select_related("session"), pk=pk)
    wanted = Filter.of(request)
    window = wanted.since(Message.objects.filter(charge_point=charge_point))
    if wanted.condition:
        looked_at = window.values("pk")[:LOOKED_AT]
        rows = list(Message.objects.filter(wanted.condition, pk__in=looked_at).order_by("-at", "-pk")[: SHOWN + 1])
        end = window.values_list("at", flat=True)[LOOKED_AT - 1 : LOOKED_AT].first() if len(rows) <= SHOWN else None
    else:
        rows, end = list(window[: SHOWN + 1]), None
    older = rows[SHOWN - 1].at if len(rows) > SHOWN else end
    context = {
        "entries": [Entry.of(row) for row in rows[:SHOWN]],
        "older": older.isoformat() if older else "",
        "looked_at": LOOKED_AT if end else 0,
        "wanted": wanted,
        "actions": ACTIONS,
        "directions": DIRECTIONS,
    }
    return tabbed(request, charge_point, "messages", "messages.html", context)


@signed_in
def download(request: ConsoleRequest, pk: int) -> StreamingHttpResponse:
    """What the filter shows, without an end, one JSON object a line."""
    charge_point = find(request, ChargePoint.objects.all(), pk=pk)
    wanted = Filter.of(request)
    rows = wanted.since(Message.objects.filter(wanted.condition, charge_point=charge_point))
    response = StreamingHttpResponse(_lines(rows, charge_point), content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="messages-{charge_point.pk}.jsonl"'
    return response


def _lines(rows: QuerySet[Message], charge_point: ChargePoint) -> Iterator[str]:
    for row in rows.iterator(chunk_size=500):
        found = {
            "at": row.at.isoformat(),
            "charge_point": charge_point.identity,
            "direction": row.direction,
            "action": row.action,
            "unique_id": row.unique_id,
            "frame": row.raw,
            "answer": row.answer or None,
            "answered_at": row.answered_at.isoformat() if row.answered_at else None,
        }
        yield json.dumps(found) + "\n"


# -- one exchange --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """A call with its answer as the timeline shows it."""

    row: Message
    payload: Any
    answer: Any
    gist: str
    error: str

    @classmethod
    def of(cls, row: Message) -> "Entry":
        payload, answer = _payload(row.raw, 3), _payload(row.answer, 2)
        error = ""
        if row.answer_type == MessageType.call_error:
            error = " ".join(str(part) for part in _parts(row.answer)[2:4]).strip()
            answer = _parts(row.answer)[2:]
        return cls(row, payload, answer, _gist(payload), error)

    @property
    def is_failed(self) -> bool:
        return self.row.answer_type == MessageType.call_error or self.is_unanswered

    @property
    def is_unanswered(self) -> bool:
        return self.row.answer_type is None and bool(self.row.action)

    @property
    def is_inbound(self) -> bool:
        return self.row.direction == Direction.INBOUND

    @property
    def latency_s(self) -> float | None:
        return None if self.row.answered_at is None else (self.row.answered_at - self.row.at).total_seconds()

    @property
    def status(self) -> str:
        """The word of the answer that says how it was taken."""
        answer = self.answer
        for name in ("idTagInfo",):
            if isinstance(answer, dict) and isinstance(answer.get(name), dict):
                answer = answer[name]
        return str(answer["status"]) if isinstance(answer, dict) and isinstance(answer.get("status"), str) else ""


def _parts(raw: str) -> list[Any]:
    try:
        parts = json.loads(raw)
    except (ValueError, RecursionError):
        return []
    return parts if isinstance(parts, list) else []


def _payload(raw: str, position: int) -> Any:
    """The payload of a frame; the text as it is where there is none."""
    parts = _parts(raw)
    return parts[position] if len(parts) > position else raw


def _gist(payload: Any) -> str:
    """The plain values of a payload on one line."""
    if not isinstance(payload, dict):
        return str(payload)[:GIST]
    words = [f"{name}: {value}" for name, value in payload.items() if isinstance(value, str | int | float)]
    words += [f"{name}: …" for name, value in payload.items() if isinstance(value, dict | list)]
    return ", ".join(words)[:GIST]
