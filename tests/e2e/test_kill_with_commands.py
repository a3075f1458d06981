"""kill -9 of each process while commands are in flight: no row says ``sent`` for ever, and none is sent twice.

Whether a CALL was sent twice is for the charge points' own records to say.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.central_system import CentralSystem, Launcher
from tests.e2e.chargers import eventually
from tests.e2e.commanded import Commanded, Received, keep_silent, obey
from tests.e2e.own_broker import OwnBroker
from tests.e2e.processes import Process

TIMEOUT_S = 2
GRACE_S = 1
LONGEST_S = TIMEOUT_S + 30
"""No row stays ``sent`` for longer, once everything is up again."""
SETTINGS = {"OCPP_CALL_TIMEOUT": str(TIMEOUT_S), "OCPP_COMMAND_GRACE": str(GRACE_S)}
OBEDIENT = ("OBEYS-1", "OBEYS-2", "OBEYS-3", "OBEYS-4")
SILENT = "SILENT-1"
THINKS_S = 0.05
"""How long an obedient one takes to answer: something is in flight at any moment."""
MORE = 8
"""So many commands are answered between two deaths."""

# A web process: two requests for each charge point wait for their answers, again and again.
WEB = f"""
import datetime, itertools, threading
from django.db import DatabaseError, connection
from django.utils import timezone
from ocpp_app.commands import issue_command
from ocpp_app.errors import CommandError
from ocppj.v16 import ChangeConfigurationRequest

def ask(identity):
    for number in itertools.count():
        expires_at = timezone.now() + datetime.timedelta(minutes=10)
        request = ChangeConfigurationRequest(key=f"key{{number}}", value="1")
        try:
            issue_command(identity, request, wait=True, timeout=20, expires_at=expires_at, source="asked")
        except (CommandError, DatabaseError) as error:
            print(identity, error, flush=True)
            connection.close()

for identity in {(*OBEDIENT, SILENT)!r} * 2:
    threading.Thread(target=ask, args=(identity,)).start()
"""
ASKED = "SELECT * FROM ocpp_app_command WHERE source = 'asked'"
REGISTER = f"""
from ocpp_app.models import ChargePoint
for identity in {(*OBEDIENT, SILENT)!r}:
    ChargePoint.objects.create(identity=identity, security_profile=0)
result = None
"""


async def think_and_obey(charger: Commanded, received: Received) -> None:
    await asyncio.sleep(THINKS_S)
    await obey(charger, received)


class Scene:
    """A central system, its web process, and charge points that keep count."""

    def __init__(self, system: CentralSystem, chargers: list[Commanded]) -> None:
        self.system = system
        self.chargers = chargers
        self.unsettled: set[str] = set()
        self.web: Process = system._process("web", "manage.py", "shell", "-v0", "-c", WEB)

    def answered(self) -> int:
        return int(self.system.database.value(f"SELECT count(*) AS n FROM ({ASKED} AND state = 'answered') a"))

    async def goes_on(self) -> None:
        """So many more commands are answered."""
        wanted = await asyncio.to_thread(self.answered) + MORE
        await eventually(lambda: self.answered() >= wanted, f"{MORE} more commands are answered", 60)

    def sent(self) -> set[str]:
        """The commands that are written and not answered, as the database has it."""
        return {str(row["id"]) for row in self.system.database.rows(f"{ASKED} AND state = 'sent'")}

    async def in_flight(self) -> None:
        """Something is written and not answered yet, in this moment."""
        await eventually(self.sent, "a command is in flight")

    async def survives(self, kill: Callable[[], Any], start: Callable[[], Any]) -> None:
        """Kill something while commands are in flight, start it again, and go on; ``settles`` comes next."""
        await self.in_flight()
        await asyncio.to_thread(kill)
        self.unsettled |= self.sent()
        await asyncio.to_thread(start)
        await self.goes_on()

    async def settles(self) -> None:
        """What was sent when something died is not called so for ever."""
        await eventually(lambda: not self.unsettled & self.sent(), "nothing old is called sent any more", LONGEST_S)
        self.unsettled.clear()

    async def survives_the_death_of_whoever_waits(self) -> None:
        """What a web process has asked for is answered, although nobody waits for it any more."""
        await self.in_flight()
        self.web.kill()
        left = {
            str(row["id"])
            for row in self.system.database.rows(f"{ASKED} AND state IN ('dispatched', 'sent')")
            if row["charge_point_id"] != self._silent_id()
        }
        answered = f"{ASKED} AND state = 'answered'"
        await eventually(
            lambda: left <= {str(row["id"]) for row in self.system.database.rows(answered)}, "they are answered"
        )
        self.web.start()
        await self.goes_on()

    def _silent_id(self) -> Any:
        return self.system.database.value("SELECT id FROM ocpp_app_chargepoint WHERE identity = %s", SILENT)


@asynccontextmanager
async def scene(system: CentralSystem) -> AsyncIterator[Scene]:
    await asyncio.to_thread(system.shell, REGISTER)
    urls = system.urls
    chargers = [
        Commanded([*urls[number % len(urls) :], *urls[: number % len(urls)]], identity, think_and_obey)
        for number, identity in enumerate(OBEDIENT)
    ]
    chargers.append(Commanded(urls, SILENT, keep_silent))
    async with AsyncExitStack() as stack:
        for charger in chargers:
            await stack.enter_async_context(charger)
        playing = Scene(system, chargers)
        playing.web.start()
        await playing.goes_on()
        yield playing
        playing.web.kill()
        await eventually(lambda: not playing.sent(), "nothing is called sent any more", LONGEST_S)
    check(system, chargers)


def check(system: CentralSystem, chargers: list[Commanded]) -> None:
    rows = {str(uuid.UUID(str(row["id"]))): row for row in system.database.rows(ASKED)}
    times = Counter(one.unique_id for charger in chargers for one in charger.received if one.unique_id in rows)
    assert set(times.values()) == {1}, "sent twice"
    for unique_id, row in rows.items():
        if row["state"] in ("answered", "sent"):
            assert unique_id in times, f"{row['state']} without having been received: {row}"
        if row["state"] in ("queued", "expired", "cancelled"):
            assert unique_id not in times, f"{row['state']}, and received all the same: {row}"


@pytest.mark.timeout(180)
async def test_runcsms_dies_with_commands_in_flight(launcher: Launcher) -> None:
    system = await asyncio.to_thread(lambda: launcher.single(**SETTINGS))
    async with scene(system) as playing:
        await playing.survives_the_death_of_whoever_waits()
        await playing.survives(system.runcsms.kill, system.start)
        await playing.settles()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    broker = OwnBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.end()


@pytest.mark.timeout(240)
async def test_each_part_of_a_cluster_dies_with_commands_in_flight(broker: OwnBroker, launcher: Launcher) -> None:
    system = await asyncio.to_thread(lambda: launcher.cluster(amqp_url=broker.url, **SETTINGS))
    gateway = system.gateways[0]

    def start_gateway() -> None:
        gateway.start()
        system.wait_for_gateway(gateway)

    async with scene(system) as playing:
        await playing.survives_the_death_of_whoever_waits()
        await playing.survives(system.worker.end, system.worker.start)
        await playing.survives(gateway.kill, start_gateway)
        await playing.settles()
        await playing.survives(broker.kill, broker.start)
        await playing.settles()
