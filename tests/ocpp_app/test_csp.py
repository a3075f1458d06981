"""The Content-Security-Policy."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client

from ocpp_app import csp


@pytest.mark.django_db
def test_every_page_forbids_inline_scripts_and_styles(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    for address in ("/admin/login/", "/healthz", "/api/v1/docs/", "/no-such-page"):
        policy = Client().get(address).headers[csp.HEADER]
        assert policy.startswith("default-src 'self'; "), address
        assert "unsafe" not in policy


def test_a_view_may_set_a_policy_of_its_own() -> None:
    own = csp.header(connect_src=("'self'", "ws:", "wss:"))
    assert own == f"{csp.header()}; connect-src 'self' ws: wss:"
    response = HttpResponse(headers={csp.HEADER: own})
    assert csp.ContentSecurityPolicyMiddleware(lambda request: response)(HttpRequest()).headers[csp.HEADER] == own
