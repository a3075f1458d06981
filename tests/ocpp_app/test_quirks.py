"""Vendor quirks are data: what a charge point says of itself decides how it is treated."""

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured

from ocpp_app import quirks
from ocpp_app.checks import check_quirks
from ocpp_app.models import ChargePoint
from ocpp_app.quirks import Behaviour
from tests.ocpp_app.wire import Wire

PREPARING = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Preparing"}]'


def described(vendor: str = "", model: str = "", firmware: str = "") -> ChargePoint:
    return ChargePoint(organisation_id=1, vendor=vendor, model=model, firmware_version=firmware)


@pytest.mark.parametrize(
    "charge_point", [described("United Chargers Inc."), described("GRIZZL-E"), described("Acme", "Grizzl-E Smart")]
)
def test_grizzl_e_gets_no_pings_and_its_remote_start_a_second_later(charge_point: ChargePoint) -> None:
    behaviour = quirks.behaviour_of(charge_point)
    assert (behaviour.pings, behaviour.remote_start_delay_s) == (False, 1.0)


def test_others_are_treated_as_the_specification_says() -> None:
    assert quirks.behaviour_of(described("Acme", "Wallbox", "1.0")) == Behaviour()


def test_pings_find_within_a_minute_that_nobody_is_there() -> None:
    """Liveness: a ping after one interval of silence, the end after another, with time to tell of it."""
    assert 2 * Behaviour().ping_interval_s <= 55


def test_a_site_adds_quirks_of_its_own_and_the_last_wins(settings) -> None:
    settings.OCPP_QUIRKS = [
        {"vendor": "Acme*", "ping_interval_s": 120},
        {"vendor": "acme", "firmware": "2.*", "ping_interval_s": 60, "call_timeout_s": 90},
    ]
    assert quirks.behaviour_of(described("ACME GmbH", firmware="2.1")).ping_interval_s == 120
    assert quirks.behaviour_of(described("Acme", firmware="2.1")) == Behaviour(ping_interval_s=60, call_timeout_s=90)
    assert quirks.behaviour_of(described("Acme", firmware="1.9")).call_timeout_s is None


@pytest.mark.parametrize(
    "quirk", [{"pings": False}, {"vendor": "x", "pinks": 1}, "vendor", {"vendor": "x", "pings": "no"}, {"vendor": 7}]
)
def test_a_wrong_quirk_is_found_and_named(quirk: object, settings) -> None:
    settings.OCPP_QUIRKS = [quirk]
    with pytest.raises(ImproperlyConfigured):
        quirks.behaviour_of(described())
    (found,) = check_quirks()
    assert isinstance(found, Error)
    assert found.hint


@pytest.mark.django_db(transaction=True)
def test_the_delay_travels_with_the_remote_start(wire: Wire) -> None:
    ChargePoint.objects.update(vendor="Grizzl-E")
    wire.call(PREPARING)
    assert [command.delay_s for command in wire.commands if '"RemoteStart' in command.raw.decode()] == [1.0]


@pytest.mark.django_db(transaction=True)
def test_others_get_their_remote_start_at_once(wire: Wire) -> None:
    wire.call(PREPARING)
    assert [command.delay_s for command in wire.commands if '"RemoteStart' in command.raw.decode()] == [0.0]
