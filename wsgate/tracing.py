"""The gateway's spans of a frame, for OpenTelemetry; imported only where tracing is on.

    BootNotification frame     from its arrival to the reply of the backend, or until that is given up
    └── relay                  from its (last) publication to the reply

They are made when the reply is there, and exported by a thread of their own: a collector that is away loses spans.
"""

import random
import threading
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from ocppj.envelope import Frame, FrameReply
from ocppj.tracing import Sampling, attributes_of, decoded, name_of, root_span_id
from wsgate.carrier import Pending

CLOSE_WITHIN_S = 1.0
"""For the last spans at the end. A collector that does not answer keeps nobody from stopping."""
RESULTS = {b"3": "result", b"4": "error"}
"""By the message type of the answer, the second byte of its raw form."""


class Tracing:
    """The spans of one gateway; its event loop uses it."""

    def __init__(self, ratio: float, gateway: str) -> None:
        self._sampling = Sampling(ratio)
        self._ids = _Ids()
        resource = Resource.create({"service.name": "wsgate", "service.instance.id": gateway})
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # it was decided before: OTEL_TRACES_SAMPLER knows nothing of relay ids
            resource=resource.merge(OTELResourceDetector().detect()),  # OTEL_SERVICE_NAME goes first
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("wsgate")

    def replied(self, pending: Pending, reply: FrameReply | None, now: float) -> None:
        """The reply to a request has come, or (None) is waited for no longer; ``now`` is the event loop's time."""
        request = pending.request
        if not isinstance(request, Frame) or request.relay_id not in self._sampling:
            return
        ended_at = time.time_ns()
        started_at = min(int(request.at * 1e9), ended_at)
        frame = decoded(request)
        self._ids.trace_id, self._ids.span_id = request.relay_id.int, root_span_id(request.relay_id)
        root = self._tracer.start_span(
            name_of(frame),
            kind=SpanKind.SERVER,
            attributes=attributes_of(request, frame),
            start_time=started_at,
        )
        if pending.was_published:
            # uvloop's clock counts milliseconds.
            published_at = max(started_at, ended_at - int((now - pending.published_at) * 1e9))
            attributes = {"wsgate.attempts": pending.attempts}
            relay = self._tracer.start_span(
                "relay", set_span_in_context(root), SpanKind.PRODUCER, attributes, start_time=published_at
            )
            relay.end(ended_at)
        if reply is None:
            root.set_status(Status(StatusCode.ERROR, "The backend has not replied."))
        elif reply.raw is not None:
            root.set_attribute("ocpp.result", RESULTS.get(reply.raw[1:2], "none"))
        root.end(ended_at)

    def close(self) -> None:
        """Export what is left, if the collector takes it soon."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)


class _Ids(IdGenerator):
    """Ids that were decided before they are asked for; all others are random."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        span_id, self.span_id = self.span_id, 0
        return span_id or random.getrandbits(63) + 1
