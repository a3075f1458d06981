"""The database goes away: who asks hears of it, and may ask again."""

from django.db import connection
from rest_framework.test import APIClient

from ocpp_app.models import ChargePoint
from tests.ocpp_app.api.world import ROOT
from tests.ocpp_app.conftest import commits


@commits
def test_database_that_is_away_is_a_503_and_not_our_bug() -> None:
    client = APIClient(headers={"Authorization": "Bearer ocpp_anything"})
    settings, away = connection.settings_dict, {"sqlite": {"NAME": "/nowhere/at/all.sqlite3"}}
    wrong = away.get(connection.vendor, {"HOST": "127.0.0.1", "PORT": "1"})
    before = {name: settings[name] for name in wrong}
    connection.close()
    settings.update(wrong)
    try:
        response = client.get(f"{ROOT}transactions/")
    finally:
        settings.update(before)
        connection.close()
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "urn:django-ocpp-csms:problem:database-unavailable"
    assert not ChargePoint.objects.exists()  # it is back
