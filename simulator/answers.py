"""What a charge point makes of an answer, of a CALLERROR, of no answer at all."""

from typing import TYPE_CHECKING

from ocppj.errors import ErrorCode
from ocppj.v16 import (
    AuthorizationStatus,
    AuthorizeResponse,
    BootNotificationRequest,
    BootNotificationResponse,
    HeartbeatResponse,
    IdTagInfo,
    StartTransactionResponse,
    StatusNotificationRequest,
    StopTransactionRequest,
    StopTransactionResponse,
)
from simulator.ledger import Entry, LedgerEvent
from simulator.link import Answered, Failed, Unanswered
from simulator.outbox import Kept
from simulator.reader import Presentation

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def answered(charge_point: "ChargePoint", event: Answered, now: float) -> None:
    """The central system has answered."""
    if isinstance(event.context, Kept):
        charge_point.outbox.confirm()
        _confirmed(charge_point, event.context, event, now)
        return
    match event.response:
        case BootNotificationResponse() as response:
            _booted(charge_point, response, now)
        case HeartbeatResponse() as response:
            charge_point.set_clock(response.current_time, now)
        case AuthorizeResponse() as response:
            _learn(charge_point, event.context.id_tag, response.id_tag_info, now)
            charge_point.reader.decide(event.context, response.id_tag_info, now)


def failed(charge_point: "ChargePoint", event: Failed, now: float) -> None:
    """A CALLERROR came, or nothing in time."""
    if event.code == ErrorCode.SecurityError and charge_point.registration.is_accepted:
        # OCPP-J errata 3.8: the central system has not accepted this charge point, or does not any more.
        charge_point.registration.failed(now)
    if isinstance(event.context, Kept):
        _not_processed(charge_point, event.context, now)
    elif isinstance(event.context, Presentation):
        charge_point.reader.decide_locally(event.context, now, is_online=False)
    elif isinstance(event.request, BootNotificationRequest):
        charge_point.registration.failed(now)


def unanswered(charge_point: "ChargePoint", event: Unanswered, now: float) -> None:
    """The connection ended first: nobody has failed, and the answer may have been on its way."""
    match event:
        case Unanswered(context=Kept()):
            charge_point.outbox.give_back()
        case Unanswered(context=Presentation() as presentation):
            charge_point.reader.decide_locally(presentation, now, is_online=False)
        case Unanswered(request=BootNotificationRequest()):
            charge_point.registration.boot_due = now
        case Unanswered(request=StatusNotificationRequest() as request):
            charge_point.forget_reported(request.connector_id)


def _booted(charge_point: "ChargePoint", response: BootNotificationResponse, now: float) -> None:
    charge_point.registration.answered(response, now)
    if response.current_time is not None:
        charge_point.set_clock(response.current_time, now)
    if not charge_point.registration.is_accepted:
        return
    if response.interval > 0:
        charge_point.configuration.set("HeartbeatInterval", str(response.interval))
    for connector in (None, *charge_point.connectors):  # errata 3.22
        charge_point.report_status(connector, now)


def _confirmed(charge_point: "ChargePoint", kept: Kept, event: Answered, now: float) -> None:
    transaction = kept.transaction
    if transaction is None:
        return
    match event.response:
        case StartTransactionResponse() as response:
            transaction.transaction_id = response.transaction_id
            transaction.is_start_confirmed = True
            _learn(charge_point, transaction.id_tag, response.id_tag_info, now)
            if response.id_tag_info.status != AuthorizationStatus.Accepted:
                charge_point.charging.deny(transaction, now)
        case StopTransactionResponse() as response:
            transaction.is_stop_confirmed = True
            id_tag = kept.message.id_tag if isinstance(kept.message, StopTransactionRequest) else None
            if response.id_tag_info is not None and id_tag:
                _learn(charge_point, id_tag, response.id_tag_info, now)
        case _:
            transaction.confirmed_meter_values += 1


def _learn(charge_point: "ChargePoint", id_tag: str, info: IdTagInfo, now: float) -> None:
    if not charge_point.reader.learn(id_tag, info, now):
        charge_point.report_local_list_conflict(now)


def _not_processed(charge_point: "ChargePoint", kept: Kept, now: float) -> None:
    configuration = charge_point.configuration
    discarded = charge_point.outbox.fail(
        now,
        attempts=configuration.integer("TransactionMessageAttempts"),
        retry_interval_s=configuration.integer("TransactionMessageRetryInterval"),
    )
    if discarded is not None:
        utc, detail = charge_point.clock.utc(now), f"after {discarded.failures} attempts"
        charge_point.ledger.write(Entry(utc, LedgerEvent.discarded, str(kept.message.action), detail=detail))
