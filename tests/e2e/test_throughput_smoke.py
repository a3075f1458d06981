"""A small closed loop over both set-ups: no error, and as many rows as answers. How fast it is, `make bench` tells."""

import asyncio

from tests.e2e import accounts
from tests.e2e.central_system import CentralSystem
from tests.e2e.chargers import charge_without_pause, wired
from tests.e2e.databases import TAGS

CHARGERS = 12
METER_VALUES = 25


async def test_closed_loop_is_answered_and_recorded_completely(central_system: CentralSystem) -> None:
    async with wired(central_system.urls, "SMOKE", CHARGERS) as wires:
        await asyncio.gather(
            *(charge_without_pause(wire, tag, METER_VALUES) for wire, tag in zip(wires, TAGS[-CHARGERS:], strict=True))
        )
    accounts.check_closed_loops(central_system.database, wires)
    calls = 1 + 1 + METER_VALUES + METER_VALUES + 1
    assert [len(wire.exchanges) for wire in wires] == [calls] * CHARGERS
    assert {json_type for wire in wires for json_type in answer_types(central_system, wire.identity)} == {3}


def answer_types(central_system: CentralSystem, identity: str) -> list[int]:
    query = (
        "SELECT DISTINCT m.answer_type FROM ocpp_app_message m JOIN ocpp_app_chargepoint c "
        "ON c.id = m.charge_point_id WHERE c.identity = %s"
    )
    return central_system.database.values(query, identity)
