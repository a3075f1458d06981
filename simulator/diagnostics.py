"""The diagnostics file of a charge point: its configuration, its transactions, and what its ledger has kept."""

import json
from datetime import datetime

from simulator.charge_point import ChargePoint


def write_diagnostics(charge_point: ChargePoint, since: datetime | None, until: datetime | None) -> bytes:
    """UTF-8 text, a line of JSON for each thing to tell; ``since`` and ``until`` choose among the ledger's lines."""
    identity, ledger = charge_point.specification.identity, charge_point.ledger
    about = {"charge_point": identity, "firmware_version": charge_point.maintenance.firmware_version}
    configuration = {key.name: key.value for key in charge_point.configuration if not key.is_secret}
    lines = [json.dumps(about), json.dumps({"configuration": configuration})]
    lines += [json.dumps({"transaction": transaction}) for transaction in ledger.transactions_as_json()]
    lines += [
        entry.as_json(identity)
        for entry in ledger.entries or ledger.faults
        if (since is None or entry.at >= since) and (until is None or entry.at <= until)
    ]
    return "\n".join([*lines, ""]).encode()
