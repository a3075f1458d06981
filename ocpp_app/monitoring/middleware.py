"""Django middleware: /healthz, /readyz and /metrics of a web process, and the numbers of its requests.

It stands before ``SecurityMiddleware`` and all that asks for the host: who probes a process by its address, without
TLS, is no visitor whose host or session matters.
"""

import secrets
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from django.http import HttpRequest, HttpResponse

from ocpp_app import conf
from ocpp_app.client_address import client_address
from ocpp_app.monitoring.exposition import CONTENT_TYPE, MONITOR
from ocpp_app.monitoring.readiness import Readiness
from ocpp_app.monitoring.tally import TALLY

TEXT = "text/plain; charset=utf-8"
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")


class MonitoringMiddleware:
    """Answers the three, counts all others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._readiness = Readiness(asks_broker=True)
        self._pages = {"/healthz": _healthz, "/readyz": self._readyz, "/metrics": _metrics}
        MONITOR.show("web", "facts")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        page = self._pages.get(request.path_info)
        if page is not None:
            return page(request)
        started = time.perf_counter()
        response = self._get_response(request)
        match = request.resolver_match
        part = match.namespaces[0] if match is not None and match.namespaces else "other"
        TALLY.page_done(part, response.status_code, time.perf_counter() - started)
        return response

    def _readyz(self, request: HttpRequest) -> HttpResponse:
        """Broker, database and migrations are there."""
        reasons = self._readiness.why_not()
        text = "".join(f"{reason}\n" for reason in reasons) or "ok\n"
        return HttpResponse(text, status=503 if reasons else 200, content_type=TEXT)


def _healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers."""
    return HttpResponse("ok\n", content_type=TEXT)


def _metrics(request: HttpRequest) -> HttpResponse:
    """The numbers, for those who may see them."""
    if may_see_metrics(request):
        return HttpResponse(MONITOR.text(), content_type=CONTENT_TYPE)
    return HttpResponse("See OCPP_METRICS_FROM and OCPP_METRICS_TOKEN.\n", status=403, content_type=TEXT)


def may_see_metrics(request: HttpRequest) -> bool:
    """By the token, or by the address. What came through a proxy that is not trusted has no address of its own."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted = conf.metrics_token()
    if wanted and scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), wanted.encode()):
        return True
    peer, client = str(request.META.get("REMOTE_ADDR") or ""), client_address(request)
    if client == peer and any(name in request.META for name in FORWARDED):
        return False
    try:
        address = ip_address(client)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(text, strict=False) for text in conf.metrics_from())
