"""No single message costs much, whatever is in it."""

import time

import pytest

from ocppj import v16
from ocppj.errors import ErrorCode, PayloadError
from ocppj.frames import decode
from ocppj.messages import MAX_NESTING
from ocppj.tolerance import MAX_ITEMS, NoteCode
from ocppj.v16 import PROTOCOL

FRAME_BYTES = 1 << 20
"""The gateway's default limit."""
COST_S = 0.4
"""Measured at 9-60 ms, what an ordinary charge point sends at microseconds; the margin is for slower machines. The
gateway limits frames and bytes per second of each connection."""
TRIES = 5
"""The quickest counts: a collection of garbage that others left, or a busy machine, falls into one, not into all."""


def test_a_payload_nested_too_deeply_is_a_protocol_error():
    data = "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)
    with pytest.raises(PayloadError) as refused:
        PROTOCOL.decode_request("DataTransfer", b'{"vendorId":"x","data":%s}' % data.encode())
    assert refused.value.code == ErrorCode.ProtocolError


def test_a_payload_just_deep_enough_is_taken():
    depth = MAX_NESTING - 2
    data = "[" * depth + "]" * depth
    message = PROTOCOL.decode_request("DataTransfer", b'{"vendorId":"x","data":%s}' % data.encode()).message
    assert isinstance(message, v16.DataTransferRequest)
    assert message.data == data


def sampled(item: str, count: int) -> bytes:
    values = ",".join([item] * count)
    meter_value = f'{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{values}]}}'
    return f'{{"connectorId":1,"meterValue":[{meter_value}]}}'.encode()


def test_a_tolerant_walk_looks_through_so_many_items_and_drops_the_rest():
    decoded = PROTOCOL.decode_request("MeterValues", sampled('{"value":1}', MAX_ITEMS + 10))
    assert isinstance(decoded.message, v16.MeterValuesRequest)
    assert len(decoded.message.meter_value[0].sampled_value) == MAX_ITEMS - 1  # the meter value counts as well
    assert NoteCode.DroppedItem in {note.code for note in decoded.notes}


def test_a_message_that_needs_no_tolerance_has_any_number_of_items():
    decoded = PROTOCOL.decode_request("MeterValues", sampled('{"value":"1"}', MAX_ITEMS + 10))
    assert isinstance(decoded.message, v16.MeterValuesRequest)
    assert len(decoded.message.meter_value[0].sampled_value) == MAX_ITEMS + 10
    assert decoded.notes == ()


@pytest.mark.parametrize(
    "item", ['{"value":"1"}', '{"value":1}', "{}", '{"value":"1","x":[]}', '{"value":"1","unit":"?"}']
)
def test_the_largest_frame_costs_some_tens_of_milliseconds(item: str):
    raw = b'[2,"1","MeterValues",' + sampled(item, FRAME_BYTES // (len(item) + 1)) + b"]"
    assert min(cost_s(raw) for _ in range(TRIES)) < COST_S


def cost_s(raw: bytes) -> float:
    started = time.process_time()
    call = decode(raw)
    PROTOCOL.decode_request(call.action, call.payload)
    return time.process_time() - started
