"""The settings of the simulator page; nothing else reads them."""

from typing import Literal

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

Access = Literal["off", "staff", "open"]
ACCESS: tuple[Access, ...] = ("off", "staff", "open")
ENDPOINT = "ws://{host}:9000/ocpp"


def access() -> Access:
    """``OCPP_SIMULATOR``: whether the page is there, and for whom; without it for staff while ``DEBUG`` is on."""
    chosen: Access = getattr(settings, "OCPP_SIMULATOR", None) or ("staff" if settings.DEBUG else "off")
    return chosen


def endpoint(request: HttpRequest) -> str:
    """Where charge points connect (``OCPP_WEBSOCKET_URL``), as the page proposes it; ``{host}`` is the page's own."""
    host = split_domain_port(request.get_host())[0]
    url: str = getattr(settings, "OCPP_WEBSOCKET_URL", ENDPOINT)
    return url.replace("{host}", host).rstrip("/")
