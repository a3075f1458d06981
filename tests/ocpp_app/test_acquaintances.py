"""What a worker remembers of charge points saves it a round trip, and never decides anything that has changed."""

import json
from typing import Any

import pytest

from ocpp_app import acquaintances, round_trips
from ocpp_app.dispatch import Dispatcher
from ocpp_app.models import ChargePoint, IdTag, Message, Organisation, SecurityProfile
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import Wire, error

pytestmark = pytest.mark.django_db

HEARTBEAT = '[2,"h","Heartbeat",{}]'
ODD = json.dumps([2, "s", "StatusNotification", {"connectorId": "1", "errorCode": "NoError", "status": "Available"}])
"""Strictly, a connectorId is a number."""


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of statements of each round trip."""
    made: list[int] = []
    execute = round_trips._execute

    def counted(statements: Any, **options: Any) -> Any:
        if statements:
            made.append(len(statements))
        return execute(statements, **options)

    monkeypatch.setattr(round_trips, "_execute", counted)
    return made


def test_a_charge_point_that_is_known_takes_a_round_trip_less(wire: Wire, trips: list[int]) -> None:
    wire.backend.dispatcher = Dispatcher()  # a worker that has not seen it yet
    trips.clear()
    wire.call(HEARTBEAT)
    first = len(trips)
    trips.clear()
    wire.call(HEARTBEAT)
    assert len(trips) == first - 1  # what is read comes with the locks


def test_it_is_as_strict_as_it_is_now(wire: Wire) -> None:
    ChargePoint.objects.update(is_strict=False)
    for _ in range(2):
        assert json.loads(wire.call(ODD) or "") == [3, "s", {}]
    ChargePoint.objects.update(is_strict=True)
    for _ in range(2):
        assert error(wire.call(ODD)) == "TypeConstraintViolation"
    assert Message.objects.filter(action="StatusNotification").count() == 4


def test_a_tag_is_that_of_its_present_organisation(wire: Wire) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    IdTag.objects.create(organisation=other, id_tag="TAG1")
    tag = {"idTag": "TAG1"}
    for _ in range(2):
        assert wire.ask("Authorize", tag)["idTagInfo"]["status"] == "Invalid"
    ChargePoint.objects.update(organisation=other)
    for _ in range(2):
        assert wire.ask("Authorize", tag)["idTagInfo"]["status"] == "Accepted"


def test_one_that_was_deleted_is_not_known_any_more(wire: Wire) -> None:
    wire.call(HEARTBEAT)
    ChargePoint.objects.all().delete()
    for _ in range(2):
        assert error(wire.call(HEARTBEAT)) == "SecurityError"
    again = ChargePoint.objects.create(identity=wire.identity, security_profile=SecurityProfile.NONE)
    for _ in range(2):
        wire.ask("Heartbeat")
    assert Message.objects.filter(charge_point=again).count() == 2


def test_of_several_in_a_batch_one_that_changed_costs_the_others_nothing(connect: Connect) -> None:
    wires = [connect(f"CP{number}") for number in range(3)]
    for strict, answers in ((False, [3, 3, 3]), (True, [3, 4, 3])):
        ChargePoint.objects.filter(identity="CP1").update(is_strict=strict)
        replies = wires[0].gateway.send(*(wire.frame(ODD) for wire in wires))
        assert [json.loads(reply.raw)[0] for reply in replies] == answers
    assert Message.objects.count() == 6


def test_it_remembers_only_so_many(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquaintances, "KEPT", 2)
    wires = [connect(f"CP{number}") for number in range(4)]
    for _round in range(2):
        for wire in wires:
            wire.ask("Heartbeat")
    known = wires[0].backend.dispatcher._acquaintances
    assert len(known._rows) <= 2
    assert known.of(["CP0"]) is None
    assert known.of(["CP3"]) is not None
