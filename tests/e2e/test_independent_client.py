"""The PyPI package ``ocpp`` as a charge point that is not ours, against both set-ups."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.enums import (
    Action,
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
)
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.e2e.central_system import CentralSystem
from tests.e2e.databases import BLOCKED_TAG, as_utc

TRANSACTION = (
    "SELECT t.*, n.number FROM ocpp_app_transaction t JOIN ocpp_app_connector n ON n.id = t.connector_id "
    "JOIN ocpp_app_chargepoint c ON c.id = t.charge_point_id WHERE c.identity = %s"
)


class IndependentChargePoint(OcppChargePoint):
    """What its authors made it; it takes a remote start, and raises for every CALLERROR."""

    def __init__(self, identity: str, connection: Any) -> None:
        super().__init__(identity, connection)
        self.remote_starts: asyncio.Queue[str] = asyncio.Queue()

    async def ask(self, payload: Any) -> Any:
        return await self.call(payload, suppress=False)

    @on(Action.remote_start_transaction)
    def take_remote_start(self, id_tag: str, **_: Any) -> Any:
        self.remote_starts.put_nowait(id_tag)
        return call_result.RemoteStartTransaction(status=RemoteStartStopStatus.accepted)


@asynccontextmanager
async def connected(url: str, identity: str) -> AsyncIterator[IndependentChargePoint]:
    async with connect(f"{url}/{identity}", subprotocols=[Subprotocol("ocpp1.6")], proxy=None) as connection:
        assert connection.subprotocol == "ocpp1.6"
        charge_point = IndependentChargePoint(identity, connection)
        reading = asyncio.create_task(charge_point.start())
        yield charge_point
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def status(charge_point: IndependentChargePoint, status: ChargePointStatus, connector_id: int = 1) -> None:
    await charge_point.ask(
        call.StatusNotification(
            connector_id=connector_id,
            error_code=ChargePointErrorCode.no_error,
            status=status,
            timestamp=datetime.now(UTC).isoformat(),
        )
    )


def sampled(energy_wh: int, power_w: int) -> list[dict[str, str]]:
    return [
        {"value": str(energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"},
    ]


@pytest.mark.spec("OCPP 1.6", "4")
async def test_whole_charge(central_system: CentralSystem) -> None:
    started_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    async with connected(central_system.url, "INDEPENDENT") as charge_point:
        boot = await charge_point.ask(
            call.BootNotification(charge_point_vendor="Mobility House", charge_point_model="ocpp", iccid="8988")
        )
        assert boot.status == RegistrationStatus.accepted
        assert boot.interval == 3600
        assert abs(datetime.fromisoformat(boot.current_time) - datetime.now(UTC)) < timedelta(seconds=30)
        await status(charge_point, ChargePointStatus.available, 0)
        await status(charge_point, ChargePointStatus.available)
        authorized = await charge_point.ask(call.Authorize(id_tag="tag001"))  # OCPP 1.6 §7.28: case-insensitive
        assert authorized.id_tag_info == {"status": AuthorizationStatus.accepted}
        await status(charge_point, ChargePointStatus.preparing)
        start = await charge_point.ask(
            call.StartTransaction(
                connector_id=1, id_tag="tag001", meter_start=1000, timestamp=started_at.isoformat(), reservation_id=None
            )
        )
        assert start.id_tag_info["status"] == AuthorizationStatus.accepted
        await status(charge_point, ChargePointStatus.charging)
        for minute in range(1, 4):
            at = started_at + timedelta(minutes=minute)
            value = {"timestamp": at.isoformat(), "sampled_value": sampled(1000 + 100 * minute, 6000)}
            await charge_point.ask(
                call.MeterValues(connector_id=1, transaction_id=start.transaction_id, meter_value=[value])
            )
        open_transaction = central_system.database.row(TRANSACTION, "INDEPENDENT")
        assert (open_transaction["is_active"], open_transaction["energy_wh"]) == (True, 300)
        stop = await charge_point.ask(
            call.StopTransaction(
                transaction_id=start.transaction_id,
                meter_stop=1350,
                timestamp=(started_at + timedelta(minutes=5)).isoformat(),
                id_tag="TAG001",
                reason=Reason.local,
                transaction_data=[
                    {"timestamp": (started_at + timedelta(minutes=5)).isoformat(), "sampled_value": sampled(1350, 0)}
                ],
            )
        )
        assert stop.id_tag_info["status"] == AuthorizationStatus.accepted
        await status(charge_point, ChargePointStatus.available)
        await charge_point.ask(call.Heartbeat())
    check_rows(central_system, start.transaction_id, started_at)


def check_rows(central_system: CentralSystem, transaction_id: int, started_at: datetime) -> None:
    database = central_system.database
    charge_point = database.row("SELECT * FROM ocpp_app_chargepoint WHERE identity = %s", "INDEPENDENT")
    assert (charge_point["vendor"], charge_point["model"], charge_point["iccid"]) == ("Mobility House", "ocpp", "8988")
    transaction = database.row(TRANSACTION, "INDEPENDENT")
    assert transaction["id"] == transaction_id
    assert (transaction["number"], transaction["id_tag_status"]) == (1, "Accepted")
    assert (transaction["meter_start_wh"], transaction["meter_stop_wh"], transaction["energy_wh"]) == (1000, 1350, 350)
    assert (transaction["is_active"], transaction["stop_reason"]) == (False, "Local")
    assert as_utc(transaction["started_at"]) == started_at
    assert as_utc(transaction["stopped_at"]) == started_at + timedelta(minutes=5)
    values = database.rows(
        "SELECT energy_wh, power_w FROM ocpp_app_metervalue WHERE transaction_id = %s ORDER BY timestamp",
        transaction_id,
    )
    assert [(row["energy_wh"], row["power_w"]) for row in values] == [
        (1100, 6000),
        (1200, 6000),
        (1300, 6000),
        (1350, 0),
    ]
    statuses = database.values(
        "SELECT h.status FROM ocpp_app_statushistory h JOIN ocpp_app_connector n ON n.id = h.connector_id "
        "WHERE n.charge_point_id = %s AND n.number = 1 ORDER BY h.id",
        charge_point["id"],
    )
    assert statuses == ["Available", "Preparing", "Charging", "Available"]
    frames = database.rows(
        "SELECT action, answer_type FROM ocpp_app_message WHERE charge_point_id = %s ORDER BY id", charge_point["id"]
    )
    assert len(frames) == 13
    assert {row["answer_type"] for row in frames} == {3}


async def test_blocked_tag_is_refused_and_its_transaction_recorded_all_the_same(central_system: CentralSystem) -> None:
    async with connected(central_system.url, "INDEPENDENT-BLOCKED") as charge_point:
        await charge_point.ask(call.BootNotification(charge_point_vendor="Mobility House", charge_point_model="ocpp"))
        authorized = await charge_point.ask(call.Authorize(id_tag=BLOCKED_TAG))
        assert authorized.id_tag_info["status"] == AuthorizationStatus.blocked
        unknown = await charge_point.ask(call.Authorize(id_tag="NEVER-SEEN"))
        assert unknown.id_tag_info["status"] == AuthorizationStatus.invalid
        start = await charge_point.ask(
            call.StartTransaction(
                connector_id=1, id_tag=BLOCKED_TAG, meter_start=7, timestamp=datetime.now(UTC).isoformat()
            )
        )
        assert start.id_tag_info["status"] == AuthorizationStatus.blocked
    transaction = central_system.database.row(TRANSACTION, "INDEPENDENT-BLOCKED")
    assert (transaction["id"], transaction["id_tag_status"]) == (start.transaction_id, "Blocked")


async def test_plugging_in_without_a_tag_is_answered_with_a_remote_start(central_system: CentralSystem) -> None:
    async with connected(central_system.url, "INDEPENDENT-AUTO") as charge_point:
        await charge_point.ask(call.BootNotification(charge_point_vendor="Mobility House", charge_point_model="ocpp"))
        await status(charge_point, ChargePointStatus.preparing)
        async with asyncio.timeout(20):
            assert await charge_point.remote_starts.get() == "anonymous"
