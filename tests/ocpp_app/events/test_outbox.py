"""The outbox: what is written, for whom, and what it costs."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import lifecycle, security, signals
from ocpp_app.events import body, catalogue, outbox
from ocpp_app.events.subscriptions import Subscriptions
from ocpp_app.models import (
    ChargePoint,
    Command,
    CommandState,
    Event,
    Organisation,
    RegistrationStatus,
    WebhookSubscription,
)
from ocpp_app.signals import registration_changed
from tests.ocpp_app.charging import Charging, stamp
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = pytest.mark.django_db


def subscribe(*events: str, **fields: Any) -> WebhookSubscription:
    return WebhookSubscription.objects.create(
        name="test", url="https://example.com/", events=list(events or ("*",)), secret_salt="00", **fields
    )


def told(charge_point: ChargePoint | None = None) -> list[str]:
    """The names of the events in the outbox, in the order of their sequence numbers."""
    rows = Event.objects.all() if charge_point is None else Event.objects.filter(charge_point=charge_point)
    return list(rows.order_by("charge_point", "sequence").values_list("type", flat=True))


def data_of(name: str) -> dict[str, Any]:
    event = Event.objects.filter(type=name).latest("sequence")
    found: dict[str, Any] = json.loads(event.data)
    assert set(found) == set(catalogue.TYPES[name].data.__struct_fields__)
    return found


def boot() -> str:
    return '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'


def status(connector: int, said: str) -> str:
    return f'[2,"s","StatusNotification",{{"connectorId":{connector},"errorCode":"NoError","status":"{said}"}}]'


# -- what is written -----------------------------------------------------------------------------------------


def test_without_a_subscription_nothing_is_written(wire: Wire) -> None:
    wire.call(boot())
    Charging(wire).start()
    assert told() == []


def test_a_charging_transaction_is_told_from_connect_to_disconnect(connect: Connect) -> None:
    subscribe("*")
    wire = connect()
    wire.call(boot())
    wire.call(status(1, "Preparing"))
    charging = Charging(wire, meter_start=1000).start()
    charging.meter(10, 1500)
    charging.stop(20, 2000)
    wire.close()
    assert told() == [
        "charge_point.connected",
        "charge_point.booted",
        "connector.status",
        "transaction.started",
        "transaction.updated",
        "transaction.stopped",
        "charge_point.disconnected",
    ]
    assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == list(range(1, 8))
    assert data_of("charge_point.connected") == {"session": str(wire.session)}
    assert data_of("connector.status")["status"] == "Preparing"
    assert data_of("transaction.started")["meter_start_wh"] == 1000
    assert data_of("transaction.updated")["energy_wh"] == 500
    stopped = data_of("transaction.stopped")
    assert (stopped["transaction"], stopped["connector"], stopped["energy_wh"]) == (charging.transaction_id, 1, 1000)
    assert stopped["closed_by"] == "charge_point"


def test_anomaly_follows_the_stop_that_shows_it(connect: Connect) -> None:
    subscribe("transaction.*")
    Charging(connect(), meter_start=1000).start().stop(20, 10)
    assert sorted(told()) == ["transaction.anomaly", "transaction.started", "transaction.stopped"]
    assert data_of("transaction.anomaly")["kind"] == "lower_meter"
    assert data_of("transaction.stopped")["energy_wh"] is None


def test_a_status_is_told_as_it_was_although_a_newer_one_came_with_it(connect: Connect, gateway: GatewayEnd) -> None:
    subscribe("connector.status")
    wire = connect()
    gateway.send(wire.frame(status(1, "Preparing")), wire.frame(status(1, "Charging")))
    rows = Event.objects.order_by("sequence").values_list("data", flat=True)
    assert [json.loads(data)["status"] for data in rows] == ["Preparing", "Charging"]


def test_of_many_updates_in_one_batch_the_last_is_told(connect: Connect, gateway: GatewayEnd) -> None:
    subscribe("transaction.updated")
    wire = connect()
    transaction_id = Charging(wire, meter_start=0).start().transaction_id
    frames = [
        f'[2,"m{n}","MeterValues",{{"connectorId":1,"transactionId":{transaction_id},"meterValue":'
        f'[{{"timestamp":"{stamp(n)}","sampledValue":[{{"value":"{n}"}}]}}]}}]'
        for n in range(5)
    ]
    gateway.send(*(wire.frame(frame) for frame in frames))
    assert told() == ["transaction.updated"]
    assert data_of("transaction.updated")["energy_wh"] == 4


@pytest.mark.parametrize(
    ("action", "payload", "name"),
    [
        ("FirmwareStatusNotification", {"status": "Installed"}, "firmware.status"),
        ("DiagnosticsStatusNotification", {"status": "Uploaded"}, "diagnostics.status"),
    ],
)
def test_maintenance_is_told(action: str, payload: dict[str, str], name: str, connect: Connect) -> None:
    subscribe(name)
    connect().ask(action, payload)
    assert data_of(name)["status"] == payload["status"]


def test_every_signal_of_a_charge_point_is_an_event_and_every_event_is_documented() -> None:
    sent = {signal for signal in vars(signals).values() if isinstance(signal, Signal)}
    assert sent == set(catalogue.NAMES)
    page = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
    assert [name for name in catalogue.TYPES if f"`{name}`" not in page] == []


@pytest.mark.spec("Security whitepaper", "A04")
def test_security_event_of_the_charge_point_is_told(connect: Connect) -> None:
    subscribe("security.notification")
    connect().ask("SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": "2026-01-31T12:00:00Z"})
    assert data_of("security.notification") == {
        "type": "FirmwareUpdated",
        "timestamp": "2026-01-31T12:00:00Z",
        "tech_info": "",
    }


def test_approval_is_told_once(connect: Connect) -> None:
    subscribe("charge_point.*")
    charge_point = ChargePoint.objects.create(identity="NEW", registration_status=RegistrationStatus.PENDING)
    for status in (RegistrationStatus.ACCEPTED, RegistrationStatus.ACCEPTED, RegistrationStatus.REJECTED):
        security.set_registration(charge_point, status)
    assert told() == ["charge_point.approved", "charge_point.rejected"]


def test_end_of_a_command_is_told_in_a_batch_and_outside(wire: Wire) -> None:
    subscribe("command.finished")
    for _ in range(2):
        command = Command.objects.create(
            charge_point=wire.charge_point, action="Reset", payload={}, timeout_s=30, created_at=timezone.now()
        )
        assert lifecycle.change_row(command, CommandState.CANCELLED, finished_at=timezone.now(), reason="why not")
        assert not lifecycle.change_row(command, CommandState.EXPIRED)
    assert told() == ["command.finished"] * 2
    assert data_of("command.finished") == {
        "command": str(command.pk),
        "action": "Reset",
        "state": "cancelled",
        "status": "",
        "error_code": "",
        "error_description": "",
        "reason": "why not",
        "is_late": False,
        "source": "",
    }


def test_what_is_kept_out_at_the_door_is_told(connect: Connect) -> None:
    subscribe("security.*")
    wire = connect()
    again = Wire(wire.gateway, wire.identity)
    again.open(remote_address="192.0.2.1")
    assert data_of("security.incident") == {
        "kind": "replaced",
        "remote_address": "192.0.2.1",
        "detail": "",
        "count": 1,
    }


def test_body_is_stable_and_typed(connect: Connect) -> None:
    subscribe("charge_point.booted")
    connect().call(boot())
    event = Event.objects.select_related("charge_point", "organisation").get()
    shown = json.loads(body.encode(event))
    assert list(shown) == ["id", "type", "version", "at", "sequence", "organisation", "charge_point", "data"]
    assert (shown["type"], shown["version"], shown["sequence"]) == ("charge_point.booted", 1, 1)
    assert (shown["organisation"], shown["charge_point"]) == (event.organisation.slug, "CP001")
    assert shown["data"]["vendor"] == "V"


# -- for whom ------------------------------------------------------------------------------------------------


def test_only_what_the_organisation_wants_is_written(connect: Connect) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    subscribe("charge_point.booted")
    subscribe("*", organisation=other, is_active=False)
    ours, theirs = connect("OURS"), connect("THEIRS", organisation=other)
    for wire in (ours, theirs):
        wire.call(boot())
        wire.call(status(1, "Available"))
    assert told() == ["charge_point.booted"]
    event = Event.objects.get()
    assert (event.charge_point.identity, event.webhooks_due, event.exchange_due) == ("OURS", True, False)


def test_exchange_wants_everything_of_everybody(connect: Connect, settings: Any) -> None:
    settings.OCPP_EVENTS_EXCHANGE = "ocpp.events"
    connect().call(boot())
    assert told() == ["charge_point.connected", "charge_point.booted"]
    assert set(Event.objects.values_list("exchange_due", "webhooks_due")) == {(True, False)}


def test_subscription_of_another_process_is_known_soon(db: None) -> None:
    now = [100.0]
    seen = Subscriptions(clock=lambda: now[0])
    assert seen.wanted().is_nothing
    subscribe("*")
    assert seen.wanted().is_nothing
    now[0] += 5.1
    assert seen.wanted().by_webhooks(WebhookSubscription.objects.get().organisation_id) == frozenset(catalogue.TYPES)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*"], set(catalogue.TYPES)),
        (["message.*", "connector.status"], {"message.failed", "connector.status"}),
        (["transaction"], set()),
        (["trans*"], set()),
    ],
)
def test_filter_stands_for_names(patterns: list[str], names: set[str]) -> None:
    assert catalogue.expand(patterns) == names
    assert bool(catalogue.check(patterns)) == (not names)


# -- what it costs -------------------------------------------------------------------------------------------


def statements(action: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        action()
    return [query["sql"] for query in captured]


def test_outbox_costs_a_batch_one_statement_and_nothing_where_nobody_subscribed(
    connect: Connect, gateway: GatewayEnd
) -> None:
    wires = [connect(f"CP{number}") for number in range(16)]

    def batch() -> list[str]:
        frames = [wire.frame(status(number, "Charging")) for wire in wires for number in range(4)]
        return statements(lambda: gateway.send(*frames))

    batch()  # connectors are made when first heard of
    silent = batch()
    assert not any("ocpp_app_event" in sql or "webhook" in sql for sql in silent)
    subscribe("charge_point.booted")
    outbox.is_wanted(registration_changed, charge_point=wires[0].charge_point)  # known from now on
    assert len(batch()) == len(silent)
    subscribe("*")
    outbox.is_wanted(registration_changed, charge_point=wires[0].charge_point)
    heard = batch()
    assert Event.objects.count() == 64
    assert len([sql for sql in heard if "ocpp_app_event" in sql]) == 1
    assert len(heard) <= len(silent) + 1


def test_event_of_a_batch_that_fails_is_not_told(wire: Wire) -> None:
    subscribe("*")

    class Broken(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            outbox.tell(registration_changed, ChargePoint, charge_point=wire.charge_point)
            assert told() == ["charge_point.approved"]
            raise Broken

    with pytest.raises(Broken):
        fail()
    assert told() == []


@commits
def test_sequence_has_no_gap_and_no_double_with_several_writers() -> None:
    subscribe("*")
    charge_point = ChargePoint.objects.create(identity="CP001")
    both = threading.Barrier(4)

    def write() -> None:
        both.wait()
        for _ in range(10):
            outbox.tell(registration_changed, ChargePoint, charge_point=charge_point)
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(Event.objects.order_by("id").values_list("sequence", flat=True))
    assert rows == list(range(1, 41))
