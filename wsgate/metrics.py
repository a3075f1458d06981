"""The gateway's numbers for Prometheus, at /metrics, and whether it is ready, at /readyz."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ocppj.metrics import COUNTER, GAUGE, HISTOGRAM, Definition, Distribution
from wsgate.gate import Gate

HEALTH_PATH, READY_PATH, METRICS_PATH = "/healthz", "/readyz", "/metrics"
TEXT = "text/plain; charset=utf-8"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

CLOSE_CODES = frozenset(
    ("1000", "1001", "1002", "1003", "1006", "1007", "1008", "1009", "1011", "1012", "1013", "1014")
)
"""Those that mean something; a charge point may send any of 5000, which shall not become as many time series."""

# There from the start, at 0: a series that begins with 1 has not increased for Prometheus.
HANDSHAKES = dict.fromkeys(("101", "protocol", "400", "401", "403", "404", "429", "503"), 0)
CLOSES = dict.fromkeys((*CLOSE_CODES, "other"), 0)

Value = float | Mapping[str, float] | Distribution

DEFINITIONS = (
    Definition("wsgate_connections", GAUGE, "Charge points that are connected."),
    Definition("wsgate_sockets", GAUGE, "TCP connections, those in their handshake included."),
    Definition("wsgate_pending_handshakes", GAUGE, "Sockets that have not sent their request."),
    Definition(
        "wsgate_handshakes_total",
        COUNTER,
        "Handshakes by HTTP status: 101 was let in; protocol: let in and closed, as it speaks no OCPP 1.6.",
        ("status",),
    ),
    Definition("wsgate_disconnects_total", COUNTER, "Sessions that ended, by close code; 1006: lost.", ("code",)),
    Definition(
        "wsgate_frames_total",
        COUNTER,
        "Frames: call, answer (to a CALL of ours) and unexpected came from charge points, written went to them.",
        ("kind",),
    ),
    Definition("wsgate_received_bytes_total", COUNTER, "Bytes from charge points, TLS taken off."),
    Definition("wsgate_sent_bytes_total", COUNTER, "Bytes of the messages to charge points."),
    Definition("wsgate_relay_latency_seconds", HISTOGRAM, "From a charge point's frame to the backend's reply to it."),
    Definition("wsgate_batch_requests", HISTOGRAM, "Requests in one message to the backend."),
    Definition("wsgate_unanswered_requests", GAUGE, "Requests that the backend has not answered."),
    Definition("wsgate_oldest_unanswered_seconds", GAUGE, "How long the oldest of them has waited; 0 without one."),
    Definition("wsgate_repeated_requests_total", COUNTER, "Requests that were published again: no reply in time."),
    Definition("wsgate_returned_requests_total", COUNTER, "Requests that the broker gave back: nobody took them."),
    Definition("wsgate_commands_total", COUNTER, "CALLs of ours by what became of them here.", ("state",)),
    Definition("wsgate_broker_connected", GAUGE, "1 with a connection to the broker, 0 without."),
    Definition("wsgate_broker_connections_total", COUNTER, "Connections to the broker that were made."),
    Definition("wsgate_backend_up", GAUGE, "0 once broker or backend are away for longer than is borne."),
    Definition(
        "wsgate_limit_hits_total", COUNTER, "How often a limit has kept somebody out or slowed him down.", ("limit",)
    ),
)


class Source(Protocol):
    """What of a gateway is asked."""

    gate: Gate

    @property
    def connections(self) -> int: ...

    @property
    def sockets(self) -> int: ...

    @property
    def unanswered(self) -> int: ...

    @property
    def oldest_unanswered_s(self) -> float: ...

    @property
    def is_broker_connected(self) -> bool: ...

    @property
    def is_backend_down(self) -> bool: ...


class GatewayCollector(Collector):
    """Register it in any registry of prometheus-client; another thread may collect."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        values = read(self._source)
        for definition in DEFINITIONS:
            yield family(definition, values[definition.name])


def read(source: Source) -> dict[str, Value]:
    """The numbers as they stand, by name."""
    tally = source.gate.tally
    kinds = {
        "call": tally.calls, "answer": tally.answers, "unexpected": tally.unexpected, "written": tally.written
    }  # fmt: skip
    return {
        "wsgate_connections": source.connections,
        "wsgate_sockets": source.sockets,
        "wsgate_pending_handshakes": source.gate.pending,
        "wsgate_handshakes_total": {**HANDSHAKES, **tally.handshakes},
        "wsgate_disconnects_total": {**CLOSES, **tally.closes},
        "wsgate_frames_total": kinds,
        "wsgate_received_bytes_total": tally.received_bytes,
        "wsgate_sent_bytes_total": tally.sent_bytes,
        "wsgate_relay_latency_seconds": tally.latency,
        "wsgate_batch_requests": tally.batches,
        "wsgate_unanswered_requests": source.unanswered,
        "wsgate_oldest_unanswered_seconds": source.oldest_unanswered_s,
        "wsgate_repeated_requests_total": tally.repeated,
        "wsgate_returned_requests_total": tally.returned,
        "wsgate_commands_total": dict(tally.commands),
        "wsgate_broker_connected": int(source.is_broker_connected),
        "wsgate_broker_connections_total": tally.broker_connections,
        "wsgate_backend_up": int(not source.is_backend_down),
        "wsgate_limit_hits_total": dict(source.gate.incidents.totals),
    }


def family(definition: Definition, value: Value) -> Metric:
    """A metric as prometheus-client has it; with a label the value is a number for each of its values."""
    name, words, labels = definition.name, definition.words, definition.labels
    if isinstance(value, Distribution):
        histogram = HistogramMetricFamily(name, words)
        histogram.add_metric([], value.buckets(), value.total)
        return histogram
    made = CounterMetricFamily if definition.kind == COUNTER else GaugeMetricFamily
    found = made(name, words, labels=labels)
    for label, number in sorted(value.items()) if isinstance(value, Mapping) else [("", value)]:
        found.add_metric([label] if labels else [], number)
    return found


class Pages:
    """What a gateway shows to those who want no websocket."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._registry = CollectorRegistry()
        self._registry.register(GatewayCollector(source))
        ProcessCollector(registry=self._registry)
        self.is_leaving = False

    def page(self, path: str) -> tuple[int, str, str] | None:
        """Status, content type and text; None where there is nothing."""
        made = {HEALTH_PATH: self._health, READY_PATH: self._ready, METRICS_PATH: self._metrics}.get(path)
        return None if made is None else made()

    def _health(self) -> tuple[int, str, str]:
        state = "down" if self._source.is_backend_down else "up"
        return 200, TEXT, f"ok\nconnections {self._source.connections}\nbackend {state}\n"

    def _ready(self) -> tuple[int, str, str]:
        reasons = self.why_not_ready()
        return (503, TEXT, "".join(f"{reason}\n" for reason in reasons)) if reasons else (200, TEXT, "ok\n")

    def why_not_ready(self) -> list[str]:
        """Why no further charge points should be sent here; empty when it is ready."""
        reasons = {
            "gateway: it is leaving": self.is_leaving,
            "broker: not connected": not self._source.is_broker_connected,
            "backend: it has not answered for longer than is borne": self._source.is_backend_down,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _metrics(self) -> tuple[int, str, str]:
        return 200, EXPOSITION, generate_latest(self._registry).decode()
