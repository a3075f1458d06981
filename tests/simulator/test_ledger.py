"""The truth of a charge point, as a person or a program reads it afterwards."""

import json

from simulator.ledger import Entry, Latencies, Ledger, LedgerEvent
from tests.simulator.wire import START, Wire


def test_a_line_is_json_and_so_is_the_frame_in_it():
    entry = Entry(START, LedgerEvent.call_sent, "Heartbeat", "1", b'[2,"1","Heartbeat",{}]')

    assert json.loads(entry.as_json("CP001")) == {
        "at": "2026-03-01T12:00:00+00:00",
        "charge_point": "CP001",
        "event": "call_sent",
        "action": "Heartbeat",
        "unique_id": "1",
        "frame": [2, "1", "Heartbeat", {}],
    }


def test_a_frame_that_is_no_json_is_kept_as_text():
    line = Entry(START, LedgerEvent.unexpected_received, frame=b'{"broken\xff').as_json("CP001")

    assert json.loads(line)["frame"] == '{"broken\ufffd'


def test_every_frame_of_a_conversation_is_in_the_ledger():
    wire = Wire().connect().charging()
    wire.call("ClearCache")
    wire.call("Fly", unique_id="cs-2")
    wire.receive('[3,"nobody-asked",{}]')

    ledger = wire.charge_point.ledger
    sent = [json.loads(entry.frame) for entry in ledger.entries if entry.event.endswith("_sent")]
    assert sent == wire.frames
    assert ledger.counts[LedgerEvent.call_received] == 2
    assert [entry.event for entry in ledger.faults] == [LedgerEvent.unexpected_received]
    assert [entry.action for entry in ledger.entries if entry.event is LedgerEvent.call_error_sent] == ["Fly"]


def test_an_answer_that_breaks_its_type_is_a_fault():
    wire = Wire().connect()
    wire.answers["Authorize"] = '{"idTagInfo":{}}'
    wire.plug()

    assert wire.tag("ABC") == "the central system cannot be asked, and the tag is not known here"
    [fault] = wire.charge_point.ledger.faults
    assert (fault.event, fault.action) == (LedgerEvent.unexpected_received, "Authorize")


def test_frames_are_kept_only_where_asked_for_but_always_counted_and_handed_on():
    seen: list[tuple[str, str]] = []
    ledger = Ledger("CP001", keep_entries=False, sink=lambda identity, entry: seen.append((identity, entry.action)))

    ledger.write(Entry(START, LedgerEvent.call_sent, "Heartbeat"))

    assert (ledger.entries, seen) == ([], [("CP001", "Heartbeat")])
    assert ledger.counts[LedgerEvent.call_sent] == 1


def test_transactions_are_plain_data():
    wire = Wire().connect().charging()
    wire.pass_time(30)
    wire.tag("ABC")

    [transaction] = wire.charge_point.ledger.transactions_as_json()

    assert json.loads(json.dumps(transaction)) == {
        "connector_id": 1,
        "id_tag": "ABC",
        "parent_id_tag": None,
        "meter_start_wh": transaction["meter_start_wh"],
        "started_at": "2026-03-01T12:00:00+00:00",
        "reservation_id": None,
        "transaction_id": 77,
        "meter_stop_wh": transaction["meter_stop_wh"],
        "stopped_at": "2026-03-01T12:00:30+00:00",
        "reason": "Local",
        "is_denied": False,
        "is_start_confirmed": True,
        "is_stop_confirmed": True,
        "confirmed_meter_values": 2,
    }


def test_quantiles_are_right_within_five_percent():
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1000)

    assert latencies.count == 1000
    assert 0.475 < latencies.quantile(0.5) < 0.53
    assert 0.94 < latencies.quantile(0.99) <= 1.0
    assert Latencies().quantile(0.5) == 0.0
