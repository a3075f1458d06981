"""Many charge points and their drivers."""

from asyncio import gather

from simulator.charge_point import Specification
from simulator.drivers import Habits
from simulator.fleet import Simulator
from tests.simulator.central_system import CentralSystem, running

REJECTED = '{"idTagInfo":{"status":"Invalid"}}'


def fleet(central: CentralSystem, count: int = 1, *, seed: int = 1, **habits) -> Simulator:
    """A fleet whose drivers are in a hurry."""
    specification = Specification(identity="", speed=1200.0, seed=seed)
    hurry = {"energy_wh": (100.0, 300.0), "between_s": (5.0, 10.0), "first_arrival_s": 0.1, "look_s": 0.05} | habits
    identities = [f"SIM{number:04}" for number in range(1, count + 1)]
    return Simulator(central.url, identities, specification=specification, habits=Habits(**hurry))


async def test_drivers_come_charge_and_leave_as_often_as_asked():
    async with running() as central, fleet(central, 3, tags=["AAA", "BBB"]) as simulator:
        failures = await simulator.run(times=2)
        summary = simulator.summary()

    assert failures == []
    assert (summary.transactions, summary.charging, summary.is_clean) == (6, 0, True)
    assert {start["idTag"] for start in central.payloads("StartTransaction")} <= {"AAA", "BBB"}
    delivered_wh = sum(stop["meterStop"] for stop in central.payloads("StopTransaction"))
    delivered_wh -= sum(start["meterStart"] for start in central.payloads("StartTransaction"))
    assert summary.energy_wh == delivered_wh


async def test_a_driver_whose_tag_is_rejected_waits_for_a_remote_start():
    async with running() as central, fleet(central, patience_s=36_000.0) as simulator:
        central.answers["Authorize"] = REJECTED
        [charge_point] = simulator.charge_points
        await charge_point.wait_until(lambda: charge_point.charge_point.is_online, "online")
        run = simulator.run(times=1)

        async def start_when_the_tag_was_rejected() -> None:
            await central.until_called("Authorize")
            await central.call("RemoteStartTransaction", '{"connectorId":1,"idTag":"anonymous"}')

        _, failures = await gather(start_when_the_tag_was_rejected(), run)

    assert failures == []
    assert [start["idTag"] for start in central.payloads("StartTransaction")] == ["anonymous"]


async def test_a_driver_for_whom_nobody_starts_leaves():
    async with running() as central, fleet(central, uses_tags=False, patience_s=60.0) as simulator:
        failures = await simulator.run(times=1)
        statuses = [status["status"] for status in central.payloads("StatusNotification")]

    assert failures == ["SIM0001, connector 1: nobody started a transaction."]
    assert central.payloads("Authorize") == []
    assert statuses == ["Available", "Available", "Preparing", "Available"]


async def test_the_same_seed_makes_the_same_drivers():
    async def sessions(seed: int) -> list[tuple[str, int]]:
        async with running() as central, fleet(central, 2, seed=seed) as simulator:
            await simulator.run(times=1)
            starts = central.payloads("StartTransaction")
            return sorted((start["idTag"], start["meterStart"]) for start in starts)

    first, again, other = await sessions(1), await sessions(1), await sessions(2)

    assert first == again != other


async def test_drivers_are_not_put_off_by_commands_in_the_middle_of_it():
    async with running() as central, fleet(central) as simulator:
        [charge_point] = simulator.charge_points

        async def interfere() -> None:
            await central.until_called("MeterValues")
            await central.call("ChangeAvailability", '{"connectorId":0,"type":"Inoperative"}', unique_id="cs-1")
            await central.call("Reset", '{"type":"Soft"}', unique_id="cs-2")
            await central.until_called("BootNotification", 2)
            await charge_point.wait_until(lambda: charge_point.charge_point.is_online, "online")
            await central.call("ChangeAvailability", '{"connectorId":0,"type":"Operative"}', unique_id="cs-3")

        _, failures = await gather(interfere(), simulator.run(times=2))

    assert failures == []
    assert central.payloads("StopTransaction")[0]["reason"] == "SoftReset"
    assert simulator.summary().transactions == 2
