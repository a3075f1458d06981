"""Events on a real RabbitMQ, through a process of their own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pika
import pytest

from ocpp_app.events import outbox
from ocpp_app.events.exchange import ExchangePublisher, routing_key
from ocpp_app.models import ChargePoint, Event, Organisation
from ocpp_app.signals import diagnostics_status_changed, firmware_status_changed
from tests.e2e.processes import wait_until
from tests.ocpp_app.broker import cutter
from tests.ocpp_app.conftest import commits

pytestmark = commits


class Bound:
    """A queue that is bound to the exchange."""

    def __init__(self, url: str, exchange: str, *keys: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.exchange_declare(exchange, "topic", durable=True)
        self.queue = self._channel.queue_declare("", exclusive=True).method.queue
        for key in keys:
            self._channel.queue_bind(self.queue, exchange, key)
        self.got: list[tuple[Any, Any, dict[str, Any]]] = []

    def drain(self) -> list[tuple[Any, Any, dict[str, Any]]]:
        while True:
            method, properties, body = self._channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return self.got
            self.got.append((method, properties, json.loads(body)))

    def close(self, exchange: str) -> None:
        self._channel.exchange_delete(exchange)
        self._connection.close()


@pytest.fixture
def exchange(settings: Any, amqp_url: str) -> str:
    settings.AMQP_URL = amqp_url
    settings.OCPP_EVENTS_EXCHANGE = f"ocpp.events.{uuid4().hex}"
    return str(settings.OCPP_EVENTS_EXCHANGE)


@pytest.fixture
def bound(exchange: str, amqp_url: str) -> Iterator[Bound]:
    bound = Bound(amqp_url, exchange, "firmware.*.default.#")
    yield bound
    bound.close(exchange)


@contextmanager
def running(name: str = "publisher") -> Iterator[None]:
    publisher = ExchangePublisher(name)
    thread = threading.Thread(target=publisher.run, name=name)
    thread.start()
    try:
        yield
    finally:
        publisher.stop()
        thread.join(30)
        assert not thread.is_alive()


def say(charge_point: ChargePoint, *statuses: str) -> None:
    for status in statuses:
        outbox.tell(firmware_status_changed, ChargePoint, charge_point=charge_point, status=status)


def test_events_are_published_in_order_under_their_routing_key(bound: Bound) -> None:
    charge_point = ChargePoint.objects.create(identity="CP.1")
    other = ChargePoint.objects.create(
        identity="CP2", organisation=Organisation.objects.create(name="Other", slug="other")
    )
    say(charge_point, "1", "2")
    say(other, "not bound")
    outbox.tell(diagnostics_status_changed, ChargePoint, charge_point=charge_point, status="not bound")
    say(charge_point, "3")
    with running():
        wait_until(lambda: not Event.objects.filter(exchange_due=True).exists(), "all are published")
    got = bound.drain()
    assert [body["data"]["status"] for _method, _properties, body in got] == ["1", "2", "3"]
    method, properties, body = got[0]
    assert method.routing_key == "firmware.status.default.CP%2E1"
    assert (properties.message_id, properties.type, properties.delivery_mode) == (body["id"], "firmware.status", 2)
    assert (body["charge_point"], body["sequence"], properties.headers) == ("CP.1", 1, {"sequence": 1})


def test_events_wait_for_a_broker_that_was_away(bound: Bound, amqp_url: str, settings: Any) -> None:
    charge_point = ChargePoint.objects.create(identity="CP1")
    with cutter(amqp_url) as proxy:
        settings.AMQP_URL = proxy.url
        with running():
            say(charge_point, "1")
            wait_until(lambda: len(bound.drain()) == 1, "the first is published")
            proxy.cut()
            say(charge_point, "2", "3")
            wait_until(lambda: len({body["id"] for _m, _p, body in bound.drain()}) == 3, "the others are, too")
    seen = {body["id"]: body["data"]["status"] for _method, _properties, body in bound.got}
    assert list(seen.values()) == ["1", "2", "3"]


def test_over_long_key_is_cut(exchange: str) -> None:
    charge_point = ChargePoint.objects.create(identity="ü" * 255)
    say(charge_point, "1")
    key = routing_key(Event.objects.get())
    assert key.startswith("firmware.status.default.üü")
    assert 250 < len(key.encode()) <= 255
