"""Messages as people type them."""

import json

import pytest

from ocppj.assignments import message_from
from ocppj.documentation import describe
from ocppj.errors import PayloadError
from ocppj.messages import Request, encode
from ocppj.protocol import Sender
from ocppj.v16 import (
    PROTOCOL,
    ChangeConfigurationRequest,
    ClearCacheRequest,
    DataTransferRequest,
    GetConfigurationRequest,
    RemoteStartTransactionRequest,
    ReserveNowRequest,
    ResetRequest,
    ResetType,
    SendLocalListRequest,
    SetChargingProfileRequest,
    UnlockConnectorRequest,
)

PERIOD = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod"
PROFILE = (
    "connectorId=1",
    "csChargingProfiles.chargingProfileId=7",
    "csChargingProfiles.stackLevel=0",
    "csChargingProfiles.chargingProfilePurpose=txdefaultprofile",
    "csChargingProfiles.chargingProfileKind=Relative",
    "csChargingProfiles.chargingSchedule.chargingRateUnit=A",
    f"{PERIOD}[0].startPeriod=0",
    f"{PERIOD}[0].limit=16.5",
    f"{PERIOD}[1].startPeriod=3600",
    f"{PERIOD}[1].limit=8",
)


def payload(message_type: type[Request], *assignments: str, json_: str = "") -> object:
    return json.loads(encode(message_from(message_type, assignments, json_)))


def test_enumerations_are_taken_in_any_case_of_letters():
    assert message_from(ResetRequest, ["type=soft"]) == ResetRequest(type=ResetType.Soft)


def test_nested_and_indexed_fields():
    assert payload(SetChargingProfileRequest, *PROFILE) == {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 7,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.5}, {"startPeriod": 3600, "limit": 8}],
            },
        },
    }


@pytest.mark.parametrize(
    "assignments", [("key=A", "key=B"), ("key[0]=A", "key[1]=B"), ("key[]=A", "key[]=B"), ('key=["A","B"]',)]
)
def test_lists_of_plain_values(assignments):
    assert payload(GetConfigurationRequest, *assignments) == {"key": ["A", "B"]}


def test_a_value_may_contain_anything():
    typed = ["key=MeterValuesSampledData", "value=Power.Active.Import,a=b [c] {d}"]
    assert message_from(ChangeConfigurationRequest, typed).value == "Power.Active.Import,a=b [c] {d}"


def test_text_that_looks_like_something_else_stays_text():
    assert payload(DataTransferRequest, "vendorId=17", "data={}") == {"vendorId": "17", "data": "{}"}


def test_assignments_go_over_the_json_payload():
    typed = payload(RemoteStartTransactionRequest, "idTag=A", json_='{"connectorId":1,"idTag":"B"}')
    assert typed == {"connectorId": 1, "idTag": "A"}


def test_objects_and_lists_may_be_json():
    typed = ("listVersion=07", "updateType=Differential", 'localAuthorizationList=[{"idTag":"A"}]')
    assert payload(SendLocalListRequest, *typed) == {
        "listVersion": 7,
        "updateType": "Differential",
        "localAuthorizationList": [{"idTag": "A"}],
    }


def test_what_the_charge_point_should_decide_is_not_refused():
    assert payload(UnlockConnectorRequest, "connectorId=99") == {"connectorId": 99}


@pytest.mark.parametrize(
    ("message_type", "typed", "complaint"),
    [
        (ResetRequest, [], "type: required"),
        (ResetRequest, ["type"], "'type' is no assignment: write name=value"),
        (ResetRequest, ["type=Sof"], "type: 'Sof' is none of Hard, Soft"),
        (ResetRequest, ["Type=Soft"], "Type: Reset has no such field; did you mean type?"),
        (ResetRequest, ["wait=1"], "wait: Reset has no such field; it has type"),
        (ResetRequest, ["type.x=1"], "type: is a word, there is nothing inside"),
        (ResetRequest, ["type[0]=Soft"], "type[0]: is no list"),
        (ResetRequest, ["a b=1"], "'a b' is no name: write field, field.field or field[0].field"),
        (ClearCacheRequest, ["a=1"], "a: ClearCache has no such field; it has none"),
        (UnlockConnectorRequest, ["connectorId=0"], "connectorId: 0 is below the minimum of 1"),
        (UnlockConnectorRequest, ["connectorId=one"], "connectorId: expected an integer, got 'one'"),
        (UnlockConnectorRequest, ["connectorId=1.5"], "connectorId: expected an integer, got a number"),
        (ChangeConfigurationRequest, ["key=" + "k" * 51, "value=1"], "key: 51 characters, at most 50 allowed"),
        (GetConfigurationRequest, ["key[1]=A"], "key[1]: the item before it is missing: the next is [0]"),
        (GetConfigurationRequest, ["key=[1"], "key: expected JSON: Input data was truncated"),
        (SendLocalListRequest, ["localAuthorizationList=A"], "localAuthorizationList: is a list of objects: write "),
        (SetChargingProfileRequest, [*PROFILE, f"{PERIOD}[1].limit=8.25"], "has more than one digit after the point"),
        (
            SetChargingProfileRequest,
            [*PROFILE, "csChargingProfiles.chargingSchedule.duratio=1"],
            "csChargingProfiles.chargingSchedule.duratio: ChargingSchedule has no such field; did you mean duration?",
        ),
        (
            ReserveNowRequest,
            ["connectorId=1", "expiryDate=tomorrow", "idTag=A", "reservationId=1"],
            "expiryDate: expected an RFC 3339 date-time",
        ),
    ],
)
def test_a_mistake_is_told_with_the_field_and_what_it_may_hold(message_type, typed, complaint):
    with pytest.raises(PayloadError) as caught:
        message_from(message_type, typed)
    assert complaint in caught.value.description


@pytest.mark.parametrize("text", ["[]", "17", "{"])
def test_payload_that_is_no_json_object(text):
    with pytest.raises(PayloadError, match="payload is no JSON"):
        message_from(ResetRequest, [], text)


@pytest.mark.parametrize("spec", [spec for spec in PROTOCOL.actions.values() if spec.sender is not Sender.charge_point])
def test_every_action_can_be_typed_or_says_what_it_needs(spec):
    required = [field for field in describe(spec.request) if field.required]
    if required:
        with pytest.raises(PayloadError, match=r": required$"):
            message_from(spec.request, [])
    else:
        assert type(message_from(spec.request, [])) is spec.request
