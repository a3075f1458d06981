"""StatusNotification: every one is kept, the newest is on the connector."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_app.models import Connector, StatusHistory
from ocpp_app.signals import status_changed
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, error

pytestmark = pytest.mark.django_db


def status(connector: int, status: str, **fields: Any) -> str:
    payload = {"connectorId": connector, "errorCode": "NoError", "status": status, **fields}
    return json.dumps([2, "s", "StatusNotification", payload])


def statuses() -> dict[int, str]:
    return dict(Connector.objects.values_list("number", "status"))


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_status_of_each_connector_and_of_the_charge_point(wire: Wire) -> None:
    for connector, said in ((0, "Available"), (1, "Charging"), (2, "Faulted"), (1, "Finishing")):
        assert wire.call(status(connector, said)) == '[3,"s",{}]'
    assert statuses() == {0: "Available", 1: "Finishing", 2: "Faulted"}
    assert StatusHistory.objects.count() == 4


@pytest.mark.spec("OCPP 1.6", "6.47")
def test_everything_that_was_said_is_kept(wire: Wire) -> None:
    said = {
        "errorCode": "GroundFailure",
        "info": "RCD",
        "timestamp": "2026-01-31T12:00:00+01:00",
        "vendorId": "org.acme",
        "vendorErrorCode": "E42",
    }
    wire.call(status(1, "Faulted", **said))
    row, connector = StatusHistory.objects.get(), Connector.objects.get()
    for kept in (row, connector):
        assert (kept.status, kept.error_code, kept.info) == ("Faulted", "GroundFailure", "RCD")
        assert (kept.vendor_id, kept.vendor_error_code) == ("org.acme", "E42")
    assert row.timestamp == datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert connector.status_at == row.received_at
    wire.call(status(1, "Available"))
    connector.refresh_from_db()
    assert (connector.error_code, connector.info, connector.vendor_error_code) == ("NoError", "", "")


def test_status_frames_in_one_batch_leave_the_last_one(wire: Wire, gateway: GatewayEnd) -> None:
    gateway.send(*(wire.frame(status(1, said)) for said in ("Preparing", "Charging", "SuspendedEV")))
    assert statuses() == {1: "SuspendedEV"}
    history = StatusHistory.objects.order_by("pk").values_list("status", flat=True)
    assert list(history) == ["Preparing", "Charging", "SuspendedEV"]


def test_status_that_is_handled_late_is_history_only(wire: Wire) -> None:
    """Two workers may take the frames of one charge point in any order."""
    now = time.time()
    wire.call(status(1, "Charging"), at=now)
    wire.call(status(1, "Preparing"), at=now - 1)
    assert statuses() == {1: "Charging"}
    assert StatusHistory.objects.count() == 2


@pytest.mark.parametrize(
    "timestamp", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "", None]
)
def test_the_chargers_clock_does_not_decide_which_status_is_the_newest(timestamp: str | None, wire: Wire) -> None:
    wire.call(status(1, "Charging", timestamp=ago()))
    wire.call(status(1, "Finishing", timestamp=timestamp))
    assert statuses() == {1: "Finishing"}


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        pytest.param({"status": "Vending"}, ("Vending", "NoError", ""), id="an unknown status"),
        pytest.param({"status": "charging"}, ("Charging", "NoError", ""), id="in lower case"),
        pytest.param({"errorCode": "E" * 80}, ("Available", "E" * 50, ""), id="an over-long error code"),
        pytest.param({"info": "i\x00" + "n" * 300}, ("Available", "NoError", "i" + "n" * 254), id="an over-long info"),
        pytest.param({"info": 17}, ("Available", "NoError", "17"), id="a number as text"),
        pytest.param({"info": None, "vendorId": None}, ("Available", "NoError", ""), id="null"),
        pytest.param({"connectorId": "1"}, ("Available", "NoError", ""), id="a number as a string"),
    ],
)
def test_what_charge_points_send_is_taken(fields: dict[str, Any], kept: tuple[str, ...], wire: Wire) -> None:
    raw = status(**{"connector": 1, "status": "Available", **fields})
    assert wire.call(raw) == '[3,"s",{}]'
    connector = Connector.objects.get()
    assert (connector.status, connector.error_code, connector.info) == kept


@pytest.mark.parametrize("connector_id", [-1, 2**40, -(2**63)])
def test_absurd_connectors_are_taken(connector_id: int, wire: Wire) -> None:
    wire.call(status(connector_id, "Available"))
    assert statuses() == {connector_id: "Available"}


def test_a_charge_point_cannot_invent_connectors_for_ever(wire: Wire, gateway: GatewayEnd) -> None:
    replies = gateway.send(*(wire.frame(status(number, "Available")) for number in range(257)))
    assert {reply.raw for reply in replies[:256]} == {b'[3,"s",{}]'}
    assert error(replies[256].raw.decode()) == "PropertyConstraintViolation"
    assert Connector.objects.count() == 256
    assert wire.call(status(255, "Charging")) == '[3,"s",{}]'


def test_signal_tells_of_the_newest_status(wire: Wire) -> None:
    told: list[Any] = []

    def note(connector: Connector, **_kwargs: Any) -> None:
        told.append((connector.charge_point.identity, connector.number, connector.status))

    status_changed.connect(note)
    wire.call(status(2, "Charging"))
    wire.call(status(2, "Preparing"), at=time.time() - 20)
    assert told == [("CP001", 2, "Charging")]


def test_a_clock_that_was_set_back_does_not_hide_what_is_true_now(wire: Wire) -> None:
    """The gateway's clock was an hour ahead: nothing is older than that for an hour."""
    now = time.time()
    wire.call(status(1, "Charging"), at=now + 3600)
    wire.call(status(1, "Finishing"), at=now)
    assert statuses() == {1: "Finishing"}
