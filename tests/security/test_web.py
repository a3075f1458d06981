"""The web pages: other sites, stolen sessions, forged hosts, uploads and webhooks that would reach the inside."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from ocpp_app.events.addresses import AddressRefused, parse
from ocpp_app.models import AuditEntry, Organisation, Role, SecurityEvent, SecurityEventKind
from tests.ocpp_app.api.world import make_tenant
from tests.ocpp_app.console import world as console

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"
ELSEWHERE = ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)")


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> None:
    settings.OCPP_API_THROTTLE = ""


@pytest.fixture
def olga(settings: Any) -> Any:
    settings.SECURE_SSL_REDIRECT = False
    Organisation.default()
    return get_user_model().objects.create_superuser("olga", "", PASSWORD)


@pytest.mark.usefixtures("olga")
def test_no_form_is_taken_from_another_site(settings: Any) -> None:
    """Every address of the console and the API, with the cookies that a browser sends along."""
    settings.SECURE_SSL_REDIRECT = False
    console.make_alive()
    tenant = console.make_tenant("ours")
    client = Client(enforce_csrf_checks=True)
    client.force_login(console.person(tenant, Role.ADMIN).user)  # type: ignore[attr-defined]
    for name, where in console.addresses(tenant).items():
        if client.get(where).status_code != 405 or client.post(where).status_code != 405:
            assert client.post(where).status_code in (403, 405), name
    entries = AuditEntry.objects.count()
    address = f"/api/v1/charge-points/{tenant.charge_point.identity}"
    for where in (f"{address}/approve/", f"{address}/renew-password/", f"{address}/commands/"):
        assert client.post(where, {"action": "Reset"}, content_type="application/json").status_code == 403
    assert client.delete(f"{address}/").status_code == 403
    assert AuditEntry.objects.count() == entries


def test_another_site_can_neither_frame_nor_script_a_page(olga: Any, admin_client: Client) -> None:
    for page in ("/", "/login/", "/admin/", "/api/v1/docs/", reverse("admin:ocpp_app_chargepoint_changelist")):
        headers = admin_client.get(page).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], page
        assert "unsafe-inline" not in headers["Content-Security-Policy"], page
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_session_of_before_the_login_is_worth_nothing_afterwards(page: str, olga: Any) -> None:
    client = Client()
    client.get(page)
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    assert client.post(page, {"username": "olga", "password": PASSWORD}).status_code == 302
    after = client.cookies["sessionid"]
    assert after.value != before
    assert after["httponly"]
    assert after["secure"]
    assert after["samesite"] == "Lax"


def test_sessions_end_with_the_password(olga: Any) -> None:
    thief = Client()
    thief.post("/login/", {"username": "olga", "password": PASSWORD})
    assert thief.get("/").status_code == 200
    olga.set_password("another long password")
    olga.save()
    assert thief.get("/").status_code == 302
    assert AuditEntry.objects.filter(subject="olga", detail="password: changed").exists()


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
@pytest.mark.parametrize("target", ELSEWHERE)
def test_login_leads_nowhere_else(page: str, target: str, olga: Any) -> None:
    response = Client().post(page, {"username": "olga", "password": PASSWORD, "next": target})
    assert response.status_code == 302
    assert response["Location"].startswith("/")
    assert "evil" not in response["Location"]


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_passwords_are_guessed_slowly_at_every_door(page: str, olga: Any) -> None:
    codes = [Client().post(page, {"username": "olga", "password": f"guess {n}"}).status_code for n in range(7)]
    assert codes == [200] * 5 + [429] * 2
    assert SecurityEvent.objects.get(kind=SecurityEventKind.LOGIN_THROTTLED).count == 2


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:80@evil.example", "[::2]"])
def test_host_that_is_not_ours(host: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.SECURE_SSL_REDIRECT = False
    response = Client(raise_request_exception=False).get("/login/", HTTP_HOST=host)
    assert response.status_code == 400
    assert "evil" not in response.content.decode()


def test_everything_is_led_to_https_and_stays_there(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = Client().get("/login/")
    assert (response.status_code, response["Location"].startswith("https://")) == (301, True)
    assert "max-age=31536000; includeSubDomains" in Client().get("/login/", secure=True)["Strict-Transport-Security"]


INSIDE = ("https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
          "https://2130706433/", "https://0x7f.1/", "https://localhost/", "https://localhost./", "https://foo.localhost./",
          "https://127.0.0.1./", "https://192.0.0.8/", "https://[fec0::1]/", "http://example.com/", "file:///etc/passwd",
          "gopher://example.com/", "https://user:pw@example.com/", "https://example.com\r\nX: y/")  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_webhook_does_not_reach_the_inside(url: str, settings: Any) -> None:
    with pytest.raises(AddressRefused):
        parse(url)


def test_tenant_of_the_pages_is_nobody_without_a_membership(olga: Any, settings: Any) -> None:
    make_tenant("ours")
    client = Client()
    client.force_login(get_user_model().objects.create_user("nobody"))
    assert "ours" not in client.get("/charge-points/").content.decode()
    assert client.get("/api/v1/charge-points/").status_code == 403
