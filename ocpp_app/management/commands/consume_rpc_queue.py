"""``manage.py consume_rpc_queue``: the workers behind RabbitMQ."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from argparse import ArgumentParser
from multiprocessing.process import BaseProcess
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ocpp_app import conf
from ocpp_app.errors import RelayUnavailable
from ocpp_app.monitoring.exposition import MONITOR, why_not_alive
from ocpp_app.monitoring.listener import AdminListener, parse_address
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.relay.amqp import AmqpCarrier
from ocpp_app.rpc.worker import Worker, settle_memory, start_tracing

logger = logging.getLogger(__name__)

RESTART_AFTER_S = 1.0
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 2.0
STOP_WITHIN_S = 30.0


class Command(BaseCommand):
    help = (
        "Take requests of the websocket gateways from RabbitMQ (AMQP_URL) and handle them. "
        "SIGTERM finishes the batch at hand."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--processes", type=int, default=1, metavar="N", help="worker processes; a dead one is started again"
        )

        parser.add_argument(
            "--admin-listen",
            metavar="HOST:PORT",
            help="where to answer /healthz, /readyz and /metrics; each further process takes the next port "
            "(default: nowhere)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if conf.relay() != "amqp" or not conf.amqp_url():
            raise CommandError(
                "There is no broker: set AMQP_URL (amqp://user:password@host:5672/) and leave OCPP_RELAY unset, "
                "or run everything in one process with `manage.py runcsms`."
            )
        if options["processes"] < 1:
            raise CommandError("--processes takes a number from 1.")
        admin = parse_address(options["admin_listen"]) if options["admin_listen"] else None
        if options["processes"] == 1:
            serve(admin)
        else:
            Parent(options["processes"], admin).run()


def serve(admin: tuple[str, int] | None = None) -> None:
    """One worker process: serves until SIGTERM or SIGINT, through any outage of the broker. Raises ``CommandError``
    when ``admin`` cannot be listened on, or an OTEL_… variable not be used."""
    if admin is not None:
        TALLY.turned_at = time.time()
        MONITOR.show("worker")
        MONITOR.ask(_why_without_broker)
        AdminListener(admin, why_not_alive=why_not_alive).start()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _stop_with_parent(stopping)
    name = f"{socket.gethostname()}:{os.getpid()}"
    try:
        tracing = start_tracing(name)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    backoff_s = FIRST_BACKOFF_S
    settle_memory()
    logger.info("Worker %s starts.", name)
    while not stopping.is_set():
        started = time.monotonic()
        try:
            carrier = AmqpCarrier(
                conf.amqp_url(),
                queue=conf.rpc_queue(),
                prefetch=conf.worker_batch(),
                queue_type=conf.rpc_queue_type(),
            )
            logger.info("Worker %s takes requests.", name)
            Worker(carrier, name=name, stopping=stopping, tracing=tracing).run()
        except RelayUnavailable as error:
            if time.monotonic() - started > MAX_BACKOFF_S:
                backoff_s = FIRST_BACKOFF_S
            logger.error("%s Trying again in %.1f s.", error, backoff_s)
            stopping.wait(backoff_s)
            TALLY.turned_at = time.time()
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
    if tracing is not None:
        tracing.close()
    logger.info("Worker %s has stopped.", name)


def _why_without_broker() -> list[str]:
    return [] if TALLY.is_broker_connected else ["broker: not connected"]


def _stop_with_parent(stopping: threading.Event) -> None:
    """A worker whose parent was killed stops by itself: nobody else would ever stop it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        logger.error("The parent process is gone, this worker stops.")
        stopping.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class Parent:
    """Keeps N worker processes alive."""

    def __init__(self, processes: int, admin: tuple[str, int] | None = None) -> None:
        """``admin``: the address of the first worker; the others have the ports behind it."""
        self._admin = admin
        self._context = multiprocessing.get_context("fork")
        self._stopping = False
        self._children: list[BaseProcess] = []
        self._processes = processes

    def run(self) -> None:
        """Start the workers, start dead ones again; on SIGTERM or SIGINT stop them and return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        connections.close_all()  # a connection must not be shared across fork
        self._children = [self._start(number) for number in range(self._processes)]
        while not self._stopping:
            multiprocessing.connection.wait([child.sentinel for child in self._children], timeout=RESTART_AFTER_S)
            self._children = [
                child if child.is_alive() or self._stopping else self._restart(child, number)
                for number, child in enumerate(self._children)
            ]
        self._join()

    def _start(self, number: int) -> BaseProcess:
        admin = None if self._admin is None else (self._admin[0], self._admin[1] + number)
        child = self._context.Process(target=serve, args=(admin,), name="ocpp-worker")
        child.start()
        return child

    def _restart(self, child: BaseProcess, number: int) -> BaseProcess:
        logger.error("Worker process %s died with exit code %s and is started again.", child.pid, child.exitcode)
        time.sleep(RESTART_AFTER_S)
        return self._start(number)

    def _stop(self, *_: Any) -> None:
        self._stopping = True

    def _join(self) -> None:
        for child in self._children:
            if child.is_alive():
                child.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in self._children:
            child.join(max(0.0, deadline - time.monotonic()))
            if child.is_alive():
                logger.error("Worker process %s did not stop within %.0f s and is killed.", child.pid, STOP_WITHIN_S)
                child.kill()
