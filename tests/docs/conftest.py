"""What a page's code finds: a central system with an empty database, and the charge point CP001, which answers."""

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import connection

from ocpp_app.models import ChargePoint
from ocppj import envelope
from tests.actions import ACTIONS
from tests.docs.pages import ROOT
from tests.docs.shell import CentralSystemOf, Shell
from tests.e2e.central_system import Single
from tests.e2e.conftest import new_launcher
from tests.e2e.conftest import sqlite_template as sqlite_template
from tests.ocpp_app.conftest import private_files as private_files
from tests.ocpp_app.conftest import pytest_configure as pytest_configure
from tests.ocpp_app.site import Site, call_of


@pytest.fixture
def site(transactional_db: None, settings: Any, private_files: Any) -> Iterator[Site]:
    """CP001 is connected and accepts everything; CP002 is registered and offline."""
    settings.OCPP_RELAY = "memory"
    for identity in ("CP001", "CP002"):
        ChargePoint.objects.create(identity=identity, model="M1", security_profile=0)
    with Site() as site:
        wire = site.connect("CP001")

        def answer(command: envelope.Command) -> Iterable[envelope.Request]:
            action, _payload = call_of(command)
            yield wire.report(command.unique_id, "sent")
            yield wire.frame(f'[3,"{command.unique_id}",{ACTIONS[action].answer}]')

        site.answer = answer
        yield site


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module in which a reader types: names in settings, such as ``myapp.ocpp.get_tariff``, are found in it."""
    package, module = ModuleType("myapp"), ModuleType("myapp.ocpp")
    package.__path__ = []
    package.ocpp = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "myapp", package)
    monkeypatch.setitem(sys.modules, "myapp.ocpp", module)
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "examples"))
    return module


@pytest.fixture(scope="session")
def central_system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CentralSystemOf]:
    """A ``runcsms`` of its own for what a page does from outside; it starts when the first page needs it."""
    launcher = new_launcher(tmp_path_factory.mktemp("docs"), request)
    yield cache(launcher.single)
    launcher.end()


@pytest.fixture
def no_central_system() -> CentralSystemOf:
    def refuse() -> Single:
        raise AssertionError("Nothing here needs one.")

    return refuse


@pytest.fixture
def shell(central_system: CentralSystemOf, tmp_path: Path) -> Iterator[Shell]:
    """The reader's shell. The second round, on PostgreSQL, is about Django's database alone."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shell = Shell(checkout, central_system, starts_programs=connection.vendor == "sqlite")
    yield shell
    shell.close()
