"""A RabbitMQ of a test's own, which may be killed."""

import secrets
from pathlib import Path

import pytest

from scripts.services import rabbitmq
from scripts.services.state import Instance, choose_port
from tests.e2e.processes import Process, wait_until


class OwnBroker:
    """Starts, dies and starts again on the same port, with what it has on its disk."""

    def __init__(self, home: Path) -> None:
        server = rabbitmq.find_server()
        if server is None:
            pytest.skip("RabbitMQ runs elsewhere: there is none to be killed")
        home.mkdir()
        self._instance: Instance = {
            "port": choose_port(),
            "epmd_port": choose_port(),
            "password": secrets.token_urlsafe(16),
        }
        rabbitmq.write_configuration(home, self._instance)
        variables = rabbitmq.environment(home, self._instance)
        self._process = Process("broker", [str(server)], variables, home)

    @property
    def url(self) -> str:
        return rabbitmq.url_of(self._instance, rabbitmq.VIRTUAL_HOSTS[0])

    def start(self) -> None:
        self._process.start()
        wait_until(lambda: rabbitmq.is_reachable(self._instance), "the broker answers", rabbitmq.START_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9 of the node and of all that it has started."""
        self._process.end()

    def end(self) -> None:
        self.kill()
        rabbitmq.stop_port_mapper(self._instance)
