"""Never two outstanding: many commands at once go out one by one, in order, and nobody waits for a silent neighbour."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.central_system import CentralSystem
from tests.e2e.chargers import eventually
from tests.e2e.commanded import Commanded, keep_silent, obey

MANY = 200
FEW = 3
TIMEOUT_S = 1

REGISTER = f"""
from ocpp_app.models import ChargePoint
for identity, timeout_s in (("BUSY", None), ("SILENT", None), ("SLOW", {TIMEOUT_S})):
    ChargePoint.objects.create(identity=identity, call_timeout_s=timeout_s, security_profile=0)
result = None
"""
# From several threads at once, as web processes do it; each notes in which order it has asked.
ISSUE = f"""
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from ocpp_app.commands import issue_command
from ocppj.v16 import ChangeConfigurationRequest

def ask(identity, numbers):
    asked = [issue_command(identity, ChangeConfigurationRequest(key=f"key{{n}}", value="1")) for n in numbers]
    connection.close()
    return [str(command.pk) for command in asked]

with ThreadPoolExecutor(4) as pool:
    jobs = [("SILENT", range(1)), ("SLOW", range({FEW})), ("BUSY", range({MANY // 2})), ("BUSY", range({MANY // 2}))]
    result = list(pool.map(lambda job: ask(*job), jobs))
"""
ROWS = """
SELECT p.identity, c.* FROM ocpp_app_command c JOIN ocpp_app_chargepoint p ON p.id = c.charge_point_id
WHERE p.identity IN ('BUSY', 'SILENT', 'SLOW') AND c.action = 'ChangeConfiguration' AND c.source = ''
ORDER BY c.created_at, c.id
"""


async def call_without_pause(charger: Commanded) -> None:
    """Heartbeats in a closed loop, until cancelled."""
    while True:
        await charger.call("Heartbeat")


def is_online(system: CentralSystem) -> bool:
    online = "SELECT count(*) FROM ocpp_app_chargepoint WHERE session_id IS NOT NULL AND identity IN "
    return bool(system.database.value(f"{online} ('BUSY', 'SILENT', 'SLOW')") == 3)


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
@pytest.mark.timeout(150)
async def test_many_commands_at_once_go_out_one_by_one_while_the_charge_point_calls(
    central_system: CentralSystem,
) -> None:
    await asyncio.to_thread(central_system.shell, REGISTER)
    busy, silent, slow = (
        Commanded(central_system.urls, identity, behave)
        for identity, behave in (("BUSY", obey), ("SILENT", keep_silent), ("SLOW", keep_silent))
    )
    async with busy, silent, slow:
        await eventually(lambda: is_online(central_system), "all are connected")
        calling = asyncio.create_task(call_without_pause(busy))
        issued: Any = await asyncio.to_thread(central_system.shell, ISSUE)
        await eventually(lambda: len(asked_of(busy, issued)) == MANY, f"{MANY} commands have come", 60)
        # The one command that gets no answer for 30 s is still waited for: nobody else was.
        rows = central_system.database.rows(ROWS)
        assert [row["state"] for row in rows if row["identity"] == "SILENT"] == ["sent"]
        calling.cancel()
        await eventually(lambda: all(states(central_system, "SLOW", "timed_out")), "the slow one's have timed out")
        await eventually(lambda: all(states(central_system, "BUSY", "answered")), "the answers are stored")
    assert busy.own_answers > 20, "it has hardly called itself"
    # One by one: when a CALL came, no other was without its answer.
    assert {received.beside for received in busy.received} == {()}
    # Once each, in the order in which each thread has asked for them.
    order = [received.unique_id for received in asked_of(busy, issued)]
    assert len(set(order)) == MANY
    for job in issued[2:]:
        assert [unique_id for unique_id in order if unique_id in job] == job
    # Each costs its timeout, and no more than a moment on top; after one that came late the next comes sooner.
    came = [received.at for received in asked_of(slow, issued)]
    gaps = [later - earlier for earlier, later in pairwise(came)]
    assert len(gaps) == FEW - 1
    assert all(TIMEOUT_S * 0.8 <= gap < TIMEOUT_S + 5 for gap in gaps), gaps


def asked_of(charger: Commanded, issued: Any) -> list[Any]:
    """What this charge point was sent of these commands, in order."""
    ids = {unique_id for job in issued for unique_id in job}
    return [received for received in charger.received if received.unique_id in ids]


def states(system: CentralSystem, identity: str, state: str) -> list[bool]:
    return [row["state"] == state for row in system.database.rows(ROWS) if row["identity"] == identity]
