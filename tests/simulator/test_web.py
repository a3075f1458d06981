"""The simulator page, as far as Django has to do with it; what it does in a browser is in tests/e2e."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse

from ocppj.v16 import PROTOCOL
from simulator.web import conf

PAGE = "/demo/ocpp/"
SCRIPTS = Path(conf.__file__).parent / "static" / "simulator"


@pytest.fixture(autouse=True)
def without_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


def client_of(name: str, **fields: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_user(name, **fields))
    return client


def test_it_is_off_unless_debug_or_a_setting_says_otherwise(settings: Any) -> None:
    del settings.OCPP_SIMULATOR
    assert conf.access() == "off"
    settings.DEBUG = True
    assert conf.access() == "staff"
    settings.OCPP_SIMULATOR = "open"
    assert conf.access() == "open"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["page", "requests", "words"])
def test_who_sees_it(settings: Any, name: str) -> None:
    address = reverse(f"simulator:{name}")
    staff, visitor, stranger = client_of("staff", is_staff=True), client_of("visitor"), Client()

    settings.OCPP_SIMULATOR = "off"
    assert [client.get(address).status_code for client in (staff, visitor, stranger)] == [404, 404, 404]
    settings.OCPP_SIMULATOR = "staff"
    assert [client.get(address).status_code for client in (staff, visitor, stranger)] == [200, 403, 302]
    assert stranger.get(address).headers["Location"] == f"/login/?next={address}"
    settings.LOGIN_URL = global_settings.LOGIN_URL  # a project that has set none
    assert stranger.get(address).headers["Location"] == f"/admin/login/?next={address}"
    settings.OCPP_SIMULATOR = "open"
    assert [client.get(address).status_code for client in (staff, visitor, stranger)] == [200, 200, 200]


def test_a_wrong_word_is_found_by_the_checks(settings: Any) -> None:
    settings.OCPP_SIMULATOR = "everybody"
    (message,) = [message for message in run_checks() if message.id == "simulator_web.E001"]
    assert "'open'" in str(message.hint)


def test_its_policy_lets_it_reach_gateways_and_run_nothing_inline(settings: Any) -> None:
    settings.OCPP_SIMULATOR = "open"
    response = Client().get(PAGE)
    policy = response.headers["Content-Security-Policy"]
    assert "connect-src 'self' ws: wss: http: https:;" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_the_endpoint_is_the_one_of_this_site(settings: Any) -> None:
    settings.OCPP_SIMULATOR = "open"
    settings.OCPP_WEBSOCKET_URL = "wss://{host}/ocpp/"
    settings.ALLOWED_HOSTS = ["csms.example.com"]
    page = Client(headers={"host": "csms.example.com:8443"}).get(PAGE).content.decode()
    assert 'value="wss://csms.example.com/ocpp"' in page


def test_it_knows_every_request(settings: Any) -> None:
    settings.OCPP_SIMULATOR = "open"
    requests = json.loads(Client().get(f"{PAGE}requests.json").content)
    assert set(requests) == set(PROTOCOL.actions)
    assert requests["Reset"]["sender"] == "central_system"


def test_page_and_scripts_speak_german(settings: Any) -> None:
    settings.OCPP_SIMULATOR = "open"
    german = Client(headers={"Accept-Language": "de"})
    page = german.get(PAGE).content.decode()
    assert '<html lang="de"' in page
    assert ("Einschalten" in page, "Switch it on" in page) == (True, False)
    assert '"Plug in": "Einstecken"' in german.get(f"{PAGE}words.js").content.decode()
    assert "Einstecken" not in Client().get(f"{PAGE}words.js").content.decode()


def test_nothing_becomes_markup_or_code() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML"
    scripts = list(SCRIPTS.rglob("*.js"))
    assert len(scripts) > 25
    assert [path.name for path in scripts if re.search(forbidden, path.read_text())] == []
