"""Connectors in and out of use: what is wanted, what the charge point answers, what its connectors report."""

from typing import Any

import pytest

from ocpp_app.configuration import set_availability
from ocpp_app.models import AvailabilityState, ConnectorAvailability
from ocppj.v16 import AvailabilityType, ChangeAvailabilityRequest
from tests.ocpp_app.looked_at import Charger
from tests.ocpp_app.test_configuration import send
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.spec("OCPP 1.6", "5.2")]


@pytest.fixture
def charger(wire: Wire) -> Charger:
    made = Charger(wire)
    report(made, 1, "Available")
    report(made, 2, "Available")
    return made


def report(charger: Charger, connector: int, status: str) -> None:
    charger.wire.ask("StatusNotification", {"connectorId": connector, "status": status, "errorCode": "NoError"})


def states() -> dict[int, tuple[str, str]]:
    rows = ConnectorAvailability.objects.order_by("connector__number")
    return {row.connector.number: (row.wanted, row.state) for row in rows.select_related("connector")}


def answering(charger: Charger, answer: Any) -> None:
    charger.overrides["ChangeAvailability"] = lambda payload: answer


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        ({"status": "Accepted"}, AvailabilityState.ACCEPTED, ""),
        ({"status": "Scheduled"}, AvailabilityState.SCHEDULED, ""),
        ({"status": "Rejected"}, AvailabilityState.REJECTED, "It answered Rejected."),
        ("InternalError", AvailabilityState.FAILED, "It answered CALLERROR InternalError."),
    ],
)
def test_answer_says_how_far_it_has_come(charger: Charger, answer: Any, state: str, detail: str) -> None:
    answering(charger, answer)
    row = set_availability("CP001", 1, operative=False)
    assert row.state == AvailabilityState.TO_SEND
    assert charger.look_until_nothing() == [("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})]
    row.refresh_from_db()
    assert (row.state, row.detail) == (state, detail)


def test_scheduled_until_it_happens(charger: Charger) -> None:
    report(charger, 1, "Charging")
    answering(charger, {"status": "Scheduled"})
    set_availability("CP001", 1, operative=False)
    charger.look_until_nothing()
    report(charger, 1, "Finishing")
    assert states() == {1: ("Inoperative", AvailabilityState.SCHEDULED)}
    report(charger, 1, "Unavailable")
    assert states() == {1: ("Inoperative", AvailabilityState.IN_FORCE)}


def test_accepted_is_in_force_once_the_connector_reports_it(charger: Charger) -> None:
    set_availability("CP001", 1, operative=False)
    charger.look_until_nothing()
    assert states() == {1: ("Inoperative", AvailabilityState.ACCEPTED)}
    report(charger, 1, "Unavailable")
    assert states() == {1: ("Inoperative", AvailabilityState.IN_FORCE)}
    set_availability("CP001", 1, operative=True)
    charger.look_until_nothing()
    report(charger, 1, "Available")
    assert states() == {1: ("Operative", AvailabilityState.IN_FORCE)}


def test_what_is_so_already_is_in_force_with_the_answer(charger: Charger) -> None:
    set_availability("CP001", 1, operative=True)
    charger.look_until_nothing()
    assert states() == {1: ("Operative", AvailabilityState.IN_FORCE)}


def test_connector_that_comes_back_by_itself_is_taken_out_of_use_again(charger: Charger) -> None:
    set_availability("CP001", 1, operative=False)
    charger.look_until_nothing()
    report(charger, 1, "Unavailable")
    report(charger, 1, "Available")
    row = ConnectorAvailability.objects.get()
    assert (row.state, row.detail) == (AvailabilityState.DRIFTED, "It reports Available.")
    assert charger.look_until_nothing() == [("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})]


def test_connector_that_is_unavailable_for_reasons_of_its_own_is_left_alone(charger: Charger) -> None:
    set_availability("CP001", 1, operative=True)
    charger.look_until_nothing()
    report(charger, 1, "Unavailable")
    assert states() == {1: ("Operative", AvailabilityState.DRIFTED)}
    assert charger.look_until_nothing() == []
    report(charger, 1, "Available")
    assert states() == {1: ("Operative", AvailabilityState.IN_FORCE)}


def test_connector_0_is_the_charge_point_with_all_its_connectors(charger: Charger) -> None:
    set_availability("CP001", 0, operative=False)
    charger.look_until_nothing()
    assert states() == dict.fromkeys((0, 1, 2), ("Inoperative", AvailabilityState.ACCEPTED))
    for number in (0, 1, 2):
        report(charger, number, "Unavailable")
    assert {state for _wanted, state in states().values()} == {AvailabilityState.IN_FORCE}


def test_command_of_somebody_counts_as_a_wish_if_it_is_taken(charger: Charger) -> None:
    answering(charger, {"status": "Rejected"})
    send(charger, ChangeAvailabilityRequest(connector_id=2, type=AvailabilityType.Inoperative))
    assert states() == {}
    answering(charger, {"status": "Scheduled"})
    send(charger, ChangeAvailabilityRequest(connector_id=2, type=AvailabilityType.Inoperative))
    assert states() == {2: ("Inoperative", AvailabilityState.SCHEDULED)}


def test_wish_waits_for_an_offline_charge_point(charger: Charger) -> None:
    charger.wire.close()
    set_availability("CP001", 1, operative=False)
    assert charger.look() == []
    charger.wire = Wire(charger.wire.gateway, "CP001")
    charger.wire.open()
    assert charger.look() == [("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})]
