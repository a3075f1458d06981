"""Events on a RabbitMQ topic exchange, for whoever binds a queue: ``<event>.<organisation>.<identity>``.

Each is published persistent, and is due until the broker has confirmed it. One process at a time publishes, in the
order of the outbox, so that the events of a charge point stay in theirs.
"""

import logging
import threading
from datetime import timedelta

import pika
from django.db import DatabaseError, connection
from pika.adapters.blocking_connection import BlockingChannel

from ocpp_app import conf, leases
from ocpp_app.events import body
from ocpp_app.models import Event
from ocpp_app.relay.amqp import BROKER_ERRORS, parameters

logger = logging.getLogger(__name__)

LEASE = "events:exchange"
LEASE_FOR = timedelta(seconds=10)
POLL_S = 0.5
AT_ONCE = 200
MAX_KEY_BYTES = 255
"""AMQP 0-9-1: a routing key is a short string."""
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 10.0


class ExchangePublisher:
    """Publishes what is due until ``stop`` is called."""

    def __init__(self, name: str, stopping: threading.Event | None = None) -> None:
        """``name``: unique for each process; it holds the lease."""
        self._name = name
        self._stopping = stopping or threading.Event()

    def stop(self) -> None:
        """Return from ``run`` soon; may be called from a signal handler or another thread."""
        self._stopping.set()

    def run(self) -> None:
        """Serve; through any outage of the broker and the database."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                broker = pika.BlockingConnection(parameters(conf.amqp_url()))
                try:
                    channel = _open_channel(broker)
                    backoff_s = FIRST_BACKOFF_S
                    while not self._stopping.is_set():
                        if not self._publish_some(channel):
                            broker.sleep(POLL_S)  # answers the broker's heartbeats, too
                finally:
                    if broker.is_open:
                        broker.close()
            except (*BROKER_ERRORS, DatabaseError) as error:
                logger.error("Events wait for the broker, trying again in %.1f s: %r", backoff_s, error)
                connection.close()
                self._stopping.wait(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
        self._give_back()

    def _publish_some(self, channel: BlockingChannel) -> int:
        """Publish the next events; how many there were."""
        due = Event.objects.filter(exchange_due=True)
        if not due.exists() or not leases.hold(LEASE, self._name, LEASE_FOR):
            return 0
        events = list(due.select_related("charge_point", "organisation").order_by("id")[:AT_ONCE])
        done = []
        try:
            for event in events:
                publish(channel, event)
                done.append(event.pk)
        finally:
            Event.objects.filter(pk__in=done).update(exchange_due=False)
        return len(events)

    def _give_back(self) -> None:
        try:
            leases.release(LEASE, self._name)
        except DatabaseError as error:
            logger.info("The lease ends by itself: %s", error)
        connection.close()


def publish(channel: BlockingChannel, event: Event) -> None:
    """Publish an event and wait for the broker's confirmation."""
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        message_id=str(event.uid),
        type=event.type,
        timestamp=int(event.at.timestamp()),
        headers={"sequence": event.sequence},
    )
    channel.basic_publish(conf.events_exchange(), routing_key(event), body.encode(event), properties)


def routing_key(event: Event) -> str:
    """``transaction.started.<organisation>.<identity>``; what is special in a binding (``.``, ``*``, ``#``) is
    percent-encoded in the identity, and an over-long key is cut."""
    identity = event.charge_point.identity
    for character in "%.*#":
        identity = identity.replace(character, f"%{ord(character):02X}")
    key = f"{event.type}.{event.organisation.slug}.{identity}".encode()
    return key[:MAX_KEY_BYTES].decode(errors="ignore")


def _open_channel(broker: pika.BlockingConnection) -> BlockingChannel:
    channel: BlockingChannel = broker.channel()
    channel.exchange_declare(conf.events_exchange(), "topic", durable=True)
    channel.confirm_delivery()
    return channel
