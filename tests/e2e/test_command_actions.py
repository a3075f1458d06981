"""Each of the 26 actions through every end that a command can have, on both relays, with real processes.

One play for each central system: while the charge points, one for each action, are offline, all their commands are
asked for. Then they connect, get them one by one, and do to each what its case says. The tests read what the database
and the charge points' own records say afterwards.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.actions import ACTIONS, answers
from tests.e2e.central_system import CentralSystem, Launcher
from tests.e2e.chargers import eventually
from tests.e2e.commanded import Commanded, Received, obey
from tests.e2e.databases import as_json, as_utc

TIMEOUT_S = 1
"""Two cases of each action wait for it."""
ENDS = ("odd", "error", "wrong_id", "timeout", "late", "after_late", "disconnect", "reconnected")
NOBODY = "0c5e0a2b-0000-4000-8000-000000000000"
"""The unique id of no command."""

ISSUE = """
import datetime
from django.utils import timezone
from ocpp_app.commands import issue_command
from ocpp_app.models import ChargePoint
from tests.actions import ACTIONS, message

expires_at = timezone.now() + datetime.timedelta(hours=1)
result = {}
for action, cases in CASES.items():
    charge_point = ChargePoint.objects.create(identity=f"ACT-{action}", call_timeout_s=TIMEOUT_S, security_profile=0)
    for case in cases:
        sent = ACTIONS[action]
        asked = message(action, sent.odd if case == "odd" else sent.usual)
        command = issue_command(charge_point, asked, expires_at=expires_at, source=f"case {case}")
        result[str(command.pk)] = [action, case]
"""
WAIT = """
import asyncio
from ocpp_app.commands import aissue_command
from ocpp_app.models import ChargePoint
from tests.actions import ACTIONS, message

ChargePoint.objects.filter(identity__startswith="ACT-").update(call_timeout_s=None)

async def ask():
    asked = [
        aissue_command(f"ACT-{action}", message(action, sent.usual), wait=True, timeout=25)
        for action, sent in ACTIONS.items()
    ]
    return await asyncio.gather(*asked)

result = dict(zip(ACTIONS, [type(response).__name__ for response in asyncio.run(ask())]))
"""
ROWS = """
SELECT c.*, m.raw, m.answer, m.answer_type FROM ocpp_app_command c
LEFT JOIN ocpp_app_message m ON m.command_id = c.id WHERE c.source LIKE 'case %%'
"""


def cases_of(action: str) -> list[str]:
    return [*(f"says {word}" for word in answers(action)), *ENDS]


CASES = {action: cases_of(action) for action in ACTIONS}
ALL = [(action, case) for action, cases in CASES.items() for case in cases]


@dataclass
class Play:
    """What has happened."""

    cases: dict[str, tuple[str, str]]
    """Unique id → action and case."""
    queued: int
    """How many commands waited before anybody was connected."""
    rows: dict[tuple[str, str], dict[str, Any]]
    received: dict[str, list[Received]]
    """What each action's charge point was sent of these cases, in order."""
    typed: dict[str, str]
    """The class of the response for which somebody waited."""


class Actor:
    """Does to each CALL what its case says."""

    def __init__(self, cases: dict[str, tuple[str, str]]) -> None:
        self._cases = cases
        self._late: Received | None = None

    async def behave(self, charger: Commanded, received: Received) -> None:
        action, case = self._cases.get(received.unique_id, (received.action, ""))
        answer, unique_id = ACTIONS[action].answer, received.unique_id
        if case == "error":
            await charger.fail(unique_id, "NotSupported", f"no {action} here")
        elif case == "wrong_id":
            await charger.send(f'[3,"{NOBODY}",{{"status":"Rejected"}}]')
            await charger.send(f'[4,"{unique_id[:-1]}","GenericError","not mine",{{}}]')
            await charger.answer(unique_id, answer)
        elif case == "late":
            self._late = received
        elif case == "after_late":
            assert self._late is not None
            await charger.answer(self._late.unique_id, answer)
            await charger.answer(unique_id, answer)
        elif case == "disconnect":
            await charger.hang_up()
        elif case.startswith("says "):
            await charger.answer(unique_id, answers(action)[case.removeprefix("says ")])
        elif case != "timeout":
            await obey(charger, received)


async def perform(system: CentralSystem) -> Play:
    constants = f"CASES, TIMEOUT_S = {CASES!r}, {TIMEOUT_S}\n"
    asked: Any = await asyncio.to_thread(system.shell, constants + ISSUE)
    cases = {unique_id: (action, case) for unique_id, (action, case) in asked.items()}
    states = "SELECT count(*) AS n FROM ocpp_app_command WHERE source LIKE 'case %%' AND state "
    queued = system.database.value(f"{states} = 'queued'")
    chargers = {
        action: Commanded([system.urls[number % len(system.urls)]], f"ACT-{action}", Actor(cases).behave)
        for number, action in enumerate(ACTIONS)
    }
    alive = f"{states} IN ('queued', 'dispatched', 'sent')"
    async with contextlib.AsyncExitStack() as stack:
        for charger in chargers.values():
            await stack.enter_async_context(charger)
        await eventually(lambda: system.database.value(alive) == 0, "every command has ended", 60)
        typed: Any = await asyncio.to_thread(system.shell, WAIT)
    rows = {cases[str(uuid.UUID(str(row["id"])))]: row for row in system.database.rows(ROWS)}
    received = {
        action: [one for one in charger.received if one.unique_id in cases] for action, charger in chargers.items()
    }
    return Play(cases, queued, rows, received, typed)


@pytest.fixture(scope="module")
def play(shared_launcher: Launcher) -> Iterator[Play]:
    (system,) = shared_launcher.launched
    marks = system.marks()
    yield asyncio.run(perform(system))
    assert not system.tracebacks(marks)


EXPECTED = {
    "error": {"state": "error", "error_code": "NotSupported", "status": ""},
    "timeout": {"state": "timed_out", "status": ""},
    "disconnect": {"state": "lost", "reason": "its connection ended before the answer"},
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("action", "case"), ALL)
def test_command_ends_as_its_charge_point_has_ended_it(action: str, case: str, play: Play) -> None:
    row = play.rows[action, case]
    word = case.removeprefix("says ") if case.startswith("says ") else json.loads(ACTIONS[action].answer).get("status")
    expected: dict[str, Any] = EXPECTED.get(case) or {"state": "answered", "status": word or "", "reason": ""}
    assert {name: row[name] for name in expected} == expected
    assert bool(row["is_late"]) == (case == "late")
    answered = row["state"] in ("answered", "error")
    assert (row["latency_s"] is not None) == answered
    if row["state"] == "answered":
        said = answers(action)[case.removeprefix("says ")] if case.startswith("says ") else ACTIONS[action].answer
        assert as_json(row["response"]) == json.loads(said)
        assert row["answer"] == f'[3,"{uuid.UUID(str(row["id"]))}",{said}]'
    if case == "error":
        assert (row["error_description"], as_json(row["error_details"])) == (f"no {action} here", {"a": 1})
        assert row["answer_type"] == 4
    (received,) = [one for one in play.received[action] if play.cases[one.unique_id] == (action, case)]
    assert received.raw == row["raw"] == row["frame"]
    asked = ACTIONS[action].odd if case == "odd" else ACTIONS[action].usual
    assert json.loads(received.raw)[2:] == [action, json.loads(asked)]
    times = [as_utc(row[name]) for name in ("created_at", "dispatched_at", "sent_at", "finished_at")]
    assert times == sorted(times)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("action", ACTIONS)
def test_commands_wait_offline_and_come_once_each_in_order(action: str, play: Play) -> None:
    assert play.queued == len(ALL)
    assert [play.cases[one.unique_id][1] for one in play.received[action]] == CASES[action]


@pytest.mark.timeout(180)
def test_who_waits_gets_the_typed_response_of_each_action(play: Play) -> None:
    assert play.typed == {action: f"{action}Response" for action in ACTIONS}
