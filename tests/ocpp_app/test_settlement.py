"""Ended transactions: energy, duration and cost agree with the stored meter values, whatever came in which order."""

import json
from collections.abc import Callable
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ocpp_app.models import Anomaly, ChargePoint, ClosedBy, IdTag, Organisation, Site, Tariff, Transaction
from tests.ocpp_app.charging import Charging, moment, stamp
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]


def make_tariff(name: str = "Default", **fields: Any) -> Tariff:
    return Tariff.objects.create(**{"name": name, "currency": "EUR", "price_per_kwh": Decimal("0.4"), **fields})


@pytest.fixture
def tariff() -> Tariff:
    """40 cents per kWh, for everybody."""
    return make_tariff(is_default=True)


# -- energy ------------------------------------------------------------------------------------------------------------


def test_energy_and_duration_of_an_ended_transaction(wire: Wire) -> None:
    charging = Charging(wire).start()
    charging.meter(30, 3000)
    row = charging.stop(60.5, 6000)
    assert (row.energy_wh, row.doubtful_wh, row.duration_s) == (5000, None, 3630)
    assert charging.anomalies == []


@pytest.mark.parametrize(
    ("registers", "stop", "energy_wh", "doubtful_wh", "anomalies"),
    [
        pytest.param([2001, 3003], 6000, 5000, None, [], id="rising"),
        pytest.param([2001, 5, 3003], 6000, 5000, None, ["register_backwards"], id="one slip down"),
        pytest.param([2001, 5003], 3005, None, 4003, ["meter_disagrees"], id="stop below the last register"),
        pytest.param([2001, 5003], 4903, 3903, None, [], id="stop a little below the last register"),
        pytest.param([2001, 3003, 0, 501], 1203, None, 3206, ["register_backwards"], id="reset on the way"),
        pytest.param([2001, 3003, 0, 501], 7003, None, 9006, ["register_backwards"], id="reset, then beyond"),
        pytest.param([2001, 3003], 999, None, 2003, ["lower_meter"], id="reset before the stop"),
        pytest.param([2001, 3003], 10**12, None, 2003, ["absurd_energy"], id="absurd stop"),
    ],
)
def test_registers_that_contradict_each_other(
    registers: list[int], stop: int, energy_wh: int | None, doubtful_wh: int | None, anomalies: list[str], wire: Wire
) -> None:
    charging = Charging(wire).start()
    for number, register in enumerate(registers, start=1):
        charging.meter(10 * number, register)
    row = charging.stop(60, stop)
    assert (row.energy_wh, row.doubtful_wh) == (energy_wh, doubtful_wh)
    assert charging.anomalies == anomalies
    row = charging.stop(60, stop)  # again: nothing new
    assert (row.energy_wh, row.doubtful_wh) == (energy_wh, doubtful_wh)
    assert charging.anomalies == anomalies


@pytest.mark.parametrize("reason", ["PowerLoss", "Reboot", "HardReset", "SoftReset", "EmergencyStop"])
@pytest.mark.spec("OCPP 1.6", "7.36")
def test_transaction_that_ended_with_the_power(reason: str, wire: Wire, tariff: Tariff) -> None:
    """The charge point boots, and tells the register and the time that it saved."""
    charging = Charging(wire).start()
    charging.meter(30, 3000)
    wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    row = charging.stop(31, 3100, reason=reason)
    assert (row.energy_wh, row.duration_s, row.stop_reason, row.cost) == (2100, 31 * 60, reason, Decimal("0.84"))


def test_late_meter_values_complete_an_ended_transaction(wire: Wire) -> None:
    tariff = make_tariff(is_default=True, price_per_kwh=Decimal("1"))
    tariff.windows.create(name="second half", starts_at=time(8, 30), ends_at=time(9), price_per_kwh=Decimal("2"))
    charging = Charging(wire).start()
    assert charging.stop(60, 5000).cost == Decimal("6.00")  # by the clock, 2 kWh in each half
    charging.meter(30, 4000)  # 3 kWh in the first half
    row = charging.row
    assert (row.energy_wh, row.cost) == (4000, Decimal("5.00"))
    charging.meter(30, 4000)
    assert charging.row.cost == Decimal("5.00")


def test_register_that_goes_on_after_the_stop_is_noted(wire: Wire, tariff: Tariff) -> None:
    charging = Charging(wire).start()
    charging.stop(60, 5000)
    charging.meter(61, 5900)  # read in whole kWh
    assert charging.anomalies == []
    for minute in (70, 80):
        charging.meter(minute, 5000 + 30 * minute)
    row = charging.row
    assert (row.energy_wh, row.cost, row.duration_s) == (4000, Decimal("1.60"), 3600)
    assert charging.anomalies == ["energy_after_stop"]


# -- estimates ---------------------------------------------------------------------------------------------------------


def test_orphan_ends_with_its_last_meter_values_and_late_ones_count(wire: Wire, tariff: Tariff) -> None:
    orphan = Charging(wire).start()
    orphan.meter(30, 3000)
    Charging(wire, meter_start=9000).start(120)
    row = orphan.row
    assert (row.closed_by, row.energy_wh, row.stopped_at, row.duration_s) == (
        ClosedBy.ORPHANED,
        2000,
        moment(30),
        1800,
    )
    assert row.cost == Decimal("0.80")
    orphan.meter(45, 4000)
    row = orphan.row
    assert (row.energy_wh, row.stopped_at, row.duration_s, row.cost) == (3000, moment(45), 2700, Decimal("1.20"))
    row = orphan.stop(60, 5000)
    assert (row.closed_by, row.energy_wh, row.stopped_at, row.cost) == (
        ClosedBy.CHARGE_POINT,
        4000,
        moment(60),
        Decimal("1.60"),
    )
    assert orphan.anomalies == ["orphaned"]


def test_begin_sets_no_energy_of_an_orphan(wire: Wire) -> None:
    orphan = Charging(wire).start()
    orphan.meter(0.1, 4000)
    value = {"value": "4000", "context": "Transaction.Begin"}
    orphan.meter(0.1, meterValue=[{"timestamp": stamp(0.1), "sampledValue": [value]}])
    Charging(wire, meter_start=9000).start(120)
    assert orphan.row.energy_wh == 0


def test_time_that_nobody_saw_costs_nothing(wire: Wire) -> None:
    make_tariff(is_default=True, price_per_minute=Decimal("0.1"), price_per_kwh=0)
    silent = Charging(wire).start()
    spoken = Charging(wire, connector=2).start()
    spoken.meter(30, 3000)
    for connector in (1, 2):
        Charging(wire, connector=connector, meter_start=9000).start(600)
    assert (silent.row.cost, spoken.row.cost) == (Decimal("0.00"), Decimal("3.00"))


# -- tariffs -----------------------------------------------------------------------------------------------------------


def of_tag(tariff: Tariff, charge_point: ChargePoint) -> None:
    IdTag.objects.filter(id_tag="TAG1").update(tariff=tariff)


def of_parent(tariff: Tariff, charge_point: ChargePoint) -> None:
    IdTag.objects.filter(id_tag="TAG1").update(parent=IdTag.objects.create(id_tag="PARENT", tariff=tariff))


def of_charge_point(tariff: Tariff, charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(tariff=tariff)


def of_site(tariff: Tariff, charge_point: ChargePoint) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(site=Site.objects.create(name="Depot", tariff=tariff))


def of_organisation(tariff: Tariff, charge_point: ChargePoint) -> None:
    Tariff.objects.filter(pk=tariff.pk).update(is_default=True)


PRECEDENCE = (of_tag, of_parent, of_charge_point, of_site, of_organisation)


@pytest.mark.parametrize("first", range(5), ids=[function.__name__ for function in PRECEDENCE])
def test_the_closest_tariff_counts(first: int, wire: Wire) -> None:
    for function in PRECEDENCE[first:]:
        function(make_tariff(function.__name__), wire.charge_point)
    row = Charging(wire).start().row
    assert row.tariff is not None
    assert row.tariff.name == PRECEDENCE[first].__name__


def test_without_a_tariff_there_is_no_cost(wire: Wire) -> None:
    make_tariff("of nobody")
    make_tariff(organisation=Organisation.objects.create(name="Other", slug="other"), is_default=True)
    charging = Charging(wire).start()
    row = charging.stop(60, 5000)
    assert (row.tariff, row.tariff_terms, row.currency, row.cost, row.cost_lines) == (None, None, "", None, None)


def test_later_prices_change_nothing(wire: Wire, tariff: Tariff, tag: IdTag) -> None:
    charging = Charging(wire).start()
    Tariff.objects.update(price_per_kwh=99, currency="USD")
    tariff.windows.create(name="always", starts_at=time(0), ends_at=time(0), price_per_kwh=77)
    tag.tariff = make_tariff("dear", price_per_kwh=88)
    tag.save()
    row = charging.stop(60, 6000)
    assert (row.currency, row.cost) == ("EUR", Decimal("2.00"))
    IdTag.objects.update(tariff=None)
    Tariff.objects.all().delete()
    charging.meter(30, 3000)
    row = charging.row
    assert (row.tariff, row.currency, row.cost) == (None, "EUR", Decimal("2.00"))


def test_cost_has_its_lines(wire: Wire) -> None:
    tariff = make_tariff(
        is_default=True,
        price_per_minute="0.01",
        price_per_start="0.5",
        idle_price_per_minute="0.1",
        idle_grace_minutes=5,
    )
    tariff.windows.create(name="from nine", starts_at=time(9), ends_at=time(8), price_per_kwh="0.2")
    charging = Charging(wire).start()
    charging.status(1, "Charging")
    charging.meter(60, 6000)
    charging.status(90, "SuspendedEV")
    row = charging.stop(120, 7000)
    assert row.cost_lines is not None
    lines = [[line[name] for name in ("kind", "window", "quantity", "price", "amount")] for line in row.cost_lines]
    assert lines == [
        ["energy", "", "5.000", "0.400000", "2.00"],
        ["energy", "from nine", "1.000", "0.200000", "0.20"],
        ["time", "", "120.0000", "0.010000", "1.20"],
        ["start", "", "1", "0.500000", "0.50"],
        ["idle", "", "25.0000", "0.100000", "2.50"],
    ]
    assert row.cost == Decimal("6.40") == sum(Decimal(line[-1]) for line in lines)


@pytest.mark.parametrize(
    ("told", "idle_minutes"),
    [
        pytest.param(lambda c: c.status(30, "SuspendedEV"), 30, id="SuspendedEV"),
        pytest.param(lambda c: c.status(30, "SuspendedEVSE"), None, id="SuspendedEVSE is not the car's fault"),
        pytest.param(lambda c: [c.meter(20, 4000, 7000), c.meter(40, 6000, 0)], 20, id="no power"),
        pytest.param(lambda c: c.meter(45, 6000), 15, id="the register has not risen since"),
        pytest.param(lambda c: [c.meter(m, 6000) for m in (30, 40, 50)], 30, id="the register stands still"),
        pytest.param(lambda c: c.meter(30, 3000), None, id="charges to the end"),
    ],
)
def test_idle_fee(told: Callable[[Charging], Any], idle_minutes: int | None, wire: Wire) -> None:
    make_tariff(is_default=True, idle_price_per_minute=1)
    charging = Charging(wire).start()
    told(charging)
    row = charging.stop(60, 6000)
    assert row.cost_lines is not None
    idle = [Decimal(line["quantity"]) for line in row.cost_lines if line["kind"] == "idle"]
    assert idle == ([] if idle_minutes is None else [idle_minutes])


def test_energy_in_doubt_is_not_billed_the_rest_is(wire: Wire) -> None:
    make_tariff(is_default=True, price_per_start=1)
    charging = Charging(wire).start()
    charging.meter(30, 9000)
    row = charging.stop(60, 2000)
    assert (row.energy_wh, row.doubtful_wh, row.cost) == (None, 8000, Decimal("1.00"))


def test_owner_of_the_tag_at_the_start_is_kept(wire: Wire, tag: IdTag, django_user_model: Any) -> None:
    first, second = (django_user_model.objects.create_user(name) for name in ("first", "second"))
    IdTag.objects.filter(pk=tag.pk).update(owner=first)
    charging = Charging(wire).start()
    IdTag.objects.filter(pk=tag.pk).update(owner=second)
    assert charging.stop(60, 5000).owner == first
    tag.delete()
    assert charging.row.owner == first


def test_stop_without_a_start_costs_nothing(wire: Wire, tariff: Tariff) -> None:
    charging = Charging(wire)
    charging.transaction_id = 4711
    charging.send("StopTransaction", {"transactionId": 4711, "meterStop": 9000, "timestamp": stamp(60)})
    row = Transaction.objects.get()
    assert (row.energy_wh, row.cost, row.duration_s) == (None, None, 0)
    assert not row.has_start


# -- in batches --------------------------------------------------------------------------------------------------------


def test_number_of_queries_does_not_grow_with_the_transactions_that_end(connect: Connect, gateway: GatewayEnd) -> None:
    tariff = make_tariff(is_default=True, idle_price_per_minute=1)
    tariff.windows.create(name="night", starts_at=time(22), ends_at=time(6), price_per_kwh="0.2")
    IdTag.objects.update(concurrent_limit=None)
    chargings = [Charging(connect(f"CP{number}")).start() for number in range(12)]
    for charging in chargings:
        charging.meter(30, 3000)

    def queries_of(some: list[Charging]) -> int:
        requests = [
            charging.wire.frame(
                json.dumps(
                    [
                        2,
                        "s",
                        "StopTransaction",
                        {"transactionId": charging.transaction_id, "meterStop": 5000, "timestamp": stamp(60)},
                    ]
                )
            )
            for charging in some
        ]
        with CaptureQueriesContext(connection) as captured:
            gateway.send(*requests)
        return len(captured)

    few = queries_of(chargings[:2])
    assert queries_of(chargings[2:]) == few <= 16
    assert set(Transaction.objects.values_list("energy_wh", "cost_minor")) == {(4000, 160)}
    assert not Anomaly.objects.exists()


def test_start_meter_values_and_stop_in_one_batch(wire: Wire, gateway: GatewayEnd, tariff: Tariff) -> None:
    """A charge point that was offline delivers all at once; the gateway asks one by one, a redelivery need not."""
    begin = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": stamp(0)}
    value = {"timestamp": stamp(30), "sampledValue": [{"value": "3000"}]}
    end = {"transactionId": -1, "idTag": "TAG1", "meterStop": 5000, "timestamp": stamp(60)}
    gateway.send(
        wire.frame(json.dumps([2, "1", "StartTransaction", begin])),
        wire.frame(json.dumps([2, "2", "MeterValues", {"connectorId": 1, "meterValue": [value]}])),
        wire.frame(json.dumps([2, "3", "StopTransaction", end])),
    )
    row = Transaction.objects.get()
    assert (row.energy_wh, row.duration_s, row.cost) == (4000, 3600, Decimal("1.60"))
    assert row.meter_values.count() == 1


@pytest.mark.parametrize(
    ("extra", "asked"),
    [
        pytest.param({}, 1, id="only the stop"),
        pytest.param(
            {"transactionData": [{"timestamp": stamp(40), "sampledValue": [{"value": "3500"}]}]}, 2, id="more"
        ),
        pytest.param(
            {"transactionData": [{"timestamp": stamp(30), "sampledValue": [{"value": "3000"}]}]}, 2, id="same"
        ),
    ],
)
def test_stored_meter_values_are_read_ahead(extra: dict[str, Any], asked: int, wire: Wire, tariff: Tariff) -> None:
    """With the rest that a stop asks for; where it brings some itself, once more when they are stored."""
    charging = Charging(wire).start()
    charging.meter(20, 2000)
    charging.meter(30, 3000)
    end = {"transactionId": charging.transaction_id, "meterStop": 5000, "timestamp": stamp(60)}
    with CaptureQueriesContext(connection) as captured:
        charging.send("StopTransaction", {**end, **extra})
    statements = [query["sql"] for query in captured]
    readings = [
        number for number, sql in enumerate(statements) if sql.startswith('SELECT "transaction_id", "timestamp"')
    ]
    first_write = next(number for number, sql in enumerate(statements) if sql.startswith(("INSERT", "UPDATE")))
    assert len(readings) == asked
    assert readings[0] < first_write
    row = Transaction.objects.get()
    assert (row.energy_wh, row.duration_s, row.cost) == (4000, 3600, Decimal("1.60"))
    assert charging.anomalies == []


def test_stop_of_a_transaction_that_is_not_its_own_reads_ahead_for_nothing(connect: Connect) -> None:
    charging, other = Charging(connect("CP001")).start(), Charging(connect("CP002"))
    charging.meter(30, 3000)
    other.transaction_id = charging.transaction_id
    other.send("StopTransaction", {"transactionId": charging.transaction_id, "meterStop": 9000, "timestamp": stamp(60)})
    other.send("StopTransaction", {"transactionId": 2**40, "meterStop": 9000, "timestamp": stamp(61)})
    assert charging.stop(60, 5000).energy_wh == 4000
