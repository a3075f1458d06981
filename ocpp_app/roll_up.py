"""Old meter values as means over a quarter of an hour: a curve of years ago can still be drawn, and fits on the disk.

A quarter's values of one transaction, or of one connector outside of transactions, become one row of the same table:
its time and registers are those of the last of them that has one, intervals are added up, all else is the mean. Beside
it (``MeterValueMean``) stands the first register, so that the energy at every quarter of an hour is exactly what it
was, and the digest of each value, so that one that is sent again is known. What is no plain periodic reading stays as
it came: begin and end of a transaction, signed data, what cannot be read. So does a value alone in its quarter.

Each quarter is replaced in one database transaction, the charge point locked: whoever is killed in between has replaced
it or not. No energy and no price may change: a transaction of which the means would tell another one keeps its values.
"""

import uuid
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

from django.db import transaction as database
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from ocpp_app import conf, settlement
from ocpp_app.events import outbox
from ocpp_app.idle import Reading
from ocpp_app.models import Anomaly, Connector, MeterValue, MeterValueMean, Pruning, RollUp, Transaction
from ocppj.ordered import put_time_first

SPAN = timedelta(minutes=15)
ROWS_AT_ONCE = 200
"""Meter values that are replaced in one database transaction, or as many as there are in one quarter."""
DIGEST_BYTES = 16
TIME_BYTES = 6
"""The first of them are a time, which those that were stored before 0027_lean_indexes do not have."""
TABLE = "meter_values"
LONG_AGO = timedelta(days=3650)
"""A clock that says so has never been set: every value of it would be looked for."""
PERIODIC = (None, "", "Sample.Periodic", "Sample.Clock")

Span = list[MeterValue]


def quarter(at: datetime) -> datetime:
    """The quarter of an hour that a time is in."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


# -- what is to be done --------------------------------------------------------------------------------------


def due(before: datetime) -> Any:
    """The ended transactions whose meter values are old enough, of which nothing is in doubt any more, oldest first.

    Age is by the clock that counts for the bill, and by ours: what a charge point delivers after months is new.
    """
    in_doubt = Anomaly.objects.filter(transaction=OuterRef("pk"), resolved_at=None)
    ended = Transaction.objects.filter(is_active=False, roll_up__in=[RollUp.NONE, RollUp.BEGUN], stopped_at__lt=before)
    settled = Q(doubtful_wh=None) | Q(is_energy_by_hand=True)
    return (
        ended.filter(settled, ~Exists(in_doubt))
        .annotate(received_at=Coalesce("stop_received_at", "stopped_at"))
        .filter(received_at__lt=before)
        .order_by("stopped_at", "pk")
    )


def steps(before: datetime) -> Generator[int]:
    """Roll up what is older, step by step: the rows that each step has replaced. Stop, or be killed, at any of them."""
    last: tuple[datetime, int] | None = None
    while True:
        found = due(before)
        if last is not None:
            found = found.filter(Q(stopped_at__gt=last[0]) | Q(stopped_at=last[0], pk__gt=last[1]))
        row = found.first()
        if row is None:
            break
        last = row.stopped_at, row.pk
        yield from _of_transaction(row)
    yield from _outside_of_transactions(before)


def is_rolled_up(
    digest: uuid.UUID,
    connector: Connector,
    transaction: Transaction | None,
    timestamp: datetime | None,
    received_at: datetime,
) -> bool:
    """Whether a meter value that is sent again is in a mean. Asks the database only where that can be."""
    if transaction is not None:
        if transaction.roll_up not in (RollUp.BEGUN, RollUp.DONE):
            return False
        means = MeterValueMean.objects.filter(value__transaction=transaction)
    else:
        age = conf.rolls_up_after()
        if age is None or timestamp is None or not received_at - LONG_AGO < timestamp < received_at - age:
            return False
        means = MeterValueMean.objects.filter(connector=connector, span_at=quarter(timestamp))
    return any(
        digest.bytes[TIME_BYTES:] == digests[start + TIME_BYTES : start + DIGEST_BYTES]
        for digests in map(bytes, means.values_list("digests", flat=True))
        for start in range(0, len(digests), DIGEST_BYTES)
    )


def _of_transaction(row: Transaction) -> Iterator[int]:
    came = list(MeterValue.objects.filter(transaction=row, mean=None).order_by("timestamp", "pk"))
    spans = _spans(came)
    if not spans:
        _mark(row, RollUp.DONE)
        return
    if row.has_start and _would_change(row, spans):
        _mark(row, RollUp.KEPT)
        return
    portions = list(_portions(spans))
    for number, portion in enumerate(portions, start=1):
        is_last = number == len(portions)
        yield _replace(portion, [row.charge_point_id], row, RollUp.DONE if is_last else RollUp.BEGUN)


def _mark(row: Transaction, state: RollUp) -> None:
    Transaction.objects.filter(pk=row.pk).update(roll_up=state)


def _would_change(row: Transaction, spans: Sequence[Span]) -> bool:
    """Whether energy or price would come out differently."""
    gone = {_reading(value) for span in spans for value in span}
    ends = [end for span in spans for end in _ends(span)]
    as_it_is, as_it_would_be = settlement.outcome(
        row, lambda readings: [*(reading for reading in readings if reading not in gone), *ends]
    )
    return as_it_is != as_it_would_be


def _reading(value: MeterValue) -> Reading:
    return Reading(value.timestamp, value.power_w, value.energy_wh)


def _ends(span: Span) -> tuple[Reading, Reading]:
    """What is left of a quarter for whoever reckons: its first reading, and its mean at the time of the last."""
    value, mean = _mean_of(span)
    return Reading(mean.first_at, mean.first_power_w, mean.first_energy_wh), _reading(value)


def _outside_of_transactions(before: datetime) -> Iterator[int]:
    """A quarter after the other, of all connectors; what has been done is not looked at again."""
    end = quarter(before)
    progress, _created = Pruning.objects.get_or_create(table=TABLE)
    while True:
        waiting = MeterValue.objects.filter(transaction=None, timestamp__lt=end)
        if progress.done_until is not None:
            waiting = waiting.filter(timestamp__gte=progress.done_until)
        at = waiting.order_by("timestamp").values_list("timestamp", flat=True).first()
        if at is None:
            break
        begin = quarter(at)
        for portion in _portions(_spans_between(begin, begin + SPAN)):
            charge_points = {span[0].connector.charge_point_id for span in portion}
            yield _replace(portion, sorted(charge_points), None, RollUp.NONE)
        progress.done_until = begin + SPAN
        progress.save(update_fields=["done_until"])
        yield 0
    if progress.done_until is None or progress.done_until < end:
        progress.done_until = end
        progress.save(update_fields=["done_until"])


def _spans_between(begin: datetime, end: datetime) -> list[Span]:
    came = MeterValue.objects.filter(transaction=None, mean=None, timestamp__gte=begin, timestamp__lt=end)
    by_connector: dict[int, list[MeterValue]] = defaultdict(list)
    for value in came.select_related("connector").order_by("timestamp", "pk"):
        by_connector[value.connector_id].append(value)
    return [span for _connector, values in sorted(by_connector.items()) for span in _spans(values)]


# -- a quarter -----------------------------------------------------------------------------------------------


def _spans(values: Iterable[MeterValue]) -> list[Span]:
    """The values that belong together; not those that stay as they are."""
    by_quarter: dict[tuple[int, datetime], Span] = defaultdict(list)
    for value in values:
        if _is_plain(value.sampled_values):
            by_quarter[value.connector_id, quarter(value.timestamp)].append(value)
    return [span for span in by_quarter.values() if len(span) > 1]


def _is_plain(sampled_values: Any) -> bool:
    """Whether these are periodic readings with numbers."""
    return all(
        sampled.get("context") in PERIODIC
        and sampled.get("format") != "SignedData"
        and _number(sampled.get("value")) is not None
        for sampled in sampled_values
    )


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return number if number.is_finite() and number.copy_abs() < 10**12 else None


def _portions(spans: Iterable[Span]) -> Iterator[list[Span]]:
    portion: list[Span] = []
    for span in spans:
        if portion and sum(map(len, portion)) + len(span) > ROWS_AT_ONCE:
            yield portion
            portion = []
        portion.append(span)
    if portion:
        yield portion


def _replace(portion: Sequence[Span], charge_point_ids: Sequence[int], row: Transaction | None, state: RollUp) -> int:
    """Put the means in the place of these quarters; how many values they stand for."""
    values, means = zip(*(_mean_of(span) for span in portion), strict=True)
    gone = [value.pk for span in portion for value in span]
    with database.atomic():
        outbox.lock(charge_point_ids)  # as workers do: nobody stores one of the values again meanwhile
        MeterValue.objects.bulk_create(values)
        for value, mean in zip(values, means, strict=True):
            mean.value = value
        MeterValueMean.objects.bulk_create(means)
        found = MeterValue.objects.filter(pk__in=gone)
        found._raw_delete(found.db)  # nothing refers to what is no mean
        if row is not None:
            _mark(row, state)
    return len(gone)


def _mean_of(span: Span) -> tuple[MeterValue, MeterValueMean]:
    registers = [value for value in span if value.energy_wh is not None] or span
    first, last = registers[0], registers[-1]
    digests = b"".join(sorted(value.digest.bytes for value in span))
    value = MeterValue(
        connector_id=last.connector_id,
        transaction_id=last.transaction_id,
        timestamp=last.timestamp,
        received_at=max(value.received_at for value in span),
        digest=put_time_first(last.timestamp.timestamp(), blake2b(digests, digest_size=DIGEST_BYTES).digest()),
        sampled_values=_sampled(span),
        energy_wh=last.energy_wh,
        power_w=_average(span, "power_w"),
        current_a=_average(span, "current_a"),
        voltage_v=_average(span, "voltage_v"),
        soc_percent=next((each.soc_percent for each in reversed(span) if each.soc_percent is not None), None),
    )
    mean = MeterValueMean(
        connector_id=last.connector_id,
        span_at=quarter(last.timestamp),
        first_at=first.timestamp,
        first_energy_wh=first.energy_wh,
        first_power_w=first.power_w,
        power_max_w=max((each.power_w for each in span if each.power_w is not None), default=None),
        count=len(span),
        digests=digests,
    )
    return value, mean


def _average(span: Span, name: str) -> float | None:
    found = [number for value in span if (number := getattr(value, name)) is not None]
    return sum(found) / len(found) if found else None


def _sampled(span: Span) -> list[dict[str, Any]]:
    """The sampled values by measurand, phase, location and unit, as they are on the wire."""
    series: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for value in span:
        for sampled in value.sampled_values:
            series[tuple(sampled.get(name) for name in ("measurand", "phase", "location", "unit"))].append(sampled)
    return [{**found[-1], "value": _as_text(_one_value(found))} for found in series.values()]


def _one_value(found: Sequence[dict[str, Any]]) -> Decimal:
    measurand = str(found[-1].get("measurand") or "Energy.Active.Import.Register")  # OCPP 1.6 §7.43: the default
    numbers = [Decimal(sampled["value"]) for sampled in found]
    if measurand.endswith(".Register") or measurand == "SoC":
        return numbers[-1]
    if measurand.endswith(".Interval"):
        return sum(numbers, Decimal(0))
    return round(sum(numbers, Decimal(0)) / len(numbers), 3)


def _as_text(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
