"""The numbers as prometheus-client has them: collectors for any of its registries, and the text at /metrics."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ocpp_app.models import SecurityEventKind
from ocpp_app.monitoring.definitions import FACTS, PARTS, PER_CHARGE_POINT
from ocpp_app.monitoring.facts import Facts
from ocpp_app.monitoring.tally import OTHER, TALLY, Tally
from ocppj.metrics import COUNTER, Definition, Distribution
from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

WhyNot = Callable[[], list[str]]

# What an alert waits for is there from the start, at 0: a series that begins with 1 has not increased for Prometheus.
_ACTIONS = [name for name, spec in PROTOCOL.actions.items() if spec.sender is not Sender.central_system]
_FROM_THE_START: dict[str, dict[Any, int]] = {
    "ocpp_frames_total": {(action, "call", result): 0 for action in _ACTIONS for result in ("result", "error")},
    "ocpp_worker_failures_total": dict.fromkeys([*_ACTIONS, OTHER], 0),
    "ocpp_webhook_deliveries_total": dict.fromkeys(("delivered", "refused", "unreachable"), 0),
    "ocpp_web_requests_total": {("other", "500"): 0},
    "ocpp_limit_hits_total": dict.fromkeys(("api_throttle", "failed_logins"), 0),
    "ocpp_security_events_total": dict.fromkeys(SecurityEventKind.values, 0),
}


class TallyCollector(Collector):
    """What a process has counted, of one of its parts (``definitions.PARTS``)."""

    def __init__(self, part: str, tally: Tally = TALLY) -> None:
        self._part = part
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        values = counted(self._tally)
        for definition in PARTS[self._part]:
            zeros = _FROM_THE_START.get(definition.name)
            value = values[definition.name]
            yield family(definition, value if zeros is None else {**zeros, **value})


class FactsCollector(Collector):
    """What stands in the database and the broker; its queries run when it is collected, and not too often."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        values = self._facts.values()
        for definition in (*FACTS, *PER_CHARGE_POINT):
            if definition.name in values:
                yield family(definition, values[definition.name])


def counted(tally: Tally) -> dict[str, Any]:
    """The numbers of a process by the names of their metrics."""
    tasks = dict(tally.tasks)
    return {
        "ocpp_frames_total": dict(tally.frames),
        "ocpp_requests_total": dict(tally.requests),
        "ocpp_worker_batch_requests": tally.batches,
        "ocpp_worker_batch_seconds": tally.batch_s,
        "ocpp_worker_database_seconds": tally.database_s,
        "ocpp_worker_waited_seconds": tally.waited_s,
        "ocpp_worker_oldest_request_seconds": tally.oldest_s,
        "ocpp_worker_turned_timestamp_seconds": tally.turned_at,
        "ocpp_worker_broker_connected": int(tally.is_broker_connected),
        "ocpp_worker_failures_total": dict(tally.failures),
        "ocpp_worker_splits_total": tally.splits,
        "ocpp_worker_database_outages_total": tally.outages,
        "ocpp_worker_housekeeping": int(tally.holds_lease),
        "ocpp_background_runs_total": {name: task.runs for name, task in tasks.items()},
        "ocpp_background_failures_total": {name: task.failures for name, task in tasks.items()},
        "ocpp_background_seconds_total": {name: task.seconds for name, task in tasks.items()},
        "ocpp_webhook_deliveries_total": dict(tally.deliveries),
        "ocpp_webhook_delivery_seconds": tally.delivery_s,
        "ocpp_web_requests_total": dict(tally.pages),
        "ocpp_web_request_seconds": tally.page_s,
        "ocpp_limit_hits_total": dict(tally.limits),
        "ocpp_security_events_total": dict(tally.security_events),
    }


def family(definition: Definition, value: Any) -> Metric:
    """A metric as prometheus-client has it; with labels the value is a number for each of their values."""
    name, words, labels = definition.name, definition.words, definition.labels
    if isinstance(value, Distribution):
        histogram = HistogramMetricFamily(name, words)
        histogram.add_metric([], value.buckets(), value.total)
        return histogram
    made = CounterMetricFamily if definition.kind == COUNTER else GaugeMetricFamily
    found = made(name, words, labels=labels)
    for key, number in sorted(value.items()) if isinstance(value, Mapping) else [((), value)]:
        found.add_metric([key] if isinstance(key, str) else list(key), number)
    return found


class Monitor:
    """What this process is asked for: its metrics, and whether it is ready. Each part of it adds itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(TallyCollector("everywhere"))
        self._parts: set[str] = set()
        self._checks: list[WhyNot] = []

    def show(self, *parts: str) -> None:
        """Show what these parts have counted, or the ``facts`` of the whole system."""
        for part in parts:
            if part not in self._parts:
                self._parts.add(part)
                self.registry.register(FactsCollector(Facts()) if part == "facts" else TallyCollector(part))

    def ask(self, check: WhyNot) -> None:
        """Ready is only who ``check`` finds nothing against, too."""
        self._checks.append(check)

    def forget(self, check: WhyNot) -> None:
        self._checks.remove(check)

    def text(self) -> str:
        """/metrics"""
        return generate_latest(self.registry).decode()

    def why_not_ready(self) -> list[str]:
        """What the parts have against it; see ``readiness`` for what they need."""
        return [reason for check in self._checks for reason in check()]


def why_not_alive(tally: Tally = TALLY, silent_after_s: float = 120.0) -> list[str]:
    """Whether the worker's loop still comes round; an outage does not keep it from that."""
    silent_s = time.time() - tally.turned_at
    return [f"worker: its loop has not come round for {silent_s:.0f} s"] if silent_s > silent_after_s else []


MONITOR = Monitor()
