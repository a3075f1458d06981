"""The admin of this app is for superusers: every address of it, taken from its table."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.urls.resolvers import RoutePattern

from ocpp_app.models import ChargePoint, Organisation

pytestmark = pytest.mark.django_db

OURS = [model for model in admin.site._registry if model._meta.app_label == "ocpp_app"]


def addresses() -> Iterator[str]:
    """Every address of every page of this app, with the key 1 where one is asked for."""
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLResolver) and str(pattern.pattern).startswith("ocpp_app/"):
            for route in pattern.url_patterns:
                assert isinstance(route, URLPattern)
                assert isinstance(route.pattern, RoutePattern)
                yield re.sub(r"<\w+:\w+>", "1", f"/admin/{pattern.pattern}{route.pattern}")


ALL = sorted(set(addresses()))


@pytest.fixture
def staff(client: Client, django_user_model: Any, settings: Any) -> Client:
    """Somebody of the staff with every permission that there is for this app's models, and no superuser."""
    settings.SECURE_SSL_REDIRECT = False
    user = django_user_model.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="ocpp_app"))
    client.force_login(user)
    return client


def test_every_model_has_addresses() -> None:
    for model in apps.get_app_config("ocpp_app").get_models():
        assert [address for address in ALL if f"/ocpp_app/{model._meta.model_name}/" in address]


def test_staff_sees_no_page_of_it(staff: Client) -> None:
    ChargePoint.objects.create(pk=1, identity="CP1")
    Organisation.objects.get_or_create(pk=1, defaults={"name": "N", "slug": "n"})
    told = {}
    for address in ALL:
        for response in (staff.get(address), staff.post(address, {"post": "yes"})):
            # Of a page with a row in its address that is not there, Django says so without a look at permissions.
            if response.status_code != 403 and not (
                response.status_code == 302 and response["Location"] in ("/admin/", f"{address}change/")
            ):
                told[address] = response.status_code
    assert not told


def test_staff_finds_nothing_of_it_elsewhere(staff: Client) -> None:
    assert "ocpp_app" not in staff.get("/admin/").content.decode()
    query = {"app_label": "ocpp_app", "model_name": "idtag", "field_name": "organisation"}
    assert staff.get(reverse("admin:autocomplete"), query).status_code == 403


def test_an_action_does_nothing_for_staff(staff: Client) -> None:
    for model in OURS:
        address = reverse(f"admin:ocpp_app_{model._meta.model_name}_changelist")
        for name in admin.site.get_model_admin(model).actions or ():
            assert staff.post(address, {"action": name, "_selected_action": ["1"]}).status_code == 403, (model, name)
