"""MeterValues.req (OCPP 1.6 §4.7, §6.31)."""

from collections.abc import Sequence

import msgspec

from ocpp_app import clock, metering, roll_up, rows, transactions
from ocpp_app.middleware.base import OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import Connector, MeterValue, Transaction
from ocppj import v16


class MeterValuesMiddleware(OCPPMiddleware):
    """Stores the meter values, once however often they come, and lets their transaction follow them."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        message: v16.MeterValuesRequest = request.message
        connector = request.connector(message.connector_id)
        transaction = transactions.transaction_of_meter_values(request, connector, message.transaction_id)
        store(request, message.meter_value, connector, transaction, message.transaction_id)
        return OCPPResponse(v16.MeterValuesResponse())


def store(
    request: OCPPRequest,
    meter_values: Sequence[v16.MeterValue],
    connector: Connector,
    transaction: Transaction | None,
    transaction_id: int | None,
) -> None:
    """Hand meter values to the batch; ``transaction_id`` is what the charge point named, it is part of what makes a
    value the same."""
    readings = []
    for value in meter_values:
        summary = metering.summarise(value.sampled_value, main_meter=connector.number == 0 and transaction is None)
        at = clock.believe(value.timestamp, request.received_at)
        sampled_values = msgspec.to_builtins(value.sampled_value)
        digest = metering.digest(
            request.charge_point.pk,
            connector.number,
            transaction_id,
            value.timestamp or request.received_at,
            sampled_values,
        )
        readings.append((at, summary))
        if roll_up.is_rolled_up(digest, connector, transaction, value.timestamp, request.received_at):
            continue  # it is in a mean already
        request.batch.add(
            rows.new(
                MeterValue,
                connector=connector,
                transaction=transaction,
                timestamp=at,
                received_at=request.received_at,
                digest=digest,
                sampled_values=sampled_values,
                energy_wh=summary.energy_wh,
                power_w=summary.power_w,
                current_a=summary.current_a,
                voltage_v=summary.voltage_v,
                soc_percent=summary.soc_percent,
            )
        )
    if transaction is not None:
        transactions.feed(request, transaction, readings)
