"""kill -9, while charge points charge: charging goes on, nothing is lost, nothing is there twice."""

import asyncio
import os
import signal
import time

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.e2e import accounts
from tests.e2e.central_system import Cluster, Launcher
from tests.e2e.chargers import (
    begin_charging,
    charge_on,
    charge_points,
    charge_without_pause,
    end_charging,
    eventually,
    status,
    switched_on,
    wired,
)
from tests.e2e.databases import TAGS
from tests.e2e.processes import frozen, is_alive, wait_until
from tests.e2e.wire import Wire

CHARGERS = 6
METER_VALUES = 8
"""So many are confirmed for each transaction between two kills."""
DEATHS = 3
BUSY = 16
"""Charge points in a closed loop."""
BUSY_METER_VALUES = 40
RETRIED_AFTER_S = 4.5
"""A little less than the gateway's 5 s; no answer takes so long otherwise."""
MANY_SESSIONS = (
    "SELECT count(*) FROM ocpp_app_session s JOIN ocpp_app_chargepoint c ON c.id = s.charge_point_id "
    "WHERE c.identity = %s"
)
OPEN_SESSIONS = "SELECT count(*) FROM ocpp_app_session WHERE ended_at IS NULL"


def kill_a_worker(system: Cluster) -> None:
    """kill -9 of one of the two; returns when another has taken its place."""
    victim, *others = system.worker.children
    mark = system.worker.mark()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim), f"worker process {victim} is gone")
    system.worker.wait_for_output(f"Worker process {victim} died with exit code -9 and is started again", since=mark)
    system.worker.wait_for_output("takes requests", since=mark)
    assert set(others) < set(system.worker.children)


@pytest.mark.timeout(120)
async def test_cluster_loses_a_worker_and_a_gateway(launcher: Launcher) -> None:
    system = launcher.cluster(OCPP_AUTO_REMOTE_START="off")
    chargers = charge_points(system.urls, "KILL", CHARGERS)
    lost = chargers[0::2]  # those at the first gateway
    async with switched_on(chargers):
        for charger, tag in zip(chargers, TAGS, strict=False):
            await begin_charging(charger, tag)
        await charge_on(chargers, METER_VALUES)

        for _ in range(2):
            await asyncio.to_thread(kill_a_worker, system)
            await charge_on(chargers, METER_VALUES)

        system.gateways[0].kill()
        for charger in lost:
            await charger.wait_until(lambda it=charger: not it.is_connected, "it has lost its gateway")  # type: ignore[misc]
        await charge_on(chargers[1::2], METER_VALUES)  # the others have not noticed
        system.gateways[0].start()
        await charge_on(chargers, METER_VALUES)
        started = [len(charger.ledger.transactions) for charger in chargers]

        for charger in chargers:
            await end_charging(charger)
    assert started == [1] * CHARGERS, "a transaction was interrupted"
    accounts.check(system.database, chargers)
    for charger in lost:
        assert system.database.value(MANY_SESSIONS, charger.identity) == 2
    for charger in chargers[1::2]:
        assert system.database.value(MANY_SESSIONS, charger.identity) == 1
    assert not system.tracebacks({})


@pytest.mark.timeout(120)
async def test_workers_die_in_the_middle_of_their_batches(launcher: Launcher) -> None:
    """Also between COMMIT and answer: PostgreSQL finishes a COMMIT whose client is gone, while the next worker has the
    same requests already.
    """
    system = launcher.cluster()
    system.database.slow_down_commits()
    async with wired(system.urls, "BUSY", BUSY) as wires, asyncio.TaskGroup() as tasks:
        for wire, tag in zip(wires, TAGS, strict=False):
            tasks.create_task(charge_without_pause(wire, tag, BUSY_METER_VALUES))
        for share in (1, 2, 3, 4):
            wanted = BUSY * BUSY_METER_VALUES * 2 * share // 5
            await eventually(lambda: sum(len(wire.exchanges) for wire in wires) >= wanted, "they are busy")  # noqa: B023
            await asyncio.to_thread(kill_a_worker, system)
    accounts.check_closed_loops(system.database, wires)
    assert not system.tracebacks({})


async def test_frozen_worker_wakes_up_to_a_request_that_another_has_carried_out(launcher: Launcher) -> None:
    system = launcher.cluster(LOG_LEVEL="DEBUG")
    async with Wire(system.url, "FROZEN") as wire:
        await wire.boot()
        with frozen(system.worker.children[:1]):
            await call_until_one_is_held(wire)
            mark = system.worker.mark()
        await asyncio.to_thread(system.worker.wait_for_output, "Published to", since=mark)
    accounts.check_frames(system.database, wire.identity, wire.exchanges)
    assert accounts.count_statuses(system.database, wire.identity) == len(wire.exchanges) - 1  # the boot
    assert not system.tracebacks({})


async def call_until_one_is_held(wire: Wire) -> None:
    """The broker deals messages out in turn: soon the frozen worker gets one. The gateway publishes that again after
    5 s, until the other worker has it and answers.
    """
    for number in range(10):
        began = time.monotonic()
        await wire.call("StatusNotification", status(f"{number}"))
        if time.monotonic() - began > RETRIED_AFTER_S:
            return
    raise AssertionError("the frozen worker was given nothing")


@pytest.mark.timeout(120)
async def test_runcsms_is_killed_and_started_again(launcher: Launcher) -> None:
    system = launcher.single(OCPP_AUTO_REMOTE_START="off")
    chargers = charge_points(system.urls, "KILLED", CHARGERS)
    async with switched_on(chargers):
        for charger, tag in zip(chargers, TAGS, strict=False):
            await begin_charging(charger, tag)
        await charge_on(chargers, METER_VALUES)

        for _ in range(2):
            system.runcsms.kill()
            for charger in chargers:
                await charger.wait_until(lambda it=charger: not it.is_connected, "it is offline")  # type: ignore[misc]
            await asyncio.to_thread(system.start)
            await charge_on(chargers, METER_VALUES)

        for charger in chargers:
            await end_charging(charger)
    accounts.check(system.database, chargers)
    assert [len(charger.ledger.transactions) for charger in chargers] == [1] * CHARGERS
    await eventually(lambda: system.database.value(OPEN_SESSIONS) == 0, "all sessions have ended")
    assert not system.tracebacks({})


async def test_what_runcsms_has_answered_survives_its_death(launcher: Launcher) -> None:
    system = launcher.single()
    for death in range(DEATHS):
        async with wired(system.urls, f"ANSWERED-{death}", BUSY) as wires:
            loops = [charge_without_pause(wire, TAGS[death * BUSY + number], 1000) for number, wire in enumerate(wires)]
            charging = asyncio.gather(*loops, return_exceptions=True)
            await eventually(lambda: sum(len(wire.exchanges) for wire in wires) > BUSY * 10, "they are busy")
            system.runcsms.kill()
            assert {type(error) for error in await charging} == {ConnectionClosedError}
        await asyncio.to_thread(system.start)
        for wire in wires:
            accounts.check_frames(system.database, wire.identity, wire.exchanges)
            accounts.check_meter_values(system.database, wire.identity, wire.exchanges)


async def test_charge_points_that_stop_while_everything_is_down_deliver_it_later(kind: str, launcher: Launcher) -> None:
    system = launcher.either(kind, OCPP_AUTO_REMOTE_START="off")
    chargers = charge_points(system.urls, "DOWN", 4)
    async with switched_on(chargers):
        for charger, tag in zip(chargers, TAGS, strict=False):
            await begin_charging(charger, tag)
        await charge_on(chargers, 2)
        for process in system.processes.values():
            process.kill()
        for charger in chargers:
            await charger.wait_until(lambda it=charger: not it.is_connected, "it is offline")  # type: ignore[misc]
            await charger.wait_until(lambda it=charger: len(it.charge_point.outbox) > 3, "meter values are kept")  # type: ignore[misc]
            await charger.stop_charging(1)
            await charger.unplug(1)
        await asyncio.to_thread(system.start)
        for charger in chargers:
            await charger.delivered(60)
    accounts.check(system.database, chargers)
