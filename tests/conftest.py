"""Fixtures for every test: services that are real, and databases of both kinds.

Two ways to run a test on SQLite and on PostgreSQL:
- A test that uses Django's own test database (`@pytest.mark.django_db`, `db`, `TestCase`) is written once; `make test`
  runs it twice, with DATABASE_URL naming SQLite and then PostgreSQL.
- A test that starts processes of its own takes `database_url`: it runs once per kind, each time on a new, empty one.
"""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import TransactionTestCase

from tests import services

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A coroutine is a test as well: it runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses Django's database, so that `-m database` selects it for the run on PostgreSQL.

    `make test` runs two processes, each in the order of collection (`--dist load`): what empties the database comes
    after everything that needs the rows of a migration. Every test that uses the broker has queues of its own.
    """
    for item in items:
        if uses_database(item):
            item.add_marker("database")


def uses_database(item: pytest.Item) -> bool:
    test_class = getattr(item, "cls", None)
    if test_class is not None and issubclass(test_class, TransactionTestCase):
        return True
    return item.get_closest_marker("django_db") is not None or bool(
        DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    )


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
