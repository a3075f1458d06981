"""What the log shows of a charge point's doings, and what it must never show."""

import base64
import json
import logging

import pytest

from tests.wsgate.site import HEARTBEAT, receive, running_site
from wsgate.logs import JSONFormatter, TextFormatter


def record(message: str, **fields) -> logging.LogRecord:
    entry = logging.LogRecord("wsgate.connection", logging.INFO, __file__, 1, message, (), None)
    entry.__dict__.update(fields)
    return entry


def test_text_shows_the_fields():
    line = TextFormatter().format(record("Connected", charge_point="CP001", session="s1", unique_id=None))

    assert line.endswith("Z INFO wsgate.connection: Connected charge_point=CP001 session=s1")


def test_json_shows_the_fields():
    entry = json.loads(JSONFormatter().format(record("Connected", charge_point="Straße 1", action="Heartbeat")))

    assert entry["message"] == "Connected"
    assert (entry["charge_point"], entry["action"]) == ("Straße 1", "Heartbeat")
    assert "session" not in entry


@pytest.mark.parametrize("formatter", [TextFormatter(), JSONFormatter()])
def test_nobody_can_forge_a_line(formatter):
    line = formatter.format(record("unreadable: a\nb\x1b[31m", charge_point="CP\n2026-01-01 INFO all is well"))

    assert "\n" not in line
    assert "\x1b" not in line


async def test_payloads_are_logged_at_debug_only(caplog):
    async with running_site() as site:
        with caplog.at_level(logging.INFO):
            async with site.connect() as charge_point:
                await charge_point.send(HEARTBEAT.format("quiet"))
                await receive(charge_point)
        with caplog.at_level(logging.DEBUG, "wsgate"):
            async with site.connect() as charge_point:
                await charge_point.send(HEARTBEAT.format("loud"))
                await receive(charge_point)

    assert "quiet" not in caplog.text
    assert "loud" in caplog.text
    call = next(entry for entry in caplog.records if "CALL" in entry.message)
    session = str(await site.session(2))
    assert (call.charge_point, call.session, call.unique_id, call.action) == ("CP001", session, "loud", "Heartbeat")


async def test_authorization_is_never_logged(caplog):
    header = "Basic " + base64.b64encode(b"CP001:very secret").decode()
    caplog.set_level(logging.WARNING, "websockets.client")  # the test's own client
    with caplog.at_level(logging.DEBUG):
        async with running_site() as site, site.connect(additional_headers={"Authorization": header}) as charge_point:
            await charge_point.send(HEARTBEAT.format(1))
            await receive(charge_point)

    assert "Heartbeat" in caplog.text
    assert "very secret" not in caplog.text
    assert header.removeprefix("Basic ") not in caplog.text
