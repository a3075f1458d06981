"""What charge points do against the specification and get away with: counted notes on the charge point.

What is wrong inside a payload is noted by ``ocppj.tolerance`` (``NoteCode``); here are the habits of whole frames,
and how notes are kept: one row for each (charge point, habit, action, field), with a count.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from django.db import connection
from django.db.models import Count

from ocpp_app.bulk import fit_text
from ocpp_app.models import ChargePoint, QuirkNote
from ocppj.frames import MAX_UNIQUE_ID_LENGTH, Call
from ocppj.tolerance import Note

MAX_NOTES = 200
"""Notes that one charge point may have; beyond, fields are no longer told apart. Nobody fills a table with invented
field names."""


class FrameHabit(StrEnum):
    """Habits that are no matter of a payload, one code each."""

    NumericUniqueId = "NumericUniqueId"
    """``[2, 17, …]``: the unique id is a number (OCPP-J 1.6 §4.1.4: a string); it is answered with the same number."""
    OverlongUniqueId = "OverlongUniqueId"
    """A unique id of more than 36 characters (OCPP-J 1.6 §4.1.4)."""
    MalformedFrame = "MalformedFrame"
    """A frame that is none of CALL, CALLRESULT and CALLERROR; ignored where it carries no unique id to answer to."""
    UnexpectedAnswer = "UnexpectedAnswer"
    """A CALLRESULT or CALLERROR to no CALL of ours; kept in the frame log, without effect."""
    NoSubprotocol = "NoSubprotocol"
    """No ``Sec-WebSocket-Protocol`` header in the handshake (OCPP-J 1.6 §3.1.2); taken as OCPP 1.6."""


def of_call(frame: Call) -> tuple[Note, ...]:
    """What is against the specification in a CALL around its payload."""
    if not isinstance(frame.unique_id, str):
        return (Note(FrameHabit.NumericUniqueId, "", str(frame.unique_id)[:40]),)
    if len(frame.unique_id) > MAX_UNIQUE_ID_LENGTH:
        return (Note(FrameHabit.OverlongUniqueId, "", f"{len(frame.unique_id)} characters"),)
    return ()


class Notes:
    """The notes of one batch; ``write`` adds them to the rows."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str, str, str]] = Counter()
        self._details: dict[tuple[int, str, str, str], str] = {}

    def add(self, charge_point: ChargePoint, action: str, notes: Iterable[Note]) -> None:
        """Count notes about one message of a charge point."""
        for note in notes:
            key = (charge_point.pk, str(note.code), action, note.field)
            self._counts[key] += 1
            self._details[key] = note.detail

    def write(self, at: datetime) -> None:
        """Add the counts to the rows, made where they are new, in one statement."""
        if not self._counts:
            return
        full = _full({key[0] for key in self._counts})
        counts: Counter[tuple[int, str, str, str]] = Counter()
        details = {}
        for (charge_point_id, code, action, field), count in self._counts.items():
            key = (
                charge_point_id,
                code,
                fit_text(action, 100),
                "" if charge_point_id in full else fit_text(field, 200),
            )
            counts[key] += count
            details[key] = fit_text(self._details[charge_point_id, code, action, field], 255)
        rows = [(*key, details[key], count, at, at) for key, count in sorted(counts.items())]
        table = connection.ops.quote_name(QuirkNote._meta.db_table)
        values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
        sql = (
            f"INSERT INTO {table} (charge_point_id, code, action, field, detail, count, first_at, last_at) "
            f"VALUES {values} "
            "ON CONFLICT (charge_point_id, code, action, field) DO UPDATE SET "
            f"count = {table}.count + excluded.count, last_at = excluded.last_at, detail = excluded.detail"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [value for row in rows for value in row])


def _full(charge_point_ids: set[int]) -> set[int]:
    counted = (
        QuirkNote.objects.filter(charge_point__in=charge_point_ids).values("charge_point").annotate(rows=Count("pk"))
    )
    return {row["charge_point"] for row in counted if row["rows"] >= MAX_NOTES}
