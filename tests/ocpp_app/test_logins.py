"""Signing in: those who guess are slowed down, whose account it is gets in."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpp_app import logins
from ocpp_app.models import SecurityEvent, SecurityEventKind, SignIn

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"
STRANGER, OFFICE = "203.0.113.9", "198.51.100.7"


@pytest.fixture(autouse=True)
def _account(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    settings.OCPP_FAILED_LOGINS_PER_MINUTE = 3
    get_user_model().objects.create_superuser("olga", "", PASSWORD)


def sign_in(client: Client, password: str, address: str = OFFICE, name: str = "olga", **more: str) -> int:
    """302: signed in, 200: the form again, 429: has to wait."""
    data = {"username": name, "password": password, "next": "/admin/"}
    response = client.post(reverse("admin:login"), data, REMOTE_ADDR=address, **more)
    return response.status_code


def later(**duration: float) -> None:
    """So much time passes: every attempt is so much older."""
    for row in SignIn.objects.all():
        SignIn.objects.filter(pk=row.pk).update(at=row.at - timedelta(**duration))


def test_guessing_is_slowed_down_and_seen_but_ends_with_the_minute(client: Client) -> None:
    assert [sign_in(client, f"guess {number}") for number in range(4)] == [200, 200, 200, 429]
    assert sign_in(client, PASSWORD) == 429  # not even looked at
    event = SecurityEvent.objects.get(kind=SecurityEventKind.LOGIN_THROTTLED)
    assert (event.identity, event.remote_address, event.count) == ("olga", OFFICE, 2)
    later(seconds=61)
    assert sign_in(client, PASSWORD) == 302


def test_who_has_to_wait_is_told_how_long(client: Client) -> None:
    for _ in range(3):
        sign_in(client, "guess")
    response = client.post(reverse("admin:login"), {"username": "olga", "password": "x"}, REMOTE_ADDR=OFFICE)
    assert 0 < int(response["Retry-After"]) <= 60
    page = response.content.decode()
    assert "Wait 1 minute" in page
    assert '<main id="main">' in page  # a page of the console, in the language of who waits
    again = client.post(
        reverse("admin:login"), {"username": "olga", "password": "x"}, REMOTE_ADDR=OFFICE, HTTP_ACCEPT_LANGUAGE="de"
    )
    assert "Warten Sie 1 Minute" in again.content.decode()


def test_guessing_all_day_gets_no_more_than_so_many_in_an_hour(client: Client) -> None:
    tried = 0
    for _ in range(10):
        while sign_in(client, "guess") == 200:
            tried += 1
        later(seconds=61)
    assert tried == 18


def test_a_browser_that_has_signed_in_is_not_kept_out_by_strangers() -> None:
    known, stranger = Client(), Client()
    assert sign_in(known, PASSWORD) == 302
    for number in range(30):  # from many addresses, and from the office's own
        sign_in(stranger, "guess", f"203.0.113.{number}")
        sign_in(stranger, "guess")
    assert sign_in(Client(), PASSWORD, "192.0.2.1") == 429
    known.post(reverse("admin:logout"))
    assert sign_in(known, PASSWORD) == 302


def test_a_known_browser_may_not_guess_either() -> None:
    client = Client()
    sign_in(client, PASSWORD)
    client.post(reverse("admin:logout"))
    assert [sign_in(client, "guess") for _ in range(4)] == [200, 200, 200, 429]


def test_the_mark_of_a_known_browser_is_for_one_account_and_cannot_be_made_up() -> None:
    get_user_model().objects.create_superuser("otto", "", PASSWORD)
    client = Client()
    sign_in(client, PASSWORD, name="otto")
    mark = client.cookies[logins.COOKIE]
    assert mark["httponly"]
    assert mark["samesite"] == "Lax"
    client.post(reverse("admin:logout"))
    assert [sign_in(client, "guess") for _ in range(4)] == [200, 200, 200, 429]
    client.cookies[logins.COOKIE] = f"{mark.value[:-3]}abc"
    assert sign_in(client, PASSWORD) == 429


def test_an_address_may_not_try_one_account_after_the_other(client: Client) -> None:
    codes = [sign_in(client, "guess", STRANGER, f"user{number}") for number in range(13)]
    assert codes == [200] * 12 + [429]
    assert sign_in(client, PASSWORD, OFFICE) == 302


def test_addresses_of_one_ipv6_network_are_one(client: Client) -> None:
    codes = [sign_in(client, "guess", f"2001:db8::{number}") for number in range(4)]
    assert codes == [200, 200, 200, 429]


def test_a_forwarded_address_is_believed_from_a_trusted_proxy_only(client: Client, settings: Any) -> None:
    codes = [sign_in(client, "guess", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}") for number in range(4)]
    assert codes == [200, 200, 200, 429]
    SignIn.objects.all().delete()
    settings.OCPP_TRUSTED_PROXIES = [f"{OFFICE}/32"]
    for number in range(4):
        assert sign_in(client, "guess", HTTP_X_FORWARDED_FOR=f"6.6.6.6, 192.0.2.{number}") == 200
    assert SignIn.objects.latest("at").remote_address == "192.0.2.3"


def test_names_in_other_letters_and_odd_ones_are_counted(client: Client) -> None:
    assert [sign_in(client, "guess", name=name) for name in ("Olga", "OLGA ", " olga", "olga")] == [200] * 3 + [429]
    assert sign_in(client, "guess", STRANGER, "x" * 1000) == 200


def test_without_a_limit_nothing_is_counted(client: Client, settings: Any) -> None:
    settings.OCPP_FAILED_LOGINS_PER_MINUTE = 0
    assert [sign_in(client, "guess") for _ in range(10)] == [200] * 10
    assert not SignIn.objects.exists()


def test_old_attempts_are_forgotten(client: Client) -> None:
    sign_in(client, "guess")
    logins.forget_old()
    assert SignIn.objects.count() == 1
    SignIn.objects.update(at=timezone.now() - timedelta(days=31))
    logins.forget_old()
    assert not SignIn.objects.exists()
