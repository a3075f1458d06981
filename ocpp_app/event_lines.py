"""One log line for each event that somebody looks for afterwards, written after COMMIT.

The gateway tells of connections; no line names an idTag, because who knows one can charge with it.
"""

import logging
from typing import Any

from django.dispatch import Signal

from ocpp_app import signals
from ocpp_app.models import Anomaly, ChargePoint, Command, CommandState, Transaction
from ocppj.v16 import BootNotificationRequest

logger = logging.getLogger("ocpp_app.events")


def connect() -> None:
    """Let the signals write their lines; once for each process."""
    for signal, tell in LINES:
        signal.connect(tell, dispatch_uid=tell.__name__)


def _booted(charge_point: ChargePoint, message: BootNotificationRequest, **_: Any) -> None:
    device = f"{message.charge_point_vendor} {message.charge_point_model} {message.firmware_version or ''}".rstrip()
    _say(charge_point, "booted, registration %s: %s", charge_point.registration_status, device)


def _registration_changed(charge_point: ChargePoint, **_: Any) -> None:
    _say(charge_point, "registration is now %s", charge_point.registration_status)


def _transaction_started(charge_point: ChargePoint, transaction: Transaction, **_: Any) -> None:
    _say(charge_point, "transaction %s started on connector %s", transaction.pk, transaction.connector.number)


def _transaction_stopped(charge_point: ChargePoint, transaction: Transaction, **_: Any) -> None:
    reason = transaction.stop_reason or transaction.closed_by
    _say(charge_point, "transaction %s stopped, %s Wh: %s", transaction.pk, transaction.energy_wh, reason)


def _anomaly_found(charge_point: ChargePoint, anomaly: Anomaly, **_: Any) -> None:
    _say(charge_point, "transaction %s wants a look: %s", anomaly.transaction_id, anomaly.kind, level=logging.WARNING)


def _command_finished(charge_point: ChargePoint, command: Command, **_: Any) -> None:
    if command.state == CommandState.ANSWERED:
        _say(charge_point, "%s answered: %s", command.action, command.status or "done")
    else:
        _say(charge_point, "%s ended as %s", command.action, command.state, level=logging.WARNING)


LINES: tuple[tuple[Signal, Any], ...] = (
    (signals.charge_point_booted, _booted),
    (signals.registration_changed, _registration_changed),
    (signals.transaction_started, _transaction_started),
    (signals.transaction_stopped, _transaction_stopped),
    (signals.anomaly_found, _anomaly_found),
    (signals.command_finished, _command_finished),
)


def _say(charge_point: ChargePoint, text: str, *values: object, level: int = logging.INFO) -> None:
    logger.log(level, text, *values, extra={"charge_point": charge_point.identity})
