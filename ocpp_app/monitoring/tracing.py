"""A worker's spans of a frame, for OpenTelemetry; imported only where tracing is on.

    BootNotification frame     of the gateway, made by ``wsgate.tracing``; its id follows from the relay id
    └── … frame: worker         from when the batch was taken to when the answer was handed to the relay
        └── transaction        one for each attempt, of all requests that were in it

They are made when the answer is out, and exported by a thread of their own: a collector that is away loses spans.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ocpp_app.work import Work
from ocppj import frames
from ocppj.envelope import Frame
from ocppj.errors import FrameError
from ocppj.tracing import Sampling, attributes_of, name_of, root_span_id

CLOSE_WITHIN_S = 1.0
"""For the last spans at the end. A collector that does not answer keeps nobody from stopping."""

Result = TypeVar("Result")


class Transaction(NamedTuple):
    """An attempt to carry requests out; times in nanoseconds since 1970."""

    started_at: int
    ended_at: int
    requests: int
    failure: str
    """The class of what it failed with; empty for one that was committed."""


class Tracing:
    """The spans of one worker; its thread uses it."""

    def __init__(self, ratio: float, worker: str) -> None:
        self._sampling = Sampling(ratio)
        self._taken_at = 0
        self._batch = 0
        self._transactions: dict[UUID, list[Transaction]] = {}
        resource = Resource.create({"service.name": "ocpp-worker", "service.instance.id": worker})
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # it was decided before: OTEL_TRACES_SAMPLER knows nothing of relay ids
            resource=resource.merge(OTELResourceDetector().detect()),  # OTEL_SERVICE_NAME goes first
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ocpp_app")

    def taken(self, works: Sequence[Work]) -> None:
        """A batch begins; ``answered`` comes for each of its requests, unless all of them come again."""
        self._taken_at, self._batch = time.time_ns(), len(works)
        self._transactions = {
            work.request.relay_id: []
            for work in works
            if isinstance(work.request, Frame) and work.request.relay_id in self._sampling
        }

    def transaction(self, works: Sequence[Work], commit: Callable[[], Result]) -> Result:
        """What ``commit`` does for these requests."""
        started_at, failure = time.time_ns(), ""
        try:
            return commit()
        except Exception as error:
            failure = type(error).__name__
            raise
        finally:
            done = Transaction(started_at, time.time_ns(), len(works), failure)
            for work in works:
                if (transactions := self._transactions.get(work.request.relay_id)) is not None:
                    transactions.append(done)

    def answered(self, works: Sequence[Work]) -> None:
        """The answers of these requests are out."""
        ended_at = time.time_ns()
        for work in works:
            transactions = self._transactions.pop(work.request.relay_id, None)
            if transactions is not None and isinstance(work.request, Frame) and work.frame is not None:
                self._make_spans(work.request, work.frame, transactions, ended_at)

    def close(self) -> None:
        """Export what is left, if the collector takes it soon."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)

    def _make_spans(
        self,
        request: Frame,
        frame: frames.Frame | FrameError,
        transactions: Sequence[Transaction],
        ended_at: int,
    ) -> None:
        relay_id = request.relay_id
        gateways = SpanContext(relay_id.int, root_span_id(relay_id), True, TraceFlags(TraceFlags.SAMPLED))
        worker = self._tracer.start_span(
            f"{name_of(frame)}: worker",
            set_span_in_context(NonRecordingSpan(gateways)),
            SpanKind.CONSUMER,
            {
                **attributes_of(request, frame),
                "ocpp.batch.requests": self._batch,
                "ocpp.queue.seconds": max(0.0, self._taken_at / 1e9 - request.at),
            },
            start_time=self._taken_at,
        )
        for done in transactions:
            span = self._tracer.start_span(
                "transaction",
                set_span_in_context(worker),
                attributes={"ocpp.transaction.requests": done.requests},
                start_time=done.started_at,
            )
            if done.failure:
                span.set_status(Status(StatusCode.ERROR, done.failure))
            span.end(done.ended_at)
        if not transactions or transactions[-1].failure:
            worker.set_status(Status(StatusCode.ERROR, "Nothing of it could be committed."))
        worker.end(ended_at)
