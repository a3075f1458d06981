"""What the backend says of itself: /healthz, /readyz, /metrics, and whether the numbers are true."""

import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from ocpp_app import checks
from ocpp_app.errors import RelayUnavailable
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    ChargePoint,
    Command,
    CommandState,
    Connector,
    Event,
    FailedMessage,
    Gateway,
    Lease,
    Transaction,
)
from ocpp_app.monitoring import broker, definitions, facts
from ocpp_app.monitoring.exposition import TallyCollector, family
from ocpp_app.monitoring.readiness import Readiness
from ocpp_app.monitoring.tally import Tally
from ocpp_app.rpc.housekeeping import LEASE
from ocpp_app.work import Work
from ocppj import envelope
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.site import Site

Samples = dict[tuple[str, ...], float]


def parsed(text: str) -> Samples:
    """Every sample by its name and the values of its labels."""
    return {
        (each.name, *each.labels.values()): each.value
        for found in text_string_to_metric_families(text)
        for each in found.samples
    }


def scraped(client: Client, **headers: Any) -> Samples:
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 200
    return parsed(answer.content.decode())


# -- health ----------------------------------------------------------------------------------------------------


def test_it_is_alive_whatever_host_is_asked_for(client: Client) -> None:
    answer = client.get("/healthz", HTTP_HOST="10.1.2.3:8000")  # how an orchestrator probes
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_it_is_ready_with_its_database_and_migrations(client: Client) -> None:
    assert Readiness(asks_broker=True).why_not() == []
    MigrationRecorder.Migration.objects.filter(app="ocpp_app").order_by("-pk")[:1].get().delete()
    assert Readiness(asks_broker=True).why_not() == ["migrations: 1 to be applied, run manage.py migrate"]


def test_without_the_broker_it_is_not_ready(settings: Any, client: Client) -> None:
    settings.AMQP_URL, settings.OCPP_RELAY = "amqp://guest:secret@127.0.0.1:9/", "amqp"
    reasons = Readiness(asks_broker=True)._broker()
    assert reasons == ["broker: not to be reached"]
    with pytest.raises(RelayUnavailable):
        broker.look()


def test_the_broker_tells_what_waits(settings: Any, clean_amqp_url: str) -> None:
    settings.AMQP_URL, settings.OCPP_RPC_QUEUE = clean_amqp_url, f"ocpp.rpc.{uuid.uuid4().hex}"
    assert broker.look() is None  # nobody has declared it yet


# -- who may see ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_metrics_are_for_this_machine_and_for_who_has_the_token(settings: Any, client: Client) -> None:
    settings.OCPP_METRICS_TOKEN = "a long token"
    assert ("ocpp_database_up",) in scraped(client)
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", **elsewhere).status_code == 403
    assert client.get("/metrics", **elsewhere, HTTP_AUTHORIZATION="Bearer another").status_code == 403
    assert scraped(client, **elsewhere, HTTP_AUTHORIZATION="Bearer a long token")
    settings.OCPP_METRICS_FROM = ["192.0.2.0/24"]
    assert scraped(client, **elsewhere)
    assert client.get("/metrics").status_code == 403


@pytest.mark.django_db
def test_a_proxy_on_this_machine_does_not_open_them_to_everybody(settings: Any, client: Client) -> None:
    settings.OCPP_TRUSTED_PROXIES = []
    assert client.get("/metrics", HTTP_X_FORWARDED_FOR="198.51.100.9").status_code == 403
    settings.OCPP_TRUSTED_PROXIES = ["127.0.0.0/8"]
    assert client.get("/metrics", HTTP_X_FORWARDED_FOR="198.51.100.9").status_code == 403
    assert client.get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 403  # anybody can write that


def test_networks_that_are_none_are_found_at_the_start(settings: Any) -> None:
    settings.OCPP_METRICS_FROM = ["10.0.0.0/33"]
    assert [found.id for found in checks.check_metrics_from()] == ["ocpp_app.E025"]


# -- what is counted -----------------------------------------------------------------------------------------------


@commits
def test_a_worker_counts_its_frames_by_action_and_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    for module in ("ocpp_app.dispatch", "ocpp_app.rpc.worker", "ocpp_app.rpc.housekeeping"):
        monkeypatch.setattr(f"{module}.TALLY", tally)  # its own, apart from what other tests have counted
    ChargePoint.objects.create(identity="CP001", security_profile=0)
    with Site() as site:
        wire = site.connect()
        site.ask(wire.frame('[2,"1","Heartbeat",{}]'))
        site.ask(wire.frame('[2,"2","MadeUp",{}]'))
        site.ask(wire.frame('[2,"3","StartTransaction",{}]'))
        site.ask(wire.frame('[3,"4",{}]'))
        site.ask(wire.frame("no frame"))
        found = samples_of(tally)

    frames = {key[1:]: value for key, value in found.items() if key[0] == "ocpp_frames_total"}
    assert frames["MeterValues", "call", "error"] == 0  # there from the start, for alerts to see it grow
    assert {key: count for key, count in frames.items() if count} == {
        ("Heartbeat", "call", "result"): 1,
        ("other", "call", "error"): 1,
        ("StartTransaction", "call", "error"): 1,
        ("", "call_result", "none"): 1,
        ("", "malformed", "none"): 1,
    }
    assert found["ocpp_requests_total", "connect"] == 1
    batches = found["ocpp_worker_batch_requests_count",]
    assert batches >= 6
    for name in ("batch_seconds", "database_seconds", "waited_seconds"):
        assert found[f"ocpp_worker_{name}_count",] in (batches, batches - 1)  # the last may not be acknowledged yet
    assert 0 < found["ocpp_worker_database_seconds_sum",] < found["ocpp_worker_batch_seconds_sum",]
    assert found["ocpp_worker_broker_connected",] == 1
    assert found["ocpp_worker_turned_timestamp_seconds",] > timezone.now().timestamp() - 60


def samples_of(tally: Tally) -> Samples:
    return {
        (each.name, *each.labels.values()): each.value
        for metric in TallyCollector("worker", tally).collect()
        for each in metric.samples
    }


def test_the_age_of_what_waits_goes_back_to_none() -> None:
    tally, now = Tally(), timezone.now().timestamp()
    old = envelope.Announce(uuid.uuid4(), now - 7, 1)
    tally.turn([Work(old, "gateway", "queue")])
    assert 7 <= tally.oldest_s < 60
    tally.turn([])
    assert tally.oldest_s == 0


@pytest.mark.django_db
def test_web_requests_are_counted_by_part(client: Client) -> None:
    before = scraped(client)
    client.get("/api/v1/schema/", secure=True)
    client.get("/no/such/page", secure=True)
    after = scraped(client)

    def grown(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    counted = {key[1:]: grown(*key) for key in after if key[0] == "ocpp_web_requests_total" and grown(*key)}
    assert counted == {("ocpp-api", "200"): 1, ("other", "404"): 1}
    assert grown("ocpp_web_request_seconds_count") == 2


# -- facts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def system(connect: Connect) -> ChargePoint:
    """One charge point that charges, one offline, one dead, and a little of everything else."""
    now = timezone.now()
    charge_point = connect("CP001").charge_point
    ChargePoint.objects.create(identity="OFFLINE", last_seen_at=now - timedelta(hours=1))
    ChargePoint.objects.create(identity="DEAD", last_seen_at=now - timedelta(days=2))
    connector = Connector.objects.create(charge_point=charge_point, number=1, status="Charging")
    Connector.objects.create(charge_point=charge_point, number=2, status="Singing")
    fields = {"charge_point": charge_point, "connector": connector, "organisation": charge_point.organisation}
    times = {"started_at": now, "start_received_at": now, "meter_start_wh": 0}
    active = Transaction.objects.create(**fields, **times, id_tag="A", is_active=True, last_power_w=11000.0)
    Transaction.objects.create(
        **fields, **times, id_tag="A", is_active=False, stopped_at=now - timedelta(hours=1), energy_wh=5000
    )
    Anomaly.objects.create(transaction=active, kind=AnomalyKind.NEVER_STOPPED, found_at=now)
    Anomaly.objects.create(transaction=active, kind=AnomalyKind.NEVER_STOPPED, found_at=now, resolved_at=now)
    command = {"charge_point": charge_point, "action": "Reset", "payload": {}, "timeout_s": 30}
    Command.objects.create(**command, state=CommandState.QUEUED, created_at=now - timedelta(seconds=90))
    Command.objects.create(**command, state=CommandState.TIMED_OUT, created_at=now)
    Command.objects.create(**command, state=CommandState.TIMED_OUT, created_at=now - timedelta(days=3))
    FailedMessage.objects.create(charge_point=charge_point, action="StopTransaction", received_at=now)
    return charge_point


@pytest.mark.django_db
def test_what_stands_in_the_database_is_told(system: ChargePoint, settings: Any) -> None:
    found = facts.read()
    charge_points: Any = found["ocpp_charge_points"]
    assert [charge_points["Accepted", state] for state in ("connected", "offline", "dead")] == [1, 1, 1]
    assert charge_points["Pending", "dead"] == 0
    connectors: Any = found["ocpp_connectors"]
    assert (connectors["Charging"], connectors["other"], connectors["Faulted"]) == (1, 1, 0)
    assert found["ocpp_transactions_active"] == 1
    assert found["ocpp_power_watts"] == 11000
    assert (found["ocpp_transactions_stopped_last_day"], found["ocpp_energy_last_day_watt_hours"]) == (1, 5000)
    anomalies: Any = found["ocpp_anomalies_open"]
    assert (anomalies["never_stopped"], anomalies["unknown_stop"]) == (1, 0)
    commands: Any = found["ocpp_commands"]
    assert (commands["queued"], commands["timed_out"], commands["answered"]) == (1, 1, 0)
    ages: Any = found["ocpp_oldest_command_seconds"]
    assert 90 <= ages["queued"] < 150
    assert ages["sent"] == 0
    assert found["ocpp_failed_messages"] == 1
    assert found["ocpp_gateways"] == 1
    assert found["ocpp_migrations_pending"] == 0
    assert "ocpp_charge_point_connected" not in found

    settings.OCPP_METRICS_PER_CHARGE_POINT = True
    each = facts.read()
    assert each["ocpp_charge_point_connected"] == {"CP001": 1, "OFFLINE": 0, "DEAD": 0}
    assert each["ocpp_charge_point_power_watts"] == {"CP001": 11000}


def test_the_disk_is_looked_at_before_anything_is_in_the_folder(private_files: Any, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    free: Any = facts.disk()["ocpp_disk_free_bytes"]
    assert not folder.exists()
    assert free[str(folder)] > 0


@pytest.mark.django_db
def test_a_gateway_that_fell_silent_is_lost_and_one_that_said_good_bye_is_not() -> None:
    now = timezone.now()
    Gateway.objects.create(name="silent", last_announced_at=now - timedelta(seconds=80), gone_at=now)
    Gateway.objects.create(name="gone", last_announced_at=now, gone_at=now)
    Gateway.objects.create(name="slow", last_announced_at=now - timedelta(seconds=25))
    found = facts.read()
    assert (found["ocpp_gateways_lost"], found["ocpp_gateways"]) == (1, 1)
    silence: Any = found["ocpp_gateway_silence_seconds"]
    assert 25 <= silence < 60


@pytest.mark.django_db
def test_housekeeping_that_nobody_does_is_overdue() -> None:
    assert facts.read()["ocpp_housekeeping_overdue_seconds"] == 0  # nothing has ever run
    Lease.objects.create(name=LEASE, holder="dead", expires_at=timezone.now() - timedelta(minutes=5))
    overdue: Any = facts.read()["ocpp_housekeeping_overdue_seconds"]
    assert 300 <= overdue < 400


@pytest.mark.django_db
def test_asking_often_costs_nothing_more() -> None:
    now = [0.0]
    asked = facts.Facts(clock=lambda: now[0])
    asked.values()
    with CaptureQueriesContext(connection) as queries:
        asked.values()
    assert len(queries) == 0
    now[0] += facts.KEPT_S
    with CaptureQueriesContext(connection) as queries:
        asked.values()
    assert 0 < len(queries) <= 25


@pytest.mark.django_db
def test_every_metric_is_what_its_definition_says(client: Client, system: ChargePoint, settings: Any) -> None:
    """What a dashboard asks for is there: every name, with every label, in the text of a process that has it all."""
    settings.OCPP_METRICS_PER_CHARGE_POINT = True
    read = facts.read()
    absent_without_a_broker = {"ocpp_broker_up", "ocpp_queue_messages", "ocpp_queue_consumers"}
    every = (*definitions.FACTS, *definitions.PER_CHARGE_POINT)
    assert {each.name for each in every} - set(read) == absent_without_a_broker
    for definition in every:
        for sample in family(definition, read.get(definition.name, 0 if not definition.labels else {})).samples:
            assert tuple(sample.labels) == definition.labels
    text = client.get("/metrics").content.decode()
    for definition in (*definitions.WEB, *definitions.EVERYWHERE):
        assert definition.words in text


@pytest.mark.parametrize("part", [*definitions.PARTS, "each"])
def test_names_follow_the_conventions_of_prometheus(part: str) -> None:
    units = ("_seconds", "_bytes", "_watts", "_hours", "_requests", "_messages", "_timestamp_seconds")
    for definition in definitions.PARTS.get(part, definitions.PER_CHARGE_POINT):
        assert re.fullmatch(r"ocpp_[a-z_]+", definition.name)
        assert definition.name.endswith("_total") == (definition.kind == "counter"), definition.name
        assert definition.kind != "histogram" or definition.name.endswith(units), definition.name
        assert definition.words.endswith(".")
        assert len(set(definition.labels)) == len(definition.labels)


@pytest.mark.django_db
def test_events_that_wait_have_an_age(connect: Connect) -> None:
    charge_point = connect("CP001").charge_point
    at = timezone.now() - timedelta(minutes=3)
    Event.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        sequence=1,
        at=at,
        type="x",
        webhooks_due=True,
    )
    found: Any = facts.read()
    assert found["ocpp_events_due"] == {"webhooks": 1, "exchange": 0}
    assert 180 <= found["ocpp_oldest_event_seconds"]["webhooks"] < 300
