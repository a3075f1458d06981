"""What we send is checked when it is constructed, and once more when it is encoded."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ocppj.errors import ErrorCode, PayloadError
from ocppj.messages import Structure, encode
from ocppj.v16 import (
    PROTOCOL,
    AuthorizationData,
    AuthorizationStatus,
    AuthorizeRequest,
    AuthorizeResponse,
    BootNotificationRequest,
    BootNotificationResponse,
    ChangeAvailabilityRequest,
    ChargingProfile,
    ChargingRateUnitType,
    ChargingSchedule,
    ChargingSchedulePeriod,
    DataTransferRequest,
    GetConfigurationRequest,
    GetDiagnosticsRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    IdTagInfo,
    MeterValue,
    MeterValuesRequest,
    RegistrationStatus,
    RemoteStartTransactionRequest,
    ResetRequest,
    ResetType,
    SampledValue,
    SendLocalListRequest,
    StartTransactionRequest,
    StopTransactionRequest,
    TriggerMessageRequest,
    UnlockConnectorRequest,
    UpdateType,
)

OCCURENCE = ErrorCode.OccurenceConstraintViolation
PROPERTY = ErrorCode.PropertyConstraintViolation
TYPE = ErrorCode.TypeConstraintViolation

NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)
PERIOD = ChargingSchedulePeriod(start_period=0, limit=Decimal(16))
SCHEDULE = ChargingSchedule(charging_rate_unit=ChargingRateUnitType.A, charging_schedule_period=[PERIOD])
ACCEPTED = IdTagInfo(status=AuthorizationStatus.Accepted)


def profile(**changes: Any) -> ChargingProfile:
    values: dict[str, Any] = {
        "charging_profile_id": 1,
        "stack_level": 0,
        "charging_profile_purpose": "TxProfile",
        "charging_profile_kind": "Absolute",
        "charging_schedule": SCHEDULE,
    }
    return ChargingProfile(**values | changes)


WRONG: list[tuple[type[Structure], dict[str, Any], ErrorCode, str, str]] = [
    # class, arguments, error code, field on the wire, words of the description
    (AuthorizeRequest, {}, OCCURENCE, "idTag", "required"),
    (AuthorizeRequest, {"id_tag": None}, OCCURENCE, "idTag", "required"),
    (AuthorizeRequest, {"id_tag": "123456789012345678901"}, PROPERTY, "idTag", "at most 20"),
    (AuthorizeRequest, {"id_tag": 7}, TYPE, "idTag", "expected a string"),
    (AuthorizeResponse, {"id_tag_info": {"status": "Accepted"}}, TYPE, "idTagInfo", "IdTagInfo, got dict"),
    (IdTagInfo, {"status": "Welcome"}, PROPERTY, "status", "'Welcome' is no AuthorizationStatus"),
    (IdTagInfo, {"status": "Accepted", "parent_id_tag": "x" * 21}, PROPERTY, "parentIdTag", "at most 20"),
    (
        BootNotificationResponse,
        {"current_time": NOON, "interval": -1, "status": "Accepted"},
        PROPERTY,
        "interval",
        "below the minimum of 0",
    ),
    (
        BootNotificationResponse,
        {"current_time": NOON, "interval": 300.0, "status": "Accepted"},
        TYPE,
        "interval",
        "expected an integer",
    ),
    (HeartbeatResponse, {"current_time": datetime(2024, 1, 31)}, PROPERTY, "currentTime", "datetime.now(UTC)"),
    (HeartbeatResponse, {"current_time": "2024-01-31T12:00:00Z"}, TYPE, "currentTime", "aware datetime, got str"),
    (
        HeartbeatResponse,
        {"current_time": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))},
        PROPERTY,
        "currentTime",
        "years 1 to 9999",
    ),
    (ChangeAvailabilityRequest, {"connector_id": -1, "type": "Operative"}, PROPERTY, "connectorId", "minimum of 0"),
    (UnlockConnectorRequest, {"connector_id": 0}, PROPERTY, "connectorId", "minimum of 1"),
    (UnlockConnectorRequest, {"connector_id": True}, TYPE, "connectorId", "got a boolean"),
    (UnlockConnectorRequest, {"connector_id": 2**63}, PROPERTY, "connectorId", "64 bits"),
    (TriggerMessageRequest, {"requested_message": "Heartbeat", "connector_id": 0}, PROPERTY, "connectorId", "1"),
    (
        StartTransactionRequest,
        {"connector_id": 1, "id_tag": "A", "meter_start": 0, "timestamp": None},
        OCCURENCE,
        "timestamp",
        "required",
    ),
    (StopTransactionRequest, {"meter_stop": 0, "timestamp": NOON}, OCCURENCE, "transactionId", "required"),
    (MeterValuesRequest, {"connector_id": 1, "meter_value": []}, OCCURENCE, "meterValue", "at least 1"),
    (
        MeterValue,
        {"timestamp": NOON, "sampled_value": [SampledValue(value="1"), "2"]},
        TYPE,
        "sampledValue[1]",
        "expected SampledValue",
    ),
    (GetConfigurationRequest, {"key": ["HeartbeatInterval", "x" * 51]}, PROPERTY, "key[1]", "at most 50"),
    (GetConfigurationRequest, {"key": "HeartbeatInterval"}, TYPE, "key", "expected a list, got a string"),
    (GetDiagnosticsRequest, {"location": "somewhere"}, PROPERTY, "location", "URI"),
    (ChargingSchedulePeriod, {"start_period": 0, "limit": Decimal("8.15")}, PROPERTY, "limit", "one digit"),
    (ChargingSchedulePeriod, {"start_period": 0, "limit": 0.1 + 0.2}, PROPERTY, "limit", "one digit"),
    (ChargingSchedulePeriod, {"start_period": 0, "limit": Decimal("NaN")}, TYPE, "limit", "expected a number"),
    (ChargingSchedulePeriod, {"start_period": 0, "limit": Decimal("1e400")}, PROPERTY, "limit", "no charging rate"),
    (ChargingSchedulePeriod, {"start_period": -60, "limit": 6}, PROPERTY, "startPeriod", "minimum of 0"),
]


@pytest.mark.parametrize(("structure", "values", "code", "field", "words"), WRONG)
def test_a_wrong_message_names_the_field_and_the_limit(structure, values, code, field, words):
    with pytest.raises(PayloadError) as caught:
        structure(**values)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert words in caught.value.description


BROKEN_RULES: list[tuple[Any, str, str]] = [
    (
        lambda: ChargingSchedule(
            charging_rate_unit=ChargingRateUnitType.A,
            charging_schedule_period=[msgspec.structs.replace(PERIOD, start_period=60)],
        ),
        "chargingSchedulePeriod[0].startPeriod",
        "errata 3.45",
    ),
    (lambda: profile(charging_profile_purpose="TxDefaultProfile", transaction_id=7), "transactionId", "§7.8"),
    (lambda: profile(recurrency_kind="Daily"), "recurrencyKind", "errata 3.56"),
    (lambda: profile(stack_level=-1), "stackLevel", "minimum of 0"),
    (
        lambda: RemoteStartTransactionRequest(
            id_tag="A", charging_profile=profile(charging_profile_purpose="TxDefaultProfile")
        ),
        "chargingProfile.chargingProfilePurpose",
        "§6.33",
    ),
    (
        lambda: RemoteStartTransactionRequest(id_tag="A", charging_profile=profile(transaction_id=7)),
        "chargingProfile.transactionId",
        "errata 3.41",
    ),
    (lambda: SendLocalListRequest(list_version=0, update_type=UpdateType.Full), "listVersion", "reserved"),
    (lambda: SendLocalListRequest(list_version=-1, update_type=UpdateType.Full), "listVersion", "reserved"),
    (
        lambda: SendLocalListRequest(
            list_version=1, update_type=UpdateType.Full, local_authorization_list=[AuthorizationData(id_tag="A")]
        ),
        "localAuthorizationList[0].idTagInfo",
        "§7.1",
    ),
    (
        lambda: SendLocalListRequest(
            list_version=1,
            update_type=UpdateType.Differential,
            local_authorization_list=[
                AuthorizationData(id_tag="tag", id_tag_info=ACCEPTED),
                AuthorizationData(id_tag="TAG"),
            ],
        ),
        "localAuthorizationList[1].idTag",
        "only once",
    ),
]


@pytest.mark.parametrize(("construct", "field", "words"), BROKEN_RULES)
def test_a_broken_rule_across_fields_is_refused(construct, field, words):
    with pytest.raises(PayloadError) as caught:
        construct()
    assert caught.value.code is ErrorCode.PropertyConstraintViolation
    assert caught.value.field == field
    assert words in caught.value.description


def test_an_unknown_argument_is_a_programming_error():
    with pytest.raises(TypeError, match="id_tagg"):
        AuthorizeRequest(id_tag="A", id_tagg="B")  # type: ignore[call-arg]


def test_values_are_brought_into_their_canonical_form():
    reset = ResetRequest(type="Hard")  # type: ignore[arg-type]
    assert reset.type is ResetType.Hard
    in_berlin = HeartbeatResponse(current_time=datetime(2024, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))))
    assert in_berlin.current_time == NOON
    assert in_berlin.current_time.tzinfo is UTC
    limit = ChargingSchedulePeriod(start_period=0, limit=8.1).limit  # type: ignore[arg-type]
    assert repr(limit) == "Decimal('8.1')"


def test_messages_are_immutable_and_replaced_ones_are_checked_when_encoded():
    request = AuthorizeRequest(id_tag="A")
    with pytest.raises(AttributeError):
        request.id_tag = "B"  # type: ignore[misc]
    longer = msgspec.structs.replace(request, id_tag="x" * 21)
    with pytest.raises(PayloadError, match="idTag: 21 characters, at most 20 allowed"):
        encode(longer)


def test_a_replaced_message_that_breaks_a_rule_is_refused_when_encoded():
    request = RemoteStartTransactionRequest(id_tag="A", charging_profile=profile())
    for_any_transaction = profile(charging_profile_purpose="TxDefaultProfile")
    with pytest.raises(
        PayloadError, match=r"chargingProfile\.chargingProfilePurpose: a remote start takes a TxProfile only"
    ):
        encode(msgspec.structs.replace(request, charging_profile=for_any_transaction))


def test_what_a_decoder_tolerated_is_not_sent_on():
    decoded = PROTOCOL.decode_request("Reset", b'{"type":"Warm"}')
    with pytest.raises(PayloadError, match="type: 'Warm' is no ResetType"):
        encode(decoded.message)
    decoded = PROTOCOL.decode_request("StopTransaction", b'{"meterStop":1,"timestamp":"soon","transactionId":null}')
    with pytest.raises(PayloadError, match="timestamp: required"):
        encode(decoded.message)


ENCODED: list[tuple[Structure, bytes]] = [
    (HeartbeatRequest(), b"{}"),
    (
        BootNotificationRequest(charge_point_vendor="VendorX", charge_point_model="SingleSocketCharger"),
        b'{"chargePointVendor":"VendorX","chargePointModel":"SingleSocketCharger"}',
    ),
    (
        BootNotificationResponse(current_time=NOON, interval=300, status=RegistrationStatus.Accepted),
        b'{"currentTime":"2024-01-31T12:00:00Z","interval":300,"status":"Accepted"}',
    ),
    (HeartbeatResponse(current_time=NOON.replace(microsecond=120_999)), b'{"currentTime":"2024-01-31T12:00:00.120Z"}'),
    (HeartbeatResponse(current_time=NOON.replace(microsecond=999)), b'{"currentTime":"2024-01-31T12:00:00Z"}'),
    (HeartbeatResponse(current_time=datetime(1, 1, 1, tzinfo=UTC)), b'{"currentTime":"0001-01-01T00:00:00Z"}'),
    (
        StopTransactionRequest(meter_stop=0, timestamp=NOON, transaction_id=-1),
        b'{"meterStop":0,"timestamp":"2024-01-31T12:00:00Z","transactionId":-1}',
    ),
    (
        DataTransferRequest(vendor_id="org.example", data='2024-01-31T12:00:00.123456Z"'),
        b'{"vendorId":"org.example","data":"2024-01-31T12:00:00.123456Z\\""}',
    ),
    (
        ChargingSchedulePeriod(start_period=0, limit=Decimal("8.10"), number_phases=1),
        b'{"startPeriod":0,"limit":8.1,"numberPhases":1}',
    ),
    (ChargingSchedulePeriod(start_period=0, limit=Decimal("1e3")), b'{"startPeriod":0,"limit":1000.0}'),
    (ChargingSchedulePeriod(start_period=0, limit=16), b'{"startPeriod":0,"limit":16.0}'),  # type: ignore[arg-type]
]


@pytest.mark.spec("OCPP 1.6", "3.15")
@pytest.mark.parametrize(("message", "payload"), ENCODED)
def test_encoding_is_compact_in_utc_and_with_one_digit(message, payload):
    assert encode(message) == payload
