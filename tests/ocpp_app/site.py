"""A real worker in a thread behind the memory relay, and a charge point at its other end that answers CALLs."""

import json
import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from ocpp_app import commands
from ocpp_app.relay.memory import MemoryRelay
from ocpp_app.rpc.worker import Worker
from ocppj import envelope
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire

WITHIN_S = 30.0
"""Longer than any of this takes; a test that waits so long fails."""

Answer = Callable[[envelope.Command], Iterable[envelope.Request]]


class Site:
    """``runcsms`` without its websockets: what a gateway would publish is submitted, what it would get is kept."""

    def __init__(self, relay: MemoryRelay | None = None) -> None:
        self.relay = relay or MemoryRelay()
        self.relay.deliver_to_gateway = self._deliver
        self.gateway = GatewayEnd(Backend())
        self.answer: Answer = lambda command: ()
        self.commands: list[envelope.Command] = []
        self._replies: dict[uuid.UUID, Future[Any]] = {}
        self._worker = Worker(self.relay, name="test")
        self._thread = threading.Thread(target=self._worker.run, name="worker")

    def __enter__(self) -> "Site":
        commands.use_memory_relay(self.relay)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()
        self.submit(envelope.Announce(uuid.uuid4(), 0.0, 0))  # so that it need not wait for a message
        self._thread.join(WITHIN_S)
        commands.forget_memory_relay(self.relay)
        assert not self._thread.is_alive()

    def submit(self, *requests: envelope.Request) -> None:
        """Publish as a gateway does; the replies come when they come."""
        self.relay.submit(self.gateway.pack(*requests))

    def ask(self, request: envelope.Request) -> Any:
        """Publish one request and wait for its reply."""
        reply: Future[Any] = Future()
        self._replies[request.relay_id] = reply
        self.submit(request)
        return reply.result(WITHIN_S)

    def connect(self, identity: str = "CP001") -> Wire:
        wire = Wire(self.gateway, identity)
        assert self.ask(wire.connect()).accepted
        return wire

    def _deliver(self, data: bytes) -> None:
        for item in envelope.decode_to_gateway(data).items:
            if isinstance(item, envelope.Command):
                self.commands.append(item)
                self.submit(*self.answer(item))
            elif reply := self._replies.pop(getattr(item, "relay_id", uuid.UUID(int=0)), None):
                reply.set_result(item)


def sends(wire: Wire, *frames: str, reported: str | None = "sent") -> Answer:
    """A charge point that is reported to have got the CALL, then sends these frames (``%s``: the unique id)."""

    def answer(command: envelope.Command) -> Iterable[envelope.Request]:
        if reported is not None:
            yield wire.report(command.unique_id, reported)
        for frame in frames:
            yield wire.frame(frame.replace("%s", command.unique_id))

    return answer


def call_of(command: envelope.Command) -> tuple[str, dict[str, Any]]:
    """The action and the payload of a CALL."""
    message_type, unique_id, action, payload = json.loads(command.raw)
    assert (message_type, unique_id) == (2, command.unique_id)
    return action, payload
