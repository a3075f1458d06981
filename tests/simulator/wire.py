"""A charge point whose network and clock are the test: raw frames in, raw frames out, time passes when the test says
so."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.charge_point import ChargePoint, Specification
from simulator.meter import Car

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANSWERS = {
    "BootNotification": '{"status":"Accepted","currentTime":"2026-03-01T12:00:00Z","interval":3600}',
    "Heartbeat": '{"currentTime":"2026-03-01T12:00:00Z"}',
    "Authorize": '{"idTagInfo":{"status":"Accepted"}}',
    "StartTransaction": '{"idTagInfo":{"status":"Accepted"},"transactionId":77}',
    "StopTransaction": "{}",
    "MeterValues": "{}",
    "StatusNotification": "{}",
    "FirmwareStatusNotification": "{}",
    "DiagnosticsStatusNotification": "{}",
    "SignedFirmwareStatusNotification": "{}",
    "LogStatusNotification": "{}",
    "SecurityEventNotification": "{}",
    "SignCertificate": '{"status":"Accepted"}',
}


class Wire:
    """Answers each CALL with ``answers[action]``; an action that is not in it stays unanswered until ``answer``."""

    def __init__(self, **options: Any) -> None:
        self.now = 1000.0
        self.answers: dict[str, str | list[str]] = dict(ANSWERS)
        self.frames: list[Any] = []
        self.charge_point = ChargePoint(Specification("CP001", seed=1, **options), self.now, START)

    # -- the network

    def connect(self) -> "Wire":
        self.charge_point.connected(self.now)
        self.pump()
        return self

    def lose(self) -> None:
        self.charge_point.disconnected(self.now, "1006")

    def receive(self, raw: str) -> None:
        self.charge_point.receive(raw, self.now)
        self.pump()

    def pump(self) -> None:
        while data := self.charge_point.data_to_send():
            for raw in data:
                frame = json.loads(raw)
                self.frames.append(frame)
                if frame[0] == 2 and frame[2] in self.answers:
                    self.charge_point.receive(self._answer_to(frame), self.now)

    def _answer_to(self, frame: list[Any]) -> str:
        answer = self.answers[frame[2]]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer.startswith("CALLERROR"):
            return f'[4,"{frame[1]}","{answer.split()[1]}","as the test wants it",{{}}]'
        return f'[3,"{frame[1]}",{answer}]'

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Tick exactly when the charge point asks for it."""
        end = self.now + seconds
        while True:
            due = self.charge_point.next_timeout(self.now)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.charge_point.tick(self.now)
            self.pump()
        self.now = end
        self.charge_point.tick(self.now)
        self.pump()

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000.0)

    # -- what happens at the charge point

    def plug(self, connector_id: int = 1, **car: Any) -> None:
        self.charge_point.plug_in(connector_id, Car(**car), self.now)
        self.pump()

    def unplug(self, connector_id: int = 1) -> None:
        self.charge_point.unplug(connector_id, self.now)
        self.pump()

    def tag(self, id_tag: str, connector_id: int | None = None) -> str:
        presentation = self.charge_point.present_tag(id_tag, connector_id, self.now)
        self.pump()
        return presentation.refusal or str(presentation.status)

    def charging(self, connector_id: int = 1, id_tag: str = "ABC") -> "Wire":
        """Bring a connector to Charging."""
        self.plug(connector_id)
        assert self.tag(id_tag, connector_id) == "Accepted"
        assert self.status(connector_id) == "Charging"
        return self

    # -- what came of it

    def call(self, action: str, payload: str = "{}", unique_id: str = "cs-1") -> Any:
        """What the charge point answers to a CALL of the central system: a payload, or [code, description]."""
        before = len(self.frames)
        self.receive(f'[2,"{unique_id}","{action}",{payload}]')
        [answer] = [frame for frame in self.frames[before:] if frame[0] in (3, 4) and frame[1] == unique_id]
        return answer[2] if answer[0] == 3 else answer[2:4]

    def calls(self, action: str | None = None) -> list[Any]:
        """The payloads of the CALLs sent so far, or ``[action, payload]`` of all."""
        if action is None:
            return [frame[2:] for frame in self.frames if frame[0] == 2]
        return [frame[3] for frame in self.frames if frame[0] == 2 and frame[2] == action]

    def actions(self) -> list[str]:
        return [frame[2] for frame in self.frames if frame[0] == 2]

    def statuses(self, connector_id: int = 1) -> list[str]:
        """The statuses that were reported for a connector, in order."""
        return [call["status"] for call in self.calls("StatusNotification") if call["connectorId"] == connector_id]

    def status(self, connector_id: int = 1) -> str:
        return str(self.charge_point.connectors[connector_id - 1].status)

    def configure(self, key: str, value: str) -> None:
        assert self.call("ChangeConfiguration", f'{{"key":"{key}","value":"{value}"}}') == {"status": "Accepted"}

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.frames.clear()
