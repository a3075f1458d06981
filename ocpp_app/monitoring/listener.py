"""A port for those who look after a process that has none of its own: /healthz, /readyz and /metrics of a worker."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from ocpp_app.monitoring.exposition import CONTENT_TYPE, MONITOR
from ocpp_app.monitoring.readiness import Readiness

TEXT = "text/plain; charset=utf-8"
TIMEOUT_S = 5

WhyNot = Callable[[], list[str]]


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``. Raises ``CommandError``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise CommandError(f"--admin-listen {text!r}: use HOST:PORT, such as 127.0.0.1:9101.")
    return host.strip("[]"), int(port)


class AdminListener:
    """Answers in threads of its own; whoever reaches the address may read: choose it accordingly."""

    def __init__(self, address: tuple[str, int], *, why_not_alive: WhyNot = list) -> None:
        """Raises ``CommandError`` where it cannot listen; call ``start`` next."""
        readiness = Readiness(asks_broker=False)

        class Handler(_Handler):
            pages = {"/healthz": _checked(why_not_alive), "/readyz": _checked(readiness.why_not), "/metrics": _metrics}

        class Server(ThreadingHTTPServer):
            address_family = AF_INET6 if ":" in address[0] else AF_INET
            daemon_threads = True

        try:
            self._server = Server(address, Handler)
        except OSError as error:
            raise CommandError(
                f"--admin-listen {address[0]}:{address[1]} cannot be listened on: {error.strerror or error}."
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin-listener", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _checked(why_not: WhyNot) -> Callable[[], tuple[int, str, str]]:
    def page() -> tuple[int, str, str]:
        reasons = why_not()
        return (503, TEXT, "".join(f"{reason}\n" for reason in reasons)) if reasons else (200, TEXT, "ok\n")

    return page


def _metrics() -> tuple[int, str, str]:
    return 200, CONTENT_TYPE, MONITOR.text()


class _Handler(BaseHTTPRequestHandler):
    pages: dict[str, Callable[[], tuple[int, str, str]]] = {}
    timeout = TIMEOUT_S
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        try:
            status, content_type, text = page() if page else (404, TEXT, "Ask for /healthz, /readyz or /metrics.\n")
        finally:
            connection.close()  # of this thread
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes are no events."""
