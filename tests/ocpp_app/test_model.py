"""Charge points that start, charge, stop, repeat, lose frames, go offline and lose their power, against a simple
reference model: no Wh is lost, none is there twice."""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ocpp_app.models import Anomaly, AnomalyKind, ChargePoint, ClosedBy, FailedMessage, IdTag, MeterValue, Transaction
from ocpp_app.sessions import FLAPPING_AFTER
from ocppj import envelope
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.reference import Charge, ReferenceChargePoint
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire

CHARGE_POINTS = range(2)
CONNECTORS = (1, 2)
charge_points = st.sampled_from(CHARGE_POINTS)
connectors = st.sampled_from(CONNECTORS)
WHAT_HAPPENS = (
    *["drive"] * 6,
    *["deliver"] * 4,
    "deliver of all in one batch",
    "deliver again",
    "change the network",
    *["lose power"] * 2,
    *["give up"] * 2,
)

STEPS = settings(
    max_examples=40,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # to shrink what takes a second to run takes minutes
)
"""2 400 steps, the same in every run; what happens in between, and the reckoning behind each example, come on top."""


class TransactionMachine(RuleBasedStateMachine):
    """One worker. After each example everything that waits is delivered and the books are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = GatewayEnd(Backend())
        self.earlier: list[envelope.Frame] = []
        """Requests that the relay may deliver once more."""
        self.answers: dict[uuid.UUID, bytes | None] = {}
        """How they were answered."""
        self.chargers = [self._charge_point() for _ in CHARGE_POINTS]

    def _charge_point(self) -> ReferenceChargePoint:
        identity = uuid.uuid4().hex
        ChargePoint.objects.create(identity=identity, security_profile=0)
        tags = {connector: uuid.uuid4().hex[:20] for connector in CONNECTORS}
        IdTag.objects.bulk_create([IdTag(id_tag=tag, key=tag.upper()) for tag in tags.values()])
        return ReferenceChargePoint(identity, self._connected(identity), tags)

    def _connected(self, identity: str) -> Wire:
        wire = Wire(self.gateway, identity)
        assert wire.open().accepted
        return wire

    def handle(self, *requests: envelope.Frame) -> list[envelope.FrameReply]:
        """The replies to these requests; every request may come again later."""
        replies = self.gateway.send(*requests)
        self._remember(requests, replies)
        return replies

    def _remember(self, requests: Sequence[envelope.Frame], replies: Sequence[envelope.FrameReply]) -> None:
        self.earlier.extend(requests)
        self.answers.update((reply.relay_id, reply.raw) for reply in replies)

    @rule(
        what=st.sampled_from(WHAT_HAPPENS),
        number=charge_points,
        connector=connectors,
        energy_wh=st.integers(0, 5000),
        count=st.integers(1, 5),
        either=st.booleans(),
        other=st.booleans(),
    )
    def step(
        self, what: str, number: int, connector: int, energy_wh: int, count: int, either: bool, other: bool
    ) -> None:
        """One rule for all: of many, hypothesis leaves out some for a whole example, and with them what they test."""
        charger = self.chargers[number]
        match what:
            case "drive":
                self.drive(charger, connector, energy_wh, ends=either, with_data=other)
            case "lose power":
                self.lose_power(charger, remembers=either)
            case "change the network":
                self.change_the_network(charger, boots=either)
            case "deliver":
                self.deliver(charger, count, loses_last_answer=either)
            case "deliver of all in one batch":
                self.deliver_of_all_in_one_batch()
            case "deliver again":
                self.deliver_again(energy_wh)
            case "give up":
                self.give_up(charger)

    # -- at the charge points --------------------------------------------------------------------------------

    def drive(
        self, charger: ReferenceChargePoint, connector: int, energy_wh: int, *, ends: bool, with_data: bool
    ) -> None:
        """A car comes; one that is there charges on, or leaves."""
        if connector not in charger.charging:
            charger.start(connector)
        elif ends:
            charger.stop(connector, energy_wh, with_data=with_data)
        else:
            charger.meter(connector, energy_wh)

    def lose_power(self, charger: ReferenceChargePoint, *, remembers: bool) -> None:
        """Some charge points still send the stop afterwards, some know nothing of it any more."""
        for connector, charge in list(charger.charging.items()):
            if remembers or charge.transaction_id == -1:  # nobody could tell it from the next one
                charger.stop(connector, 0, with_data=False, reason="PowerLoss")
            else:
                charger.forget(connector)
        self._go_offline(charger)

    # -- on the way ------------------------------------------------------------------------------------------

    def change_the_network(self, charger: ReferenceChargePoint, *, boots: bool) -> None:
        """It goes away or comes back, now and then while the old connection is still believed to be there."""
        if charger.wire is not None and (not boots or charger.replaced >= FLAPPING_AFTER - 1):
            self._go_offline(charger)
            return
        charger.replaced += charger.wire is not None
        charger.wire = self._connected(charger.identity)
        if boots:
            charger.wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})

    def deliver(self, charger: ReferenceChargePoint, count: int, *, loses_last_answer: bool) -> None:
        """Without the answer the charge point asks again, with a new unique id, perhaps on a new connection."""
        for _ in range(count):
            if charger.wire is not None and charger.queue:
                self._deliver(charger)
        if loses_last_answer and charger.wire is not None and charger.queue:
            self.handle(charger.next_request())
            charger.note_delivered()

    def deliver_of_all_in_one_batch(self) -> None:
        asking = [charger for charger in self.chargers if charger.wire is not None and charger.queue]
        replies = self.handle(*(charger.next_request() for charger in asking)) if asking else []
        for charger, reply in zip(asking, replies, strict=True):
            charger.note_delivered()
            charger.take_answer(reply)

    def deliver_again(self, which: int) -> None:
        """The relay delivers an old request once more, out of order; it is answered and changes nothing."""
        if self.earlier:
            (reply,) = self.gateway.send(self.earlier[which % len(self.earlier)])
            assert reply.raw == self.answers[reply.relay_id]

    def give_up(self, charger: ReferenceChargePoint) -> None:
        """It has used up its attempts for the first message in its queue."""
        if charger.may_give_up():
            charger.give_up()

    def _go_offline(self, charger: ReferenceChargePoint) -> None:
        if charger.wire is not None:
            charger.wire.close()
            charger.wire = None

    def _deliver(self, charger: ReferenceChargePoint) -> None:
        (reply,) = self.handle(charger.next_request())
        charger.note_delivered()
        payload = charger.take_answer(reply)
        if "idTagInfo" in payload:
            assert payload["idTagInfo"]["status"] == "Accepted"

    # -- the reckoning ---------------------------------------------------------------------------------------

    def teardown(self) -> None:
        for charger in self.chargers:
            for connector in list(charger.charging):
                charger.stop(connector, 100, with_data=True)
            charger.wire = charger.wire or self._connected(charger.identity)
            while charger.queue:
                self._deliver(charger)
            self._compare(charger)
        assert not FailedMessage.objects.filter(charge_point__identity__in=self._identities()).exists()

    def _identities(self) -> list[str]:
        return [charger.identity for charger in self.chargers]

    def _compare(self, charger: ReferenceChargePoint) -> None:
        rows = list(Transaction.objects.filter(charge_point__identity=charger.identity).order_by("pk"))
        known = [charge for charge in charger.charges if charge.is_known]
        unknown = [charge for charge in charger.charges if not charge.is_known]
        by_start = {(row.connector.number, row.meter_start_wh, row.started_at): row for row in rows}
        expected = {id(charge): self._row_of(charge, by_start) for charge in known}
        # What the charge point itself never told of the start of is kept, in one piece and flagged.
        others = [row for row in rows if row not in expected.values()]
        assert len(others) == len(unknown)
        assert all(kinds_of(row) == {AnomalyKind.UNKNOWN_STOP} for row in others)
        for charge in known:
            compare(charge, expected[id(charge)], self._is_followed(charger, charge))
        kept = MeterValue.objects.filter(connector__charge_point__identity=charger.identity)
        assert kept.count() == charger.meter_values
        assert sum(row.energy_wh or 0 for row in rows) == sum(energy_of(charge) for charge in known)

    def _row_of(self, charge: Charge, rows: dict[Any, Transaction]) -> Transaction:
        return rows.pop((charge.connector, charge.meter_start, datetime.fromisoformat(charge.started_at)))

    def _is_followed(self, charger: ReferenceChargePoint, charge: Charge) -> bool:
        later = charger.charges[charger.charges.index(charge) + 1 :]
        return any(other.connector == charge.connector and other.is_known for other in later)


def kinds_of(row: Transaction) -> set[str]:
    return set(Anomaly.objects.filter(transaction=row).values_list("kind", flat=True))


def energy_of(charge: Charge) -> int:
    """What has to be in the books for it."""
    end = charge.last_register if charge.is_forgotten else charge.meter_stop
    assert end is not None
    return end - charge.meter_start


def compare(charge: Charge, row: Transaction, is_followed: bool) -> None:
    assert (row.id_tag, row.energy_wh) == (charge.id_tag, energy_of(charge))
    if not charge.is_forgotten:
        assert (row.is_active, row.closed_by) == (False, ClosedBy.CHARGE_POINT)
        assert row.meter_stop_wh == charge.meter_stop
        assert kinds_of(row) <= {AnomalyKind.ORPHANED}  # its stop came behind the next start of its connector
    elif is_followed:
        assert (row.is_active, row.closed_by) == (False, ClosedBy.ORPHANED)
        assert kinds_of(row) == {AnomalyKind.ORPHANED}
    else:
        assert row.is_active
        assert kinds_of(row) == set()


class TwoWorkersMachine(TransactionMachine):
    """Two workers: each request is handled by one of them while the other gets it, too, or another one."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.other = Backend()
        super().__init__()

    def handle(self, *requests: envelope.Frame) -> list[envelope.FrameReply]:
        again = self.earlier[-2:]
        barrier = threading.Barrier(2)
        first = self.pool.submit(handled, barrier, self.gateway, self.gateway.backend, requests)
        second = self.pool.submit(handled, barrier, self.gateway, self.other, (*again, *requests))
        replies, others = first.result(60), second.result(60)
        assert [reply.raw for reply in replies] == [reply.raw for reply in others[len(again) :]]
        self._remember(requests, replies)
        return replies

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.pool.shutdown()


def handled(
    barrier: threading.Barrier, gateway: GatewayEnd, backend: Backend, requests: Any
) -> list[envelope.FrameReply]:
    """The replies of a worker of its own to these requests, in one batch."""
    barrier.wait(60)
    try:
        backend.process(gateway.pack(*requests))
    finally:
        connection.close()
    return [backend.reply_to(request) for request in requests]


@pytest.mark.django_db
@pytest.mark.timeout(300)
def test_no_wh_is_lost_and_none_is_there_twice() -> None:
    run_state_machine_as_test(TransactionMachine, settings=STEPS)


@commits
@pytest.mark.timeout(300)
def test_no_wh_is_lost_and_none_is_there_twice_with_two_workers_at_once() -> None:
    run_state_machine_as_test(TwoWorkersMachine, settings=settings(STEPS, max_examples=12))
