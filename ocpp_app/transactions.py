"""What starts, feeds and ends a transaction: rules that somebody can be billed by (OCPP 1.6 §4.7, §4.8, §4.10).

Nothing that a charge point says about money is dropped: what does not fit becomes an anomaly on the transaction, or a
transaction that is opened and closed in one go. Every function works on the rows of a batch and may run again when
the batch is rolled back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_app import authorization, clock, energy, rows, settlement, signals
from ocpp_app.bulk import fit_text
from ocpp_app.metering import Summary
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import Anomaly, AnomalyKind, ClosedBy, Connector, IdTag, Transaction
from ocppj.v16 import AuthorizationStatus, StartTransactionRequest, StopTransactionRequest

ID_TAG_LENGTH = 255
"""How much of an over-long idTag a transaction keeps."""


# -- start ---------------------------------------------------------------------------------------------------


def find_earlier_start(request: OCPPRequest) -> Transaction | None:
    """The transaction of which this StartTransaction.req is a repetition, if it is one.

    The same connector, idTag, timestamp and meterStart make a start the same. A charge point whose clock is wrong may
    say the same twice and mean two: then it is a repetition only while the first is open.
    """
    message: StartTransactionRequest = request.message
    if message.timestamp is None:
        candidates = request.batch.active_transactions(request.charge_point)
    else:
        candidates = request.batch.transactions_started_at(request.charge_point, message.timestamp)
    connector = request.connector(message.connector_id)
    plausible = clock.is_plausible(message.timestamp, request.received_at)
    for row in candidates:
        same = (
            row.connector_id == connector.pk
            and row.start_timestamp == message.timestamp
            and row.meter_start_wh == message.meter_start
            and row.id_tag.upper() == fit_text(message.id_tag, ID_TAG_LENGTH).upper()
        )
        if same and (plausible or row.is_active):
            return row
    return None


def start(request: OCPPRequest, status: AuthorizationStatus, tag: IdTag | None) -> Transaction:
    """A new transaction from a StartTransaction.req; recorded whatever the tag's status, the charge point may have
    started offline. It keeps the owner of the tag and the terms of the tariff as they are now."""
    message: StartTransactionRequest = request.message
    tariff = request.batch.tariff(request.charge_point, tag)
    transaction = rows.new(
        Transaction,
        organisation_id=request.charge_point.organisation_id,
        charge_point=request.charge_point,
        connector=request.connector(message.connector_id),
        id_tag=message.id_tag,
        tag=tag,
        owner_id=None if tag is None else tag.owner_id,
        tariff=tariff,
        tariff_terms=None if tariff is None else tariff.terms(),
        currency="" if tariff is None else tariff.currency,
        id_tag_status=status,
        reservation_id=message.reservation_id,
        started_at=clock.believe(message.timestamp, request.received_at),
        start_timestamp=message.timestamp,
        start_received_at=request.received_at,
        meter_start_wh=message.meter_start,
        last_register_wh=message.meter_start,
        energy_wh=0,
    )
    request.batch.create_transaction(transaction)
    if not clock.is_plausible(message.timestamp, request.received_at):
        add_anomaly(
            request,
            transaction,
            AnomalyKind.IMPLAUSIBLE_CLOCK,
            f"started at {message.timestamp} by the charger's clock",
        )
    request.batch.send(
        signals.transaction_started, Transaction, charge_point=request.charge_point, transaction=transaction
    )
    return transaction


def close_orphans(request: OCPPRequest, connector: Connector, before: Transaction | None) -> list[Transaction]:
    """Close what is still open on a connector on which a new transaction begins, with the last register that is
    known."""
    orphans = [
        row
        for row in request.batch.active_transactions(request.charge_point)
        if row.connector_id == connector.pk
        and row is not before
        # A start that is handled late (see close_overtaken) ends nothing that began after it.
        and (request.is_current or row.start_received_at <= request.received_at)
    ]
    for row in orphans:
        _orphan(request, row)
    return orphans


def close_overtaken(request: OCPPRequest, transaction_id: int) -> None:
    """Close a transaction at once whose start was handled so late (a replay, a frame of a replaced connection) that a
    newer one has begun on its connector meanwhile."""
    transaction = _own_transaction(request, transaction_id)
    if request.is_current or transaction is None or not transaction.is_active:
        return
    on_connector = Transaction.objects.filter(connector=transaction.connector_id).exclude(pk=transaction.pk)
    if on_connector.filter(start_received_at__gt=request.received_at).exists():
        _orphan(request, transaction)


def _orphan(request: OCPPRequest, transaction: Transaction) -> None:
    last_wh, start_wh = transaction.last_register_wh, transaction.meter_start_wh
    register_wh = start_wh if last_wh is None else last_wh
    request.batch.change(
        transaction,
        is_active=False,
        stopped_at=transaction.last_meter_at or request.received_at,
        stop_received_at=request.received_at,
        meter_stop_wh=register_wh,
        closed_by=ClosedBy.ORPHANED,
        energy_wh=max(0, register_wh - start_wh),
    )
    add_anomaly(request, transaction, AnomalyKind.ORPHANED, "a new transaction began on the same connector")
    settlement.settle_later(request.batch, transaction, request.raw)
    request.batch.send(
        signals.transaction_stopped, Transaction, charge_point=request.charge_point, transaction=transaction
    )


# -- stop ----------------------------------------------------------------------------------------------------


def stop(request: OCPPRequest) -> Transaction:
    """End the transaction that a StopTransaction.req means; there always is one afterwards."""
    message: StopTransactionRequest = request.message
    transaction = _own_transaction(request, message.transaction_id)
    if transaction is None:
        return _stop_unknown(request)
    if transaction.is_active or transaction.closed_by != ClosedBy.CHARGE_POINT:
        _close(request, transaction)
    elif not _is_same_stop(transaction, message):
        if transaction.is_stop_guessed:
            _set_guess_apart(request, transaction)
            _close(request, transaction)
        else:
            detail = f"stopped again at {message.timestamp} with {message.meter_stop} Wh"
            add_anomaly(request, transaction, AnomalyKind.REPEATED_STOP, detail)
    elif transaction.is_stop_guessed:
        request.batch.change(transaction, is_stop_guessed=False)
    return transaction


def _set_guess_apart(request: OCPPRequest, transaction: Transaction) -> None:
    """The stop that a transaction was ended with was of another one: its own has come. It is kept as the stop of no
    transaction that we know."""
    assert transaction.stopped_at is not None
    assert transaction.stop_received_at is not None
    assert transaction.meter_stop_wh is not None
    guess = Stop(
        transaction.stopped_at,
        transaction.stop_timestamp,
        transaction.stop_received_at,
        transaction.meter_stop_wh,
        transaction.stop_id_tag,
        transaction.stop_reason,
    )
    detail = f"was taken for the stop of transaction {transaction.pk} until that one's own stop came"
    _keep_unknown(request, guess, AnomalyKind.UNKNOWN_STOP, detail)


def _own_transaction(request: OCPPRequest, transaction_id: int | None) -> Transaction | None:
    """This charge point's transaction with this id; never another's."""
    if transaction_id is None or transaction_id <= 0:
        return None
    transaction = request.batch.transaction(request.charge_point, transaction_id)
    if transaction is None or transaction.charge_point_id != request.charge_point.pk:
        return None
    return transaction


def _close(request: OCPPRequest, transaction: Transaction, *, is_guessed: bool = False) -> None:
    message: StopTransactionRequest = request.message
    stopped_at = max(clock.believe(message.timestamp, request.received_at), transaction.started_at)
    energy_wh = message.meter_stop - transaction.meter_start_wh
    possible_wh = energy.possible_wh(transaction.started_at, stopped_at)
    if energy_wh < 0:
        add_anomaly(
            request,
            transaction,
            AnomalyKind.LOWER_METER,
            f"meterStop {message.meter_stop} Wh is below meterStart {transaction.meter_start_wh} Wh",
        )
    elif energy_wh > possible_wh:
        add_anomaly(
            request, transaction, AnomalyKind.ABSURD_ENERGY, f"{energy_wh} Wh in {stopped_at - transaction.started_at}"
        )
    if not clock.is_plausible(message.timestamp, request.received_at):
        add_anomaly(
            request,
            transaction,
            AnomalyKind.IMPLAUSIBLE_CLOCK,
            f"stopped at {message.timestamp} by the charger's clock",
        )
    request.batch.change(
        transaction,
        is_active=False,
        stopped_at=stopped_at,
        stop_timestamp=message.timestamp,
        stop_received_at=request.received_at,
        meter_stop_wh=message.meter_stop,
        stop_reason=str(message.reason or "Local"),  # OCPP 1.6 §6.49: "Local" when it is not given
        stop_id_tag=message.id_tag or "",
        is_stop_guessed=is_guessed,
        closed_by=ClosedBy.CHARGE_POINT,
        energy_wh=energy_wh if 0 <= energy_wh <= possible_wh else None,
        is_energy_by_hand=False,  # decided when this was not known yet
        last_register_wh=message.meter_stop,
        last_power_w=0.0,
    )
    if message.id_tag and not authorization.may_stop(request.batch, transaction, message.id_tag):
        add_anomaly(request, transaction, AnomalyKind.FOREIGN_STOP_TAG, f"stopped by idTag {message.id_tag}")
    settlement.settle_later(request.batch, transaction, request.raw)
    request.batch.send(
        signals.transaction_stopped, Transaction, charge_point=request.charge_point, transaction=transaction
    )


def _is_same_stop(transaction: Transaction, message: StopTransactionRequest) -> bool:
    return transaction.stop_timestamp == message.timestamp and transaction.meter_stop_wh == message.meter_stop


def _stop_unknown(request: OCPPRequest) -> Transaction:
    """A stop whose transaction id tells nothing: -1 and 0 (errata 3.18), none, unknown to us, or another charge
    point's."""
    message: StopTransactionRequest = request.message
    kept = _kept_unknown_stop(request)
    if kept is not None:
        return kept
    lost = _transaction_without_answer(request)
    if lost is not None:
        _close(request, lost, is_guessed=True)
        return lost
    stop = Stop(
        clock.believe(message.timestamp, request.received_at),
        message.timestamp,
        request.received_at,
        message.meter_stop,
        message.id_tag or "",
        str(message.reason or "Local"),
    )
    kind = AnomalyKind.FOREIGN_STOP if _is_foreign(request) else AnomalyKind.UNKNOWN_STOP
    detail = f"stop of transactionId {message.transaction_id}, which this charge point does not have"
    return _keep_unknown(request, stop, kind, detail)


class Stop(NamedTuple):
    """What a StopTransaction.req says of the end of a transaction."""

    at: datetime
    timestamp: datetime | None
    """By the charge point's clock."""
    received_at: datetime
    register_wh: int
    id_tag: str
    reason: str


def _keep_unknown(request: OCPPRequest, stop: Stop, kind: AnomalyKind, detail: str) -> Transaction:
    """Keep a stop without a known start as a transaction that is opened and closed in one go."""
    transaction = request.batch.create_transaction(
        Transaction(
            organisation_id=request.charge_point.organisation_id,  # type: ignore[misc]  # never None: it has a default
            charge_point=request.charge_point,
            connector=request.connector(0),
            id_tag=stop.id_tag,
            id_tag_status="",
            is_active=False,
            started_at=stop.at,
            start_received_at=stop.received_at,
            meter_start_wh=stop.register_wh,
            stopped_at=stop.at,
            stop_timestamp=stop.timestamp,
            stop_received_at=stop.received_at,
            meter_stop_wh=stop.register_wh,
            stop_reason=stop.reason,
            stop_id_tag=stop.id_tag,
            closed_by=ClosedBy.CHARGE_POINT,
            duration_s=0,
            last_register_wh=stop.register_wh,
        )
    )
    add_anomaly(request, transaction, kind, detail)
    request.batch.send(
        signals.transaction_stopped, Transaction, charge_point=request.charge_point, transaction=transaction
    )
    return transaction


def _kept_unknown_stop(request: OCPPRequest) -> Transaction | None:
    """What the same unknown stop was kept as when it came before."""
    message: StopTransactionRequest = request.message
    if message.timestamp is None:
        return None
    id_tag = fit_text(message.id_tag or "", ID_TAG_LENGTH)
    return request.batch.find_stop(request.charge_point, message.timestamp, message.meter_stop, id_tag)


def _transaction_without_answer(request: OCPPRequest) -> Transaction | None:
    """The open transaction whose id this charge point may never have learnt (errata 3.18): it has never named it, same
    idTag where given, meter not below."""
    message: StopTransactionRequest = request.message
    if message.transaction_id is not None and message.transaction_id > 0:
        return None
    candidates = [
        row
        for row in request.batch.active_transactions(request.charge_point)
        if row.meter_start_wh <= message.meter_stop
        and not row.is_id_known
        and (not message.id_tag or authorization.may_stop(request.batch, row, message.id_tag))
        and (message.timestamp is None or row.start_timestamp is None or row.start_timestamp <= message.timestamp)
    ]
    return candidates[-1] if candidates else None


def _is_foreign(request: OCPPRequest) -> bool:
    transaction_id = request.message.transaction_id
    return bool(
        transaction_id and transaction_id > 0 and request.batch.transaction(request.charge_point, transaction_id)
    )


# -- meter ---------------------------------------------------------------------------------------------------


def transaction_of_meter_values(
    request: OCPPRequest, connector: Connector, transaction_id: int | None
) -> Transaction | None:
    """The transaction that meter values belong to: the one named, else (none or -1 named) the one open on their
    connector."""
    own = _own_transaction(request, transaction_id)
    if own is not None and not own.is_id_known:
        request.batch.change(own, is_id_known=True)
    if own is not None or (transaction_id is not None and transaction_id > 0):
        return own
    open_here = [
        row for row in request.batch.active_transactions(request.charge_point) if row.connector_id == connector.pk
    ]
    return open_here[-1] if open_here else None


def feed(request: OCPPRequest, transaction: Transaction, readings: Sequence[tuple[datetime, Summary]]) -> None:
    """Let an open transaction follow its meter values: register, energy so far, power, state of charge."""
    if not transaction.is_active:
        if readings:
            settlement.settle_later(request.batch, transaction, request.raw)
        return
    values: dict[str, Any] = {}
    latest = transaction.last_meter_at
    for at, summary in sorted(readings, key=lambda reading: reading[0]):
        if latest is not None and at < latest:
            continue  # came late, or out of order: the newer ones count
        latest = at
        values["last_meter_at"] = at
        if summary.power_w is not None:
            values["last_power_w"] = summary.power_w
        if summary.soc_percent is not None:
            values["last_soc_percent"] = summary.soc_percent
        if summary.energy_wh is not None and not summary.is_begin:
            last = values.get("last_register_wh", transaction.last_register_wh)
            values |= _follow_register(request, transaction, round(summary.energy_wh), last, at)
    if values:
        request.batch.change(transaction, **values)
        request.batch.send(
            signals.transaction_updated, Transaction, charge_point=request.charge_point, transaction=transaction
        )


def _follow_register(
    request: OCPPRequest, transaction: Transaction, register_wh: int, last_wh: int | None, at: datetime
) -> dict[str, int]:
    """What the register tells of the energy so far; nothing where it cannot be true, which is noted once."""
    energy_wh = register_wh - transaction.meter_start_wh
    if last_wh is not None and register_wh < last_wh:
        detail = f"from {last_wh} Wh to {register_wh} Wh"
        _add_anomaly_once(request, transaction, AnomalyKind.REGISTER_BACKWARDS, detail)
    if energy_wh > energy.possible_wh(transaction.started_at, at):
        detail = f"{energy_wh} Wh in {at - transaction.started_at}"
        _add_anomaly_once(request, transaction, AnomalyKind.ABSURD_ENERGY, detail)
        return {}
    return {} if energy_wh < 0 else {"last_register_wh": register_wh, "energy_wh": energy_wh}


# -- anomalies -----------------------------------------------------------------------------------------------


def add_anomaly(request: OCPPRequest, transaction: Transaction, kind: AnomalyKind, detail: str) -> None:
    """Note an oddity of a transaction, with the frame that caused it."""
    anomaly = Anomaly(transaction=transaction, kind=kind, detail=detail, raw=request.raw, found_at=request.received_at)
    request.batch.add_with_key(anomaly)
    request.batch.change(transaction, has_anomaly=True)
    request.batch.send(
        signals.anomaly_found, Anomaly, charge_point=request.charge_point, transaction=transaction, anomaly=anomaly
    )


def _add_anomaly_once(request: OCPPRequest, transaction: Transaction, kind: AnomalyKind, detail: str) -> None:
    """Note an oddity that the same meter would show with every sample."""
    if not request.batch.has_anomaly(transaction, kind):
        add_anomaly(request, transaction, kind, detail)
