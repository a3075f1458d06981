"""What time alone does: reservations expire, transactions that were never stopped are flagged."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import Anomaly, Connector, Reservation
from ocpp_app.reservations import reserve
from ocpp_app.rpc.housekeeping import Housekeeping
from ocpp_app.signals import anomaly_found, reservation_changed
from ocpp_app.upkeep import note_never_stopped
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]


def free_since(**duration: float) -> int:
    """Connector 1 has been Available for so long."""
    since = timezone.now() - timedelta(**duration)
    return Connector.objects.filter(number=1).update(status="Available", status_at=since)


def started(wire: Wire, **ago: float) -> Charging:
    """A transaction whose start came in so long ago."""
    charging = Charging(wire)
    timestamp = (timezone.now() - timedelta(**ago)).isoformat().replace("+00:00", "Z")
    charging.start(timestamp=timestamp)
    type(charging.row).objects.update(start_received_at=timezone.now() - timedelta(**ago))
    return charging


@pytest.mark.parametrize(
    ("prepare", "is_flagged"),
    [
        pytest.param(lambda charging: free_since(hours=2), True, id="free for two hours"),
        pytest.param(lambda charging: free_since(minutes=30), False, id="free for a moment"),
        pytest.param(lambda charging: free_since(hours=9), False, id="free before the start"),
        pytest.param(
            lambda charging: [free_since(hours=2), Connector.objects.update(status="Charging")], False, id="charging"
        ),
        pytest.param(lambda charging: [free_since(hours=2), charging.wire.close()], False, id="not connected"),
        pytest.param(lambda charging: [free_since(hours=2), charging.stop(1, 5000)], False, id="stopped"),
    ],
)
def test_transaction_whose_connector_is_free_is_flagged(
    prepare: Callable[[Charging], Any], is_flagged: bool, wire: Wire
) -> None:
    charging = started(wire, hours=3)
    prepare(charging)
    for _repetition in range(2):
        note_never_stopped()
    assert charging.anomalies == (["never_stopped"] if is_flagged else [])


@pytest.mark.django_db(transaction=True)
def test_housekeeping_does_both_when_it_is_time(wire: Wire) -> None:
    told: list[str] = []

    def note_reservation(reservation: Reservation, **_kwargs: Any) -> None:
        told.append(reservation.status)

    def note_anomaly(anomaly: Anomaly, **_kwargs: Any) -> None:
        told.append(Anomaly.objects.get(pk=anomaly.pk).kind)

    reservation_changed.connect(note_reservation)
    anomaly_found.connect(note_anomaly)
    started(wire, hours=3)
    free_since(hours=2)
    row = reserve("CP001", 2, "TAG1", timezone.now() + timedelta(hours=1))
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    now = [1000.0]
    housekeeping = Housekeeping("worker-1", clock=lambda: now[0])
    housekeeping.run_when_due()
    assert told == []
    now[0] += 61
    housekeeping.run_when_due()
    assert told == ["Expired", "never_stopped"]
    row.refresh_from_db()
    assert (row.status, row.detail) == ("Expired", "")
