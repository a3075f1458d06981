"""A charge point's end of the wire and a real backend behind it: the envelope's bytes go in, frames come out.

This drives the front door that a gateway uses, ``Dispatcher.process`` with decoded envelopes; nothing behind it is
replaced by anything.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp_app.dispatch import Dispatcher
from ocpp_app.models import ChargePoint
from ocpp_app.work import Items, Work
from ocppj import envelope


def works_of(data: bytes) -> list[Work]:
    """What a worker makes of one message of the relay."""
    message = envelope.decode_to_backend(data)
    return [Work(request, message.gateway, message.reply_to) for request in message.requests]


class Backend:
    """One worker's dispatcher, and everything that it published, in order."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher()
        self.published: list[tuple[str, envelope.Reply]] = []
        self.on_publish: Callable[[Items], None] = lambda items: None

    def process(self, *messages: bytes) -> None:
        """One batch of everything in these messages, with all that a worker does behind it."""
        works = [work for data in messages for work in works_of(data)]
        self.dispatcher.process(works, self.publish).run()

    def publish(self, items: Items) -> None:
        self.on_publish(items)
        self.published.extend((queue, item) for queue, some in items.items() for item in some)

    def reply_to(self, request: envelope.Request) -> Any:
        """The one reply to this request."""
        (reply,) = [item for _queue, item in self.published if getattr(item, "relay_id", None) == request.relay_id]
        self.published = [
            (queue, item) for queue, item in self.published if getattr(item, "relay_id", None) != request.relay_id
        ]
        return reply

    def commands(self, session: uuid.UUID | None = None) -> list[envelope.Command]:
        """The CALLs that were published (to this session)."""
        return [
            item
            for _queue, item in self.published
            if isinstance(item, envelope.Command) and session in (None, item.session)
        ]


class GatewayEnd:
    """A gateway's name and queue, and what it publishes."""

    def __init__(self, backend: Backend, name: str = "gateway-1", queue: str = "") -> None:
        self.backend = backend
        self.name = name
        self.queue = queue or f"queue-of-{name}"

    def pack(self, *requests: envelope.Request) -> bytes:
        return envelope.encode(envelope.ToBackend(envelope.VERSION, self.name, self.queue, requests))

    def send(self, *requests: envelope.Request) -> list[Any]:
        """These requests as one message in a batch of its own; the reply to each."""
        self.backend.process(self.pack(*requests))
        return [self.backend.reply_to(request) for request in requests]

    def announce(self, **fields: Any) -> envelope.AnnounceReply:
        request = envelope.Announce(**{"relay_id": uuid.uuid4(), "at": time.time(), "connections": 1, **fields})
        (reply,) = self.send(request)
        return reply


class Wire:
    """One websocket connection of a charge point, as its gateway sees it."""

    def __init__(self, gateway: GatewayEnd, identity: str) -> None:
        self.gateway = gateway
        self.backend = gateway.backend
        self.identity = identity
        self.session = uuid.uuid4()

    # -- requests, to be put into a batch by the test ---------------------------------------------------------

    def _request(self, kind: Any, fields: dict[str, Any]) -> Any:
        common = {"relay_id": uuid.uuid4(), "session": self.session, "identity": self.identity, "at": time.time()}
        return kind(**{**common, **fields})

    def connect(self, **fields: Any) -> envelope.Connect:
        return self._request(envelope.Connect, {"subprotocol": "ocpp1.6", **fields})

    def frame(self, raw: str | bytes, **fields: Any) -> envelope.Frame:
        data = raw.encode() if isinstance(raw, str) else raw
        return self._request(envelope.Frame, {"raw": data, **fields})

    def disconnect(self, **fields: Any) -> envelope.Disconnect:
        return self._request(envelope.Disconnect, fields)

    def report(self, unique_id: str, state: str, **fields: Any) -> envelope.CommandReport:
        return self._request(envelope.CommandReport, {"unique_id": unique_id, "state": state, **fields})

    # -- the same in batches of their own ---------------------------------------------------------------------

    def open(self, **fields: Any) -> envelope.ConnectReply:
        (reply,) = self.gateway.send(self.connect(**fields))
        return reply

    def call(self, raw: str | bytes, **fields: Any) -> str | None:
        """Send a frame; the raw answer, None where there is none."""
        (reply,) = self.gateway.send(self.frame(raw, **fields))
        return None if reply.raw is None else reply.raw.decode()

    def ask(self, action: str, payload: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a CALL; the payload of its CALLRESULT."""
        return result(self.call(json.dumps([2, uuid.uuid4().hex, action, payload or {}]), **fields))

    def close(self, **fields: Any) -> None:
        self.gateway.send(self.disconnect(**fields))

    def tell(self, unique_id: str, state: str, **fields: Any) -> None:
        self.gateway.send(self.report(unique_id, state, **fields))

    # -- what the backend has -----------------------------------------------------------------------------------

    @property
    def charge_point(self) -> ChargePoint:
        return ChargePoint.objects.get(identity=self.identity)

    @property
    def commands(self) -> list[envelope.Command]:
        """The CALLs that were published to this session."""
        return self.backend.commands(self.session)


def result(answer: str | None) -> dict[str, Any]:
    """The payload of a raw CALLRESULT."""
    assert answer is not None
    message_type, _unique_id, *payload = json.loads(answer)
    assert message_type == 3, answer
    return payload[0]


def error(answer: str | None) -> str:
    """The errorCode of a raw CALLERROR."""
    assert answer is not None
    message_type, _unique_id, code, *_more = json.loads(answer)
    assert message_type == 4, answer
    return code


def errors(answers: Iterable[str | None]) -> list[str]:
    return [error(answer) for answer in answers]


def ago(**duration: float) -> str:
    """A charge point's timestamp so long ago."""
    return (datetime.now(UTC) - timedelta(**duration)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
