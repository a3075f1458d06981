"""The Content-Security-Policy."""

from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from ocpp_app import csp


@pytest.mark.django_db
def test_every_page_forbids_inline_scripts_and_styles(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    for address in ("/admin/login/", "/healthz", "/api/v1/docs/", "/no-such-page"):
        policy = Client().get(address).headers[csp.HEADER]
        assert policy.startswith("default-src 'self'; "), address
        assert "unsafe" not in policy


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/static/ocpp_console/console.css", "/static/ocpp_console/icon.svg", "/static/no", "/login/"]
)
@pytest.mark.parametrize("asked", [{}, {"HTTP_RANGE": "bytes=0-4"}, {"HTTP_ACCEPT_ENCODING": "gzip"}])
def test_each_header_comes_once_over_files_as_well(path: str, asked: dict[str, str]) -> None:
    """Two policies apply together, and whoever reads them cannot tell which one is meant."""
    request = RequestFactory(SERVER_NAME="localhost").get(path, secure=True, **asked)
    answered: list[list[tuple[str, str]]] = []
    body = WSGIHandler()(request.environ, lambda _status, headers, _error=None: answered.append(headers))
    body.close()  # type: ignore[attr-defined]
    ((*headers,),) = answered
    names = [name.lower() for name, _value in headers if name.lower() != "set-cookie"]
    assert names.count("content-security-policy") == 1
    assert sorted(names) == sorted(set(names))


def test_a_view_may_set_a_policy_of_its_own() -> None:
    own = csp.header(connect_src=("'self'", "ws:", "wss:"))
    assert own == f"{csp.header()}; connect-src 'self' ws: wss:"
    response = HttpResponse(headers={csp.HEADER: own})
    assert csp.ContentSecurityPolicyMiddleware(lambda request: response)(HttpRequest()).headers[csp.HEADER] == own
