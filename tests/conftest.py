"""Fixtures for every test: services that are real, and databases of both kinds.

Two ways to run a test on SQLite and on PostgreSQL:
- A test that uses Django's own test database (`@pytest.mark.django_db`, `db`, `TestCase`) is written once; `make test`
  runs it twice, with DATABASE_URL naming SQLite and then PostgreSQL.
- A test that starts processes of its own takes `database_url`: it runs once per kind, each time on a new, empty one.
"""

import asyncio
import gc
import inspect
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.nodeid import coerce_node_id
from django.conf import settings as django_settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation

from scripts.services import postgres
from tests import first_rows, migrated, services

# A busy machine is no failing test.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

WAITING = {"e2e", "bench"}
"""Folders whose tests spend most of their time waiting for processes of their own."""
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


def pytest_configure() -> None:
    """What a deployment wants and costs a test run half of its time."""
    django_settings.WHITENOISE_AUTOREFRESH = True  # or every client looks for all static files at its first request
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick, not secure


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A coroutine is a test as well: it runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Marks what uses Django's database, so that `-m database` selects it for the run on PostgreSQL.

    `make test` shares the tests out between processes, those of one `xdist_group` to the same one: they share something
    that takes long to start. What mostly waits begins first. Every test that uses the broker has queues of its own,
    every process a database of its own; no test needs another before it.
    """
    for item in items:
        if uses_database(item):
            item.add_marker("database")
        if group := shares(item):
            item.add_marker(pytest.mark.xdist_group(group))
    yield
    for item in items:
        if marker := item.get_closest_marker("xdist_group"):
            # xdist 3.8 puts the group behind the name that pytest had before 9.1, where nobody reads it any more.
            item._id = coerce_node_id(f"{item.nodeid.removesuffix(suffix := f'@{marker.args[0]}')}{suffix}")
    items.sort(key=lambda item: (item.get_closest_marker("xdist_group") is None, item.path.parent.name not in WAITING))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def shares(item: pytest.Item) -> str:
    """A name for what this test shares with others, a central system or fixtures of its module; empty: nothing."""
    names = getattr(item, "fixturenames", ())
    if "shared_launcher" in names:
        return str(item.callspec.params["shared_launcher"])  # type: ignore[attr-defined]
    fixtures = getattr(item, "_fixtureinfo", None)
    found = fixtures.name2fixturedefs.values() if fixtures else ()
    return item.path.stem if any(fixture.scope == "module" for (*_others, fixture) in found) else ""


def uses_database(item: pytest.Item) -> bool:
    test_class = getattr(item, "cls", None)
    if test_class is not None and issubclass(test_class, TransactionTestCase):
        return True
    return item.get_closest_marker("django_db") is not None or bool(
        DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    )


@pytest.fixture(autouse=True)
def no_language_left() -> Iterator[None]:
    """A page's language stays with its thread until the next page: no test gets it from another."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Django's test database: a copy of a migrated one. What is committed to it need not survive a power cut."""
    config, options = connection.settings_dict, connection.settings_dict["OPTIONS"]
    before = config["NAME"]
    with ExitStack() as stack:
        if connection.vendor == "sqlite":
            # A file, as it is deployed: in memory, connections of several threads lock one another otherwise.
            name = str(tmp_path_factory.mktemp("django") / "test.sqlite3")
            migrated.copy_sqlite(migrated.sqlite_template(), Path(name))
            options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
        else:
            template = migrated.postgres_template(services.postgres_url())
            name = postgres.name_of(stack.enter_context(migrated.copied_postgres(template)))
            options["options"] += " -c synchronous_commit=off"
        django_settings.DATABASES["default"]["NAME"] = config["NAME"] = name
        with django_db_blocker.unblock():
            first_rows.keep(connection)
            yield
            connection.close()
        django_settings.DATABASES["default"]["NAME"] = config["NAME"] = before


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """A real RabbitMQ. Queues outlive a test: take `clean_amqp_url` where that matters."""
    return services.amqp_url()


@pytest.fixture
def clean_amqp_url(amqp_url: str) -> str:
    """The same RabbitMQ, `ocpp.rpc` deleted: no request of an earlier test is waiting in it."""
    services.delete_queues(amqp_url, "ocpp.rpc")
    return amqp_url


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A real PostgreSQL, shared by the whole run; `postgres_database_url` is an empty database for one test."""
    return services.postgres_url()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The Chromium that Playwright is to start."""
    return services.chromium_path()


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """A new, empty PostgreSQL database for processes that this test starts; dropped afterwards."""
    with services.new_postgres_database(postgres_url) as url:
        yield url


@pytest.fixture
def sqlite_database_url(tmp_path: Path) -> str:
    """A new, empty SQLite file for processes that this test starts."""
    return f"sqlite:///{tmp_path / 'csms.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """DATABASE_URL for processes that this test starts: the test runs on both, each time on a new, empty database."""
    name = "sqlite_database_url" if request.param == "sqlite" else "postgres_database_url"
    url: str = request.getfixturevalue(name)
    return url
