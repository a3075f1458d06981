"""Old meter values become means over a quarter of an hour: no energy, no price and no curve tells the difference."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ocpp_app import back_office, leases, retention, roll_up
from ocpp_app.api.transactions import thin_out
from ocpp_app.models import Anomaly, ChargePoint, MeterValue, MeterValueMean, RollUp, Tariff, Transaction
from tests.ocpp_app.charging import Charging, moment, stamp
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

ROOT = Path(__file__).resolve().parents[2]
OLD = timedelta(days=1)


def roll_all_up() -> int:
    """Prune three days from now, when all is old; how many meter values were replaced."""
    return sum(count for _table, count in retention.steps({"meter_values": OLD}, timezone.now() + 3 * OLD))


def value(minute: float, **measurands: float) -> dict[str, Any]:
    """A MeterValue, as it is on the wire: energy in Wh, power in W, and others."""
    known = {"energy": "Energy.Active.Import.Register", "power": "Power.Active.Import", "soc": "SoC"}
    sampled = [{"value": f"{number:g}", "measurand": known[name]} for name, number in measurands.items()]
    return {"timestamp": stamp(minute), "sampledValue": sampled}


def minutely(minutes: int, *, first: int = 0, start_wh: int = 1000, power_w: int = 6000) -> list[dict[str, Any]]:
    """A car that takes a steady power, told every minute, half a minute past."""
    return [
        value(minute + 0.5, energy=start_wh + power_w * (minute + 0.5) / 60, power=power_w + 10 * (minute % 15))
        for minute in range(first, minutes)
    ]


def send(charging: Charging, values: list[dict[str, Any]], **fields: Any) -> None:
    payload = {"connectorId": 1, "transactionId": charging.transaction_id, "meterValue": values, **fields}
    charging.send("MeterValues", {name: value for name, value in payload.items() if value is not None})


@pytest.fixture
def charging(wire: Wire) -> Charging:
    return Charging(wire).start()


def test_a_quarter_becomes_one_row_with_the_last_register_and_the_mean_power(charging: Charging) -> None:
    send(charging, minutely(60))
    charging.stop(60, 7000)
    assert roll_all_up() == 60
    means = MeterValue.objects.filter(transaction=charging.transaction_id).order_by("timestamp")
    assert [row.timestamp for row in means] == [moment(minute) for minute in (14.5, 29.5, 44.5, 59.5)]
    assert [row.energy_wh for row in means] == [2450, 3950, 5450, 6950]
    assert {row.power_w for row in means} == {6070}
    assert [(mean.count, mean.first_energy_wh, mean.power_max_w) for mean in MeterValueMean.objects.order_by("pk")] == [
        (15, first, 6140) for first in (1050, 2550, 4050, 5550)
    ]
    assert means[0].sampled_values == [
        {"value": "2450", "measurand": "Energy.Active.Import.Register"},
        {"value": "6070", "measurand": "Power.Active.Import"},
    ]
    assert charging.row.roll_up == RollUp.DONE
    assert roll_all_up() == 0


def test_each_measurand_phase_location_and_unit_has_its_own_mean(charging: Charging) -> None:
    def sampled(n: int) -> list[dict[str, str]]:
        return [
            {"value": str(n), "measurand": "Current.Import", "phase": "L1", "unit": "A"},
            {"value": str(10 * n), "measurand": "Current.Import", "phase": "L2", "unit": "A"},
            {"value": str(n), "measurand": "Temperature", "location": "Body", "unit": "Celsius"},
            {"value": str(n), "measurand": "Temperature", "location": "Outlet", "unit": "K"},
            {"value": str(100 * n), "measurand": "Energy.Active.Import.Interval", "unit": "Wh"},
            {"value": str(1000 + n), "unit": "Wh"},
            {"value": str(50 + n), "measurand": "SoC", "unit": "Percent"},
        ]

    send(charging, [{"timestamp": stamp(n), "sampledValue": sampled(n)} for n in (1, 2, 4)])
    charging.stop(60, 2000)
    roll_all_up()
    row = MeterValue.objects.get()
    assert [sampled["value"] for sampled in row.sampled_values] == [
        "2.333",
        "23.333",
        "2.333",
        "2.333",
        "700",
        "1004",
        "54",
    ]
    assert (row.energy_wh, row.soc_percent) == (1004, 54)
    assert row.current_a == pytest.approx(70 / 3)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"value": "1720", "context": "Transaction.Begin"}, id="begin"),
        pytest.param({"value": "1720", "context": "Interruption.Begin"}, id="interruption"),
        pytest.param({"value": "OCMF|{}|{}", "format": "SignedData"}, id="signed"),
    ],
)
def test_what_is_no_plain_reading_stays_as_it_came(odd: dict[str, str], charging: Charging) -> None:
    send(charging, [*minutely(15), {"timestamp": stamp(7.2), "sampledValue": [odd]}])
    charging.stop(60, 7000)
    roll_all_up()
    assert MeterValue.objects.get(mean=None).sampled_values == [odd]
    assert MeterValueMean.objects.get().count == 15


def test_what_is_alone_in_its_quarter_stays_as_it_came(charging: Charging) -> None:
    send(charging, [value(minute, energy=1000 + minute) for minute in (1, 16, 31)])
    charging.stop(60, 7000)
    assert roll_all_up() == 0
    assert MeterValue.objects.filter(mean=None).count() == 3
    assert charging.row.roll_up == RollUp.DONE


def test_what_is_open_in_doubt_or_new_is_left_alone(wire: Wire) -> None:
    active = Charging(wire, connector=1).start()
    send(active, minutely(30))
    doubtful = Charging(wire, connector=2).start()
    send(doubtful, minutely(30), connectorId=2)
    doubtful.stop(60, 900)
    assert doubtful.row.doubtful_wh is not None
    assert roll_all_up() == 0
    active.stop(60, 7000)
    assert sum(count for _table, count in retention.steps({"meter_values": OLD}, timezone.now())) == 0  # just received
    assert roll_all_up() == 30
    Anomaly.objects.update(resolved_at=timezone.now())
    assert roll_all_up() == 0  # its energy is in doubt all the same
    back_office.decide_energy(doubtful.row, 3000, "read at the meter")
    assert roll_all_up() == 30


# -- nothing changes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_a_true_stop_that_comes_late_is_reckoned_from_the_means_to_the_cent(is_rolled_up: bool, wire: Wire) -> None:
    """4 EUR per kWh until a quarter past, 1 EUR from then on; and just then the car takes a hundred times as much."""
    tariff = Tariff.objects.create(name="Day", currency="EUR", price_per_kwh=Decimal(4), is_default=True)
    begin = moment(15).astimezone(UTC).time()
    tariff.windows.create(name="Late", starts_at=begin, ends_at=time_of_day(23, 0), price_per_kwh=Decimal(1))
    charging = Charging(wire).start()
    send(charging, [*minutely(15, power_w=600), *minutely(60, first=15, start_wh=1150 - 15_000, power_w=60_000)])
    Charging(wire, meter_start=46_150).start(90)  # orphans the first
    Anomaly.objects.update(resolved_at=timezone.now())
    estimate = charging.row
    assert (estimate.is_estimated, estimate.energy_wh, estimate.cost_minor) == (True, 44_650, 4584)
    assert not is_rolled_up or roll_all_up() == 60
    stopped = charging.stop(60, 46_150)
    assert stopped.roll_up == (RollUp.DONE if is_rolled_up else RollUp.NONE)
    assert (stopped.energy_wh, stopped.doubtful_wh, stopped.cost_minor) == (45_150, None, 4634)


def test_a_transaction_of_which_the_means_would_tell_another_price_keeps_its_values(wire: Wire) -> None:
    Tariff.objects.create(
        name="Idle", currency="EUR", is_default=True, price_per_kwh=Decimal("0.4"), idle_price_per_minute=Decimal(1)
    )
    charging = Charging(wire).start()
    full = [value(minute + 0.5, energy=4050, power=0) for minute in range(31, 60)]
    send(charging, [*minutely(31), *full])
    before = charging.stop(60, 4050)
    assert roll_all_up() == 0
    assert charging.row.roll_up == RollUp.KEPT
    assert MeterValue.objects.filter(mean=None).count() == 60
    assert before.cost_minor == charging.row.cost_minor
    assert before.cost_minor
    assert roll_all_up() == 0


def test_a_curve_goes_on_with_the_means(charging: Charging) -> None:
    send(charging, minutely(60))
    charging.stop(60, 7000)
    rows = MeterValue.objects.filter(transaction=charging.transaction_id)
    before = thin_out(rows, 4)
    roll_all_up()
    after = thin_out(rows, 4)
    assert [point["count"] for point in after] == [15, 15, 15, 15]
    assert sum(point["count"] for point in before) == 60
    assert [point["power_max_w"] for point in after] == [6140] * 4
    assert [point["energy_wh"] for point in after] == [2450, 3950, 5450, 6950]
    assert after[-1]["at"] == before[-1]["at"]
    assert after[-1]["energy_wh"] == before[-1]["energy_wh"]


# -- nothing counts twice ----------------------------------------------------------------------------------------------


def test_what_is_sent_again_after_it_was_rolled_up_does_not_count_again(charging: Charging) -> None:
    values = minutely(60)
    send(charging, values)
    before = charging.stop(60, 7000)
    roll_all_up()
    send(charging, values)
    send(charging, [*values[:3], value(20.25, energy=3025)])
    assert MeterValue.objects.filter(transaction=charging.transaction_id).count() == 4 + 1  # only what was new
    after = charging.row
    assert (after.energy_wh, after.cost_minor, after.duration_s) == (before.energy_wh, before.cost_minor, 3600)


@pytest.mark.parametrize("connector", [0, 1])
def test_outside_of_transactions_as_well(connector: int, wire: Wire, settings: Any) -> None:
    settings.OCPP_RETENTION = {"meter_values": 1}
    charging = Charging(wire)
    values = minutely(30)
    send(charging, values, connectorId=connector, transactionId=None)
    assert roll_all_up() == 30
    assert MeterValue.objects.count() == 2
    send(charging, values, connectorId=connector, transactionId=None)
    assert MeterValue.objects.count() == 2
    assert MeterValueMean.objects.count() == 2
    assert roll_all_up() == 0


def test_a_run_goes_on_where_the_last_one_was_stopped(charging: Charging) -> None:
    send(charging, minutely(240))
    before = charging.stop(240, 25_000)
    run = roll_up.steps(timezone.now() + OLD)
    first = next(run)
    run.close()
    assert 0 < first < 240
    assert charging.row.roll_up == RollUp.BEGUN
    send(charging, minutely(240))  # the half that is means already, and the half that is not
    assert first + MeterValue.objects.filter(mean=None).count() == 240
    assert roll_all_up() == 240 - first
    assert (MeterValue.objects.count(), sum(mean.count for mean in MeterValueMean.objects.all())) == (16, 240)
    assert (charging.row.roll_up, charging.row.energy_wh) == (RollUp.DONE, before.energy_wh)


def database_url() -> str:
    """The test database, for another process."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    address = f"{given['HOST']}:{given['PORT']}" if given["PORT"] else given["HOST"]
    return f"postgres://{given['USER']}:{given['PASSWORD']}@{address}/{given['NAME']}"


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@commits
def test_a_run_that_is_killed_beside_a_charge_point_that_charges_loses_nothing_and_doubles_nothing(
    wire: Wire, tmp_path: Path
) -> None:
    for begin in range(0, 1200, 200):
        charging = Charging(wire, meter_start=1000 + 100 * begin).start(begin)
        send(charging, minutely(begin + 180, first=begin))
        charging.stop(begin + 180, 1000 + 100 * begin + 18_000)
    Transaction.objects.update(stop_received_at=moment(0))
    Anomaly.objects.update(resolved_at=timezone.now())
    ended = Transaction.objects.filter(is_active=False).order_by("pk")
    before = list(ended.values_list("energy_wh", "doubtful_wh", "duration_s"))
    assert before == [(18_000, None, 10_800)] * 6
    total = MeterValue.objects.count()

    def prune(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", "prune", "--only=meter_values", "--meter-values=1", *options],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url(), "DATA_DIR": str(tmp_path), "ENV_FILE": os.devnull},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    charges = Charging(wire, meter_start=90_000).start(2500)
    killed = prune("--pause=0.3")
    wait_until(lambda: MeterValueMean.objects.exists(), killed)
    charges.meter(2501, 90_100, 6000)
    killed.kill()
    killed.communicate()
    rolled_up = sum(MeterValueMean.objects.values_list("count", flat=True))
    assert 0 < rolled_up < total
    assert rolled_up + MeterValue.objects.filter(mean=None).count() == total + 1
    leases.release_all()  # or a minute later
    for _ in range(3):  # what a writer kept one run from is done by the next
        again = prune()
        while again.poll() is None:
            charges.meter(2502 + MeterValue.objects.count() % 7, 90_200, 6000)
        out, err = again.communicate()
        assert again.returncode == 0, err
        if sum(MeterValueMean.objects.values_list("count", flat=True)) == total:
            break
    assert sum(MeterValueMean.objects.values_list("count", flat=True)) == total, out
    assert not MeterValue.objects.filter(mean=None).exclude(transaction=charges.transaction_id).exists()
    assert list(ended.values_list("energy_wh", "doubtful_wh", "duration_s")) == before
    assert charges.row.is_active
    assert ChargePoint.objects.get().session_id is not None
