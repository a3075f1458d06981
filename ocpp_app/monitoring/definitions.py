"""What the backend's metrics are called and mean, by the part that has them."""

from ocppj.metrics import COUNTER, GAUGE, HISTOGRAM, Definition

WORKER = (
    Definition(
        "ocpp_frames_total",
        COUNTER,
        "Frames of charge points that were handled: the action of a call, its type, and what a call was answered with "
        "(result, error, none).",
        ("action", "type", "result"),
    ),
    Definition("ocpp_requests_total", COUNTER, "What gateways asked for beside frames.", ("kind",)),
    Definition("ocpp_worker_batch_requests", HISTOGRAM, "Requests in one batch, which is one transaction."),
    Definition("ocpp_worker_batch_seconds", HISTOGRAM, "From taking a batch to its acknowledgement."),
    Definition(
        "ocpp_worker_database_seconds",
        HISTOGRAM,
        "The part of it that was waiting for the database: neither our own CPU time nor publishing.",
    ),
    Definition(
        "ocpp_worker_waited_seconds",
        HISTOGRAM,
        "How long the oldest request of a batch had waited since the gateway got it, by both machines' clocks.",
    ),
    Definition("ocpp_worker_oldest_request_seconds", GAUGE, "The same for the batch at hand; 0 when nothing waits."),
    Definition("ocpp_worker_turned_timestamp_seconds", GAUGE, "When the worker's loop last came round."),
    Definition("ocpp_worker_broker_connected", GAUGE, "1 while the worker holds its connection to the relay."),
    Definition("ocpp_worker_failures_total", COUNTER, "Requests on which our code, or yours, failed.", ("action",)),
    Definition("ocpp_worker_splits_total", COUNTER, "Batches that failed and were run again one by one."),
    Definition("ocpp_worker_database_outages_total", COUNTER, "Attempts at a batch for which there was no database."),
    Definition("ocpp_worker_housekeeping", GAUGE, "1 on the worker that does the housekeeping."),
    Definition("ocpp_background_runs_total", COUNTER, "Runs of background tasks.", ("task",)),
    Definition("ocpp_background_failures_total", COUNTER, "Background tasks that failed.", ("task",)),
    Definition("ocpp_background_seconds_total", COUNTER, "Time that background tasks took.", ("task",)),
)
COURIER = (
    Definition("ocpp_webhook_deliveries_total", COUNTER, "Attempts to deliver an event, by outcome.", ("result",)),
    Definition("ocpp_webhook_delivery_seconds", HISTOGRAM, "How long receivers took to answer."),
)
WEB = (
    Definition("ocpp_web_requests_total", COUNTER, "Web requests by part and status.", ("part", "status")),
    Definition("ocpp_web_request_seconds", HISTOGRAM, "How long web requests took."),
    Definition("ocpp_limit_hits_total", COUNTER, "How often a limit has kept somebody out.", ("limit",)),
)
EVERYWHERE = (
    Definition(
        "ocpp_security_events_total", COUNTER, "What was kept out or slowed down, as this process saw it.", ("kind",)
    ),
)
FACTS = (
    Definition("ocpp_database_up", GAUGE, "1 while the database answers."),
    Definition("ocpp_broker_up", GAUGE, "1 while the broker answers; absent without one."),
    Definition("ocpp_migrations_pending", GAUGE, "Migrations that have not been applied."),
    Definition("ocpp_queue_messages", GAUGE, "Messages that wait for a worker.", ("queue",)),
    Definition("ocpp_queue_consumers", GAUGE, "Workers at the queue.", ("queue",)),
    Definition(
        "ocpp_charge_points",
        GAUGE,
        "Charge points by registration status and connection (connected, offline, dead: offline for a day).",
        ("registration", "connection"),
    ),
    Definition("ocpp_connectors", GAUGE, "Connectors of connected charge points, by status.", ("status",)),
    Definition("ocpp_gateways", GAUGE, "Gateways that announce themselves."),
    Definition("ocpp_gateway_silence_seconds", GAUGE, "The longest silence of one of them; they speak every 10 s."),
    Definition("ocpp_gateways_lost", GAUGE, "Gateways that fell silent without a good-bye, in the last 15 minutes."),
    Definition("ocpp_housekeeping_overdue_seconds", GAUGE, "For how long no worker has done the housekeeping."),
    Definition("ocpp_commands", GAUGE, "Commands by state; those that have ended: of the last hour.", ("state",)),
    Definition("ocpp_oldest_command_seconds", GAUGE, "The age of the oldest that has not ended.", ("state",)),
    Definition("ocpp_transactions_active", GAUGE, "Open transactions."),
    Definition("ocpp_transactions_stopped_last_day", GAUGE, "Transactions that stopped in the last 24 hours."),
    Definition("ocpp_energy_last_day_watt_hours", GAUGE, "The energy of these."),
    Definition("ocpp_power_watts", GAUGE, "What connected charge points draw, as their meters last said."),
    Definition("ocpp_anomalies_open", GAUGE, "Anomalies of transactions that nobody has resolved.", ("kind",)),
    Definition("ocpp_failed_messages", GAUGE, "Transaction messages that wait for manage.py replay."),
    Definition("ocpp_events_due", GAUGE, "Events that wait to be handed on.", ("to",)),
    Definition("ocpp_oldest_event_seconds", GAUGE, "The age of the oldest of these.", ("to",)),
    Definition("ocpp_webhook_streams_due", GAUGE, "Charge points some of whose events a webhook still has to get."),
    Definition("ocpp_webhooks_failing", GAUGE, "Webhooks whose receiver took no event at the last attempt."),
    Definition("ocpp_tasks_open", GAUGE, "Firmware updates and uploads under way.", ("task",)),
    Definition("ocpp_certificates_expiring", GAUGE, "Certificates of charge points that end within 30 days."),
    Definition("ocpp_disk_free_bytes", GAUGE, "Free space where we keep files.", ("path",)),
    Definition("ocpp_disk_size_bytes", GAUGE, "The size of that file system.", ("path",)),
)
PER_CHARGE_POINT = (
    Definition("ocpp_charge_point_connected", GAUGE, "1 while it is connected.", ("charge_point",)),
    Definition("ocpp_charge_point_seen_timestamp_seconds", GAUGE, "When it last sent a frame.", ("charge_point",)),
    Definition("ocpp_charge_point_power_watts", GAUGE, "What it draws.", ("charge_point",)),
)
"""With OCPP_METRICS_PER_CHARGE_POINT only."""

PARTS = {"worker": WORKER, "courier": COURIER, "web": WEB, "everywhere": EVERYWHERE, "facts": FACTS}
