"""Commands from another process: a shell beside the running central system."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from simulator.client import SimulatedChargePoint
from tests.e2e import accounts
from tests.e2e.central_system import CentralSystem, Launcher
from tests.e2e.chargers import charge_points, end_charging, eventually, switched_on

IMPORTS = """
import datetime
from django.utils import timezone
from ocpp_app.commands import issue_command
from ocpp_app.errors import ChargePointOffline, CommandFailed, UnknownChargePoint
from ocppj.v16 import *
"""
COMMANDS = (
    "SELECT m.* FROM ocpp_app_command m JOIN ocpp_app_chargepoint c ON c.id = m.charge_point_id "
    "WHERE c.identity = %s ORDER BY m.created_at"
)


async def shell(central_system: CentralSystem, code: str) -> object:
    return await asyncio.to_thread(central_system.shell, IMPORTS + code)


@contextlib.asynccontextmanager
async def charge_point(central_system: CentralSystem, prefix: str) -> AsyncIterator[SimulatedChargePoint]:
    (only,) = charge_points(central_system.urls[-1:], prefix, 1)
    async with switched_on([only]):
        yield only


async def test_remote_start_from_a_shell_is_answered_and_starts(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "REMOTE") as charger:
        asked = asyncio.create_task(
            shell(
                central_system,
                "request = RemoteStartTransactionRequest(connector_id=1, id_tag='TAG010')\n"
                "result = str(issue_command('REMOTE-1', request, wait=True, timeout=20).status)",
            )
        )
        await charger.wait_for_status("Preparing")
        await charger.plug_in(1)  # before its ConnectionTimeOut, however long the shell takes to end
        assert await asked == "Accepted"
        await charger.wait_for_status("Charging")
        transaction = charger.charge_point.connectors[0].transaction
        assert transaction is not None
        assert transaction.id_tag == "TAG010"
        await end_charging(charger)
    accounts.check_transactions(central_system.database, charger)
    # Preparing, which it reported then, is no reason to start for ``anonymous`` as well.
    (command,) = central_system.database.rows(COMMANDS, "REMOTE-1")
    assert (command["state"], command["status"]) == ("answered", "Accepted")
    logged = "SELECT raw, answer FROM ocpp_app_message WHERE command_id = %s"
    frames = central_system.database.row(logged, command["id"])
    assert json.loads(frames["raw"])[3] == {"connectorId": 1, "idTag": "TAG010"}
    assert json.loads(frames["answer"])[2] == {"status": "Accepted"}


async def test_plugging_in_starts_with_the_tag_anonymous(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "ANONYMOUS") as charger:
        await charger.plug_in(1)
        await charger.wait_for_status("Charging")
        await end_charging(charger)
    transaction = central_system.database.row(
        "SELECT t.* FROM ocpp_app_transaction t JOIN ocpp_app_chargepoint c ON c.id = t.charge_point_id "
        "WHERE c.identity = %s",
        "ANONYMOUS-1",
    )
    assert (transaction["id_tag"], transaction["id_tag_status"]) == ("anonymous", "Accepted")
    (command,) = central_system.database.rows(COMMANDS, "ANONYMOUS-1")
    assert (command["action"], command["status"]) == ("RemoteStartTransaction", "Accepted")
    assert not charger.ledger.faults


async def test_remote_stop_ends_the_transaction(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "REMOTESTOP") as charger:
        await charger.plug_in(1)
        await charger.wait_for_status("Charging")
        transaction = charger.charge_point.connectors[0].transaction
        assert transaction is not None
        await charger.wait_until(lambda: transaction.is_start_confirmed, "the start is answered")
        answer = await shell(
            central_system,
            f"request = RemoteStopTransactionRequest(transaction_id={transaction.transaction_id})\n"
            "result = str(issue_command('REMOTESTOP-1', request, wait=True, timeout=20).status)",
        )
        assert answer == "Accepted"
        await charger.wait_until(lambda: transaction.is_stop_confirmed, "the stop is answered")
    row = central_system.database.row("SELECT * FROM ocpp_app_transaction WHERE id = %s", transaction.transaction_id)
    assert (bool(row["is_active"]), row["stop_reason"]) == (False, "Remote")


async def test_commands_from_two_processes_at_once_are_both_answered(central_system: CentralSystem) -> None:
    ask = (
        "request = GetConfigurationRequest(key=['HeartbeatInterval'])\n"
        "answers = [issue_command('BOTH-1', request, wait=True, timeout=20) for _ in range(3)]\n"
        "result = [answer.configuration_key[0].value for answer in answers]"
    )
    async with charge_point(central_system, "BOTH"):
        answers = await asyncio.gather(shell(central_system, ask), shell(central_system, ask))
    assert list(answers) == [["3600"] * 3] * 2


async def test_typed_answer_and_error(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "TYPED"):
        answer = await shell(
            central_system,
            "answer = issue_command('TYPED-1', GetConfigurationRequest(key=['NumberOfConnectors']), wait=True)\n"
            "result = [type(answer).__name__, answer.configuration_key[0].value]",
        )
        assert answer == ["GetConfigurationResponse", "1"]


async def test_command_to_an_offline_charge_point_raises(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "GONE"):
        pass
    is_offline = "SELECT session_id IS NULL FROM ocpp_app_chargepoint WHERE identity = %s"
    await eventually(lambda: central_system.database.value(is_offline, "GONE-1"), "GONE-1 is offline in the database")
    for identity, error in (("GONE-1", "ChargePointOffline"), ("NEVER-HEARD-OF", "UnknownChargePoint")):
        said = await shell(
            central_system,
            f"try:\n    issue_command({identity!r}, ResetRequest(type=ResetType.Soft), wait=True)\n"
            f"except {error} as error:\n    result = str(error)",
        )
        assert identity in str(said)
    assert central_system.database.rows(COMMANDS, "GONE-1") == []


async def test_command_waits_for_the_charge_point_to_come_back(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "LATER") as charger:
        await charger.go_offline()
        is_offline = "SELECT session_id IS NULL FROM ocpp_app_chargepoint WHERE identity = %s"
        await eventually(lambda: central_system.database.value(is_offline, "LATER-1"), "it is offline in the database")
        await shell(
            central_system,
            "expires_at = timezone.now() + datetime.timedelta(minutes=5)\n"
            "request = ChangeConfigurationRequest(key='MeterValueSampleInterval', value='77')\n"
            "result = str(issue_command('LATER-1', request, expires_at=expires_at).pk)",
        )
        assert central_system.database.row(COMMANDS, "LATER-1")["state"] == "queued"
        await charger.go_online()
        await charger.wait_until(
            lambda: charger.charge_point.configuration.integer("MeterValueSampleInterval") == 77, "the command arrives"
        )
        answered = "SELECT state = 'answered' FROM ocpp_app_command WHERE id = %s"
        command = central_system.database.row(COMMANDS, "LATER-1")
        await eventually(lambda: central_system.database.value(answered, command["id"]), "its answer is stored")
    assert not charger.ledger.faults


async def test_command_that_expired_meanwhile_is_never_sent(
    central_system: CentralSystem,
) -> None:
    async with charge_point(central_system, "TOOLATE") as charger:
        await charger.go_offline()
        is_offline = "SELECT session_id IS NULL FROM ocpp_app_chargepoint WHERE identity = %s"
        await eventually(lambda: central_system.database.value(is_offline, "TOOLATE-1"), "it is offline")
        await shell(
            central_system,
            "expires_at = timezone.now() + datetime.timedelta(milliseconds=1)\n"
            "request = ChangeConfigurationRequest(key='MeterValueSampleInterval', value='78')\n"
            "result = str(issue_command('TOOLATE-1', request, expires_at=expires_at).pk)",
        )
        await charger.go_online()
        expired = "SELECT state = 'expired' FROM ocpp_app_command WHERE id = %s"
        command = central_system.database.row(COMMANDS, "TOOLATE-1")
        await eventually(lambda: central_system.database.value(expired, command["id"]), "it is expired")
        assert charger.charge_point.configuration.integer("MeterValueSampleInterval") != 78


@pytest.mark.spec("OCPP 1.6", "4.2")
async def test_pending_charge_point_gets_no_remote_start(launcher: Launcher) -> None:
    system = launcher.single(OCPP_UNKNOWN_CHARGE_POINT="pending")
    (charger,) = charge_points(system.urls, "PENDING", 1)
    charger.start()
    try:
        await charger.wait_until(lambda: charger.charge_point.registration.status == "Pending", "it is pending")
        said = await shell(
            system,
            "try:\n    issue_command('PENDING-1', RemoteStartTransactionRequest(id_tag='TAG001'), wait=True)\n"
            "except ChargePointOffline as error:\n    result = str(error)",
        )
        assert "accept the charge point first" in str(said)
        key = await shell(
            system,
            "answer = issue_command('PENDING-1', GetConfigurationRequest(key=['NumberOfConnectors']), wait=True)\n"
            "result = answer.configuration_key[0].value",
        )
        assert key == "1"
    finally:
        await charger.close()
