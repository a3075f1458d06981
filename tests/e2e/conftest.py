"""Central systems in real processes, and what they wrote when a test fails."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import migrated
from tests.e2e import databases
from tests.e2e.central_system import CentralSystem, Launcher

KINDS = ("single", "cluster")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the end of what the processes wrote."""
    report = yield
    if report.failed:
        for launcher in [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Launcher)]:
            for system in launcher.launched:
                report.sections.extend(system.sections())
    return report


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """A migrated SQLite database with the tags, to be copied."""
    return migrated.sqlite_template("tags", databases.REGISTER_TAGS)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """A migrated PostgreSQL database with the tags, to be copied."""
    return migrated.postgres_template(postgres_url, "tags", databases.REGISTER_TAGS)


def new_launcher(folder: Path, request: pytest.FixtureRequest) -> Launcher:
    return Launcher(folder, request.getfixturevalue, lambda: request.getfixturevalue("sqlite_template"))


@pytest.fixture
def launcher(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """Starts central systems of the test's own; they end with it."""
    launcher = new_launcher(tmp_path, request)
    yield launcher
    launcher.end()


@pytest.fixture(scope="session", params=KINDS)
def shared_launcher(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """One central system of each kind, for all tests that do it no harm."""
    launcher = new_launcher(tmp_path_factory.mktemp(request.param), request)
    launcher.either(request.param)
    yield launcher
    launcher.end()


@pytest.fixture
def central_system(shared_launcher: Launcher) -> Iterator[CentralSystem]:
    """A running central system; the test runs on ``runcsms`` with SQLite, and on a cluster with PostgreSQL.

    It serves other tests as well: use identities and tags that no other test uses. No process may write a traceback.
    """
    (system,) = shared_launcher.launched
    marks = system.marks()
    yield system
    assert not system.tracebacks(marks)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """``single`` and ``cluster``: for ``launcher.either``."""
    return str(request.param)
