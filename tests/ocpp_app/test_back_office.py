"""What people decide about transactions."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.back_office import close_transaction, decide_energy
from ocpp_app.errors import TransactionEnded, TransactionOpen
from ocpp_app.models import Anomaly, ClosedBy, Tariff, Transaction
from ocpp_app.signals import transaction_stopped
from tests.ocpp_app.charging import Charging, moment
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]


@pytest.fixture(autouse=True)
def _tariff(db: None) -> None:
    Tariff.objects.create(name="T", currency="EUR", price_per_kwh="0.4", is_default=True)


def test_closed_transaction_ends_with_its_last_meter_values(wire: Wire, admin_user: Any) -> None:
    charging = Charging(wire).start()
    charging.meter(30, 3000)
    wire.backend.published.clear()
    closed = close_transaction(charging.row, "The charge point was taken down.", admin_user)
    row = charging.row
    assert (row.is_active, row.closed_by, row.closed_by_user) == (False, ClosedBy.BACK_OFFICE, admin_user)
    assert row.close_note == "The charge point was taken down."
    assert (row.stopped_at, row.duration_s, row.meter_stop_wh, row.energy_wh) == (moment(30), 1800, 3000, 2000)
    assert (row.cost, closed.cost) == (Decimal("0.80"), Decimal("0.80"))
    assert wire.backend.published == []  # nothing on the wire


def test_closed_transaction_without_meter_values_ends_now(wire: Wire) -> None:
    charging = Charging(wire).start()
    began = timezone.now()
    close_transaction(charging.row, "Never charged.")
    row = charging.row
    assert row.stopped_at is not None
    assert began <= row.stopped_at <= timezone.now()
    assert (row.energy_wh, row.meter_stop_wh, row.closed_by_user) == (0, 1000, None)


def test_true_stop_replaces_the_closing(wire: Wire) -> None:
    charging = Charging(wire).start()
    charging.meter(30, 3000)
    close_transaction(charging.row, "Offline for a week.")
    charging.meter(45, 4000)
    assert (charging.row.energy_wh, charging.row.stopped_at) == (3000, moment(45))
    row = charging.stop(60, 6000)
    assert (row.closed_by, row.energy_wh, row.duration_s, row.cost) == (
        ClosedBy.CHARGE_POINT,
        5000,
        3600,
        Decimal("2.00"),
    )
    assert row.close_note == "Offline for a week."  # who did what stays known
    assert charging.anomalies == []


@pytest.mark.django_db(transaction=True)
def test_closing_is_told(wire: Wire) -> None:
    charging = Charging(wire).start()
    told: list[int | None] = []

    def note(transaction: Transaction, **_kwargs: Any) -> None:
        told.append(transaction.energy_wh)

    transaction_stopped.connect(note)
    close_transaction(charging.row, "Gone.")
    assert told == [0]


def test_what_has_ended_cannot_be_closed(wire: Wire) -> None:
    charging = Charging(wire).start()
    stale = charging.row
    charging.stop(60, 6000)
    with pytest.raises(TransactionEnded, match="nothing to close"):
        close_transaction(stale, "Too late.")
    assert charging.row.closed_by == ClosedBy.CHARGE_POINT


def test_energy_in_doubt_can_be_billed(wire: Wire, admin_user: Any) -> None:
    charging = Charging(wire).start()
    charging.meter(30, 9000)
    row = charging.stop(60, 2000)
    assert (row.energy_wh, row.doubtful_wh, row.cost) == (None, 8000, Decimal("0.00"))
    Anomaly.objects.create(transaction=row, kind="foreign_stop_tag", found_at=timezone.now())
    decided = decide_energy(row, 8000, "The meter was exchanged.", admin_user)
    assert (decided.energy_wh, decided.doubtful_wh, decided.cost) == (8000, None, Decimal("3.20"))
    doubt, other = Anomaly.objects.order_by("pk")
    assert (doubt.kind, doubt.note, doubt.resolved_by) == ("meter_disagrees", "The meter was exchanged.", admin_user)
    assert other.resolved_at is None
    charging.meter(40, 9500)  # late: the decision stands
    assert (charging.row.energy_wh, charging.row.cost) == (8000, Decimal("3.20"))


def test_energy_by_hand_is_spread_over_the_time(wire: Wire) -> None:
    tariff = Tariff.objects.get()
    tariff.windows.create(name="second half", starts_at=moment(30).time(), ends_at=moment(60).time(), price_per_kwh=1)
    charging = Charging(wire).start()
    row = charging.stop(60, 10)
    assert decide_energy(row, 2000, "Read from the meter.").cost == Decimal("1.40")


def test_true_stop_replaces_a_decision(wire: Wire) -> None:
    charging = Charging(wire).start()
    close_transaction(charging.row, "Gone.")
    decide_energy(charging.row, 7777, "Guessed.")
    row = charging.stop(60, 6000)
    assert (row.energy_wh, row.is_energy_by_hand) == (5000, False)


def test_energy_of_a_stop_without_a_start_can_be_decided(wire: Wire) -> None:
    charging = Charging(wire)
    charging.transaction_id = 4711
    charging.send("StopTransaction", {"transactionId": 4711, "meterStop": 9000})
    decided = decide_energy(Transaction.objects.get(), 4000, "From the charge point's own log.")
    assert (decided.energy_wh, decided.cost) == (4000, None)


def test_energy_of_an_open_transaction_cannot_be_decided(wire: Wire) -> None:
    charging = Charging(wire).start()
    with pytest.raises(TransactionOpen, match="close it first"):
        decide_energy(charging.row, 1, "")
    charging.stop(60, 6000)
    with pytest.raises(ValueError, match="not negative"):
        decide_energy(charging.row, -1, "")


def test_closing_waits_for_nobody_elses_transaction(wire: Wire) -> None:
    """A second transaction of the same charge point stays open."""
    first, second = Charging(wire).start(), Charging(wire, connector=2, id_tag="TAG2").start()
    close_transaction(first.row, "Gone.")
    assert second.row.is_active
    assert second.row.started_at == moment(0)
    assert timezone.now() - second.row.started_at > timedelta(days=1)
