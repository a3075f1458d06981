"""``manage.py runcsms``: gateway, worker and web in one process, for a site that wants no broker."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import waitress.server
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application
from django.urls import NoReverseMatch, reverse

from ocpp_app import commands, conf, leases
from ocpp_app.events.delivery import Courier
from ocpp_app.logs import FrameFilter, ReadableFormatter
from ocpp_app.monitoring.exposition import MONITOR, why_not_alive
from ocpp_app.relay.memory import MemoryRelay
from ocpp_app.rpc.gateway_care import close_all_sessions
from ocpp_app.rpc.worker import Worker, settle_memory, start_tracing
from wsgate.config import Address, Config, parse_listen, read_options
from wsgate.errors import ConfigError
from wsgate.memory import MemoryCarrier
from wsgate.metrics import GatewayCollector
from wsgate.server import Gateway

logger = logging.getLogger(__name__)

WEB_THREADS = 8
WEB_TIMEOUT_S = 30
"""How long a browser's connection may be silent."""
FORM_BYTES = 1 << 16
"""What a form adds to the largest file in it."""
ANYWHERE = ("", "0.0.0.0", "::")
"""Not an address under which somebody else could reach us."""


class Command(BaseCommand):
    help = (
        "Run the whole central system in one process: websocket gateway, worker, web and webhooks. "
        "Migrates the database first. Ctrl-C stops it."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--ws", default="127.0.0.1:9000", metavar="HOST:PORT", help="for charge points (default: %(default)s)"
        )
        parser.add_argument(
            "--http", default="127.0.0.1:8000", metavar="HOST:PORT", help="for people (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if conf.relay() != "memory":
            raise CommandError(
                "runcsms needs no broker, but AMQP_URL or OCPP_RELAY is set. Unset them, or run the parts one by one: "
                "`python -m wsgate`, `manage.py consume_rpc_queue` and a WSGI server."
            )
        if not logging.getLogger().handlers:  # a project without LOGGING: what happens is told all the same
            handler = logging.StreamHandler()
            handler.setFormatter(ReadableFormatter())
            handler.addFilter(FrameFilter())
            logging.basicConfig(level=logging.INFO, handlers=[handler])
        config = _gateway_config(_address("--ws", options["ws"]))
        http = _address("--http", options["http"])[0]
        if (
            not conf.transfer_url()
            and http.host not in ANYWHERE
            and (path := _path_of("ocpp-transfer:upload", "x" * 20))
        ):
            # simulated charge points reach it
            settings.OCPP_TRANSFER_URL = f"http://{_shown(http)}{path.partition('upload/')[0]}"
        if conf.read("OCPP_WEBSOCKET_URL") == conf.DEFAULTS["OCPP_WEBSOCKET_URL"]:
            settings.OCPP_WEBSOCKET_URL = f"ws://{{host}}:{config.listen[0].port}/ocpp"
        system = CentralSystem(config, http)  # what is wrong with it is said before the database is touched
        call_command("migrate", interactive=False, verbosity=0)
        close_all_sessions()  # left open by a run that was killed; there is no other gateway
        leases.release_all()  # nor anybody else who works on anything
        system.run()


class CentralSystem:
    """Gateway, worker, web and webhooks, each in a thread of its own; the first to end, or a signal, ends all."""

    def __init__(self, config: Config, http: Address) -> None:
        self._ending = threading.Event()
        self._failed = False
        self._http = http
        self._scheme = "ws" if config.tls is None else "wss"
        self._relay = MemoryRelay()
        carrier = MemoryCarrier(self._relay.submit)
        self._relay.deliver_to_gateway = carrier.deliver
        try:
            self._gateway = Gateway(config, carrier)
            self._tracing = start_tracing(f"runcsms:{os.getpid()}")
        except (ConfigError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        self._gateway_stops: Callable[[], None] = lambda: None
        self._gateway_reloads: Callable[[], None] = lambda: None
        self._worker = Worker(self._relay, name=f"runcsms:{os.getpid()}", tracing=self._tracing)
        self._courier = Courier(name=f"runcsms:{os.getpid()}")
        self._web = _web_server(http)

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM. Raises ``CommandError`` when a part ends by itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ending.set())
        signal.signal(signal.SIGHUP, lambda *_: self._gateway_reloads())
        commands.use_memory_relay(self._relay)
        settle_memory()
        try:
            worker = self._start("worker", self._worker.run)
            webhooks = self._start("webhooks", self._courier.run)
            gateway = self._start("gateway", lambda: asyncio.run(self._serve_gateway()))
            web = self._start("web", self._web.run)
            self._ending.wait()
            logger.info("Stopping.")
            with contextlib.suppress(RuntimeError):  # it was the gateway that ended: its event loop is closed
                self._gateway_stops()
            gateway.join()
            self._worker.stop()
            self._courier.stop()
            worker.join()
            webhooks.join()
            if self._tracing is not None:
                self._tracing.close()
            self._web.close()
            self._web.task_dispatcher.shutdown()
            web.join(timeout=1)
        finally:
            commands.forget_memory_relay(self._relay)
        if self._failed:
            raise CommandError("A part of the central system ended by itself; the reason is in the log above.")

    def _start(self, name: str, target: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                target()
            except ConfigError as error:
                logger.error("%s", error)
            except (
                Exception
            ):  # the edge of the thread: whatever ends a part ends the process, for its supervisor to see
                logger.exception("The %s failed.", name)
            finally:
                if not self._ending.is_set():
                    self._failed = True
                    self._ending.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    async def _serve_gateway(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._gateway_stops = lambda: loop.call_soon_threadsafe(stopping.set)  # type: ignore[assignment]
        self._gateway_reloads = lambda: loop.call_soon_threadsafe(self._gateway.reload_certificates)  # type: ignore[assignment]
        await self._gateway.start()
        MONITOR.show("worker", "courier")
        MONITOR.registry.register(GatewayCollector(self._gateway))
        MONITOR.ask(self._gateway.pages.why_not_ready)
        MONITOR.ask(why_not_alive)
        for address in self._gateway.addresses:
            logger.info("Charge points connect to %s://%s/ocpp/<identity>", self._scheme, _shown(address))
        for what, name in (("console", "console:overview"), ("admin", "admin:index")):
            if path := _path_of(name):
                logger.info("The %s is at http://%s%s", what, _shown(self._http), path)
        if self._ending.is_set():
            stopping.set()
        await stopping.wait()
        await self._gateway.stop()


def _address(option: str, text: str) -> tuple[Address, ...]:
    try:
        return parse_listen(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}.") from None


def _path_of(name: str, *arguments: str) -> str:
    """Where the project serves this page; empty where it does not."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""


def _shown(address: Address) -> str:
    """The address as it stands in a URL."""
    host = f"[{address.host}]" if ":" in address.host else address.host or "0.0.0.0"
    return f"{host}:{address.port}"


def _gateway_config(listen: tuple[Address, ...]) -> Config:
    """The gateway's limits from the same WSGATE_… variables as a gateway of its own; OCPP_TRACING is for it, too."""
    environment = {"WSGATE_TRACING": str(conf.tracing()), **os.environ}
    try:
        return read_options([f"--listen={address.host}:{address.port}" for address in listen], environment).gateway
    except ConfigError as error:
        raise CommandError(str(error)) from None


def _web_server(address: Address) -> Any:
    try:
        return waitress.server.create_server(
            get_wsgi_application(),
            host=address.host or "0.0.0.0",
            port=address.port,
            threads=WEB_THREADS,
            ident=None,
            # It keeps a whole body in a file before anybody is asked whether it may come.
            max_request_body_size=conf.upload_max_bytes() + FORM_BYTES,
            channel_timeout=WEB_TIMEOUT_S,
            # Believed or not by the application itself: BEHIND_PROXY, OCPP_TRUSTED_PROXIES.
            clear_untrusted_proxy_headers=False,
        )
    except OSError as error:
        raise CommandError(
            f"--http {address.host}:{address.port} cannot be listened on: {error.strerror or error}."
        ) from None
