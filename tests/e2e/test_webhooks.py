"""Webhooks of a whole central system, whose deliverer and whose receiver are killed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.examples import verify_webhook
from tests.e2e.central_system import CentralSystem, Launcher
from tests.e2e.processes import POLL_S, Process, wait_until
from tests.e2e.wire import Wire
from tests.ocpp_app.events.receiving import Receiver

SUBSCRIBE = """
from ocpp_app.events import signing
from ocpp_app.models import WebhookSubscription
row = WebhookSubscription(name="hook", url={url!r}, events=["connector.status"])
result = signing.give_secret(row)
row.save()
"""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.end()


def deliverer_of(system: CentralSystem) -> Process:
    """The process that delivers: runcsms itself, or one beside the workers."""
    if "runcsms" in system.processes:
        return system.processes["runcsms"]
    return system._process("events", "manage.py", "deliver_events").start()


async def say(wire: Wire, first: int, count: int) -> None:
    for number in range(first, first + count):
        said = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": str(number)}
        await wire.call("StatusNotification", said)


def infos(receiver: Receiver) -> list[int]:
    """What the receiver has heard, each event once."""
    seen = {event["id"]: int(event["data"]["info"]) for event in receiver.events}
    return list(seen.values())


async def test_webhook_gets_every_event_though_everything_is_killed(
    kind: str, launcher: Launcher, receiver: Receiver
) -> None:
    system = launcher.either(kind, OCPP_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
    deliverer = deliverer_of(system)
    secret = system.shell(SUBSCRIBE.format(url=receiver.start().url))
    async with Wire(system.url, "HOOK") as wire:
        await wire.boot()
        number = 0
        while not receiver.got:  # a subscription takes effect within five seconds
            await say(wire, number, 1)
            number += 1
            await asyncio.sleep(POLL_S)
        receiver.kill()
        await say(wire, number, 5)
        deliverer.kill()
        if kind == "cluster":
            await say(wire, number + 5, 5)
    receiver.start()
    if kind == "cluster":
        deliverer.start()
    else:
        system.start()
    last = number + (10 if kind == "cluster" else 5) - 1
    wait_until(lambda: last in infos(receiver), "the last event arrives", timeout_s=60)
    heard = infos(receiver)
    assert heard == list(range(heard[0], last + 1))
    for one in receiver.got:
        assert verify_webhook.is_genuine(secret, one["headers"], one["body"].encode())
    sequences = [json.loads(one["body"])["sequence"] for one in receiver.got]
    assert len(set(sequences)) == len(heard)
