"""The broker's part of the contract between gateway and worker: both declare the same queue, whoever starts first."""

import re
from typing import Any

RPC_QUEUE = "ocpp.rpc"
"""Where gateways send requests and workers take them. Durable, its messages are not: the charge point is the durable
end."""
QUEUE_TYPES = ("classic", "quorum")
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=amqps?://)|\s+")


def broker_urls(text: str) -> list[str]:
    """The URLs of a setting that may name all nodes of a broker cluster, separated by commas or spaces."""
    return [url for url in _BETWEEN_URLS.split(text.strip()) if url]


def queue_arguments(queue_type: str, broker_version: str) -> dict[str, Any]:
    """The arguments to declare the queue with: ``classic``, or for a broker cluster ``quorum`` with unlimited
    deliveries."""
    arguments: dict[str, Any] = {"x-queue-type": queue_type}
    major = broker_version.partition(".")[0]
    if queue_type == "quorum" and major.isdigit() and int(major) >= 4:
        # RabbitMQ 4 drops a message after 20 deliveries unless told otherwise; 3 does not know -1, and never drops.
        arguments["x-delivery-limit"] = -1
    return arguments
