"""Whatever a payload is, decoding ends soon, in a message or in a ``PayloadError``."""

import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ocppj.errors import ErrorCode, PayloadError
from ocppj.messages import Message, decode
from ocppj.v16 import MeterValuesRequest
from tests.ocppj.schemas import MESSAGES, schema_of, write
from tests.ocppj.strategies import QUICK, allowed, spoilt_value

names = st.sampled_from(sorted({name for message in MESSAGES for name in schema_of(message).get("properties", {})}))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


def decode_or_refuse(message: type[Message], payload: bytes) -> None:
    for strict in (True, False):
        refused, decoded = None, None
        try:
            decoded = decode(message, payload, strict=strict)
        except PayloadError as error:
            refused = error
        if decoded:
            assert isinstance(decoded.message, message)
            assert all(note.detail for note in decoded.notes)
        if refused:
            assert refused.code in ErrorCode
            assert 0 < len(refused.description) <= 255


@settings(QUICK, max_examples=500)
@given(message=st.sampled_from(MESSAGES), value=st.dictionaries(names, anything, max_size=6) | anything)
def test_any_json_is_decoded_or_refused(message: type[Message], value: object):
    decode_or_refuse(message, write(value))


@settings(QUICK, max_examples=500)
@given(data=st.data(), message=st.sampled_from(MESSAGES))
def test_a_message_with_many_things_spoilt_is_decoded_or_refused(data: st.DataObject, message: type[Message]):
    schema = schema_of(message)
    value = data.draw(allowed(schema))
    for _ in range(data.draw(st.integers(1, 6))):
        value = data.draw(spoilt_value(schema, value))
    decode_or_refuse(message, write(value))


@settings(QUICK, max_examples=300)
@given(message=st.sampled_from(MESSAGES), payload=st.binary(max_size=40))
def test_any_bytes_are_decoded_or_refused(message: type[Message], payload: bytes):
    decode_or_refuse(message, payload)


@settings(QUICK, max_examples=300)
@given(data=st.data(), message=st.sampled_from(MESSAGES))
def test_a_payload_with_a_flipped_byte_is_decoded_or_refused(data: st.DataObject, message: type[Message]):
    payload = bytearray(write(data.draw(allowed(schema_of(message)))))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(message, bytes(payload))


KIB_64 = 1 << 16
SAMPLES = '{"connectorId":1,"meterValue":[{"timestamp":"2024-01-31T12:00:00","sampledValue":['
HOSTILE = {
    "bad samples": SAMPLES + ",".join("1" * (KIB_64 // 2)) + "]}]}",
    "samples without a value": SAMPLES + ",".join(["{}"] * (KIB_64 // 3)) + "]}]}",
    "empty meter values": '{"connectorId":1,"meterValue":[' + ",".join(["{}"] * (KIB_64 // 3)) + "]}",
    "spaces between fields": '{"connectorId":1,' + " " * KIB_64 + '"meterValue":[]}',
    "spaces in a timestamp": SAMPLES.replace("T12", " " * KIB_64 + "12") + "]}]}",
    "digits in a timestamp": SAMPLES.replace("2024", "2" * KIB_64) + "]}]}",
    "digits of a fraction": SAMPLES.replace(":00:00", ":00:00." + "1" * KIB_64) + "]}]}",
    "digits of an integer": '{"connectorId":' + "1" * KIB_64 + "}",
    "digits of a string": '{"connectorId":"' + "1" * KIB_64 + '"}',
    "a huge exponent": '{"connectorId":1e999999999,"meterValue":[]}',
    "unknown fields": '{"connectorId":1,' + ",".join(f'"k{number}":1' for number in range(KIB_64 // 8)) + "}",
    "depth": '{"connectorId":1,"meterValue":' + "[" * KIB_64 + "]" * KIB_64 + "}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_payload_of_64_kib_costs_no_more_than_its_length(name: str):
    # Measured: 1 to 35 ms. What grows with the square of the length takes seconds here.
    payload = HOSTILE[name].encode()
    started = time.process_time()
    decode_or_refuse(MeterValuesRequest, payload)
    assert time.process_time() - started < 1
