"""Compares what charge points know to be true with what is in the database.

A charge point's ledger holds every frame it sent and every answer it got; a bare ``Wire`` keeps its exchanges. What was
answered must be in the database, and only once; what was not answered may be there, and only once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from simulator.client import SimulatedChargePoint
from simulator.ledger import LedgerEvent
from tests.e2e.databases import Database, as_json, as_utc
from tests.e2e.wire import Exchange, Wire

TRANSACTIONS = (
    "SELECT t.* FROM ocpp_app_transaction t JOIN ocpp_app_chargepoint c ON c.id = t.charge_point_id "
    "WHERE c.identity = %s"
)


def answered(charge_point: SimulatedChargePoint, *actions: str) -> list[Exchange]:
    """The exchanges of these actions (all without any) that came to an answer, late ones as well."""
    sent: dict[str, tuple[str, bytes]] = {}
    exchanges = []
    for entry in charge_point.ledger.entries:
        if entry.event is LedgerEvent.call_sent:
            sent[entry.unique_id] = (entry.action, entry.frame)
        elif entry.event is LedgerEvent.answer_received:
            action, frame = sent[entry.unique_id]
            exchanges.append(Exchange(entry.unique_id, action, frame.decode(), entry.frame.decode()))
    return [exchange for exchange in exchanges if not actions or exchange.action in actions]


def check(database: Database, charge_points: Iterable[SimulatedChargePoint]) -> None:
    """No charge point saw a CALLERROR or any other fault, and everything that was answered is in the database once."""
    for charge_point in charge_points:
        assert not charge_point.ledger.faults, charge_point.identity
        identity, exchanges = charge_point.identity, answered(charge_point)
        check_frames(database, identity, exchanges)
        check_transactions(database, charge_point)
        check_meter_values(database, identity, exchanges)


def check_closed_loops(database: Database, wires: Sequence[Wire]) -> None:
    """What ``charge_without_pause`` did is in the database once, with its effects: as many rows as answers."""
    for wire in wires:
        check_frames(database, wire.identity, wire.exchanges)
        check_meter_values(database, wire.identity, wire.exchanges)
        actions = Counter(exchange.action for exchange in wire.exchanges)
        assert count_statuses(database, wire.identity) == actions["StatusNotification"]
        (transaction,) = database.rows(TRANSACTIONS, wire.identity)
        assert (bool(transaction["is_active"]), transaction["energy_wh"]) == (False, actions["MeterValues"])


def count_statuses(database: Database, identity: str) -> int:
    """How many StatusNotifications of a charge point are in the history."""
    query = (
        "SELECT count(*) FROM ocpp_app_statushistory h JOIN ocpp_app_connector n ON n.id = h.connector_id "
        "JOIN ocpp_app_chargepoint c ON c.id = n.charge_point_id WHERE c.identity = %s"
    )
    return int(database.value(query, identity))


def check_frames(database: Database, identity: str, exchanges: Sequence[Exchange]) -> None:
    """The frame log holds each answered frame, with the answer that the charge point got."""
    rows = database.rows(
        "SELECT m.unique_id, m.raw, m.answer FROM ocpp_app_message m JOIN ocpp_app_chargepoint c "
        "ON c.id = m.charge_point_id WHERE c.identity = %s AND m.direction = 'in'",
        identity,
    )
    logged = Counter((row["unique_id"], row["raw"], row["answer"]) for row in rows)
    expected = {(one.unique_id, one.sent, one.received) for one in exchanges}
    assert expected, f"{identity} has said nothing"
    assert expected <= set(logged), (identity, expected - set(logged))
    twice = [key for key, count in logged.items() if count > 1]
    assert not twice, (identity, twice)


def check_transactions(database: Database, charge_point: SimulatedChargePoint) -> None:
    """The charge point's transactions are those in the database, to the Wh, and nothing is odd about them."""
    rows = database.rows(TRANSACTIONS, charge_point.identity)
    starts = {one.response["transactionId"] for one in answered(charge_point, "StartTransaction")}
    stops = {one.request["transactionId"] for one in answered(charge_point, "StopTransaction")}
    transactions = {one.transaction_id: one for one in charge_point.ledger.transactions}
    assert Counter(row["id"] for row in rows) == Counter(transactions.keys())
    assert starts == set(transactions)
    assert stops == {row["id"] for row in rows if not row["is_active"]}
    for row in rows:
        transaction = transactions[row["id"]]
        assert row["meter_start_wh"] == transaction.meter_start_wh
        assert row["id_tag"] == transaction.id_tag
        assert same_moment(row["start_timestamp"], transaction.started_at)
        if transaction.is_stop_confirmed and transaction.meter_stop_wh is not None:
            assert row["meter_stop_wh"] == transaction.meter_stop_wh
            assert row["energy_wh"] == transaction.meter_stop_wh - transaction.meter_start_wh
            assert row["closed_by"] == "charge_point"
    odd = database.rows(
        "SELECT a.kind, a.detail FROM ocpp_app_anomaly a JOIN ocpp_app_transaction t ON t.id = a.transaction_id "
        "JOIN ocpp_app_chargepoint c ON c.id = t.charge_point_id WHERE c.identity = %s",
        charge_point.identity,
    )
    assert not odd, (charge_point.identity, odd)


def check_meter_values(database: Database, identity: str, exchanges: Sequence[Exchange]) -> None:
    """Every meter value that was answered is in the database once, at its transaction."""
    rows = database.rows(
        "SELECT v.transaction_id, v.timestamp, v.sampled_values FROM ocpp_app_metervalue v "
        "JOIN ocpp_app_connector n ON n.id = v.connector_id JOIN ocpp_app_chargepoint c ON c.id = n.charge_point_id "
        "WHERE c.identity = %s",
        identity,
    )
    kept = Counter(
        (row["transaction_id"], as_utc(row["timestamp"]), canonical(as_json(row["sampled_values"]))) for row in rows
    )
    expected = set()
    for exchange in exchanges:
        if exchange.action not in ("MeterValues", "StopTransaction"):
            continue
        request = exchange.request
        values = request.get("meterValue") or request.get("transactionData") or []
        expected |= {
            (request["transactionId"], as_utc(value["timestamp"]), canonical(value["sampledValue"])) for value in values
        }
    assert expected, f"{identity} has sent no meter values"
    assert set(kept) >= expected, (identity, expected - set(kept))
    twice = [key for key, count in kept.items() if count > 1]
    assert not twice, (identity, twice)


def canonical(sampled_values: Any) -> str:
    return json.dumps(sampled_values, sort_keys=True)


def same_moment(stored: Any, told: datetime) -> bool:
    """Milliseconds are what goes over the wire."""
    return abs((as_utc(stored) - told).total_seconds()) < 0.001
