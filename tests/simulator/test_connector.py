"""The status of a connector follows from the facts, by the table of OCPP 1.6 §4.9 and no other way."""

import itertools
import random

import pytest

from ocppj.v16 import ChargePointErrorCode, ChargePointStatus
from simulator.connector import TRANSITIONS, Authorization, Connector, steps
from simulator.meter import Car, Meter
from simulator.transaction import Transaction
from tests.simulator.wire import START

Status = ChargePointStatus

# The table of OCPP 1.6 §4.9 as it is printed, with B6 of errata 3.20: A1 is Available to Available, and so on.
LETTERS = dict(
    zip(
        "ABCDEFGHI",
        (
            Status.Available,
            Status.Preparing,
            Status.Charging,
            Status.SuspendedEV,
            Status.SuspendedEVSE,
            Status.Finishing,
            Status.Reserved,
            Status.Unavailable,
            Status.Faulted,
        ),
        strict=True,
    )
)
PRINTED = """
A2 A3 A4 A5 A7 A8 A9  B1 B3 B4 B5 B6 B9  C1 C4 C5 C6 C8 C9  D1 D3 D5 D6 D8 D9  E1 E3 E4 E6 E8 E9
F1 F2 F8 F9  G1 G2 G8 G9  H1 H2 H3 H4 H5 H9  I1 I2 I3 I4 I5 I6 I7 I8
"""


def connector() -> Connector:
    return Connector(1, Meter(), 7360.0)


def transaction() -> Transaction:
    return Transaction(1, "ABC", None, 0, START)


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_transitions_are_those_of_the_table():
    numbers = {str(number): status for number, status in enumerate(LETTERS.values(), start=1)}
    printed = {(LETTERS[cell[0]], numbers[cell[1]]) for cell in PRINTED.split()}

    assert {(here, there) for here, all_there in TRANSITIONS.items() for there in all_there} == printed


def test_every_status_can_be_reached_from_every_other():
    for here, there in itertools.permutations(Status, 2):
        way = (here, *steps(here, there))
        assert way[-1] == there
        assert all(after in TRANSITIONS[before] for before, after in itertools.pairwise(way))


def test_plug_tag_charge_stop_unplug():
    one = connector()
    one.plug(Car())
    assert one.settle() == (Status.Preparing,)
    one.transaction = transaction()
    one.meter.offer(7360.0, at=0.0)
    assert one.settle() == (Status.Charging,)
    one.transaction, one.has_ended = None, True
    assert one.settle() == (Status.Finishing,)
    one.unplug()
    assert one.settle() == (Status.Available,)
    assert one.settle() == ()


def test_a_new_transaction_on_the_same_cable_goes_through_preparing():
    one = connector()
    one.plug(Car())
    one.status, one.has_ended = Status.Finishing, True
    one.meter.offer(7360.0, at=0.0)
    one.transaction = transaction()

    assert one.settle() == (Status.Preparing, Status.Charging)  # F2, B3: Finishing has no way to Charging


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_suspended_by_both_is_suspended_evse():
    one = connector()
    one.plug(Car(is_paused=True))
    one.transaction = transaction()
    one.meter.offer(7360.0, at=0.0)
    assert one.settle()[-1] == Status.SuspendedEV
    one.meter.offer(0.0, at=1.0)
    assert one.settle() == (Status.SuspendedEVSE,)


@pytest.mark.spec("OCPP 1.6", "5.2")
def test_unavailable_waits_for_the_end_of_the_transaction():
    one = connector()
    one.plug(Car())
    one.transaction = transaction()
    one.meter.offer(7360.0, at=0.0)
    one.settle()
    one.is_operative = False
    assert one.settle() == ()
    one.transaction, one.has_ended = None, True
    assert one.settle() == (Status.Unavailable,)


def test_unavailable_with_a_cable_in_comes_back_as_preparing():
    one = connector()
    one.plug(Car())
    one.settle()
    one.is_operative = False
    assert one.settle() == (Status.Available, Status.Unavailable)  # Preparing has no way to Unavailable
    one.is_operative = True
    assert one.settle() == (Status.Preparing,)


def test_fault_returns_to_what_was_before():
    one = connector()
    one.plug(Car())
    one.settle()
    one.error_code = ChargePointErrorCode.GroundFailure
    assert one.settle() == (Status.Faulted,)
    one.error_code = ChargePointErrorCode.NoError
    assert one.settle() == (Status.Preparing,)


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_communication_error_with_the_car_is_a_warning():
    one = connector()
    one.plug(Car())
    one.error_code = ChargePointErrorCode.EVCommunicationError
    assert one.settle() == (Status.Preparing,)


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_events_leaves_the_table(seed):
    chance = random.Random(seed)
    one = connector()
    at = 0.0

    def shuffle() -> None:
        one.is_operative = chance.random() < 0.8
        one.is_reserved = chance.random() < 0.3
        one.is_timed_out = chance.random() < 0.2
        one.is_ev_disconnected = chance.random() < 0.1
        one.has_ended = chance.random() < 0.3
        one.error_code = ChargePointErrorCode.OtherError if chance.random() < 0.1 else ChargePointErrorCode.NoError
        one.authorization = Authorization("ABC") if chance.random() < 0.3 else None
        one.transaction = transaction() if chance.random() < 0.5 else None
        one.meter.car = Car(is_paused=chance.random() < 0.3) if chance.random() < 0.7 else None
        one.meter.offer(chance.choice((0.0, 7360.0)), at)

    for _ in range(300):
        at += 1.0
        shuffle()
        before = one.status
        for status in one.settle():
            assert status in TRANSITIONS[before]
            before = status
        assert one.status == one.target()
