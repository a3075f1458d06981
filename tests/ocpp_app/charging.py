"""A car that charges: one transaction's frames, at times counted in minutes from its begin."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp_app.models import Anomaly, Transaction
from tests.ocpp_app.wire import Wire, result

BEGAN = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Eight o'clock UTC, three days ago: at any hour of today, more than a day has passed since the longest test."""


def moment(minute: float) -> datetime:
    return BEGAN + timedelta(minutes=minute)


def stamp(minute: float) -> str:
    """A charge point's timestamp."""
    return moment(minute).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Charging:
    """One transaction as its charge point tells it; registers in Wh."""

    def __init__(self, wire: Wire, *, connector: int = 1, id_tag: str = "TAG1", meter_start: int = 1000) -> None:
        self.wire = wire
        self.connector = connector
        self.id_tag = id_tag
        self.meter_start = meter_start
        self.transaction_id = 0

    def send(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return result(self.wire.call(json.dumps([2, uuid.uuid4().hex, action, payload])))

    def start(self, minute: float = 0, **fields: Any) -> "Charging":
        payload = {
            "connectorId": self.connector,
            "idTag": self.id_tag,
            "meterStart": self.meter_start,
            "timestamp": stamp(minute),
            **fields,
        }
        self.transaction_id = self.send("StartTransaction", payload)["transactionId"]
        return self

    def meter(self, minute: float, wh: float | None = None, power_w: float | None = None, **fields: Any) -> None:
        sampled = [] if wh is None else [{"value": str(wh)}]
        if power_w is not None:
            sampled.append({"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"})
        payload = {
            "connectorId": self.connector,
            "transactionId": self.transaction_id,
            "meterValue": [{"timestamp": stamp(minute), "sampledValue": sampled}],
            **fields,
        }
        self.send("MeterValues", payload)

    def status(self, minute: float, status: str) -> None:
        payload = {
            "connectorId": self.connector,
            "errorCode": "NoError",
            "status": status,
            "timestamp": stamp(minute),
        }
        self.send("StatusNotification", payload)

    def stop(self, minute: float, wh: int, **fields: Any) -> Transaction:
        payload = {"transactionId": self.transaction_id, "meterStop": wh, "timestamp": stamp(minute), **fields}
        self.send("StopTransaction", payload)
        return self.row

    @property
    def row(self) -> Transaction:
        return Transaction.objects.get(pk=self.transaction_id)

    @property
    def anomalies(self) -> list[str]:
        return sorted(Anomaly.objects.filter(transaction=self.transaction_id).values_list("kind", flat=True))
