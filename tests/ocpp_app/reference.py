"""A charge point as the specification describes it, with the truth of what it measured: the model of
``test_model.py``.

It keeps its transaction messages in a queue and sends them in order, each until it has an answer (OCPP 1.6 §3.7,
§3.7.1), with a new unique id each time. Its clock and its registers only go forward.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ocppj import envelope
from tests.ocpp_app.wire import Wire, result


@dataclass(eq=False)
class Charge:
    """One car at one connector, as the charge point measured it; registers in Wh."""

    connector: int
    id_tag: str
    started_at: str
    meter_start: int
    transaction_id: int | None = None
    """As it was answered; -1 when the charge point has given up asking for it (errata 3.18)."""
    meter_stop: int | None = None
    is_forgotten: bool = False
    """The power went, and the charge point does not know any more that it charged."""
    is_known: bool = False
    """Its start has reached the central system."""
    last_register: int = 0
    """The highest register that has reached the central system."""


@dataclass(eq=False)
class Pending:
    """A transaction message that waits for its answer."""

    action: str
    charge: Charge
    fields: dict[str, Any]
    registers: tuple[int, ...] = ()
    """Of the meter values in it."""
    is_delivered: bool = False

    def payload(self) -> dict[str, Any]:
        if self.action == "StartTransaction":
            return self.fields
        return {**self.fields, "transactionId": self.charge.transaction_id}


@dataclass(eq=False)
class ReferenceChargePoint:
    """Give it a ``wire`` when it is online; ``next_request`` and ``take_answer`` send what waits."""

    identity: str
    wire: Wire | None
    tags: dict[int, str]
    """The tag that is used at each connector."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=3))
    register: dict[int, int] = field(default_factory=dict)
    charging: dict[int, Charge] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    queue: list[Pending] = field(default_factory=list)
    meter_values: int = 0
    """So many have reached the central system."""
    replaced: int = 0
    """How often a new connection has replaced an older one."""

    # -- what happens to it ----------------------------------------------------------------------------------

    def pass_time(self, minutes: int) -> str:
        """Its clock goes on; what it says afterwards."""
        self.now += timedelta(minutes=minutes)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def start(self, connector: int) -> None:
        register = self.register.setdefault(connector, 1000 * connector)
        at = self.pass_time(2)
        charge = Charge(connector, self.tags[connector], at, register, last_register=register)
        self.charging[connector] = charge
        self.charges.append(charge)
        fields = {"connectorId": connector, "idTag": charge.id_tag, "meterStart": register, "timestamp": at}
        self.queue.append(Pending("StartTransaction", charge, fields))

    def meter(self, connector: int, energy_wh: int) -> None:
        """So much flows; then it samples its register."""
        self.register[connector] += energy_wh
        value = self._meter_value(connector, self.pass_time(5), "Sample.Periodic")
        registers = (self.register[connector],)
        fields = {"connectorId": connector, "meterValue": [value]}
        self.queue.append(Pending("MeterValues", self.charging[connector], fields, registers))

    def stop(self, connector: int, energy_wh: int, *, with_data: bool, reason: str = "Local") -> None:
        self.register[connector] += energy_wh
        charge = self.charging.pop(connector)
        charge.meter_stop = self.register[connector]
        at = self.pass_time(5)
        fields: dict[str, Any] = {"meterStop": charge.meter_stop, "timestamp": at, "reason": reason}
        if reason == "Local" or charge.transaction_id == -1:
            fields["idTag"] = charge.id_tag
        if with_data:
            fields["transactionData"] = [self._meter_value(connector, at, "Transaction.End")]
        registers = (charge.meter_stop,) if with_data else ()
        self.queue.append(Pending("StopTransaction", charge, fields, registers))

    def forget(self, connector: int) -> None:
        """The power went; it will never say how this ended."""
        self.charging.pop(connector).is_forgotten = True

    def give_up(self) -> None:
        """The attempts for the first message are used up: it is thrown away (§3.7.1)."""
        pending = self.queue.pop(0)
        if pending.action == "StartTransaction":
            pending.charge.transaction_id = -1

    def may_give_up(self) -> bool:
        """Whether what it says afterwards can still be understood.

        A stop must not be lost by the charge point itself; and with the id -1 for two of the same connector nobody
        could tell which of them is meant.
        """
        if not self.queue or self.queue[0].action == "StopTransaction":
            return False
        if self.queue[0].action == "MeterValues":
            return True
        charge = self.queue[0].charge
        others = [other for other in self.charges if other.connector == charge.connector and other is not charge]
        return not charge.is_forgotten and not any(other.is_forgotten for other in others)

    def _meter_value(self, connector: int, at: str, context: str) -> dict[str, Any]:
        sampled = [
            {"value": str(self.register[connector]), "context": context, "unit": "Wh"},
            {"value": "7000", "context": context, "measurand": "Power.Active.Import", "unit": "W"},
        ]
        return {"timestamp": at, "sampledValue": sampled}

    # -- the wire --------------------------------------------------------------------------------------------

    def next_request(self) -> envelope.Frame:
        """The message whose turn it is, with a unique id of its own."""
        assert self.wire is not None
        first = self.queue[0]
        return self.wire.frame(json.dumps([2, uuid.uuid4().hex, first.action, first.payload()]))

    def note_delivered(self) -> None:
        """The first message has reached the central system, whatever becomes of its answer."""
        first = self.queue[0]
        charge = first.charge
        if first.action == "StartTransaction":
            charge.is_known = True
        if not first.is_delivered:
            first.is_delivered = True
            self.meter_values += len(first.registers)
        for register in first.registers:
            charge.last_register = max(charge.last_register, register)

    def take_answer(self, reply: envelope.FrameReply) -> dict[str, Any]:
        """The answer has arrived: what was asked leaves the queue."""
        payload = result(None if reply.raw is None else reply.raw.decode())
        first = self.queue.pop(0)
        if first.action == "StartTransaction":
            first.charge.transaction_id = payload["transactionId"]
        return payload
