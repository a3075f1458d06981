"""Real RabbitMQ, PostgreSQL and Chromium for the tests.

`make test` has brought them up. Plain `pytest` uses what is up (`make services` starts it) and skips the tests whose
service is missing, with the reason. In CI nothing is skipped: a missing service fails.
The addresses can be given: TEST_AMQP_URL, TEST_DATABASE_URL, TEST_CHROMIUM.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pika
import pytest

from scripts.services import caddy, chromium, helm, postgres, prometheus, rabbitmq, systemd
from scripts.services.errors import ServiceMissing


def amqp_url() -> str:
    """The broker, on a virtual host that only these tests use (where the broker is our own)."""
    return require(rabbitmq)


def postgres_url() -> str:
    """A database of an otherwise unused PostgreSQL; its user may create further ones."""
    return require(postgres)


def chromium_path() -> str:
    """A Chromium for Playwright's executable_path."""
    return require(chromium)


def caddy_path() -> str:
    """The proxy of docker-compose.yml."""
    return require(caddy)


def helm_path() -> str:
    """Helm, with which ``scripts.services.helm.SCHEMAS`` is there, too."""
    return require(helm)


def prometheus_path() -> Path:
    """Prometheus; promtool is in the same folder."""
    return Path(require(prometheus))


def systemd_analyze_path() -> str:
    """What reads systemd's units."""
    return require(systemd)


def require(service: ModuleType) -> str:
    """The address of a service; ends the test (fails in CI, skips elsewhere) when it is not there."""
    try:
        address = service.discover()
    except ServiceMissing as error:
        return give_up(str(error))
    if address is None:
        return give_up(f"{service.LABEL} is not up; start it: make services")
    return str(address)


def give_up(reason: str) -> str:
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def new_postgres_database(url: str) -> Iterator[str]:
    """The URL of an empty database on this server, dropped at the end."""
    database = postgres.create_database(url, f"ocpp_csms_test_{uuid4().hex[:12]}")
    try:
        yield database
    finally:
        postgres.drop_database(database)


def delete_queues(url: str, *names: str) -> None:
    """Deletes queues that an earlier test may have left behind, with what is in them."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        for name in names:
            channel.queue_delete(name)
    finally:
        connection.close()
