"""What forms, API descriptions and readers are told of a message."""

import jsonschema
import msgspec
import pytest

import ocppj.v16
from ocppj.documentation import describe, describe_members, json_schema
from ocppj.messages import Message, Structure, encode
from ocppj.tolerance import NoteCode
from ocppj.v16 import (
    ChargePointStatus,
    ChargingSchedulePeriod,
    IdTagInfo,
    RemoteStartTransactionRequest,
    SendLocalListRequest,
    StartTransactionRequest,
)
from tests.ocppj.schemas import MESSAGES, schema_name

STRUCTURES = [item for item in vars(ocppj.v16).values() if isinstance(item, type) and issubclass(item, Structure)]


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)
def test_every_field_has_a_text_and_a_section(structure: type[Structure]):
    for field in describe(structure):
        assert field.text.endswith("."), field
        assert field.section.startswith(("OCPP 1.6 §6.", "OCPP 1.6 §7.", "security whitepaper §")), field


def test_every_member_of_an_enumeration_has_a_text():
    enumerations = {field.enum for structure in STRUCTURES for field in describe(structure) if field.enum}
    for enumeration in enumerations | {NoteCode}:
        assert describe_members(enumeration).keys() == set(enumeration.__members__), enumeration
    assert describe_members(ChargePointStatus)["Reserved"] == "Reserved as a result of a ReserveNow (operative)."


def test_a_field_is_described_with_its_limit_its_unit_and_its_section():
    fields = {field.wire: field for field in describe(StartTransactionRequest)}
    assert fields["meterStart"].text == "Meter value in Wh for the connector at start of the transaction."
    assert (fields["meterStart"].unit, fields["meterStart"].section) == ("Wh", "OCPP 1.6 §6.45")
    assert (fields["idTag"].max_length, fields["idTag"].required, fields["idTag"].kind) == (20, True, "string")
    assert fields["connectorId"].minimum == 1
    assert not fields["reservationId"].required
    entries = {field.wire: field for field in describe(SendLocalListRequest)}
    assert entries["listVersion"].never == (-1, 0)
    assert entries["localAuthorizationList"].many


@pytest.mark.parametrize("message", MESSAGES, ids=schema_name)
def test_msgspec_makes_a_json_schema_of_every_message(message: type[Message]):
    jsonschema.Draft202012Validator.check_schema(msgspec.json.schema(message))
    jsonschema.Draft202012Validator.check_schema(json_schema(message))


def test_our_json_schema_knows_texts_units_and_minima():
    schema = json_schema(StartTransactionRequest)["$defs"]["StartTransactionRequest"]["properties"]
    assert schema["connectorId"]["minimum"] == 1
    assert schema["meterStart"]["x-unit"] == "Wh"
    assert schema["idTag"] == {
        "type": "string",
        "maxLength": 20,
        "description": "The identifier for which a transaction has to be started.",
    }
    assert "anyOf" not in schema["reservationId"]
    period = json_schema(ChargingSchedulePeriod)["$defs"]["ChargingSchedulePeriod"]["properties"]
    assert period["limit"]["type"] == "number"


def test_what_we_send_fits_our_own_json_schema():
    request = RemoteStartTransactionRequest(id_tag="A", connector_id=1)
    schema = json_schema(RemoteStartTransactionRequest)
    jsonschema.validate(msgspec.json.decode(encode(request)), schema)
    for wrong in ({"idTag": "A", "connectorId": 0}, {"idTag": "A", "connectorId": None}, {"idTag": "A" * 21}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert IdTagInfo.__name__ not in schema["$defs"]
