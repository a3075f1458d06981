"""What people decide about transactions; nothing goes on the wire.

To end the charging itself, send a RemoteStopTransaction: the charge point then stops the transaction with its own word.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction as database

from ocpp_app import signals
from ocpp_app.batch import Batch
from ocpp_app.dispatch import commit
from ocpp_app.errors import TransactionEnded, TransactionOpen
from ocpp_app.models import Anomaly, AnomalyKind, ClosedBy, Transaction
from ocpp_app.settlement import settle_later

DOUBTS = (
    AnomalyKind.LOWER_METER,
    AnomalyKind.ABSURD_ENERGY,
    AnomalyKind.REGISTER_BACKWARDS,
    AnomalyKind.METER_DISAGREES,
    AnomalyKind.UNKNOWN_STOP,
    AnomalyKind.FOREIGN_STOP,
)
"""What a decision about the energy answers."""


def close_transaction(transaction: Transaction, reason: str, user: Any = None) -> Transaction:
    """End an open transaction that its charge point will never stop; returns it as it is then.

    ``reason`` is kept with it, and the ``user`` who decided. It ends with its last meter values (now, where it has
    none) and the last register that is known; should the charge point stop it after all, its word replaces this
    estimate. Raises ``TransactionEnded``.
    """

    def close(batch: Batch, row: Transaction) -> None:
        if not row.is_active:
            raise TransactionEnded(f"Transaction {row.pk} has ended already: there is nothing to close.")
        register_wh = row.meter_start_wh if row.last_register_wh is None else row.last_register_wh
        batch.change(
            row,
            is_active=False,
            stopped_at=max(row.last_meter_at or batch.now, row.started_at),
            stop_received_at=batch.now,
            meter_stop_wh=register_wh,
            energy_wh=max(0, register_wh - row.meter_start_wh),
            last_power_w=0.0,
            closed_by=ClosedBy.BACK_OFFICE,
            closed_by_user=user,
            close_note=reason,
        )
        settle_later(batch, row)
        batch.send(signals.transaction_stopped, Transaction, charge_point=row.charge_point, transaction=row)

    return _decide(transaction, close)


def decide_energy(transaction: Transaction, energy_wh: int, note: str, user: Any = None) -> Transaction:
    """Bill this energy (Wh) whatever the registers say; returns the transaction with its new cost.

    For energy in doubt, mostly: ``doubtful_wh`` is what was delivered at least. The anomalies that doubt it are
    resolved with ``note`` and ``user``. Raises ``TransactionOpen``, and ``ValueError`` for a negative energy.
    """
    if energy_wh < 0:
        raise ValueError(f"Energy is not negative: {energy_wh} Wh.")

    def decide(batch: Batch, row: Transaction) -> None:
        if row.is_active:
            raise TransactionOpen(f"Transaction {row.pk} is open: close it first, then decide about its energy.")
        batch.change(row, energy_wh=energy_wh, doubtful_wh=None, is_energy_by_hand=True)
        settle_later(batch, row)
        doubts = Anomaly.objects.filter(transaction=row, kind__in=DOUBTS, resolved_at=None)
        doubts.update(resolved_at=batch.now, resolved_by=user, note=note)

    return _decide(transaction, decide)


def _decide(transaction: Transaction, decision: Callable[[Batch, Transaction], None]) -> Transaction:
    """Carry out a decision on the transaction as it is now, while no worker can change it."""

    def handle(batch: Batch) -> Transaction:
        batch.lock_charge_points([transaction.charge_point.identity])
        row = Transaction.objects.get(pk=transaction.pk)
        row.charge_point = batch.charge_points[transaction.charge_point.identity]
        decision(batch, row)
        return row

    decided, after = commit(handle)
    database.on_commit(after.run)
    return decided
