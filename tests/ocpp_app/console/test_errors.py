"""What a browser is told when no view of the console answers."""

from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, reverse

from backend import urls
from backend.urls import handler400, handler500
from tests.ocpp_app.console.world import body_of, text_of

__all__ = ["handler400", "handler500"]


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret of ours")


def misunderstand(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("a secret of ours")


urlpatterns = [path("fail/", fail), path("misunderstand/", misunderstand), *urls.urlpatterns]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is nothing at this address."), ("de", "Unter dieser Adresse ist nichts.")]
)
def test_an_unknown_address_is_answered_with_a_way_out(language: str, words: str) -> None:
    answer = Client().get("/nowhere/", headers={"Accept-Language": language})
    assert answer.status_code == 404
    assert words in text_of(answer)
    assert f'href="{reverse("console:overview")}"' in body_of(answer)


def test_a_refusal_outside_of_the_console_says_why(settings: Any, viewer: Client) -> None:
    settings.OCPP_SIMULATOR = "staff"
    answer = viewer.get("/demo/ocpp/")
    assert answer.status_code == 403
    assert "The simulator is for staff" in text_of(answer)


def test_a_form_without_its_token_is_not_taken_and_says_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "ada", "password": "x"})
    assert answer.status_code == 403
    assert "This form is out of date, and nothing was changed." in text_of(answer)


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [("/fail/", 500, "Something went wrong here."), ("/misunderstand/", 400, "The server cannot read")],
)
def test_an_error_gives_nothing_away(settings: Any, address: str, status: int, words: str) -> None:
    settings.ROOT_URLCONF = __name__  # no database either: it may be what has failed
    answer = Client(raise_request_exception=False).get(address)
    assert answer.status_code == status
    assert words in text_of(answer)
    assert "secret" not in body_of(answer)
