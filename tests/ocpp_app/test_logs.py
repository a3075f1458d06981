"""What the log says of a frame that is handled, whoever says it, for people and for machines."""

import copy
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from logging.config import DictConfigurator
from typing import Any

import pytest

from backend.settings import LOGGING
from ocpp_app import logs
from ocpp_app.commands import issue_command
from ocpp_app.middleware import HeartbeatMiddleware, OCPPMiddleware, OCPPRequest, OCPPResponse
from ocpp_app.models import Command
from ocppj.frames import MessageType
from ocppj.v16 import Action, ResetRequest, ResetType
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd

pytestmark = pytest.mark.django_db
their_logger = logging.getLogger("myapp.ocpp")

Log = Callable[[], list[dict[str, Any]]]


class Talkative(OCPPMiddleware):
    """A user's middleware: it logs, and knows nothing of our fields."""

    def handle(self, request: OCPPRequest) -> OCPPResponse:
        their_logger.info("seen")
        return self.next.handle(request) if request.action != Action.Reset else OCPPResponse()


class Broken(OCPPMiddleware):
    def handle(self, request: OCPPRequest) -> OCPPResponse:
        raise ZeroDivisionError("the user's bug")


@pytest.fixture(autouse=True)
def _middleware(settings: Any) -> None:
    settings.OCPP_MIDDLEWARE = {
        (Action.Heartbeat, MessageType.call): [Talkative, HeartbeatMiddleware],
        (Action.Reset, MessageType.call_result): [Talkative],
        (Action.Authorize, MessageType.call): [Broken],
    }


def handler(log_format: str) -> logging.StreamHandler[io.StringIO]:
    """The one of backend/settings.py, writing into a string."""
    config = copy.deepcopy(LOGGING)  # it is changed by being read
    made = DictConfigurator(config)
    found = logging.StreamHandler(io.StringIO())
    found.setFormatter(made.configure_formatter(config["formatters"][log_format]))
    for name in config["handlers"]["console"]["filters"]:
        found.addFilter(made.configure_filter(config["filters"][name]))
    return found


@pytest.fixture
def log() -> Iterator[Log]:
    """What has been logged, as a machine reads it."""
    json_handler, root = handler("json"), logging.getLogger()
    level = root.level
    root.addHandler(json_handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in json_handler.stream.getvalue().splitlines()]
    root.setLevel(level)
    root.removeHandler(json_handler)


def record(text: str, *arguments: object, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("ocpp_app.dispatch", logging.WARNING, "file", 1, text, arguments, fields.pop("exc", None))
    made.__dict__.update(fields)
    return made


def test_each_frame_of_a_batch_is_named_in_what_is_logged_about_it(
    gateway: GatewayEnd, connect: Connect, log: Log
) -> None:
    first, second = connect("CP001"), connect("CP002")
    frames = [wire.frame(f'[2,"{number}","Heartbeat",{{}}]') for number, wire in enumerate((first, second, first))]
    gateway.send(*frames)
    seen = [entry for entry in log() if entry["logger"] == "myapp.ocpp"]
    fields = [(entry["charge_point"], entry["session"], entry["action"], entry["unique_id"]) for entry in seen]
    assert fields == [
        ("CP001", str(first.session), "Heartbeat", "0"),
        ("CP002", str(second.session), "Heartbeat", "1"),
        ("CP001", str(first.session), "Heartbeat", "2"),
    ]
    assert set(seen[0]) == {"time", "level", "logger", "message", "charge_point", "session", "action", "unique_id"}
    said = datetime.fromisoformat(seen[0]["time"])
    assert seen[0]["time"].endswith("Z")
    assert abs((datetime.now(UTC) - said).total_seconds()) < 60


def test_answer_is_logged_with_the_action_of_its_command(connect: Connect, log: Log) -> None:
    wire = connect()
    command = issue_command("CP001", ResetRequest(type=ResetType.Soft), wait=False)
    Command.objects.filter(pk=command.pk).update(state="sent")
    wire.call(f'[3,"{command.pk}",{{"status":"Accepted"}}]')
    (seen,) = [entry for entry in log() if entry["logger"] == "myapp.ocpp"]
    assert (seen["action"], seen["unique_id"], seen["charge_point"]) == ("Reset", str(command.pk), "CP001")


def test_failure_is_logged_with_its_frame_and_its_traceback(connect: Connect, log: Log) -> None:
    wire = connect()
    wire.call('[2,"bad","Authorize",{"idTag":"TAG1"}]')
    (failed,) = [entry for entry in log() if "traceback" in entry]
    assert (failed["charge_point"], failed["action"], failed["unique_id"]) == ("CP001", "Authorize", "bad")
    assert failed["session"] == str(wire.session)
    assert failed["level"] == "ERROR"
    assert failed["traceback"].endswith("ZeroDivisionError: the user's bug")


def test_what_is_logged_afterwards_has_no_frame(connect: Connect, log: Log) -> None:
    wire = connect()
    wire.call('[2,"good","Heartbeat",{}]')
    wire.call('[2,"bad","Authorize",{"idTag":"TAG1"}]')
    logging.getLogger("myapp").info("elsewhere")
    assert set(log()[-1]) == {"time", "level", "logger", "message"}


def test_readable_lines_have_the_same_fields(connect: Connect) -> None:
    wire, text = connect(), handler("text")
    their_logger.addHandler(text)
    their_logger.setLevel(logging.INFO)
    try:
        wire.call('[2,"good","Heartbeat",{}]')
    finally:
        their_logger.removeHandler(text)
        their_logger.setLevel(logging.NOTSET)
    fields = f"charge_point=CP001 session={wire.session} action=Heartbeat unique_id=good"
    assert re.fullmatch(rf"\S+ \S+ INFO +myapp\.ocpp  seen  {fields}\n", text.stream.getvalue())


def test_fields_that_a_line_brings_itself_are_kept(connect: Connect, log: Log, settings: Any) -> None:
    class Particular(Talkative):
        def handle(self, request: OCPPRequest) -> OCPPResponse:
            their_logger.info("another", extra={"charge_point": "NEIGHBOUR"})
            return self.next.handle(request)

    settings.OCPP_MIDDLEWARE = {(Action.Heartbeat, MessageType.call): [Particular, HeartbeatMiddleware]}
    connect().call('[2,"1","Heartbeat",{}]')
    assert [(entry["charge_point"], entry["unique_id"]) for entry in log()] == [("NEIGHBOUR", "1")]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\x7f", '"}\n{"level":"INFO"'])
def test_nobody_can_forge_a_line_of_json(text: str) -> None:
    line = logs.JSONFormatter().format(record("The charger says %s", text, charge_point=text, unique_id="x" * 300_000))
    assert line.isprintable()
    assert len(line) < 2000
    entry = json.loads(line)
    assert (entry["message"], entry["charge_point"]) == (f"The charger says {text}", text)


def test_json_is_readable_where_it_can_be() -> None:
    assert '"Straße 1"' in logs.JSONFormatter().format(record("up", charge_point="Straße 1"))


def test_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        line = logs.JSONFormatter().format(record("failed", exc=sys.exc_info()))
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ValueError: one\ntwo")
