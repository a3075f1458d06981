"""``manage.py deliver_events``: webhooks, and events for the exchange, in a process of their own."""

import logging
import os
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ocpp_app import conf
from ocpp_app.events.delivery import Courier
from ocpp_app.events.exchange import ExchangePublisher
from ocpp_app.monitoring.exposition import MONITOR
from ocpp_app.monitoring.listener import AdminListener, parse_address

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 10.0


class Command(BaseCommand):
    help = (
        "Deliver events to webhooks, and publish them on OCPP_EVENTS_EXCHANGE. Run it beside the workers, also more "
        "than once: each subscription is served by one of them. SIGTERM finishes what is under way. "
        "`runcsms` delivers webhooks by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = "where to answer /healthz, /readyz and /metrics (default: nowhere)"
        parser.add_argument("--admin-listen", metavar="HOST:PORT", help=where)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["admin_listen"]:
            MONITOR.show("courier")
            AdminListener(parse_address(options["admin_listen"])).start()
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        name = f"{socket.gethostname()}:{os.getpid()}"
        exchange = _start(ExchangePublisher(name, stopping), stopping) if conf.events_exchange() else None
        logger.info("%s delivers events.", name)
        Courier(name, stopping).run()
        if exchange is not None:
            exchange.join(STOP_WITHIN_S)
            if exchange.failed:
                raise CommandError("The events for the exchange ended by themselves; the reason is in the log above.")
        logger.info("%s has stopped.", name)


class _Exchange(threading.Thread):
    """Publishes beside the webhooks; should it end by itself, all ends, for a supervisor to see."""

    failed = False

    def __init__(self, publisher: ExchangePublisher, stopping: threading.Event) -> None:
        super().__init__(name="exchange", daemon=True)
        self._publisher = publisher
        self._stopping = stopping

    def run(self) -> None:
        try:
            self._publisher.run()
        except Exception:  # the edge of the thread
            logger.exception("The events for the exchange failed.")
            self.failed = True
        finally:
            self._stopping.set()


def _start(publisher: ExchangePublisher, stopping: threading.Event) -> _Exchange:
    thread = _Exchange(publisher, stopping)
    thread.start()
    return thread
