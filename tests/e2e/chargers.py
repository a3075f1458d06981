"""Charge points as the tests need them: simulated ones that charge fast, and bare connections in a closed loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.charge_point import Specification
from simulator.client import SimulatedChargePoint
from tests.e2e.processes import PATIENCE_S, POLL_S
from tests.e2e.wire import Wire

SPEED = 60.0
"""With the usual sample interval of 15 s: four MeterValues a second from each that charges."""


def charge_points(
    urls: Sequence[str], prefix: str, count: int, *, speed: float = SPEED, connectors: int = 1
) -> list[SimulatedChargePoint]:
    """So many charge points with their own seeds, spread over the gateways."""
    return [
        SimulatedChargePoint(
            urls[number % len(urls)],
            f"{prefix}-{number + 1}",
            specification=Specification(f"{prefix}-{number + 1}", speed=speed, seed=number, connectors=connectors),
        )
        for number in range(count)
    ]


@asynccontextmanager
async def switched_on(charge_points: Sequence[SimulatedChargePoint]) -> AsyncIterator[None]:
    """All of them connected and accepted; switched off at the end."""
    try:
        for charge_point in charge_points:
            charge_point.start()
        for charge_point in charge_points:
            await charge_point.wait_until(lambda it=charge_point: it.charge_point.is_online, "it is accepted")  # type: ignore[misc]
        yield
    finally:
        await asyncio.gather(*(charge_point.close() for charge_point in charge_points))


async def begin_charging(charge_point: SimulatedChargePoint, tag: str) -> None:
    """Tag first, so that nobody starts remotely; then the cable."""
    presentation = await charge_point.present_tag(tag, 1)
    assert not presentation.refusal, presentation.refusal
    await charge_point.plug_in(1)
    await charge_point.wait_for_status("Charging")
    transaction = charge_point.charge_point.connectors[0].transaction
    assert transaction is not None
    await charge_point.wait_until(lambda: transaction.is_start_confirmed, "its start is answered")


async def end_charging(charge_point: SimulatedChargePoint) -> None:
    """Stop, unplug, and wait until the central system has confirmed everything."""
    await charge_point.stop_charging(1)
    await charge_point.unplug(1)
    await charge_point.delivered(60)


async def charge_on(charge_points: Sequence[SimulatedChargePoint], meter_values: int) -> None:
    """Every transaction goes on until so many more of its meter values are confirmed."""
    await asyncio.gather(*(confirmed(charge_point, meter_values) for charge_point in charge_points))


async def confirmed(charge_point: SimulatedChargePoint, more: int) -> None:
    transaction = charge_point.charge_point.connectors[0].transaction
    assert transaction is not None, f"{charge_point.identity} does not charge"
    wanted = transaction.confirmed_meter_values + more
    await charge_point.wait_until(
        lambda: transaction.confirmed_meter_values >= wanted, f"{more} more meter values are confirmed", 60
    )


@asynccontextmanager
async def wired(urls: Sequence[str], prefix: str, count: int) -> AsyncIterator[list[Wire]]:
    """So many bare connections, booted, spread over the gateways."""
    async with AsyncExitStack() as stack:
        wires = [
            await stack.enter_async_context(Wire(urls[number % len(urls)], f"{prefix}-{number + 1}"))
            for number in range(count)
        ]
        await asyncio.gather(*(wire.boot() for wire in wires))
        yield wires


async def charge_without_pause(wire: Wire, tag: str, meter_values: int) -> None:
    """A transaction in a closed loop: the next CALL goes out as soon as the last one is answered."""
    started_at = datetime.now(UTC) - timedelta(hours=1)
    start = {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": started_at.isoformat()}
    transaction_id = (await wire.call("StartTransaction", start))["transactionId"]
    for number in range(1, meter_values + 1):
        at = (started_at + timedelta(seconds=number)).isoformat()
        value = {"timestamp": at, "sampledValue": [{"value": str(number), "unit": "Wh"}]}
        await wire.call("MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]})
        await wire.call("StatusNotification", status(f"{number}"))
    stopped_at = (started_at + timedelta(hours=1)).isoformat()
    stop = {"transactionId": transaction_id, "meterStop": meter_values, "timestamp": stopped_at}
    await wire.call("StopTransaction", stop)


def status(info: str) -> dict[str, Any]:
    """A StatusNotification.req; ``info`` tells it from others."""
    return {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "info": info}


async def eventually(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """``wait_until`` for a coroutine: the charge points go on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(POLL_S)
