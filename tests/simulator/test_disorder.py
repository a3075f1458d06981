"""Whatever happens in whatever order: drivers, commands, CALLERRORs, silence, lost connections, resets.

Each run is random but repeatable. Afterwards the network is well again, and everything must come to rest.
"""

import json
import random
from itertools import pairwise

import pytest

from ocppj.v16 import ChargePointStatus
from simulator.connector import TRANSITIONS
from simulator.meter import Car
from tests.simulator.wire import ANSWERS, Wire

COMMANDS = [
    ("ChangeAvailability", '{"connectorId":0,"type":"Inoperative"}'),
    ("ChangeAvailability", '{"connectorId":0,"type":"Operative"}'),
    ("ChangeAvailability", '{"connectorId":2,"type":"Inoperative"}'),
    ("ChangeConfiguration", '{"key":"MeterValueSampleInterval","value":"7"}'),
    ("ChangeConfiguration", '{"key":"ClockAlignedDataInterval","value":"300"}'),
    ("ChangeConfiguration", '{"key":"StopTxnSampledData","value":"SoC,Voltage"}'),
    ("ChangeConfiguration", '{"key":"StopTransactionOnEVSideDisconnect","value":"false"}'),
    ("ChangeConfiguration", '{"key":"AuthorizeRemoteTxRequests","value":"true"}'),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", "{}"),
    ("CancelReservation", '{"reservationId":1}'),
    ("GetCompositeSchedule", '{"connectorId":1,"duration":600}'),
    ("GetConfiguration", "{}"),
    ("Nonsense", "{}"),
    ("RemoteStartTransaction", '{"idTag":"REMOTE"}'),
    ("RemoteStartTransaction", '{"idTag":"REMOTE","connectorId":2}'),
    ("RemoteStopTransaction", '{"transactionId":77}'),
    ("ReserveNow", '{"connectorId":1,"expiryDate":"2026-03-01T13:00:00Z","idTag":"A","reservationId":1}'),
    ("ReserveNow", '{"connectorId":0,"expiryDate":"2026-03-01T13:00:00Z","idTag":"B","reservationId":2}'),
    ("Reset", '{"type":"Soft"}'),
    ("Reset", '{"type":"Hard"}'),
    ("SendLocalList", '{"listVersion":1,"updateType":"Full","localAuthorizationList":[]}'),
    (
        "SetChargingProfile",
        '{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,'
        '"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Relative","chargingSchedule":'
        '{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":0},{"startPeriod":60,"limit":10}]}}}',
    ),
    ("TriggerMessage", '{"requestedMessage":"StatusNotification"}'),
    ("TriggerMessage", '{"requestedMessage":"MeterValues"}'),
    ("UnlockConnector", '{"connectorId":1}'),
    ("UpdateFirmware", '{"location":"http://files.example/2.0.bin","retrieveDate":"2026-03-01T12:00:00Z"}'),
]
ANSWERS_THAT_HURT = {
    "Authorize": ['{"idTagInfo":{"status":"Blocked"}}', "CALLERROR InternalError", None],
    "StartTransaction": ['{"idTagInfo":{"status":"ConcurrentTx"},"transactionId":5}', "CALLERROR GenericError", None],
    "StopTransaction": ["CALLERROR InternalError", '{"idTagInfo":{"status":"Expired"}}', None],
    "MeterValues": ["CALLERROR SecurityError", None],
    "StatusNotification": ["CALLERROR GenericError", None],
    "BootNotification": [
        '{"status":"Pending","currentTime":"2026-03-01T12:00:00Z","interval":20}',
        '{"status":"Rejected","currentTime":"2026-03-01T12:00:00Z","interval":20}',
        None,
    ],
}


class Chaos:
    """One random run."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.wire = Wire(connectors=2)
        self.charge_point = self.wire.charge_point
        self.calls = 0
        self.registers = [0, 0]

    def step(self) -> None:
        act = self.chance.choice(
            (
                self.drive,
                self.drive,
                self.drive,
                self.command,
                self.command,
                self.network,
                self.hurt,
                self.wait,
                self.wait,
            )
        )
        act()
        self.finish_jobs()
        if self.charge_point.is_reset_due(self.wire.now):
            self.restart()
        for number, connector in enumerate(self.charge_point.connectors):
            assert connector.meter.energy_wh >= self.registers[number]
            self.registers[number] = connector.meter.energy_wh
            assert connector.status == connector.target()

    def drive(self) -> None:
        number = self.chance.choice((1, 2))
        connector = self.charge_point.connectors[number - 1]
        if not connector.is_plugged and self.chance.random() < 0.5:
            self.wire.plug(number, soc=self.chance.uniform(10, 100))
        elif connector.is_plugged and self.chance.random() < 0.3:
            self.wire.unplug(number)
        elif connector.is_plugged and self.chance.random() < 0.2:
            self.charge_point.pause(number, self.chance.random() < 0.5, self.wire.now)
        elif self.chance.random() < 0.1:
            error_code = self.chance.choice(("NoError", "GroundFailure", "EVCommunicationError"))
            self.charge_point.fault(number, error_code, self.wire.now)
        else:
            self.wire.tag(self.chance.choice(("A", "B", "C")), self.chance.choice((None, 1, 2)))
        self.wire.pump()

    def command(self) -> None:
        action, payload = self.chance.choice(COMMANDS)
        if self.charge_point.is_connected:
            self.calls += 1
            self.wire.receive(f'[2,"cs-{self.calls}","{action}",{payload}]')

    def network(self) -> None:
        if not self.charge_point.is_connected:
            self.wire.connect()
        elif self.chance.random() < 0.5:
            self.wire.lose()

    def hurt(self) -> None:
        action = self.chance.choice(list(ANSWERS_THAT_HURT))
        answer = self.chance.choice([*ANSWERS_THAT_HURT[action], ANSWERS[action]])
        if answer is None:
            self.wire.answers.pop(action, None)
        else:
            self.wire.answers[action] = answer

    def wait(self) -> None:
        self.wire.pass_time(self.chance.choice((0.5, 5, 40, 200)))

    def finish_jobs(self) -> None:
        for job in self.charge_point.maintenance.take_jobs():
            self.charge_point.maintenance.finished(job, self.chance.choice((None, 0, 1000)), self.wire.now)
            self.wire.pass_time(0)

    def restart(self) -> None:
        self.wire.lose()
        self.wire.now += 1
        self.charge_point.restart(self.wire.now)
        if self.chance.random() < 0.7:
            self.wire.connect()

    def come_to_rest(self) -> None:
        """The network is well, the drivers leave, and there is time."""
        self.wire.answers = dict(ANSWERS)
        for _ in range(5):
            if self.charge_point.is_reset_due(self.wire.now):
                self.restart()
            if not self.charge_point.is_connected:
                self.wire.connect()
            for number in (1, 2):
                self.charge_point.fault(number, "NoError", self.wire.now)
                self.charge_point.stop(number, self.wire.now)
                self.wire.unplug(number)
            self.wire.pass_time(3600)
            self.finish_jobs()


@pytest.mark.parametrize("seed", range(25))
def test_disorder_comes_to_rest(seed):
    chaos = Chaos(seed)
    wire, charge_point = chaos.wire, chaos.charge_point
    wire.connect()
    for _ in range(150):
        chaos.step()
    chaos.come_to_rest()

    assert charge_point.is_online
    assert charge_point.is_idle
    ledger = charge_point.ledger
    discarded = [entry.action for entry in ledger.faults if entry.event == "discarded"]
    unconfirmed = [
        transaction
        for transaction in ledger.transactions
        if not (transaction.is_start_confirmed and transaction.is_stop_confirmed)
    ]
    assert len(unconfirmed) <= len(discarded)
    assert all(connector.transaction is None for connector in charge_point.connectors)
    check_conversation(wire.frames)


def check_conversation(frames: list) -> None:
    """Legal statuses, unique ids used once, transaction messages in the order in which things happened."""
    calls = [frame for frame in frames if frame[0] == 2]
    assert len({frame[1] for frame in calls}) == len(calls)
    answers = [frame[1] for frame in frames if frame[0] != 2]
    assert len(set(answers)) == len(answers)
    for connector_id in (1, 2):
        starts = [
            json.dumps(frame[3])
            for frame in calls
            if frame[2] == "StartTransaction" and frame[3]["connectorId"] == connector_id
        ]
        meters = [json.loads(start)["meterStart"] for start in dict.fromkeys(starts)]
        assert meters == sorted(meters)


@pytest.mark.parametrize("seed", range(6))
def test_reported_statuses_follow_the_table_while_the_connection_lasts(seed):
    chaos = Chaos(seed)
    chaos.wire.connect()
    for _ in range(150):
        chaos.drive()
        chaos.wait()

    for connector_id in (1, 2):
        statuses = chaos.wire.statuses(connector_id)
        assert len(statuses) > 5
        assert all(
            after in TRANSITIONS[ChargePointStatus(before)] for before, after in pairwise(statuses) if before != after
        )


def test_a_car_is_needed_to_pause():
    with pytest.raises(ValueError, match="Connector 1 has no car: plug one in first"):
        Wire().charge_point.pause(1, True, 1000.0)


def test_a_second_car_does_not_fit():
    wire = Wire()
    wire.plug()
    with pytest.raises(ValueError, match="Connector 1 has a car already: unplug it first"):
        wire.charge_point.plug_in(1, Car(), wire.now)
