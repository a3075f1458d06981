"""A charge point that is looked at by the system itself, and answers what it is asked."""

import json
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from ocpp_app import first_contact
from ocpp_app.models import ConfigurationKey, Inquiry
from ocpp_app.rpc.command_care import dispatch_queued_commands
from ocppj import envelope
from tests.ocpp_app.wire import Wire

Asked = tuple[str, dict[str, Any]]
Answer = dict[str, Any] | str | None
"""The payload of a CALLRESULT, the code of a CALLERROR, or none."""


class Charger:
    """The configuration of a charge point behind a ``Wire``; ``overrides`` answers by action instead."""

    def __init__(self, wire: Wire, **keys: str) -> None:
        self.wire = wire
        self.keys: dict[str, str] = keys
        self.readonly = {"GetConfigurationMaxKeys", "NumberOfConnectors"}
        self.says: dict[str, str] = {}
        """Its answer to ChangeConfiguration, by key."""
        self.overrides: dict[str, Callable[[dict[str, Any]], Answer]] = {}

    def answer(self, action: str, payload: dict[str, Any]) -> Answer:
        if action in self.overrides:
            return self.overrides[action](payload)
        if action == "GetConfiguration":
            return self._configuration(payload.get("key") or [])
        if action == "ChangeConfiguration":
            return self._change(payload["key"], payload["value"])
        return {"status": "Accepted"}

    def _configuration(self, asked: list[str]) -> Answer:
        known = {key.casefold(): key for key in self.keys}
        names = [known[key.casefold()] for key in asked if key.casefold() in known] if asked else list(self.keys)
        return {
            "configurationKey": [
                {"key": key, "readonly": key in self.readonly, "value": self.keys[key]} for key in names
            ],
            "unknownKey": [key for key in asked if key.casefold() not in known],
        }

    def _change(self, key: str, value: str) -> Answer:
        status = self.says.get(key, "Accepted" if key in self.keys else "NotSupported")
        if status == "Accepted":
            self.keys[key] = value
        return status if status == "InternalError" else {"status": status}

    def restart(self, **boot: str) -> None:
        """A new connection, and a BootNotification on it."""
        self.wire.close()
        self.wire = Wire(self.wire.gateway, self.wire.identity)
        assert self.wire.open().accepted
        self.wire.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", **boot})

    # -- being looked at ---------------------------------------------------------------------------------------

    def look(self) -> list[Asked]:
        """It is due; what it was sent now, all of it answered."""
        Inquiry.objects.filter(charge_point__identity=self.wire.identity, due_at__isnull=False).update(
            due_at=timezone.now()
        )
        first_contact.review()
        asked = []
        for items in dispatch_queued_commands().values():
            for item in items:
                assert isinstance(item, envelope.Command)
                if item.session == self.wire.session:
                    asked.append(self._take(item))
        return asked

    def look_until_nothing(self) -> list[Asked]:
        """All that it is sent until there is nothing more."""
        everything: list[Asked] = []
        for _round in range(20):
            asked = self.look()
            if not asked:
                return everything
            everything += asked
        raise AssertionError(f"It never ends: {everything}")

    def _take(self, item: envelope.Command) -> Asked:
        _type, unique_id, action, payload = json.loads(item.raw)
        self.wire.tell(unique_id, "sent")
        answer = self.answer(action, payload)
        if isinstance(answer, str):
            self.wire.call(json.dumps([4, unique_id, answer, "", {}]))
        elif answer is not None:
            self.wire.call(json.dumps([3, unique_id, answer]))
        return action, payload

    # -- what the central system says of it ----------------------------------------------------------------------

    def row(self, key: str) -> ConfigurationKey:
        return ConfigurationKey.objects.get(charge_point__identity=self.wire.identity, name=key.casefold())

    def states(self) -> dict[str, str]:
        rows = ConfigurationKey.objects.filter(charge_point__identity=self.wire.identity, wanted__isnull=False)
        return dict(rows.values_list("key", "state"))


def actions(asked: list[Asked]) -> list[str]:
    return [action for action, _payload in asked]
