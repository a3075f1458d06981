"""No single message costs much, whatever is in it."""

import time

import pytest

from ocppj import v16
from ocppj.errors import ErrorCode, PayloadError
from ocppj.frames import decode
from ocppj.tolerance import MAX_VALUES, NoteCode
from ocppj.v16 import PROTOCOL

FRAME_BYTES = 1 << 18
"""The gateway's default limit."""
COST_S = 0.1
"""Measured at 1-9 ms, what an ordinary charge point sends at microseconds; the margin is for slower machines. The
gateway limits frames and bytes per second of each connection."""
TRIES = 5
"""The quickest counts: a collection of garbage that others left, or a busy machine, falls into one, not into all."""


def test_free_text_nested_deeper_than_it_can_be_read_is_a_protocol_error():
    data = "[" * 100_000 + "]" * 100_000
    with pytest.raises(PayloadError) as refused:
        PROTOCOL.decode_request("DataTransfer", b'{"vendorId":"x","data":%s}' % data.encode())
    assert refused.value.code == ErrorCode.ProtocolError


def test_an_object_in_free_text_is_kept_as_it_was_written():
    payload = b'{"vendorId":"x","data": {"b": [1.50, {"a": null}], "b2":"\\u00e9 ,"} }'
    message = PROTOCOL.decode_request("DataTransfer", payload).message
    assert isinstance(message, v16.DataTransferRequest)
    assert message.data == '{"b":[1.50,{"a":null}],"b2":"\\u00e9 ,"}'


def test_what_no_field_asks_for_is_skipped_however_deep_it_is():
    deep = "[" * 500 + "]" * 500
    payload = f'{{"connectorId":1,"vendorThing":{deep},"meterValue":[]}}'.encode()
    decoded = PROTOCOL.decode_request("MeterValues", payload)
    assert {note.code for note in decoded.notes} == {NoteCode.ExtraField, NoteCode.EmptyList}


def sampled(item: str, count: int) -> bytes:
    values = ",".join([item] * count)
    meter_value = f'{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{values}]}}'
    return f'{{"connectorId":1,"meterValue":[{meter_value}]}}'.encode()


def test_a_tolerant_walk_looks_through_so_many_values_and_drops_the_rest():
    decoded = PROTOCOL.decode_request("MeterValues", sampled('{"value":1}', MAX_VALUES))
    assert isinstance(decoded.message, v16.MeterValuesRequest)
    assert MAX_VALUES // 2 - 10 < len(decoded.message.meter_value[0].sampled_value) < MAX_VALUES // 2
    assert NoteCode.DroppedItem in {note.code for note in decoded.notes}


def test_a_message_that_needs_no_tolerance_has_any_number_of_items():
    decoded = PROTOCOL.decode_request("MeterValues", sampled('{"value":"1"}', MAX_VALUES + 10))
    assert isinstance(decoded.message, v16.MeterValuesRequest)
    assert len(decoded.message.meter_value[0].sampled_value) == MAX_VALUES + 10
    assert decoded.notes == ()


def test_one_habit_costs_a_large_message_nothing_of_its_plain_items():
    items = ",".join(['{"value":"1"}'] * (MAX_VALUES + 10) + ['{"value":2}'])
    decoded = PROTOCOL.decode_request("MeterValues", sampled(items, 1))
    assert isinstance(decoded.message, v16.MeterValuesRequest)
    assert len(decoded.message.meter_value[0].sampled_value) == MAX_VALUES + 11
    assert {note.code for note in decoded.notes} == {NoteCode.StringAsNumber}


@pytest.mark.parametrize(
    "item",
    [
        '{"value":"1"}',
        '{"value":1}',
        "{}",
        "1",
        '{"value":{}}',
        '{"value":"1","x":[{},[],{"a":[]}]}',
        '{"value":"1","unit":"?"}',
        '{"value":1,"unit":"?","measurand":"?","phase":"?","location":"?","context":"?","format":"?","x":1}',
    ],
)
def test_the_largest_frame_costs_a_few_milliseconds(item: str):
    raw = b'[2,"1","MeterValues",' + sampled(item, FRAME_BYTES // (len(item) + 1)) + b"]"
    assert min(cost_s(raw) for _ in range(TRIES)) < COST_S


def cost_s(raw: bytes) -> float:
    started = time.process_time()
    call = decode(raw)
    PROTOCOL.decode_request(call.action, call.payload)
    return time.process_time() - started
