"""A short look at the broker: is it there, and what waits in the workers' queue?"""

from typing import NamedTuple

import pika
from pika.exceptions import ChannelClosedByBroker

from ocpp_app import conf
from ocpp_app.errors import RelayUnavailable
from ocpp_app.relay.amqp import BROKER_ERRORS, parameters

TIMEOUT_S = 3


class Queue(NamedTuple):
    """The workers' queue: messages that are ready, and who takes them."""

    messages: int
    consumers: int


def look() -> Queue | None:
    """The queue; None where it does not exist yet. Raises ``RelayUnavailable``."""
    try:
        found = parameters(conf.amqp_url())
        for node in found:
            node.socket_timeout = node.stack_timeout = node.blocked_connection_timeout = TIMEOUT_S
        connection = pika.BlockingConnection(found)
        try:
            method = connection.channel().queue_declare(conf.rpc_queue(), passive=True).method
            return Queue(method.message_count, method.consumer_count)
        except ChannelClosedByBroker as error:
            if error.reply_code == 404:
                return None
            raise
        finally:
            if connection.is_open:
                connection.close()
    except BROKER_ERRORS as error:
        raise RelayUnavailable(f"RabbitMQ cannot be used: {error!r}") from error
