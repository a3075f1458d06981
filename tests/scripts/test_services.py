"""The services that the tests themselves stand on."""

import pika
import psycopg
import pytest

from scripts.services import postgres, rabbitmq
from scripts.services.errors import ServiceMissing
from tests import services


def test_broker_carries_a_message(clean_amqp_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(clean_amqp_url)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"hello")
        assert channel.basic_get(queue, auto_ack=True)[2] == b"hello"


def test_broker_that_serves_a_running_csms_is_left_alone(clean_amqp_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(clean_amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("ocpp.rpc", durable=True)
        channel.basic_consume("ocpp.rpc", lambda *_: None)
        assert not rabbitmq.answers(clean_amqp_url)
    services.delete_queues(clean_amqp_url, "ocpp.rpc")
    assert rabbitmq.answers(clean_amqp_url)


def test_each_test_gets_an_empty_database(postgres_url: str) -> None:
    with services.new_postgres_database(postgres_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE charge_point (identity text)")
        with services.new_postgres_database(postgres_url) as other, psycopg.connect(other) as connection:
            assert connection.execute("SELECT to_regclass('charge_point')").fetchone() == (None,)
    assert not postgres.answers(url)


def test_database_url_names_a_usable_database(database_url: str) -> None:
    assert database_url.startswith(("sqlite:///", "postgresql://"))


def test_given_address_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
    with pytest.raises(ServiceMissing, match="TEST_AMQP_URL is set"):
        rabbitmq.discover()
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/postgres")
    with pytest.raises(ServiceMissing, match="TEST_DATABASE_URL is set"):
        postgres.discover()
