"""Charge points as they are: each habit that is tolerated, in the frame of a charge point that has it.

Every habit is decoded into a typed message, leaves its note, and is refused in strict mode unless the specification
allows it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ocppj import frames
from ocppj.errors import PayloadError
from ocppj.messages import Decoded, NoteCode
from ocppj.v16 import (
    PROTOCOL,
    Action,
    BootNotificationRequest,
    ChargePointErrorCode,
    ChargePointStatus,
    DataTransferRequest,
    GetCompositeScheduleResponse,
    GetConfigurationResponse,
    HeartbeatRequest,
    Measurand,
    MeterValuesRequest,
    Reason,
    SecurityEventNotificationRequest,
    StartTransactionRequest,
    StatusNotificationRequest,
    StopTransactionRequest,
    UnitOfMeasure,
)

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


def decode(frame: str, *, strict: bool = False) -> Decoded:
    call = frames.decode(frame)
    assert isinstance(call, frames.Call)
    return PROTOCOL.decode_request(call.action, call.payload, strict=strict)


def decode_answer(action: Action, frame: str) -> Decoded:
    result = frames.decode(frame)
    assert isinstance(result, frames.CallResult)
    return PROTOCOL.decode_response(action, result.payload)


def noted(decoded: Decoded) -> list[tuple[str, str]]:
    return [(note.code, note.field) for note in decoded.notes]


def refused_when_strict(frame: str) -> bool:
    try:
        decode(frame, strict=True)
    except PayloadError:
        return True
    return False


def start(timestamp: str) -> str:
    return (
        f'[2,"17","StartTransaction",{{"connectorId":1,"idTag":"04A2B3C4","meterStart":1200,"timestamp":{timestamp}}}]'
    )


TIMESTAMPS: list[tuple[str, datetime | None, list[str]]] = [
    # as written, as taken, the notes
    ('"2024-01-31T12:00:00"', NOON, ["TimestampWithoutZone"]),
    ('"2024-01-31T12:00:00.250"', NOON + timedelta(milliseconds=250), ["TimestampWithoutZone"]),
    ('"2024-01-31T14:00:00+02"', NOON, ["TimestampOffset"]),
    ('"2024-01-31T14:00:00+0200"', NOON, ["TimestampOffset"]),
    ('"2024-01-31T07:30:00-0430"', NOON, ["TimestampOffset"]),
    ('"2024-01-31T12:00:00+0000"', NOON, ["TimestampOffset"]),
    ('"2024-01-31 12:00:00Z"', NOON, ["TimestampSpace"]),
    ('"2024-01-31 12:00:00"', NOON, ["TimestampSpace", "TimestampWithoutZone"]),
    ('" 2024-01-31T12:00:00Z"', NOON, ["TimestampSpace"]),
    ('"2024-01-31T12:00Z"', NOON, ["TimestampForm"]),
    ('"2024-01-31T12:00:00,5Z"', NOON + timedelta(milliseconds=500), ["TimestampForm"]),
    ('"20240131T120000Z"', NOON, ["TimestampForm"]),
    ('"2024-01-31"', NOON - timedelta(hours=12), ["TimestampWithoutZone", "TimestampForm"]),
    ('"2024-01-30T24:00:00Z"', NOON - timedelta(hours=12), ["TimestampForm"]),
    ("1706702400", NOON, ["TimestampEpoch"]),
    ("1706702400.5", NOON + timedelta(milliseconds=500), ["TimestampEpoch"]),
    ("1706702400000", NOON, ["TimestampEpoch"]),
    ('"1706702400"', NOON, ["TimestampEpoch"]),
    ("0", datetime(1970, 1, 1, tzinfo=UTC), ["TimestampEpoch", "ClockNotSet"]),
    ('"soon"', None, ["TimestampUnreadable"]),
    ('"2024-02-30T12:00:00Z"', None, ["TimestampUnreadable"]),
    ('"0000-00-00T00:00:00Z"', None, ["TimestampUnreadable"]),
    ('"2024-01-31T25:00:00Z"', None, ["TimestampUnreadable"]),
    ("{}", None, ["TimestampUnreadable"]),
    ("true", None, ["TimestampUnreadable"]),
    ("1e300", None, ["TimestampUnreadable"]),
    ("99999999999999", datetime(5138, 11, 16, 9, 46, 39, 999000, tzinfo=UTC), ["TimestampEpoch"]),
    ('""', None, ["EmptyString"]),
    ("null", None, ["NullField"]),
]


@pytest.mark.spec("OCPP 1.6", "3.15")
@pytest.mark.parametrize(("written", "taken", "codes"), TIMESTAMPS)
def test_a_timestamp_in_another_form_is_taken_and_noted(written: str, taken: datetime | None, codes: list[str]):
    decoded = decode(start(written))
    assert isinstance(decoded.message, StartTransactionRequest)
    assert decoded.message.timestamp == taken
    assert noted(decoded) == [(code, "timestamp") for code in codes]
    assert refused_when_strict(start(written))


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ('{"a": [1]}', '{"a": [1]}'),
        ('["2024-01-31T12:00:00Z"]', '["2024-01-31T12:00:00Z"]'),
        (f'["{"ä" * 100}"]', f'["{"ä" * 38}…'),
        (f"[{'1,' * 1000}1]", f"[{'1,' * 19}1…"),
    ],
)
def test_what_is_no_timestamp_is_quoted_as_it_was_written(written: str, quoted: str):
    (note,) = decode(start(written)).notes
    assert note.detail == f"{quoted} is no timestamp: taken as absent"


@pytest.mark.spec("OCPP 1.6", "3.15")
@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ('"2024-01-31T14:00:00+02:00"', NOON),
        ('"2024-01-31T12:00:00.000Z"', NOON),
        ('"2024-01-31t12:00:00z"', NOON),
        ('"2024-01-31T12:00:00.1234567Z"', NOON + timedelta(microseconds=123457)),
        ('"2016-12-31T23:59:60Z"', datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_fractions_and_offsets_are_no_habit_but_the_specification(written: str, taken: datetime):
    for strict in (True, False):
        decoded = decode(start(written), strict=strict)
        assert isinstance(decoded.message, StartTransactionRequest)
        assert (decoded.message.timestamp, decoded.notes) == (taken, ())
        assert decoded.message.timestamp
        assert decoded.message.timestamp.tzinfo is UTC


@pytest.mark.spec("OCPP 1.6", "3.15")
@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ('"1970-01-01T00:05:00Z"', datetime(1970, 1, 1, 0, 5, tzinfo=UTC)),
        ('"2000-01-01T00:00:00Z"', datetime(2000, 1, 1, tzinfo=UTC)),
        ('"0001-01-01T00:00:00Z"', datetime(1, 1, 1, tzinfo=UTC)),
        ('"0001-01-01T00:00:00+02:00"', datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_clock_that_was_never_set_is_noted(written: str, taken: datetime):
    decoded = decode(start(written))
    assert isinstance(decoded.message, StartTransactionRequest)
    assert decoded.message.timestamp == taken
    assert noted(decoded) == [("ClockNotSet", "timestamp")]
    assert decode(start(written), strict=True).notes == ()


@pytest.mark.spec("OCPP 1.6", "6.45")
def test_a_missing_timestamp_does_not_cost_the_transaction():
    frame = '[2,"17","StartTransaction",{"connectorId":1,"idTag":"04A2B3C4","meterStart":1200}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, StartTransactionRequest)
    assert decoded.message.timestamp is None
    assert noted(decoded) == [("MissingField", "timestamp")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "6.47")
def test_an_unreadable_optional_timestamp_becomes_absent():
    frame = '[2,"5","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"-"}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, StatusNotificationRequest)
    assert decoded.message.timestamp is None
    assert noted(decoded) == [("TimestampUnreadable", "timestamp")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.7")
def test_an_unknown_enum_value_stays_a_plain_string():
    frame = '[2,"5","StatusNotification",{"connectorId":1,"errorCode":"EmergencyStop","status":"Occupied"}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, StatusNotificationRequest)
    assert type(decoded.message.status) is str
    assert decoded.message.status == "Occupied"
    assert decoded.message.status != ChargePointStatus.Available
    assert noted(decoded) == [("UnknownValue", "errorCode"), ("UnknownValue", "status")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.6")
def test_an_enum_value_in_another_case_is_corrected():
    frame = '[2,"5","StatusNotification",{"connectorId":1,"errorCode":"noError","status":"AVAILABLE "}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, StatusNotificationRequest)
    assert decoded.message.error_code is ChargePointErrorCode.NoError
    assert decoded.message.status is ChargePointStatus.Available
    assert noted(decoded) == [("MisspelledValue", "errorCode"), ("MisspelledValue", "status")]
    assert refused_when_strict(frame)


def meter_values(samples: str, rest: str = "") -> str:
    return (
        f'[2,"99","MeterValues",{{"connectorId":1{rest},'
        f'"meterValue":[{{"timestamp":"2024-01-31T12:00:00Z","sampledValue":{samples}}}]}}]'
    )


def samples_of(decoded: Decoded) -> list[Any]:
    assert isinstance(decoded.message, MeterValuesRequest)
    return decoded.message.meter_value[0].sampled_value


@pytest.mark.spec("OCPP 1.6", "7.31")
def test_unknown_measurands_units_and_contexts_are_kept():
    frame = meter_values(
        '[{"value":"3.1","measurand":"Power.Apparent","unit":"MVA","context":"Sample.Now","location":"Roof","phase":"L4"},'
        '{"value":"7","measurand":"Voltage","unit":"V"}]'
    )
    decoded = decode(frame)
    apparent, voltage = samples_of(decoded)
    assert (apparent.measurand, apparent.unit, apparent.context) == ("Power.Apparent", "MVA", "Sample.Now")
    assert voltage.measurand is Measurand.Voltage
    fields = ["measurand", "unit", "context", "location", "phase"]
    assert noted(decoded) == [("UnknownValue", f"meterValue.sampledValue.{field}") for field in fields]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP-J 1.6 errata", "2.1")
@pytest.mark.parametrize("spelling", ["Celcius", "Celsius"])
def test_both_spellings_of_celsius_are_one_unit(spelling: str):
    frame = meter_values(f'[{{"value":"21.5","measurand":"Temperature","unit":"{spelling}"}}]')
    for strict in (True, False):
        decoded = decode(frame, strict=strict)
        assert samples_of(decoded)[0].unit is UnitOfMeasure.Celsius
        assert decoded.notes == ()


@pytest.mark.spec("OCPP 1.6 errata", "3.84")
def test_hertz_is_the_unit_of_frequency():
    frame = meter_values('[{"value":"49.98","measurand":"Frequency","unit":"Hertz"}]')
    assert samples_of(decode(frame, strict=True))[0].unit is UnitOfMeasure.Hertz


@pytest.mark.spec("OCPP 1.6", "7.43")
@pytest.mark.parametrize("value", ['""', "null", "{}", "[1]"])
def test_a_sampled_value_without_a_value_is_dropped_and_its_neighbours_are_kept(value: str):
    frame = meter_values(f'[{{"value":"1"}},{{"value":{value},"unit":"W"}},{{"value":"3"}}]')
    decoded = decode(frame)
    assert [sample.value for sample in samples_of(decoded)] == ["1", "3"]
    assert noted(decoded) == [("DroppedItem", "meterValue.sampledValue")]
    assert "[1].value" in decoded.notes[0].detail


@pytest.mark.spec("OCPP 1.6", "7.43")
@pytest.mark.parametrize("sample", ['{"unit":"W"}', "null", "7", '"7"', "[]"])
def test_what_is_no_sampled_value_is_dropped_and_its_neighbours_are_kept(sample: str):
    frame = meter_values(f'[{{"value":"1"}},{sample},{{"value":"3"}}]')
    decoded = decode(frame)
    assert [sample.value for sample in samples_of(decoded)] == ["1", "3"]
    assert noted(decoded) == [("DroppedItem", "meterValue.sampledValue")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.43")
def test_an_unreadable_timestamp_of_a_meter_value_costs_only_itself():
    frame = (
        '[2,"99","MeterValues",{"connectorId":1,"meterValue":['
        '{"timestamp":"later","sampledValue":[{"value":"1"}]},'
        '{"timestamp":"2024-01-31T12:00:00Z","sampledValue":[{"value":"2"}]}]}]'
    )
    decoded = decode(frame)
    assert isinstance(decoded.message, MeterValuesRequest)
    assert [(one.timestamp, one.sampled_value[0].value) for one in decoded.message.meter_value] == [
        (None, "1"),
        (NOON, "2"),
    ]
    assert noted(decoded) == [("TimestampUnreadable", "meterValue.timestamp")]


@pytest.mark.spec("OCPP 1.6", "7.33")
@pytest.mark.parametrize(
    ("samples", "notes"),
    [
        ("[]", [("EmptyList", "meterValue.sampledValue")]),
        ("null", [("NullField", "meterValue.sampledValue")]),
        ('[{"value":""}]', [("DroppedItem", "meterValue.sampledValue")]),
    ],
)
def test_meter_values_without_a_sample_are_taken(samples: str, notes: list[tuple[str, str]]):
    decoded = decode(meter_values(samples))
    assert samples_of(decoded) == []
    assert noted(decoded) == notes


@pytest.mark.spec("OCPP 1.6", "6.31")
@pytest.mark.parametrize(
    ("rest", "note"),
    [
        ("", ("MissingField", "meterValue")),
        (',"meterValue":null', ("NullField", "meterValue")),
        (',"meterValue":[]', ("EmptyList", "meterValue")),
        (',"meterValue":[7]', ("DroppedItem", "meterValue")),
    ],
)
def test_meter_values_without_any_meter_value_are_taken(rest: str, note: tuple[str, str]):
    frame = f'[2,"99","MeterValues",{{"connectorId":1{rest}}}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, MeterValuesRequest)
    assert decoded.message.meter_value == []
    assert noted(decoded) == [note]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.33")
def test_one_object_where_a_list_is_due_is_a_list_of_one():
    frame = meter_values('{"value":"1"}')
    decoded = decode(frame)
    assert [sample.value for sample in samples_of(decoded)] == ["1"]
    assert noted(decoded) == [("SingleForList", "meterValue.sampledValue")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.43")
@pytest.mark.parametrize("value", ["7200", "16.10", "-0.5", "1e3"])
def test_a_number_as_a_sampled_value_is_kept_as_it_was_written(value: str):
    frame = meter_values(f'[{{"value":{value}}}]')
    decoded = decode(frame)
    assert samples_of(decoded)[0].value == value
    assert noted(decoded) == [("StringAsNumber", "meterValue.sampledValue.value")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "6.49")
@pytest.mark.parametrize(
    ("transaction_id", "taken", "notes"),
    [
        ('"transactionId":42,', 42, []),
        ('"transactionId":0,', 0, []),
        ('"transactionId":-1,', -1, []),
        ('"transactionId":-2147483648,', -2147483648, []),
        ('"transactionId":"42",', 42, ["NumberAsString"]),
        ('"transactionId":42.0,', 42, ["FloatAsInteger"]),
        ('"transactionId":"42.0",', 42, ["NumberAsString", "FloatAsInteger"]),
        ('"transactionId":null,', None, ["NullField"]),
        ('"transactionId":"",', None, ["EmptyString"]),
        ("", None, ["MissingField"]),
    ],
)
def test_transaction_ids_of_all_kinds_in_a_stop(transaction_id: str, taken: int | None, notes: list[str]):
    frame = f'[2,"18","StopTransaction",{{{transaction_id}"meterStop":5000,"timestamp":"2024-01-31T12:00:00Z"}}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, StopTransactionRequest)
    assert decoded.message.transaction_id == taken
    assert noted(decoded) == [(code, "transactionId") for code in notes]
    assert refused_when_strict(frame) == bool(notes)


@pytest.mark.spec("OCPP 1.6", "6.31")
@pytest.mark.parametrize(("rest", "notes"), [("", []), (',"transactionId":null', [("NullField", "transactionId")])])
def test_meter_values_without_a_transaction(rest: str, notes: list[tuple[str, str]]):
    decoded = decode(meter_values('[{"value":"1"}]', rest))
    assert isinstance(decoded.message, MeterValuesRequest)
    assert decoded.message.transaction_id is None
    assert noted(decoded) == notes


@pytest.mark.spec("OCPP 1.6", "6.45")
@pytest.mark.parametrize("connector_id", [0, -1])
def test_connector_ids_that_we_would_never_send_are_taken(connector_id: int):
    frame = start('"2024-01-31T12:00:00Z"').replace('"connectorId":1', f'"connectorId":{connector_id}')
    decoded = decode(frame)
    assert isinstance(decoded.message, StartTransactionRequest)
    assert (decoded.message.connector_id, decoded.notes) == (connector_id, ())


@pytest.mark.spec("OCPP 1.6", "6.45")
@pytest.mark.parametrize(
    ("written", "taken", "codes"),
    [
        ('"1200"', 1200, ["NumberAsString"]),
        ("1200.0", 1200, ["FloatAsInteger"]),
        ("1200.4", 1200, ["FloatAsInteger"]),
        ("1200.6", 1201, ["FloatAsInteger"]),
        ('" 1200.6 "', 1201, ["NumberAsString", "FloatAsInteger"]),
        ("1.2e3", 1200, ["FloatAsInteger"]),
        ("-5", -5, []),
    ],
)
def test_a_meter_reading_in_another_form_is_taken_in_whole_watt_hours(written: str, taken: int, codes: list[str]):
    frame = start('"2024-01-31T12:00:00Z"').replace('"meterStart":1200', f'"meterStart":{written}')
    decoded = decode(frame)
    assert isinstance(decoded.message, StartTransactionRequest)
    assert decoded.message.meter_start == taken
    assert noted(decoded) == [(code, "meterStart") for code in codes]
    assert refused_when_strict(frame) == bool(codes)


@pytest.mark.spec("OCPP 1.6", "7.28")
@pytest.mark.parametrize(("written", "taken"), [("12345678", "12345678"), ("1.50", "1.50"), ("true", "true")])
def test_a_number_as_an_id_tag_is_taken_as_it_was_written(written: str, taken: str):
    frame = f'[2,"3","Authorize",{{"idTag":{written}}}]'
    decoded = decode(frame)
    assert msgspec.to_builtins(decoded.message) == {"idTag": taken}
    assert noted(decoded) == [("StringAsNumber", "idTag")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.29")
@pytest.mark.parametrize(
    ("written", "taken", "codes"),
    [
        ("true", True, []),
        ('"true"', True, ["BooleanAsString"]),
        ('"False"', False, ["BooleanAsString"]),
        ("0", False, ["BooleanAsString"]),
        ("1", True, ["BooleanAsString"]),
    ],
)
def test_booleans_as_strings_and_numbers(written: str, taken: bool, codes: list[str]):
    frame = f'[3,"7",{{"configurationKey":[{{"key":"HeartbeatInterval","readonly":{written},"value":"300"}}]}}]'
    decoded = decode_answer(Action.GetConfiguration, frame)
    assert isinstance(decoded.message, GetConfigurationResponse)
    assert decoded.message.configuration_key
    assert decoded.message.configuration_key[0].readonly is taken
    assert noted(decoded) == [(code, "configurationKey.readonly") for code in codes]


@pytest.mark.spec("OCPP 1.6", "6.24")
def test_one_bad_configuration_key_costs_only_itself():
    frame = (
        '[3,"7",{"configurationKey":[{"key":"A","readonly":false,"value":null},{"key":"B","readonly":"perhaps"},'
        '{"key":"C","readonly":true,"value":300}],"unknownKey":null}]'
    )
    decoded = decode_answer(Action.GetConfiguration, frame)
    assert isinstance(decoded.message, GetConfigurationResponse)
    keys = decoded.message.configuration_key or []
    assert [(one.key, one.readonly, one.value) for one in keys] == [("A", False, None), ("C", True, "300")]
    assert decoded.message.unknown_key is None
    assert noted(decoded) == [
        ("NullField", "configurationKey.value"),
        ("DroppedItem", "configurationKey"),
        ("StringAsNumber", "configurationKey.value"),
        ("NullField", "unknownKey"),
    ]


BOOT = '[2,"1","BootNotification",{"chargePointVendor":%s,"chargePointModel":"Mini Connect"%s}]'


@pytest.mark.spec("OCPP-J 1.6 errata", "3.1")
def test_extra_fields_are_ignored_at_every_level():
    frame = BOOT % ('"Grizzl-E"', ',"bootReason":"PowerUp","hwVersion":{"pcb":[1,2]}')
    decoded = decode(frame)
    assert decoded.message == BootNotificationRequest(charge_point_vendor="Grizzl-E", charge_point_model="Mini Connect")
    assert noted(decoded) == [("ExtraField", "")]
    assert "'bootReason', 'hwVersion'" in decoded.notes[0].detail
    assert refused_when_strict(frame)
    sample = meter_values('[{"value":"1","accuracy":0.5}]')
    assert noted(decode(sample)) == [("ExtraField", "meterValue.sampledValue")]
    assert refused_when_strict(sample)


@pytest.mark.spec("OCPP 1.6", "7.15")
def test_an_over_long_string_is_kept_whole():
    vendor = "A Vendor With A Very Long Name"
    frame = BOOT % (f'"{vendor}"', "")
    decoded = decode(frame)
    assert isinstance(decoded.message, BootNotificationRequest)
    assert decoded.message.charge_point_vendor == vendor
    assert noted(decoded) == [("OverlongString", "chargePointVendor")]
    assert decoded.notes[0].detail == "30 characters, at most 20 allowed"
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "6.3")
def test_null_in_optional_fields_is_absence():
    frame = BOOT % ('"V"', ',"iccid":null,"imsi":null,"meterType":""')
    decoded = decode(frame)
    assert isinstance(decoded.message, BootNotificationRequest)
    assert (decoded.message.iccid, decoded.message.imsi, decoded.message.meter_type) == (None, None, "")
    assert noted(decoded) == [("NullField", "iccid"), ("NullField", "imsi")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "6.3")
def test_nul_characters_of_a_padded_buffer_are_removed():
    frame = BOOT % ('"V"', ',"chargePointSerialNumber":"CP-001\\u0000\\u0000\\u0000"')
    decoded = decode(frame)
    assert isinstance(decoded.message, BootNotificationRequest)
    assert decoded.message.charge_point_serial_number == "CP-001"
    assert noted(decoded) == [("NulCharacter", "chargePointSerialNumber")]


@pytest.mark.spec("OCPP-J 1.6", "4.2.1")
@pytest.mark.parametrize(
    ("frame", "strictly_allowed"),
    [
        ('[2,"4","Heartbeat",null]', True),
        ('[2,"4","Heartbeat",[]]', False),
        ('[2,"4","Heartbeat",""]', False),
    ],
)
def test_a_null_payload_is_an_empty_one(frame: str, strictly_allowed: bool):
    decoded = decode(frame)
    assert decoded.message == HeartbeatRequest()
    assert noted(decoded) == [("NullPayload", "")]
    assert refused_when_strict(frame) is not strictly_allowed


@pytest.mark.spec("OCPP-J 1.6", "4.2.2")
def test_a_null_answer_is_an_empty_one():
    decoded = decode_answer(Action.UpdateFirmware, '[3,"8",null]')
    assert noted(decoded) == [("NullPayload", "")]


@pytest.mark.spec("OCPP 1.6", "6.49")
def test_empty_strings_in_fields_that_are_no_strings_are_absence():
    frame = (
        '[2,"18","StopTransaction",{"transactionId":7,"idTag":"","meterStop":5000,"timestamp":"2024-01-31T12:00:00Z",'
        '"reason":"","transactionData":[{"timestamp":"2024-01-31T12:00:00Z","sampledValue":[{"value":"1","phase":""}]}]}]'
    )
    decoded = decode(frame)
    assert isinstance(decoded.message, StopTransactionRequest)
    assert (decoded.message.id_tag, decoded.message.reason) == ("", None)
    assert noted(decoded) == [("EmptyString", "reason"), ("EmptyString", "transactionData.sampledValue.phase")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "6.15")
def test_an_object_as_data_of_a_data_transfer_is_kept_as_json_text():
    frame = '[2,"6","DataTransfer",{"vendorId":"org.example","data":{"price":0.30,"tags":["a",null],"big":1e3}}]'
    decoded = decode(frame)
    assert isinstance(decoded.message, DataTransferRequest)
    assert decoded.message.data == '{"price":0.30,"tags":["a",null],"big":1e3}'
    assert noted(decoded) == [("StringAsObject", "data")]
    assert refused_when_strict(frame)


@pytest.mark.spec("OCPP 1.6", "7.14")
def test_a_composite_schedule_with_more_digits_is_kept_exactly():
    frame = (
        '[3,"9",{"status":"Accepted","connectorId":1,"scheduleStart":"2024-01-31T12:00:00","chargingSchedule":'
        '{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":13.043},{"startPeriod":"60","limit":"6.0"}]}}]'
    )
    decoded = decode_answer(Action.GetCompositeSchedule, frame)
    assert isinstance(decoded.message, GetCompositeScheduleResponse)
    assert decoded.message.charging_schedule
    assert [str(one.limit) for one in decoded.message.charging_schedule.charging_schedule_period] == ["13.043", "6.0"]
    periods = "chargingSchedule.chargingSchedulePeriod"
    assert noted(decoded) == [
        ("TimestampWithoutZone", "scheduleStart"),
        ("InexactDecimal", f"{periods}.limit"),
        ("NumberAsString", f"{periods}.startPeriod"),
        ("NumberAsString", f"{periods}.limit"),
    ]


@pytest.mark.spec("OCPP 1.6", "6.25")
def test_what_is_no_uri_is_kept():
    decoded = decode('[2,"2","GetDiagnostics",{"location":"/var/log"}]')
    assert msgspec.to_builtins(decoded.message) == {"location": "/var/log"}
    assert noted(decoded) == [("InvalidFormat", "location")]


@pytest.mark.spec("Security whitepaper", "5.15")
def test_a_security_event_with_a_long_text_is_kept():
    frame = (
        '[2,"11","SecurityEventNotification",{"type":"StartupOfTheDevice","timestamp":"2024-01-31T12:00:00Z",'
        f'"techInfo":"{"x" * 300}"}}]'
    )
    decoded = decode(frame)
    assert isinstance(decoded.message, SecurityEventNotificationRequest)
    assert decoded.message.tech_info == "x" * 300
    assert noted(decoded) == [("OverlongString", "techInfo")]


def test_a_habit_is_noted_once_per_message_and_field_with_what_was_seen_first():
    first = '{"timestamp":"2024-01-31T12:00:00","sampledValue":[{"value":1},{"value":2}]}'
    second = '{"timestamp":"2024-01-31T12:15:00","sampledValue":[{"value":3},{"value":4}]}'
    decoded = decode(f'[2,"99","MeterValues",{{"connectorId":1,"meterValue":[{first},{second}]}}]')
    assert noted(decoded) == [
        ("TimestampWithoutZone", "meterValue.timestamp"),
        ("StringAsNumber", "meterValue.sampledValue.value"),
    ]
    assert decoded.notes[0].detail == "'2024-01-31T12:00:00' has no zone: taken as UTC"
    assert decoded.notes[1].detail == "1 taken as a string"


def test_an_ordinary_message_has_no_note():
    frame = (
        '[2,"18","StopTransaction",'
        '{"transactionId":7,"meterStop":5000,"timestamp":"2024-01-31T12:00:00Z","reason":"Local"}]'
    )
    decoded = decode(frame)
    assert isinstance(decoded.message, StopTransactionRequest)
    assert decoded.message.reason is Reason.Local
    assert decoded.notes == ()


def test_every_habit_has_a_test_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in NoteCode if f'"{code}"' not in source] == []
