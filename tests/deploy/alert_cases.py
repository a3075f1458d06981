"""For each alert of deploy/monitoring: numbers over time that raise it, and some close to these that do not."""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """Series as promtool writes them, one value a minute."""

    raised_by: dict[str, str]
    silent_with: dict[str, str]
    at: str
    """When it has to be raised."""
    labels: dict[str, str] = {}
    summary: str = ""
    """Where the rule's own has placeholders."""
    description: str = ""


def gauge(metric: str, bad: float, good: float, at: str, **words: Any) -> Case:
    return Case({metric: f"{bad}x120"}, {metric: f"{good}x120"}, at, **words)


CASES = {
    "TargetDown": Case(
        {'up{job="worker", instance="w:9101"}': "0x5"},
        {'up{job="worker", instance="w:9101"}': "1x5", 'up{job="node", instance="n"}': "0x5"},
        "2m",
        {"job": "worker", "instance": "w:9101"},
        "worker w:9101 does not answer",
    ),
    "DatabaseDown": gauge("ocpp_database_up", 0, 1, "2m"),
    "BrokerDown": Case(
        {"ocpp_broker_up": "1x5", 'wsgate_broker_connected{instance="b"}': "0x5"},
        {"ocpp_broker_up": "1x5", 'wsgate_broker_connected{instance="b"}': "1x5"},
        "2m",
    ),
    "MigrationsPending": gauge("ocpp_migrations_pending", 1, 0, "6m"),
    "GatewaySilent": gauge("ocpp_gateway_silence_seconds", 40, 12, "0m"),
    "NoGateway": gauge("ocpp_gateways", 0, 1, "2m"),
    "NoWorker": Case(
        {'ocpp_queue_consumers{queue="ocpp.rpc"}': "0x5"},
        {'ocpp_queue_consumers{queue="ocpp.rpc"}': "1x5", "ocpp_housekeeping_overdue_seconds": "3x5"},
        "2m",
    ),
    "QueueGrowing": Case(
        {'ocpp_queue_messages{queue="ocpp.rpc"}': "90+40x20"},
        {'ocpp_queue_messages{queue="ocpp.rpc"}': "900-40x20"},
        "11m",
    ),
    "AnswersLate": gauge(
        "wsgate_oldest_unanswered_seconds", 15, 2, "3m", description="The oldest request has waited for 15s."
    ),
    "ErrorRate": Case(
        {
            'ocpp_frames_total{action="Heartbeat", type="call", result="result"}': "0+90x40",
            'ocpp_frames_total{action="Heartbeat", type="call", result="error"}': "0+10x40",
        },
        {
            'ocpp_frames_total{action="Heartbeat", type="call", result="result"}': "0+99x40",
            'ocpp_frames_total{action="Heartbeat", type="call", result="error"}': "0+1x40",
        },
        "30m",
        summary="10% of all CALLs are answered with a CALLERROR",
    ),
    "OurCodeFails": Case(
        {'ocpp_worker_failures_total{action="MeterValues"}': "0 0 1x20"},
        {'ocpp_worker_failures_total{action="MeterValues"}': "1x20"},
        "5m",
    ),
    "BackgroundWorkFails": Case(
        {'ocpp_background_failures_total{task="prune"}': "0+1x40"},
        {'ocpp_background_failures_total{task="prune"}': "0 1x40"},
        "20m",
        {"task": "prune"},
        "The background task prune fails",
    ),
    "ChargePointsDead": Case(
        {'ocpp_charge_points{registration="Accepted", connection="dead"}': "3x90"},
        {
            'ocpp_charge_points{registration="Accepted", connection="dead"}': "0x90",
            'ocpp_charge_points{registration="Rejected", connection="dead"}': "3x90",
        },
        "61m",
        summary="3 charge points have been offline for more than a day",
    ),
    "ChargePointsLost": Case({"wsgate_connections": "100x15 70x30"}, {"wsgate_connections": "100x15 85x30"}, "25m"),
    "CommandsFail": Case(
        {
            'ocpp_commands{state="timed_out"}': "20x20",
            'ocpp_commands{state="lost"}': "10x20",
            'ocpp_commands{state="answered"}': "30x20",
        },
        {
            'ocpp_commands{state="timed_out"}': "20x20",
            'ocpp_commands{state="lost"}': "10x20",
            'ocpp_commands{state="answered"}': "60x20",
        },
        "11m",
        description="30 within the last hour were not answered.",
    ),
    "HandshakesRefused": Case(
        {'wsgate_handshakes_total{status="401"}': "0+60x40", 'wsgate_handshakes_total{status="101"}': "0+1x40"},
        {'wsgate_handshakes_total{status="401"}': "0+60x40", 'wsgate_handshakes_total{status="101"}': "0+60x40"},
        "30m",
    ),
    "LimitHit": Case(
        {'wsgate_limit_hits_total{limit="frame_rate"}': "0+10x20"},
        {'wsgate_limit_hits_total{limit="frame_rate"}': "0+5x20"},
        "20m",
        {"limit": "frame_rate"},
        "The limit frame_rate has been hit 150 times in 15 minutes",
    ),
    "EventsLate": gauge('ocpp_oldest_event_seconds{to="webhooks"}', 400, 30, "6m"),
    "WebhookFails": gauge("ocpp_webhooks_failing", 1, 0, "61m"),
    "WebErrors": Case(
        {'ocpp_web_requests_total{part="ocpp_console", status="500"}': "0+6x40"},
        {'ocpp_web_requests_total{part="ocpp_console", status="404"}': "0+6x40"},
        "30m",
    ),
    "CertificatesExpire": gauge(
        "ocpp_certificates_expiring", 2, 0, "61m", summary="2 certificates of charge points end within 30 days"
    ),
    "DiskFull": Case(
        {'ocpp_disk_free_bytes{path="/data"}': "5x40", 'ocpp_disk_size_bytes{path="/data"}': "100x40"},
        {'ocpp_disk_free_bytes{path="/data"}': "50x40", 'ocpp_disk_size_bytes{path="/data"}': "100x40"},
        "16m",
        summary="5% of a disk is left",
    ),
}
