"""The gateway's counters as text for Prometheus, at /metrics."""

from wsgate.gate import Gate
from wsgate.relay import Relay

METRICS_PATH = "/metrics"


def as_text(connections: int, gate: Gate, relay: Relay) -> str:
    """The exposition format of Prometheus, version 0.0.4."""
    lines = [
        "# HELP wsgate_connections Charge points that are connected.",
        "# TYPE wsgate_connections gauge",
        f"wsgate_connections {connections}",
        "# HELP wsgate_pending_handshakes Sockets that have not sent their request.",
        "# TYPE wsgate_pending_handshakes gauge",
        f"wsgate_pending_handshakes {gate.pending}",
        "# HELP wsgate_unanswered_requests Requests that the backend has not answered.",
        "# TYPE wsgate_unanswered_requests gauge",
        f"wsgate_unanswered_requests {len(relay)}",
        "# HELP wsgate_limit_hits_total How often a limit has kept somebody out or slowed him down.",
        "# TYPE wsgate_limit_hits_total counter",
    ]
    totals = sorted(gate.incidents.totals.items())
    return "\n".join([*lines, *(f'wsgate_limit_hits_total{{limit="{kind}"}} {count}' for kind, count in totals), ""])
