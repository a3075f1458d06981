"""What an ended transaction comes to: its energy by all its registers, its duration, and its cost by its own terms.

Done at the end of a batch, from what is stored then; and again whenever more comes in (a true stop after an estimate,
meter values that were late), so that energy, duration and cost always agree with the stored meter values.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from ocpp_app import clock, idle, loads, pricing, signals
from ocpp_app.batch import Batch
from ocpp_app.energy import EARLY_STOP_WH, Energy, measure
from ocpp_app.models import Anomaly, AnomalyKind, MeterValueMean, StatusHistory, Transaction
from ocpp_app.pricing import Register
from ocpp_app.round_trips import Query

STATUS_MAY_BE_LATE = timedelta(days=1)
"""How long after the stop a status of the transaction's connector is still looked for."""


Stored = list[loads.Reading]


@dataclass(frozen=True, slots=True)
class Ended:
    """A transaction to settle, and the frame that is the reason."""

    transaction: Transaction
    raw: str


@dataclass(slots=True)
class Evidence:
    """What is stored of a transaction: its meter values, and the statuses of its connector where they matter."""

    readings: list[idle.Reading]
    """In the order in which they came."""
    statuses: list[tuple[datetime, str]]


def settle_later(batch: Batch, transaction: Transaction, raw: str = "") -> None:
    """Settle an ended transaction at the end of the batch, when all that came with it is stored.

    A stop without a known start is left alone: nobody knows its energy.
    """
    if transaction.has_start:
        batch.at_end(_settle, Ended(transaction, raw), _readings)


def outcome(
    transaction: Transaction, changed: Callable[[list[idle.Reading]], list[idle.Reading]]
) -> list[tuple[Any, ...]]:
    """What an ended transaction comes to by its stored meter values, and by what ``changed`` makes of them: energy,
    energy in doubt, price in the currency's minor unit, and for an estimated end where that is."""
    terms = None if transaction.tariff_terms is None else pricing.read_terms(transaction.tariff_terms)
    found = loads.readings([transaction.pk]).fetch()
    stored = _evidence([transaction], {transaction.pk: terms}, found)[transaction.pk]
    return [
        _outcome(transaction, terms, Evidence(readings, stored.statuses))
        for readings in (stored.readings, changed(stored.readings))
    ]


def _outcome(transaction: Transaction, terms: pricing.Terms | None, evidence: Evidence) -> tuple[Any, ...]:
    estimate = _estimate(transaction, evidence.readings) if transaction.is_estimated else {}
    energy = _energy(transaction, evidence.readings)
    cost = None if terms is None else pricing.price(terms, _usage(transaction, terms, energy, evidence)).total_minor
    return energy.wh, energy.doubtful_wh, cost, estimate


def _readings(batch: Batch, ended: Sequence[Ended]) -> Query[Stored] | None:
    """The meter values that were not read ahead."""
    missing = {item.transaction.pk for item in ended if batch.readings_ahead(item.transaction) is None}
    return loads.readings(missing) if missing else None


def _settle(batch: Batch, ended: Sequence[Ended], missing: Sequence[loads.Reading] = ()) -> None:
    by_id = {item.transaction.pk: item for item in ended}  # the last reason is as good as the first
    transactions = [item.transaction for item in by_id.values()]
    terms = {row.pk: None if row.tariff_terms is None else pricing.read_terms(row.tariff_terms) for row in transactions}
    ahead = [reading for row in transactions for reading in batch.readings_ahead(row) or ()]
    evidence = _evidence(transactions, terms, [*ahead, *missing])
    for pk, item in by_id.items():
        _settle_one(batch, item, terms[pk], evidence[pk])


def _settle_one(batch: Batch, item: Ended, terms: pricing.Terms | None, evidence: Evidence) -> None:
    transaction = item.transaction
    values = _estimate(transaction, evidence.readings) if transaction.is_estimated else {}
    batch.change(transaction, **values)
    energy = _energy(transaction, evidence.readings)
    assert transaction.stopped_at is not None
    duration = transaction.stopped_at - transaction.started_at
    values = {"duration_s": max(0, int(duration.total_seconds()))}
    if not transaction.is_energy_by_hand:
        values |= {"energy_wh": energy.wh, "doubtful_wh": energy.doubtful_wh}
    batch.change(transaction, **values)
    _note_contradictions(batch, item, energy, evidence.readings)
    if terms is not None:
        cost = pricing.price(terms, _usage(transaction, terms, energy, evidence))
        lines = [line.as_json() for line in cost.lines]
        batch.change(transaction, currency=cost.currency, cost_minor=cost.total_minor, cost_lines=lines)


# -- evidence ------------------------------------------------------------------------------------------------


def _evidence(
    transactions: Sequence[Transaction], terms: dict[int, pricing.Terms | None], stored: Stored
) -> dict[int, Evidence]:
    """The evidence of all of them, the stored readings among it; a query more where they are rolled up, and where
    idleness costs anything."""
    evidence = {row.pk: Evidence([], []) for row in transactions}
    for pk, at, power_w, energy_wh in stored:
        evidence[pk].readings.append(idle.Reading(at, power_w, energy_wh))
    if rolled_up := [row.pk for row in transactions if row.roll_up]:
        means = MeterValueMean.objects.filter(value__transaction__in=rolled_up)
        first = ("value__transaction", "first_at", "first_power_w", "first_energy_wh")
        for pk, at, power_w, energy_wh in means.values_list(*first):  # a mean itself is as of the last of its values
            evidence[pk].readings.append(idle.Reading(at, power_w, energy_wh))
    idle_ones = [row for row in transactions if (found := terms[row.pk]) is not None and found.has_idle_fee]
    if idle_ones:
        statuses = _statuses(idle_ones)
        for row in idle_ones:
            evidence[row.pk].statuses = statuses[row.connector_id]
    return evidence


def _statuses(transactions: Iterable[Transaction]) -> dict[int, list[tuple[datetime, str]]]:
    """What the connectors of these transactions said while they lasted, by connector, in the charge point's time."""
    during = [
        Q(
            connector=row.connector_id,
            received_at__gte=row.started_at,
            received_at__lte=(row.stop_received_at or row.start_received_at) + STATUS_MAY_BE_LATE,
        )
        for row in transactions
    ]
    statuses: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    found = StatusHistory.objects.filter(reduce(or_, during))
    for connector, timestamp, received_at, status in found.values_list(
        "connector", "timestamp", "received_at", "status"
    ):
        statuses[connector].append((clock.believe(timestamp, received_at), status))
    return statuses


def _registers(readings: Iterable[idle.Reading]) -> list[Register]:
    return [Register(reading.at, round(reading.register_wh)) for reading in readings if reading.register_wh is not None]


# -- energy --------------------------------------------------------------------------------------------------


def _estimate(transaction: Transaction, readings: Sequence[idle.Reading]) -> dict[str, Any]:
    """Where an estimated end stands by now: at the last meter values, the late ones among them."""
    registers = _registers(readings)
    if not registers:
        return {}
    last = max(registers, key=lambda register: register.at)
    values: dict[str, Any] = {"stopped_at": max(last.at, transaction.started_at), "last_meter_at": last.at}
    return {**values, "meter_stop_wh": last.wh, "last_register_wh": last.wh}


def _energy(transaction: Transaction, readings: Sequence[idle.Reading]) -> Energy:
    start = Register(transaction.started_at, transaction.meter_start_wh)
    stop = None
    if not transaction.is_estimated and transaction.stopped_at is not None and transaction.meter_stop_wh is not None:
        stop = Register(transaction.stopped_at, transaction.meter_stop_wh)
    return measure(start, _registers(readings), stop)


def _note_contradictions(batch: Batch, item: Ended, energy: Energy, readings: Sequence[idle.Reading]) -> None:
    """Anomalies of what the registers contradict; those of start and stop alone were noted with the stop."""
    transaction = item.transaction
    stop_wh = transaction.meter_stop_wh
    if energy.fall is not None and stop_wh is not None:
        before, after = energy.fall
        detail = f"from {before.wh} Wh to {after.wh} Wh"
        if not transaction.is_estimated and after.at == transaction.stopped_at and after.wh == stop_wh:
            if stop_wh >= transaction.meter_start_wh:
                _note_once(batch, item, AnomalyKind.METER_DISAGREES, detail)
        else:
            _note_once(batch, item, AnomalyKind.REGISTER_BACKWARDS, detail)
    after_stop = [] if transaction.is_estimated else _after_stop(transaction, _registers(readings))
    if after_stop:
        detail = f"meterStop {stop_wh} Wh, later {max(register.wh for register in after_stop)} Wh"
        _note_once(batch, item, AnomalyKind.ENERGY_AFTER_STOP, detail)


def _after_stop(transaction: Transaction, registers: Iterable[Register]) -> list[Register]:
    stopped_at, stop_wh = transaction.stopped_at, transaction.meter_stop_wh
    assert stopped_at is not None
    assert stop_wh is not None
    return [register for register in registers if register.at > stopped_at and register.wh > stop_wh + EARLY_STOP_WH]


def _note_once(batch: Batch, item: Ended, kind: AnomalyKind, detail: str) -> None:
    transaction = item.transaction
    if batch.has_anomaly(transaction, kind):
        return
    anomaly = Anomaly(transaction=transaction, kind=kind, detail=detail, raw=item.raw, found_at=batch.now)
    batch.add_with_key(anomaly)
    batch.change(transaction, has_anomaly=True)
    batch.send(
        signals.anomaly_found,
        Anomaly,
        charge_point=transaction.charge_point,
        transaction=transaction,
        anomaly=anomaly,
    )


# -- cost ----------------------------------------------------------------------------------------------------


def _usage(transaction: Transaction, terms: pricing.Terms, energy: Energy, evidence: Evidence) -> pricing.Usage:
    """What is charged for. Of an estimated end only the time that is proven: to the last meter values."""
    assert transaction.stopped_at is not None
    until = transaction.stopped_at
    if transaction.is_estimated:
        until = min(until, transaction.last_meter_at or transaction.started_at)
    full_at = None
    if terms.has_idle_fee:
        end = idle.Reading(until, None, transaction.meter_stop_wh)
        full_at = idle.full_since(transaction.started_at, until, evidence.statuses, [*evidence.readings, end])
    return pricing.Usage(transaction.started_at, until, _curve(transaction, energy, until), full_at)


def _curve(transaction: Transaction, energy: Energy, until: datetime) -> Sequence[Register]:
    """The register from start to end; steadily rising where somebody decided the energy by hand."""
    if not transaction.is_energy_by_hand:
        return energy.curve
    start_wh = transaction.meter_start_wh
    return (
        Register(transaction.started_at, start_wh),
        Register(max(until, transaction.started_at), start_wh + (transaction.energy_wh or 0)),
    )
