"""What gateway and worker agree on about the broker."""

import pytest

from ocppj.queues import broker_urls


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        ("amqp://a/", ["amqp://a/"]),
        ("amqp://u:p@a/v,amqps://u:p@b/v", ["amqp://u:p@a/v", "amqps://u:p@b/v"]),
        (" amqp://a/ ,\n  amqp://b/ ", ["amqp://a/", "amqp://b/"]),
        ("amqp://a/ amqp://b/", ["amqp://a/", "amqp://b/"]),
        ("amqp://u:with,comma@a/,amqp://b/", ["amqp://u:with,comma@a/", "amqp://b/"]),
    ],
)
def test_a_setting_names_one_node_or_many(text: str, urls: list[str]) -> None:
    assert broker_urls(text) == urls
