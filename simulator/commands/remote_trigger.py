"""The Remote Trigger profile's command (OCPP 1.6 §5.17)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ocppj.messages import Request
from ocppj.v16 import (
    Action,
    DiagnosticsStatus,
    DiagnosticsStatusNotificationRequest,
    FirmwareStatusNotificationRequest,
    HeartbeatRequest,
    MessageTrigger,
    MeterValuesRequest,
    ReadingContext,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
)
from simulator.commands.reply import Handler, Reply
from simulator.connector import Connector
from simulator.maintenance import status_to_trigger

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def trigger_message(charge_point: "ChargePoint", request: TriggerMessageRequest, now: float) -> Reply:
    """Send a message that is not due (§5.17); the response goes first."""
    trigger = MessageTrigger(request.requested_message)
    needs_connector = trigger in (MessageTrigger.MeterValues, MessageTrigger.StatusNotification)
    connector = charge_point.charging.connector(request.connector_id)
    if needs_connector and request.connector_id is not None and connector is None:
        return Reply(TriggerMessageResponse(status=TriggerMessageStatus.Rejected))
    if trigger == MessageTrigger.BootNotification and charge_point.registration.is_accepted:
        return Reply(TriggerMessageResponse(status=TriggerMessageStatus.Rejected))  # errata 3.35
    send = _SENDERS[trigger]
    return Reply(
        TriggerMessageResponse(status=TriggerMessageStatus.Accepted), lambda: send(charge_point, connector, now)
    )


def _boot_notification(charge_point: "ChargePoint", _connector: Connector | None, now: float) -> None:
    charge_point.boot(now)


def _diagnostics_status_notification(charge_point: "ChargePoint", _connector: Connector | None, now: float) -> None:
    status = charge_point.maintenance.diagnostics_status
    if status != DiagnosticsStatus.Uploading:  # §4.4: Idle, when nothing is under way
        status = DiagnosticsStatus.Idle
    _send(charge_point, DiagnosticsStatusNotificationRequest(status=status), now)


def _firmware_status_notification(charge_point: "ChargePoint", _connector: Connector | None, now: float) -> None:
    status = status_to_trigger(charge_point.maintenance.firmware_status)
    _send(charge_point, FirmwareStatusNotificationRequest(status=status), now)


def _heartbeat(charge_point: "ChargePoint", _connector: Connector | None, now: float) -> None:
    _send(charge_point, HeartbeatRequest(), now)


def _meter_values(charge_point: "ChargePoint", connector: Connector | None, now: float) -> None:
    for one in charge_point.connectors if connector is None else (connector,):
        value = charge_point.charging.sampler.read(one, ReadingContext.Trigger, "MeterValuesSampledData", now)
        if value is None:
            continue
        transaction_id = None if one.transaction is None else one.transaction.transaction_id
        request = MeterValuesRequest(connector_id=one.connector_id, transaction_id=transaction_id, meter_value=[value])
        _send(charge_point, request, now)


def _status_notification(charge_point: "ChargePoint", connector: Connector | None, now: float) -> None:
    # §5.17: without a connector, for the charge point itself and for each connector.
    for one in (None, *charge_point.connectors) if connector is None else (connector,):
        charge_point.report_status(one, now, is_triggered=True)


def _send(charge_point: "ChargePoint", request: Request, now: float) -> None:
    charge_point.request(request, now, is_triggered=True)  # §4.2: while Pending only what was triggered may be sent


_SENDERS: Mapping[MessageTrigger, Callable[["ChargePoint", Connector | None, float], None]] = {
    MessageTrigger.BootNotification: _boot_notification,
    MessageTrigger.DiagnosticsStatusNotification: _diagnostics_status_notification,
    MessageTrigger.FirmwareStatusNotification: _firmware_status_notification,
    MessageTrigger.Heartbeat: _heartbeat,
    MessageTrigger.MeterValues: _meter_values,
    MessageTrigger.StatusNotification: _status_notification,
}

HANDLERS: Mapping[str, Handler] = {Action.TriggerMessage: trigger_message}
