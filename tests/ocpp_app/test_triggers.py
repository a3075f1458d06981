"""A triggered message is waited for: it comes, it is refused, or it does not come."""

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from ocpp_app.errors import ChargePointOffline, CommandFailed, CommandTimedOut, TriggerRefused
from ocpp_app.models import ChargePoint
from ocpp_app.triggers import atrigger, trigger
from ocppj import envelope
from ocppj.v16 import (
    HeartbeatRequest,
    MessageTrigger,
    MessageTriggerEnumType,
    MeterValuesRequest,
    SignCertificateRequest,
    StatusNotificationRequest,
)
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.site import Site, call_of
from tests.ocpp_app.wire import Wire

pytestmark = [commits, pytest.mark.spec("OCPP 1.6", "5.17")]

STATUS = '[2,"%d","StatusNotification",{"connectorId":%d,"status":"Available","errorCode":"NoError"}]'
CSR = '[2,"c","SignCertificate",{"csr":"-----BEGIN CERTIFICATE REQUEST-----"}]'


class Answering:
    """A charge point that answers each trigger with ``status`` and then sends ``frames``."""

    def __init__(self, site: Site, *frames: str, status: str = "Accepted") -> None:
        ChargePoint.objects.create(identity="CP001", security_profile=0)
        self.wire: Wire = site.connect()
        self.frames = frames
        self.status = status
        self.asked: list[tuple[str, dict[str, Any]]] = []
        site.answer = self

    def __call__(self, command: envelope.Command) -> Iterable[envelope.Request]:
        self.asked.append(call_of(command))
        yield self.wire.report(command.unique_id, "sent")
        yield self.wire.frame(json.dumps([3, command.unique_id, {"status": self.status}]))
        for frame in self.frames:
            yield self.wire.frame(frame)


def test_triggered_message_comes_typed() -> None:
    with Site() as site:
        charger = Answering(site, '[2,"h","Heartbeat",{}]')
        assert trigger("CP001", MessageTrigger.Heartbeat) == HeartbeatRequest()
    assert charger.asked == [("TriggerMessage", {"requestedMessage": "Heartbeat"})]


def test_message_of_another_connector_or_an_earlier_one_is_not_it() -> None:
    with Site() as site:
        charger = Answering(site, STATUS % (1, 2), '[2,"h","Heartbeat",{}]', STATUS % (2, 1))
        site.ask(charger.wire.frame(STATUS % (0, 1)))
        found = trigger("CP001", MessageTrigger.StatusNotification, connector_id=1)
        assert isinstance(found, StatusNotificationRequest)
        assert found.connector_id == 1
        assert charger.asked == [("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})]
        site.answer = lambda command: _only_answer(charger.wire, command)
        with pytest.raises(CommandTimedOut, match="accepted to send StatusNotification; it did not come"):
            trigger("CP001", MessageTrigger.StatusNotification, connector_id=1, timeout=0.5)


def _only_answer(wire: Wire, command: envelope.Command) -> Iterable[envelope.Request]:
    yield wire.report(command.unique_id, "sent")
    yield wire.frame(json.dumps([3, command.unique_id, {"status": "Accepted"}]))


@pytest.mark.parametrize("status", ["Rejected", "NotImplemented"])
def test_refusal_is_said_at_once(status: str) -> None:
    with Site() as site:
        Answering(site, status=status)
        started = time.monotonic()
        with pytest.raises(TriggerRefused, match=f"CP001 answers MeterValues: {status}") as refused:
            trigger("CP001", MessageTrigger.MeterValues)
        assert time.monotonic() - started < 20
    assert refused.value.command is not None
    assert refused.value.command.status == status


def test_call_error_and_offline_are_as_with_any_command() -> None:
    with Site() as site:
        charger = Answering(site)
        site.answer = lambda command: [charger.wire.frame(f'[4,"{command.unique_id}","NotSupported","",{{}}]')]
        with pytest.raises(CommandFailed, match="NotSupported"):
            trigger("CP001", MessageTrigger.Heartbeat)
        ChargePoint.objects.create(identity="CP002")
        with pytest.raises(ChargePointOffline):
            trigger("CP002", MessageTrigger.Heartbeat)


def test_message_that_comes_late_is_still_waited_for() -> None:
    with Site() as site:
        charger = Answering(site)
        is_asked = threading.Event()

        def answer(command: envelope.Command) -> Iterable[envelope.Request]:
            yield from _only_answer(charger.wire, command)
            is_asked.set()

        site.answer = answer
        frame = '[2,"m","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z",' + (
            '"sampledValue":[{"value":"1"}]}]}]'
        )

        def send_later() -> None:
            is_asked.wait()
            site.submit(charger.wire.frame(frame))

        later = threading.Thread(target=send_later)
        later.start()
        assert isinstance(trigger("CP001", MessageTrigger.MeterValues, connector_id=1), MeterValuesRequest)
        later.join()


@pytest.mark.spec("OCPP 1.6 security whitepaper", "5.7")
def test_extended_trigger_waits_for_the_message_under_its_own_name() -> None:
    with Site() as site:
        charger = Answering(site, CSR)
        found = trigger("CP001", MessageTriggerEnumType.SignChargePointCertificate)
    assert isinstance(found, SignCertificateRequest)
    assert charger.asked == [("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})]


def test_async_twin() -> None:
    async def ask() -> Any:
        return await atrigger("CP001", MessageTrigger.Heartbeat)

    with Site() as site:
        Answering(site, '[2,"h","Heartbeat",{}]')
        assert asyncio.run(ask()) == HeartbeatRequest()
