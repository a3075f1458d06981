"""Limits that keep somebody out are counted and told in the log, and nobody can fill the log by hitting them."""

import logging
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from ocpp_app.limits import LIMITS, TOLD_AT_MOST, TOLD_EVERY_S, Limits
from ocpp_app.models import ApiToken, Organisation, Scope
from ocpp_app.monitoring.tally import TALLY

OURS = "ocpp_app.limits"


@pytest.fixture(autouse=True)
def _nothing_told(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    cache.clear()
    LIMITS.forget()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == OURS]


def test_who_is_kept_out_again_and_again_makes_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    limits = Limits(lambda: now)
    counted = TALLY.limits["door"]
    for _ in range(50):
        limits.hit("door", "203.0.113.9", "Too often.")
    limits.hit("door", "198.51.100.7", "Too often.")
    assert lines(caplog) == ["Too often.", "Too often. (and 49 more times since the last line)"]
    now += TOLD_EVERY_S
    limits.hit("door", "203.0.113.9", "Too often.")
    assert lines(caplog)[2:] == ["Too often."]
    assert TALLY.limits["door"] == counted + 52


def test_many_addresses_do_not_fill_the_log_nor_hide_another_limit(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(lambda: 0.0)
    for number in range(1000):
        limits.hit("door", f"203.0.113.{number}", "Too often.")
    limits.hit("window", "203.0.113.1", "Too wide.")
    assert lines(caplog) == ["Too often."] * TOLD_AT_MOST + ["Too wide."]
    assert len(limits._told) == TOLD_AT_MOST + 1


@pytest.mark.django_db
def test_throttled_api_says_so_once(client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.OCPP_API_THROTTLE = "2/min"
    token, secret = ApiToken.issue(name="meter", scope=Scope.READ, organisation=Organisation.default())
    counted = TALLY.limits["api_throttle"]
    statuses = [
        client.get("/api/v1/charge-points/", headers={"Authorization": f"Bearer {secret}"}).status_code
        for _ in range(5)
    ]
    assert statuses == [200, 200, 429, 429, 429]
    assert lines(caplog) == [f"The API is asked more often than OCPP_API_THROTTLE (2/min) allows, by token {token.pk}."]
    (record,) = [record for record in caplog.records if record.name == OURS]
    assert record.remote_address == "127.0.0.1"  # type: ignore[attr-defined]
    assert TALLY.limits["api_throttle"] == counted + 3


@pytest.mark.django_db
def test_throttled_sign_in_says_so_once_and_shows_no_name(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings.OCPP_FAILED_LOGINS_PER_MINUTE = 2
    get_user_model().objects.create_superuser("olga", "", "a long password")
    counted = TALLY.limits["failed_logins"]
    # A password in the wrong field.
    attempts = [{"username": "my secret phrase", "password": "guess"}] * 4
    assert [client.post(reverse("admin:login"), data).status_code for data in attempts] == [200, 200, 429, 429]
    (line,) = lines(caplog)
    assert "OCPP_FAILED_LOGINS_PER_MINUTE" in line
    assert "my secret phrase" not in caplog.text
    assert TALLY.limits["failed_logins"] == counted + 2
