"""The way of a frame as OpenTelemetry is told it: gateway, broker and worker, each a process of its own."""

import socket
import subprocess
import sys
from contextlib import closing
from uuid import UUID

from tests.e2e.central_system import HOST, Launcher
from tests.e2e.chargers import eventually, wired
from tests.e2e.collector import Collector, Span
from tests.e2e.processes import ROOT, environment

QUICKLY = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Milliseconds for which spans are collected; five seconds by default."""
WITHOUT_IT = """
import sys
sys.modules["opentelemetry"] = None
from wsgate.__main__ import main
sys.argv = ["wsgate", "--tracing", "0.1", "--listen", "127.0.0.1:0"]
sys.exit(main())
"""


def of(spans: list[Span], charge_point: str, action: str) -> list[Span]:
    """All spans of the trace that this CALL of the charge point has, from its beginning."""
    traces = {
        span.trace_id
        for span in spans
        if (span.attributes.get("ocpp.charge_point"), span.attributes.get("ocpp.action")) == (charge_point, action)
    }
    assert len(traces) <= 1
    return sorted((span for span in spans if span.trace_id in traces), key=lambda span: (span.service, -span.ended_at))


async def test_the_way_of_a_frame_through_gateway_broker_and_worker_is_one_trace(launcher: Launcher) -> None:
    with Collector() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **QUICKLY}
        system = launcher.cluster(WSGATE_TRACING="1", OCPP_TRACING="1", **endpoint)
        async with wired(system.urls, "TR", 2) as wires:
            boots = [wire.exchanges[0] for wire in wires]
            await eventually(
                lambda: all(len(of(collector.spans, f"TR-{number}", "BootNotification")) >= 4 for number in (1, 2)),
                "all spans have come",
            )
        for number, boot in enumerate(boots, start=1):
            trace = of(collector.spans, f"TR-{number}", "BootNotification")
            spans = {span.name: span for span in trace}
            assert len(spans) == len(trace) == 4
            root, relay = spans["BootNotification frame"], spans["relay"]
            worker, transaction = spans["BootNotification frame: worker"], spans["transaction"]

            assert [span.parent_id for span in (root, relay, worker, transaction)] == [
                "",
                root.span_id,
                root.span_id,
                worker.span_id,
            ]
            assert [span.service for span in (root, relay, worker, transaction)] == ["wsgate"] * 2 + ["ocpp-worker"] * 2
            assert root.trace_id == UUID(root.attributes["ocpp.relay_id"]).hex == worker.trace_id
            for span in (root, worker):
                assert span.attributes["ocpp.charge_point"] == f"TR-{number}"
                assert span.attributes["ocpp.unique_id"] == boot.unique_id
                assert span.attributes["ocpp.frame.bytes"] == len(boot.sent)
            assert root.attributes["ocpp.result"] == "result"
            assert relay.attributes["wsgate.attempts"] == 1
            assert 1 <= transaction.attributes["ocpp.transaction.requests"] <= worker.attributes["ocpp.batch.requests"]
            assert 0 <= worker.attributes["ocpp.queue.seconds"] <= (root.ended_at - root.started_at) / 1e9
            # One machine, one clock: each lies within the one that it is a part of.
            assert root.started_at <= relay.started_at <= relay.ended_at == root.ended_at
            assert worker.started_at <= transaction.started_at < transaction.ended_at <= worker.ended_at
            assert not any(span.is_error for span in trace)
        assert set(collector.requests) == {"/v1/traces"}


async def test_nothing_is_sent_unless_it_is_switched_on(launcher: Launcher) -> None:
    with Collector() as collector:
        system = launcher.single(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **QUICKLY)
        async with wired(system.urls, "TR", 1) as (wire,):
            await wire.call("Heartbeat")
        assert system.runcsms.stop() == 0  # what there was to send would have been sent by now
        assert collector.requests == []


async def test_one_process_traces_with_one_switch_and_sends_the_last_spans_at_its_end(launcher: Launcher) -> None:
    with Collector() as collector:
        system = launcher.single(
            OCPP_TRACING="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_SERVICE_NAME="site",
            OTEL_BSP_SCHEDULE_DELAY="3600000",
        )
        async with wired(system.urls, "TR", 1) as (wire,):
            await wire.call("Heartbeat")
        assert not collector.requests
        assert system.runcsms.stop() == 0
        names = [span.name for span in of(collector.spans, "TR-1", "Heartbeat")]
        assert sorted(names) == ["Heartbeat frame", "Heartbeat frame: worker", "relay", "transaction"]
        assert {span.service for span in collector.spans} == {"site"}


async def test_a_collector_that_hangs_or_is_gone_costs_no_frame_and_keeps_nobody_from_stopping(
    launcher: Launcher,
) -> None:
    with closing(socket.create_server((HOST, 0))) as silent:
        silent.settimeout(20)
        url = f"http://{HOST}:{silent.getsockname()[1]}"
        # Longer than the test waits for an answer.
        patience = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        system = launcher.single(OCPP_TRACING="1", OTEL_EXPORTER_OTLP_ENDPOINT=url, **QUICKLY, **patience)
        async with wired(system.urls, "TR", 1) as (wire,):
            taken = [silent.accept()[0] for _ in ("gateway", "worker")]  # both are sending now, and are not answered
            await wire.call("Heartbeat")
            for connection in taken:
                connection.close()
            silent.close()
            await eventually(lambda: "span" in system.runcsms.output(), "it is said that spans are lost")
            await wire.call("Heartbeat")
        assert system.runcsms.stop(timeout_s=15) == 0
        assert system.tracebacks({}) == []


def test_a_share_that_is_none_stops_the_start(launcher: Launcher) -> None:
    done = launcher.prepared(OCPP_TRACING="2").manage("runcsms")
    assert done.returncode == 1
    assert "OCPP_TRACING is 2.0." in done.stderr
    assert "Use a number from 0 (no frame) to 1 (every frame)" in done.stderr


def test_a_gateway_without_opentelemetry_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_IT], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert 'pip install "django-ocpp-csms[otel]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_of_opentelemetry_that_cannot_be_used_stops_the_start(launcher: Launcher) -> None:
    system = launcher.prepared(OCPP_TRACING="1", OTEL_BSP_MAX_QUEUE_SIZE="-1", AMQP_URL=f"amqp://{HOST}:9/")
    done = system.manage("consume_rpc_queue")
    assert done.returncode == 1
    assert "an OTEL_… variable cannot be used: max_queue_size must be a positive integer" in done.stderr
    assert "Traceback" not in done.stderr
