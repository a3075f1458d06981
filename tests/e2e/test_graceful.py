"""SIGTERM and Ctrl-C: each part finishes what it has begun, tells the others, and exits with 0."""

import asyncio
import os
import signal

import pytest
from websockets.exceptions import InvalidHandshake

from tests.e2e import accounts
from tests.e2e.central_system import Launcher
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


@pytest.mark.spec("RFC 6455", "7.4")
async def test_gateway_answers_what_is_in_flight_and_closes_with_1012(launcher: Launcher) -> None:
    system = launcher.cluster()
    leaving, staying = system.gateways
    async with wired(system.urls[:1], "LEAVING", 4) as wires, wired(system.urls[1:], "STAYING", 1) as others:
        with frozen(system.worker.children):
            mark = leaving.mark()
            sent = [await wire.send("StatusNotification", status("in flight")) for wire in wires]
            await asyncio.to_thread(leaving.wait_for_output, "in flight", times=len(wires), since=mark)
            leaving.send(signal.SIGTERM)
            await asyncio.to_thread(leaving.wait_for_output, "Stopping", since=mark)
            with pytest.raises((OSError, InvalidHandshake)):
                async with Wire(system.urls[0], "LATECOMER"):
                    pass
        for wire, unique_id in zip(wires, sent, strict=True):
            assert await wire.answer(unique_id) == {}
            code, reason = await wire.closed()
            assert (code, reason) == (1012, "The gateway restarts, connect again.")
        assert await asyncio.to_thread(leaving.wait) == 0
        await others[0].call("Heartbeat")
        assert staying.is_running
        codes = system.database.values(
            "SELECT s.close_code FROM ocpp_app_session s JOIN ocpp_app_chargepoint c ON c.id = s.charge_point_id "
            "WHERE c.identity LIKE %s",
            "LEAVING-%",
        )
        assert codes == [1012] * len(wires)
        gateways = system.database.values("SELECT gone_at IS NOT NULL FROM ocpp_app_gateway ORDER BY started_at")
        assert sorted(map(bool, gateways)) == [False, True]
    for wire in wires:
        accounts.check_frames(system.database, wire.identity, wire.exchanges)
    assert not system.tracebacks({})


@pytest.mark.timeout(90)
async def test_charging_goes_on_while_gateways_and_workers_are_restarted_in_turn(launcher: Launcher) -> None:
    system = launcher.cluster(OCPP_AUTO_REMOTE_START="off")
    chargers = charge_points(system.urls, "ROLLING", 4)
    async with switched_on(chargers):
        for charger, tag in zip(chargers, TAGS, strict=False):
            await begin_charging(charger, tag)
        for process in (system.worker, *system.gateways):
            await charge_on(chargers, 2)
            assert await asyncio.to_thread(process.stop) == 0
            process.start()
        await charge_on(chargers, 2)
        for charger in chargers:
            await end_charging(charger)
    accounts.check(system.database, chargers)
    endings = [
        entry.detail for charger in chargers for entry in charger.ledger.entries if entry.event == "disconnected"
    ]
    assert sum(detail.startswith("1012") for detail in endings) == len(chargers)
    assert not system.tracebacks({})


async def test_workers_stop_with_their_parent_and_what_they_leave_is_taken_by_the_next(launcher: Launcher) -> None:
    system = launcher.cluster()
    async with wired(system.urls, "BUSY", 8) as wires, asyncio.TaskGroup() as tasks:
        for wire, tag in zip(wires, TAGS, strict=False):
            tasks.create_task(charge_without_pause(wire, tag, 40))
        await eventually(lambda: sum(len(wire.exchanges) for wire in wires) > 100, "they are busy")
        children = system.worker.children
        assert await asyncio.to_thread(system.worker.stop) == 0
        assert not [pid for pid in children if is_alive(pid)]
        assert system.worker.output().count("has stopped.") == len(children)
        system.worker.start()
    accounts.check_closed_loops(system.database, wires)
    assert not system.tracebacks({})


def test_ctrl_c_in_a_terminal_reaches_the_children_as_well(launcher: Launcher) -> None:
    system = launcher.cluster()
    children = system.worker.children
    os.killpg(system.worker.pid, signal.SIGINT)
    assert system.worker.wait() == 0
    assert not [pid for pid in children if is_alive(pid)]
    assert not system.tracebacks({})


def test_workers_end_when_their_parent_is_killed(launcher: Launcher) -> None:
    system = launcher.cluster()
    children = system.worker.children
    system.worker.kill()
    wait_until(lambda: not [pid for pid in children if is_alive(pid)], "the children have ended")


async def test_worker_without_children_of_its_own_stops_in_the_same_way(launcher: Launcher) -> None:
    system = launcher.cluster(workers=1)
    async with Wire(system.url, "ONE") as wire:
        await wire.boot()
        assert system.worker.children == []
        assert await asyncio.to_thread(system.worker.stop) == 0
    assert not system.tracebacks({})
