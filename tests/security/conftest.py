"""A central system under attack: real gateway, TLS, worker and database, and an honest charge point at work."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from ocpp_app.credentials import hash_key
from ocpp_app.models import ChargePoint, Organisation
from tests.certificates import RSA, Authority
from tests.ocpp_app.conftest import _nothing_of_other_tests, pytest_configure  # noqa: F401
from tests.security.stand import KEY, OTHER_KEY, Pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates of the gateway, of charge points, and of those who would like to be one."""
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(folder / "ca")
    made = Pki(
        authority=authority,
        server=authority.issue("localhost", algorithm=RSA),
        owner=authority.issue("SN-OWNER", "Operator"),
        neighbour=authority.issue("SN-NEIGHBOUR", "Operator"),
        other_operator=authority.issue("SN-OWNER", "Stranger"),
        revoked=authority.issue("SN-OWNER", "Operator"),
        self_signed=Authority(folder / "forger").issue("SN-OWNER", "Operator"),
    )
    authority.revoke(made.revoked)
    made.crl = authority.revocation_list()
    return made


@pytest.fixture(autouse=True)
def _as_deployed(settings: Any, request: pytest.FixtureRequest) -> None:
    settings.OCPP_SECURITY_PROFILE = 1
    settings.OCPP_TRUSTED_OPERATORS = ["Operator"]
    settings.OCPP_UNKNOWN_CHARGE_POINT = "reject"
    settings.SECURE_SSL_REDIRECT = False
    settings.OCPP_API_THROTTLE = ""


@pytest.fixture
def registered(transactional_db: None) -> None:
    """HONEST, which nobody attacks and which must not notice; OWNER, which is attacked."""
    Organisation.default()
    ChargePoint.objects.create(identity="HONEST", authorization_key=hash_key(OTHER_KEY))
    ChargePoint.objects.create(identity="OWNER", authorization_key=hash_key(KEY), registered_serial_number="SN-OWNER")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever commits here leaves no rows behind, in any table of any app."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and "registered" in getattr(item, "fixturenames", ()):
            apps = list(django_settings.INSTALLED_APPS)
            item.add_marker(pytest.mark.django_db(transaction=True, available_apps=apps))
