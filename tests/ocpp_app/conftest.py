"""A backend with connected charge points for every test of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from ocpp_app.events.subscriptions import known
from ocpp_app.models import ChargePoint, IdTag, SecurityProfile
from ocpp_app.models import private_files as storage
from ocpp_app.set_aside import aside
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire

Connect = Callable[..., Wire]

commits = pytest.mark.django_db(transaction=True, available_apps=["ocpp_app"])
"""A test that really commits: for threads, and for what comes after COMMIT. Only this app's tables are emptied then."""


def pytest_configure() -> None:
    """The system itself asks nothing of charge points."""
    django_settings.OCPP_FIRST_CONTACT = False


@pytest.fixture(autouse=True)
def _nothing_of_other_tests() -> None:
    known.forget()
    aside.forget()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def gateway(backend: Backend) -> GatewayEnd:
    return GatewayEnd(backend)


@pytest.fixture
def connect(gateway: GatewayEnd) -> Connect:
    """Registers an accepted charge point (with these fields, and without a password) and connects it."""

    def connected(identity: str = "CP001", at: GatewayEnd | None = None, **fields: Any) -> Wire:
        if not ChargePoint.objects.filter(identity=identity).exists():
            ChargePoint.objects.create(identity=identity, **{"security_profile": SecurityProfile.NONE, **fields})
        wire = Wire(at or gateway, identity)
        assert wire.open().accepted
        return wire

    return connected


@pytest.fixture
def wire(connect: Connect) -> Wire:
    """The websocket of the accepted charge point CP001."""
    return connect()


@pytest.fixture
def private_files(settings: Any, tmp_path: Path) -> Any:
    """An empty storage for firmware, diagnostics and the development CA."""
    settings.STORAGES = storages_in(tmp_path / "files")
    return storage


def storages_in(folder: Path) -> dict[str, Any]:
    """STORAGES with private files in this folder."""
    ocpp: Any = django_settings.STORAGES["ocpp"]
    return {**django_settings.STORAGES, "ocpp": {**ocpp, "OPTIONS": {**ocpp["OPTIONS"], "location": folder}}}


@pytest.fixture
def development_ca(private_files: Any, settings: Any) -> None:
    """Certificates are signed, as with ``make run``."""
    settings.OCPP_CERTIFICATE_SIGNER = "ocpp_app.signers.DevelopmentCA"


@pytest.fixture
def tag(db: None) -> IdTag:
    """An idTag that may charge at one connector at a time."""
    return IdTag.objects.create(id_tag="TAG1")
