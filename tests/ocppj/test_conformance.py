"""Conformance to the official JSON schemas, for each of the 78 message types.

What we can construct is valid; a strict decoder takes exactly what the schemas allow. Known differences, all of them
limits of what a number or a date can be: integers beyond 64 bits, charging rates from 10**15 on, the year 0, and
``null`` for a payload without fields, which OCPP-J 1.6 §4.2.1 allows and the schemas forbid.
"""

import json
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ocppj.documentation import FieldDocumentation, describe
from ocppj.errors import PayloadError
from ocppj.messages import Message, Structure, decode, encode
from ocppj.v16 import BootNotificationRequest, HeartbeatRequest, MeterValuesRequest
from tests.ocppj.schemas import FOLDER, MESSAGES, schema_name, schema_of, violations, write
from tests.ocppj.strategies import QUICK, allowed, constructed, spoilt_value

every_message = pytest.mark.parametrize("message", MESSAGES, ids=schema_name)


def test_every_official_schema_has_its_message():
    assert {path.stem for path in FOLDER.glob("*.json")} == {schema_name(message) for message in MESSAGES}


@every_message
@pytest.mark.spec("OCPP-J 1.6", "4.2.4")
def test_fields_and_limits_are_those_of_the_schema(message: type[Message]):
    """Each name, type, limit and enumeration, where the examples below take samples."""
    assert outline_of(message) == outline_of_schema(schema_of(message))


@every_message
@QUICK
@given(data=st.data())
@pytest.mark.spec("OCPP-J 1.6", "4.2.4")
def test_what_we_construct_is_valid_and_comes_back_the_same(message: type[Message], data: st.DataObject):
    ours = data.draw(constructed(message))
    payload = encode(ours)  # type: ignore[arg-type]
    assert violations(message, payload) == []
    decoded = decode(message, payload, strict=True)
    assert decoded.notes == ()
    assert encode(decoded.message) == payload


@every_message
@QUICK
@given(data=st.data())
@pytest.mark.spec("OCPP-J 1.6", "4.2.4")
def test_what_the_schema_allows_decodes_without_a_note(message: type[Message], data: st.DataObject):
    payload = write(data.draw(allowed(schema_of(message))))
    assert violations(message, payload) == []
    decoded = decode(message, payload, strict=True)
    assert decoded.notes == ()
    assert decoded.message == decode(message, spelt_with_an_escape(payload), strict=True).message


@every_message
@QUICK
@given(data=st.data())
@pytest.mark.spec("OCPP-J 1.6", "4.2.4")
def test_strict_decoding_takes_exactly_what_the_schema_allows(message: type[Message], data: st.DataObject):
    schema = schema_of(message)
    payload = write(data.draw(allowed(schema).flatmap(lambda value: spoilt_value(schema, value))))
    if payload == b"null" or beyond_64_bits(json.loads(payload)):
        return
    assert is_taken(message, payload) == (not violations(message, payload))


@every_message
@QUICK
@given(data=st.data())
def test_the_fast_path_and_the_walk_decode_alike(message: type[Message], data: st.DataObject):
    schema = schema_of(message)
    payload = write(data.draw(allowed(schema).flatmap(lambda value: spoilt_value(schema, value))))
    for strict in (True, False):
        assert outcome(message, payload, strict=strict) == outcome(
            message, spelt_with_an_escape(payload), strict=strict
        )


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        (HeartbeatRequest, b'{"extra":1}'),
        (BootNotificationRequest, b'{"chargePointVendor":"V"}'),
        (BootNotificationRequest, b'{"chargePointVendor":"V","chargePointModel":"123456789012345678901"}'),
        (MeterValuesRequest, b'{"connectorId":1,"meterValue":[]}'),
    ],
)
def test_the_schemas_themselves_forbid(message: type[Message], payload: bytes):
    """The oracle of the tests above is alive: it refuses, and so do we."""
    assert violations(message, payload)
    assert not is_taken(message, payload)


@pytest.mark.spec("OCPP-J 1.6", "4.2.1")
def test_null_is_the_payload_of_a_message_without_fields():
    assert decode(HeartbeatRequest, b"null", strict=True).message == HeartbeatRequest()


Outline = dict[str, tuple[Any, ...]]


def outline_of(structure: type[Structure]) -> Outline:
    return {field.wire: outline_of_field(field) for field in describe(structure)}


def outline_of_field(field: FieldDocumentation) -> tuple[Any, ...]:
    item: Any = field.kind
    if field.struct:
        item = outline_of(field.struct)
    elif field.enum:
        item = {member.value for member in field.enum}
    return field.required, field.many and field.min_items, field.max_length, item


def outline_of_schema(schema: dict[str, Any]) -> Outline:
    required = schema.get("required", ())
    return {
        name: (name in required, *outline_of_property(inner)) for name, inner in schema.get("properties", {}).items()
    }


def outline_of_property(schema: dict[str, Any]) -> tuple[Any, ...]:
    many = schema["type"] == "array"
    item = schema["items"] if many else schema
    kind: Any = item["type"]
    if kind == "object":
        kind = outline_of_schema(item)
    elif "enum" in item:
        kind = set(item["enum"]) - {"Celcius"}  # J errata 2.1: read as Celsius
    elif item.get("format") == "date-time":
        kind = "date-time"
    elif kind == "number":
        assert item["multipleOf"] == Decimal("0.1")
        kind = "decimal"
    return many and schema.get("minItems", 0), item.get("maxLength"), kind


def spelt_with_an_escape(payload: bytes) -> bytes:
    """The same JSON with one letter of the first name escaped: no message type is decoded from that by msgspec
    alone."""
    return b'{"\\u%04x' % payload[2] + payload[3:] if payload.startswith(b'{"') else payload


def is_taken(message: type[Message], payload: bytes) -> bool:
    return isinstance(outcome(message, payload, strict=True), tuple)


def outcome(message: type[Message], payload: bytes, *, strict: bool) -> tuple[Any, ...] | str:
    try:
        decoded = decode(message, payload, strict=strict)
    except PayloadError as error:
        return str(error)
    return decoded.message, decoded.notes


def beyond_64_bits(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(beyond_64_bits, value.values()))
    return (
        any(map(beyond_64_bits, value)) if isinstance(value, list) else isinstance(value, int) and abs(value) >= 2**63
    )
