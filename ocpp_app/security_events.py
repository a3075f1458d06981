"""Security events: counted by kind, identity, address and hour, so that an attack makes few rows of many attempts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from ocpp_app import signals
from ocpp_app.bulk import fit_text
from ocpp_app.models import ChargePoint, SecurityEvent, SecurityEventKind
from ocpp_app.monitoring.tally import TALLY

if TYPE_CHECKING:
    from datetime import datetime

    from ocpp_app.batch import Batch

COLUMNS = (
    "kind",
    "identity",
    "remote_address",
    "hour",
    "charge_point_id",
    "organisation_id",
    "detail",
    "count",
    "first_at",
    "last_at",
)


@dataclass(frozen=True)
class Seen:
    """One event as it happens. ``charge_point`` only where it is registered: an unknown identity is a detail, so that
    whoever makes up identities makes no rows."""

    kind: str
    remote_address: str = ""
    charge_point: ChargePoint | None = None
    identity: str = ""
    detail: str = ""
    count: int = 1


def note(batch: "Batch", seen: Seen) -> None:
    """Count an event with this batch, and tell of it where it is about a charge point that is registered."""
    batch.at_end(_write_batch, seen)
    if seen.charge_point is not None:
        batch.send(signals.security_event_seen, SecurityEvent, charge_point=seen.charge_point, seen=seen)


def _write_batch(batch: "Batch", events: Sequence[Seen]) -> None:
    write(events, batch.now)


def write(events: Sequence[Seen], at: "datetime") -> None:
    """Count events now, in one statement."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    counts: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], Seen] = {}
    for seen in events:
        if seen.kind not in SecurityEventKind.values:
            continue  # of a newer gateway
        identity = seen.identity if seen.charge_point is None else seen.charge_point.identity
        key = (seen.kind, fit_text(identity, 255), fit_text(seen.remote_address, 100))
        counts[key] += seen.count
        TALLY.security_event(seen.kind, seen.count)
        last[key] = seen
    if not counts:
        return
    moment, hour_value = (connection.ops.adapt_datetimefield_value(value) for value in (at, hour))
    parameters: list[Any] = []
    for key, count in sorted(counts.items()):
        of = last[key].charge_point
        owner = (None, None) if of is None else (of.pk, of.organisation_id)
        parameters += [*key, hour_value, *owner, fit_text(last[key].detail, 255), count, moment, moment]
    table = connection.ops.quote_name(SecurityEvent._meta.db_table)
    row = f"({', '.join(['%s'] * len(COLUMNS))})"
    sql = (
        f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES {', '.join([row] * len(counts))} "
        "ON CONFLICT (kind, identity, remote_address, hour) DO UPDATE SET "
        f"count = {table}.count + excluded.count, last_at = excluded.last_at, detail = excluded.detail"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
