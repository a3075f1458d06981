"""Which OCPP-J error code answers which wrong payload, and what its description says."""

import pytest

from ocppj.errors import ErrorCode, PayloadError
from ocppj.faults import ERROR_CODES, Fault
from ocppj.v16 import PROTOCOL

FORMATION = ErrorCode.FormationViolation
OCCURENCE = ErrorCode.OccurenceConstraintViolation
PROPERTY = ErrorCode.PropertyConstraintViolation
TYPE = ErrorCode.TypeConstraintViolation

METER_VALUES = '{"connectorId":1,"meterValue":[{"timestamp":"2024-01-31T12:00:00Z","sampledValue":[%s]}]}'
CHARGING_PROFILE = (
    '{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxProfile",'
    '"chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[%s]}}}'
)

REFUSED_WHEN_STRICT = [
    # action, payload, error code, field, words of the description
    ("Heartbeat", "{", FORMATION, "", "no JSON"),
    ("Heartbeat", "[]", FORMATION, "", "no JSON object"),
    ("Heartbeat", '"{}"', FORMATION, "", "no JSON object"),
    ("Heartbeat", '{"extra":1}', FORMATION, "extra", "HeartbeatRequest has no such field"),
    ("Authorize", '{"idTag":"A","x":[{"y":null}]}', FORMATION, "x", "no such field"),
    ("Authorize", "{}", OCCURENCE, "idTag", "required"),
    ("Authorize", "null", OCCURENCE, "idTag", "required"),
    ("Authorize", '{"idTag":null}', OCCURENCE, "idTag", "got null"),
    ("MeterValues", '{"connectorId":1,"meterValue":[]}', OCCURENCE, "meterValue", "at least 1"),
    ("MeterValues", METER_VALUES % "", OCCURENCE, "meterValue[0].sampledValue", "at least 1"),
    ("MeterValues", METER_VALUES % "{}", OCCURENCE, "meterValue[0].sampledValue[0].value", "required"),
    ("Authorize", '{"idTag":12}', TYPE, "idTag", "expected a string, got a number"),
    ("Authorize", '{"idTag":1.5}', TYPE, "idTag", "expected a string, got a number"),
    ("Authorize", '{"idTag":["A"]}', TYPE, "idTag", "expected a string, got a list"),
    ("RemoteStopTransaction", '{"transactionId":"7"}', TYPE, "transactionId", "expected an integer"),
    ("RemoteStopTransaction", '{"transactionId":7.0}', TYPE, "transactionId", "expected an integer"),
    ("RemoteStopTransaction", '{"transactionId":true}', TYPE, "transactionId", "got a boolean"),
    ("TriggerMessage", '{"requestedMessage":"Heartbeat","connectorId":null}', TYPE, "connectorId", "null"),
    ("MeterValues", METER_VALUES % '{"value":1}', TYPE, "meterValue[0].sampledValue[0].value", "string"),
    ("MeterValues", METER_VALUES % "7", TYPE, "meterValue[0].sampledValue[0]", "expected an object"),
    ("Authorize", '{"idTag":"123456789012345678901"}', PROPERTY, "idTag", "21 characters, at most 20"),
    ("Reset", '{"type":"Warm"}', PROPERTY, "type", "'Warm' is no ResetType"),
    ("MeterValues", METER_VALUES % '{"value":"1","unit":"mW"}', PROPERTY, None, "no UnitOfMeasure"),
    (
        "StatusNotification",
        '{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"2024-01-31 12:00:00Z"}',
        PROPERTY,
        "timestamp",
        "expected an RFC 3339 date-time",
    ),
    ("GetDiagnostics", '{"location":"somewhere"}', PROPERTY, "location", "expected a URI"),
    (
        "SetChargingProfile",
        CHARGING_PROFILE % '{"startPeriod":0,"limit":8.15}',
        PROPERTY,
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
        "more than one digit after the point",
    ),
    (
        "SetChargingProfile",
        CHARGING_PROFILE % '{"startPeriod":0,"limit":"8.1"}',
        TYPE,
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
        "expected a number, got a string",
    ),
    (
        "SetChargingProfile",
        CHARGING_PROFILE % '{"startPeriod":0,"limit":1e99}',
        PROPERTY,
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
        "no charging rate",
    ),
    ("RemoteStopTransaction", '{"transactionId":9223372036854775808}', PROPERTY, "transactionId", "64 bits"),
    ("RemoteStopTransaction", f'{{"transactionId":{"9" * 5000}}}', PROPERTY, "transactionId", "too many digits"),
]


def test_every_fault_has_an_error_code():
    assert ERROR_CODES.keys() == set(Fault)


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
@pytest.mark.parametrize(("action", "payload", "code", "field", "words"), REFUSED_WHEN_STRICT)
def test_strict_decoding_names_the_code_and_the_field(
    action: str, payload: str, code: ErrorCode, field: str | None, words: str
):
    with pytest.raises(PayloadError) as caught:
        PROTOCOL.decode_request(action, payload.encode(), strict=True)
    assert caught.value.code is code
    assert caught.value.field == ("meterValue[0].sampledValue[0].unit" if field is None else field)
    assert words in caught.value.description
    assert caught.value.description.startswith(caught.value.field)


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
@pytest.mark.parametrize(
    ("action", "payload", "code", "field"),
    [
        ("Heartbeat", "{", FORMATION, ""),
        ("Heartbeat", "7", FORMATION, ""),
        ("Heartbeat", "\xff", FORMATION, ""),
        ("Authorize", '{"idTag":"\\ud800"}', FORMATION, ""),
        ("Authorize", f'{{"idTag":{"[" * 5000}{"]" * 5000}}}', ErrorCode.ProtocolError, ""),
        ("Authorize", "{}", OCCURENCE, "idTag"),
        ("Authorize", '{"idTag":{}}', TYPE, "idTag"),
        ("RemoteStopTransaction", '{"transactionId":"seven"}', TYPE, "transactionId"),
        ("RemoteStopTransaction", '{"transactionId":7.5}', TYPE, "transactionId"),
        ("RemoteStopTransaction", '{"transactionId":"1e999999999"}', TYPE, "transactionId"),
        ("RemoteStopTransaction", '{"transactionId":1e999999999}', TYPE, "transactionId"),
        ("RemoteStopTransaction", '{"transactionId":1e99}', PROPERTY, "transactionId"),
        ("StatusNotification", '{"connectorId":1,"errorCode":["NoError"],"status":"Charging"}', TYPE, "errorCode"),
        ("GetLocalListVersion", "[1]", FORMATION, ""),
    ],
)
def test_what_cannot_be_tolerated_is_refused_in_tolerant_mode_as_well(
    action: str, payload: str, code: ErrorCode, field: str
):
    with pytest.raises(PayloadError) as caught:
        PROTOCOL.decode_request(action, payload.encode("latin-1"))
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
@pytest.mark.parametrize("decode", [PROTOCOL.decode_request, PROTOCOL.decode_response])
def test_an_unknown_action_is_not_implemented(decode):
    with pytest.raises(PayloadError, match=r"ocpp1\.6 has no action 'MakeCoffee'") as caught:
        decode("MakeCoffee", b"{}")
    assert caught.value.code is ErrorCode.NotImplemented


def test_a_description_fits_into_a_call_error_however_long_the_value_is():
    with pytest.raises(PayloadError) as caught:
        PROTOCOL.decode_request("Reset", b'{"type":"%s"}' % (b"x" * 100_000), strict=True)
    assert len(caught.value.description) <= 255
    with pytest.raises(PayloadError) as caught:
        PROTOCOL.decode_request("Heartbeat", b'{"%s":1}' % (b"x" * 100_000), strict=True)
    assert len(caught.value.description) <= 255
