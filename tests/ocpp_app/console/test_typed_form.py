"""Any OCPP message as a form: every field has an input, and what is submitted becomes the message."""

from typing import Any

import pytest

from ocpp_app.api.schema import sendable
from ocpp_app.console.typed_form import Input, TypedForm
from ocppj.messages import encode
from ocppj.v16 import (
    ChangeConfigurationRequest,
    GetConfigurationRequest,
    RemoteStartTransactionRequest,
    SendLocalListRequest,
    SetChargingProfileRequest,
)

PROFILE = {
    "connectorId": "1",
    "csChargingProfiles.chargingProfileId": "7",
    "csChargingProfiles.stackLevel": "0",
    "csChargingProfiles.chargingProfilePurpose": "TxDefaultProfile",
    "csChargingProfiles.chargingProfileKind": "Absolute",
    "csChargingProfiles.recurrencyKind": "",
    "csChargingProfiles.chargingSchedule.chargingRateUnit": "A",
    # The one in between was removed in the browser: the items are counted anew.
    "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].startPeriod": "0",
    "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit": "16",
    "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[1002].startPeriod": "3600",
    "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[1002].limit": "8.5",
}


def form_of(message_type: Any, **given: str) -> TypedForm:
    return TypedForm(message_type, given, {})


def all_inputs(inputs: list[Input]) -> list[Input]:
    found = list(inputs)
    for one in inputs:
        found += (
            all_inputs(one.parts) + all_inputs(one.blank) + [part for item in one.items for part in all_inputs(item)]
        )
    return found


@pytest.mark.parametrize("spec", sendable(), ids=lambda spec: str(spec.action))
def test_every_field_has_a_label_and_help(spec: Any) -> None:
    for one in all_inputs(form_of(spec.request).inputs):
        assert one.label
        assert one.documentation.text
        assert (one.kind == "enum") <= bool(one.choices)


def test_nested_parts_and_lists_become_the_message() -> None:
    message = form_of(SetChargingProfileRequest, **PROFILE).message()
    assert message is not None
    assert encode(message) == (
        b'{"connectorId":1,"csChargingProfiles":{"chargingProfileId":7,"stackLevel":0,'
        b'"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":'
        b'{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0},{"startPeriod":3600,"limit":8.5}]}}}'
    )


def test_the_error_stands_at_the_field_and_what_was_typed_stays() -> None:
    wrong = {**PROFILE, "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[1002].limit": "8.55"}
    form = form_of(SetChargingProfileRequest, **wrong)
    assert form.message() is None
    (wrong_one,) = [one for one in all_inputs(form.inputs) if one.error]
    assert wrong_one.path == "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[1002].limit"
    assert wrong_one.value == "8.55"


def test_a_part_that_is_not_filled_in_is_not_sent() -> None:
    message = form_of(
        RemoteStartTransactionRequest, idTag="TAG1", connectorId="", **{"chargingProfile.stackLevel": ""}
    ).message()
    assert message == RemoteStartTransactionRequest(id_tag="TAG1")


def test_a_required_field_that_is_missing_is_named() -> None:
    form = form_of(RemoteStartTransactionRequest, connectorId="1")
    assert form.message() is None
    assert [(one.path, one.error) for one in all_inputs(form.inputs) if one.error] == [("idTag", "required")]


def test_a_list_of_words_leaves_out_empty_ones() -> None:
    message = form_of(
        GetConfigurationRequest, **{"key[0]": "", "key[1]": "HeartbeatInterval", "key[5]": "Colour"}
    ).message()
    assert message == GetConfigurationRequest(key=["HeartbeatInterval", "Colour"])


def test_a_configuration_key_can_be_cleared() -> None:
    message = form_of(ChangeConfigurationRequest, key="AuthorizeRemoteTxRequests", value="").message()
    assert message == ChangeConfigurationRequest(key="AuthorizeRemoteTxRequests", value="")


def test_json_is_taken_with_fields_over_it() -> None:
    entry = '{"idTag": "A", "idTagInfo": {"status": "Accepted"}}'
    payload = f'{{"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{entry}]}}'
    form = form_of(SendLocalListRequest, listVersion="4", **{"as-json": payload})
    message: Any = form.message()
    assert (message.list_version, message.local_authorization_list[0].id_tag) == (4, "A")


@pytest.mark.parametrize("payload", ['{"listVersion": ', "[1]", '{"colour": 1}'])
def test_wrong_json_is_refused_with_words(payload: str) -> None:
    form = form_of(SendLocalListRequest, **{"as-json": payload})
    assert form.message() is None
    assert form.error or [one for one in all_inputs(form.inputs) if one.error]
