"""``manage.py ocpp_command``: typed commands from a shell, their answers, their help, and what Tab knows."""

import io
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.core.management.base import OutputWrapper

from ocpp_app import models
from ocpp_app.models import ChargePoint, Command, CommandBatch
from tests.ocpp_app.site import Site, call_of, sends

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(transactional_db: None, settings: Any) -> Iterator[Site]:
    settings.OCPP_RELAY = "memory"
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with Site() as site:
        yield site


def registered(*identities: str, **fields: Any) -> tuple[str, ...]:
    for identity in identities:
        ChargePoint.objects.create(identity=identity, security_profile=0, **fields)
    return identities


def run(*arguments: str, **options: Any) -> str:
    printed = io.StringIO()
    call_command("ocpp_command", *arguments, stdout=printed, **options)
    return printed.getvalue()


def typed(*arguments: str) -> str:
    """What ``manage.py ocpp_command …`` prints before it needs a charge point."""
    command = load_command_class(get_commands()["ocpp_command"], "ocpp_command")
    printed = io.StringIO()
    command.stdout = OutputWrapper(printed)
    command.run_from_argv(["manage.py", "ocpp_command", *arguments])
    return printed.getvalue()


def test_answer_is_printed(site: Site) -> None:
    site.answer = sends(site.connect(), '[3,"%s",{"configurationKey":[{"key":"k","readonly":true,"value":"v"}]}]')
    printed = run("CP001", "GetConfiguration", "key=k", "--wait")
    assert json.loads(printed) == {"configurationKey": [{"key": "k", "readonly": True, "value": "v"}]}
    assert call_of(site.commands[0]) == ("GetConfiguration", {"key": ["k"]})
    assert Command.objects.get().source.startswith("manage.py ocpp_command, ")


def test_command_is_not_waited_for_unless_asked(site: Site) -> None:
    site.connect()
    printed = run("CP001", "unlockconnector", "connectorId=99")  # whether there is such a connector, it knows best
    command = Command.objects.get()
    assert (printed, call_of(site.commands[0])) == (
        f"{command.pk} dispatched\n",
        ("UnlockConnector", {"connectorId": 99}),
    )


def test_command_may_wait_for_its_charge_point_and_is_made_once() -> None:
    ChargePoint.objects.create(identity="CP001")
    options = ("--expires-in", "3600", "--delay", "2", "--idempotency-key", "k", "--json", '{"type":"Soft"}')
    assert run("CP001", "Reset", *options) == run("CP001", "Reset", *options)
    command = Command.objects.get()
    assert (command.state, command.delay_s, command.expires_at is None) == ("queued", 2.0, False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["CP001", "Reset", "type=Soft"], "CP001 is not connected; give expires_at to let the command wait"),
        (["CP002", "Reset", "type=Soft"], "No charge point has the identity 'CP002'."),
        (["CP001", "Rest"], "A central system sends no 'Rest'. It sends CancelReservation, "),
        (["CP001", "Heartbeat"], "A central system sends no 'Heartbeat'."),
        (
            ["CP001", "Reset", "type=Warm"],
            "Reset: type: 'Warm' is none of Hard, Soft.\nIts fields: manage.py ocpp_command Reset --help",
        ),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], complaint: str) -> None:
    ChargePoint.objects.create(identity="CP001")
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert complaint in str(caught.value)


def test_call_error_is_told_with_its_details(site: Site) -> None:
    site.answer = sends(site.connect(), '[4,"%s","NotSupported","not here",{"a":1}]')
    with pytest.raises(CommandError, match=r'Reset: NotSupported not here\n\{"a":1\}'):
        run("CP001", "Reset", "type=Hard", "--wait")


# -- help ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("Reset", "--help"), ("CP001", "Reset", "-h")])
def test_help_of_an_action_lists_its_fields(arguments: tuple[str, ...]) -> None:
    printed = typed(*arguments)
    assert "Reset (OCPP 1.6 §5.14)" in printed
    assert "  type  Hard | Soft\n" in printed


def test_help_names_units_limits_and_paths() -> None:
    printed = typed("SetChargingProfile", "--help")
    assert "chargingSchedulePeriod[0].startPeriod  integer, in s, at least 0" in printed
    assert "  key  " not in printed
    assert "  value  string, at most 500 characters" in typed("ChangeConfiguration", "--help")
    assert "It has no fields." in typed("ClearCache", "--help")


def test_general_help_has_examples_and_every_action(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--help")
    printed = capsys.readouterr().out
    assert "manage.py ocpp_command CP001 Reset type=Soft --wait" in printed
    assert "SignedUpdateFirmware" in printed


# -- Tab -------------------------------------------------------------------------------------------------------


def completed(line: str) -> list[str]:
    """What bash offers at the end of this line."""
    script = (
        f"{typed('--completion')}\n"
        'COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; _ocpp_command; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("manage.py ocpp_command CP001 Res", ["Reset", "ReserveNow"]),
        ("./manage.py ocpp_command CP001 Reset ", ["type="]),
        ("manage.py ocpp_command CP001 Reset --wait ty", ["type="]),
        ("manage.py ocpp_command CP001 Reset type=", ["Hard", "Soft"]),
        ("manage.py ocpp_command CP001 Reset type=S", ["Soft"]),
        ("manage.py ocpp_command CP001 Reset --t", ["--timeout"]),
        ("manage.py ocpp_command CP001 SetChargingProfile csChargingProfiles.recurrencyKind=", ["Daily", "Weekly"]),
        ("manage.py ocpp_command --site Depot --all Res", ["Reset", "ReserveNow"]),
        ("manage.py ocpp_command --model M1 Reset ", ["type="]),
        ("manage.py ocpp_command --gr", ["--group"]),
        ("manage.py migrate Res", []),
    ],
)
def test_tab_completes_actions_fields_and_words(line: str, offered: list[str]) -> None:
    assert sorted(completed(line)) == sorted(offered)


def test_tab_completes_nested_fields() -> None:
    line = "manage.py ocpp_command CP001 RemoteStartTransaction chargingProfile.chargingSchedule.chargingSchedulePeriod"
    assert {word.rpartition(".")[2] for word in completed(line)} == {"startPeriod=", "limit=", "numberPhases="}


# -- many charge points ----------------------------------------------------------------------------------------


def test_result_of_each_charge_point_is_printed(site: Site) -> None:
    depot = models.Site.objects.create(name="Depot")
    wires = {identity: site.connect(identity) for identity in registered("CP002", "CP003", site=depot, model="M1")}
    registered("CP004", site=depot, model="M1")
    registered("CP005", site=depot, model="M2")
    answers = {"CP002": '[3,"%s",{"status":"Accepted"}]', "CP003": '[4,"%s","GenericError","busy",{}]'}
    site.answer = lambda command: sends(wires[command.identity], answers[command.identity])(command)
    printed = io.StringIO()
    with pytest.raises(CommandError, match=r"2 of 3 charge points did not answer: 1 answered, 1 error, 1 expired\."):
        call_command("ocpp_command", "Reset", "type=Soft", site="Depot", model="M1", wait=True, stdout=printed)
    assert sorted(printed.getvalue().splitlines()) == [
        "CP002  Accepted",
        "CP003  error: GenericError busy",
        "CP004  expired: is not connected; give expires_at to let the command wait for it.",
    ]
    batch = CommandBatch.objects.get()
    assert (batch.size, batch.selection) == (3, {"site": "Depot", "model": "M1"})


def test_command_to_all_waits_for_those_that_are_offline() -> None:
    registered("CP001", "CP002")
    printed = run("ClearCache", all=True, expires_in=60)
    assert printed == f"{CommandBatch.objects.get().pk} 2 queued\n"


@pytest.mark.parametrize(
    ("words", "options", "complaint"),
    [
        (["Reset", "type=Soft"], {"group": "Nobody"}, "No charge point is selected."),
        (["Reset", "type=Warm"], {"all": True}, "Reset: type: 'Warm' is none of Hard, Soft."),
        (["CP001"], {}, "Name the action as well: manage.py ocpp_command CP001 ACTION"),
    ],
)
def test_nothing_is_sent_to_many_where_something_is_wrong(
    words: list[str], options: dict[str, Any], complaint: str
) -> None:
    registered("CP001")
    with pytest.raises(CommandError) as caught:
        run(*words, **options)
    assert complaint in str(caught.value)
    assert not Command.objects.exists()
