"""What a charge point does when the central system calls: every command of OCPP 1.6 §5, and what is malformed."""

import json

import pytest

from tests.simulator.wire import START, Wire

# -- frames that cannot be executed ----------------------------------------------------------------


@pytest.mark.spec("OCPP-J 1.6", "4.2.3")
@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Fly", "{}", "NotImplemented"),
        ("BootNotification", "{}", "NotSupported"),
        ("Reset", "{}", "OccurenceConstraintViolation"),
        ("Reset", '{"type":7}', "TypeConstraintViolation"),
        ("Reset", '{"type":"Warm"}', "PropertyConstraintViolation"),
        ("Reset", '{"type":"Soft","when":"now"}', "FormationViolation"),
        ("UnlockConnector", '{"connectorId":"1"}', "TypeConstraintViolation"),
        ("SetChargingProfile", "[]", "FormationViolation"),
        (
            "GetCompositeSchedule",
            '{"connectorId":1,"duration":60,"chargingRateUnit":"V"}',
            "PropertyConstraintViolation",
        ),
    ],
)
def test_what_cannot_be_executed_is_answered_with_the_right_code(action, payload, code):
    wire = Wire().connect()

    answered, description = wire.call(action, payload)

    assert answered == code
    assert description


def test_a_call_without_an_action_is_answered_with_a_call_error():
    wire = Wire().connect()
    wire.forget()

    wire.receive('[2,"cs-1"]')

    assert wire.frames == [[4, "cs-1", "FormationViolation", "The third element of a CALL is its action.", {}]]


def test_calls_are_answered_in_order_even_when_two_come_at_once():
    wire = Wire().connect()
    wire.forget()

    wire.charge_point.receive('[2,"a","ClearCache",{}]', wire.now)
    wire.charge_point.receive('[2,"b","Fly",{}]', wire.now)
    wire.pump()

    assert [frame[:2] for frame in wire.frames] == [[3, "a"], [4, "b"]]


# -- configuration ---------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.3")
@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("heartbeatinterval", "60", "Accepted"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "soon", "Rejected"),
        ("LocalPreAuthorize", "TRUE", "Accepted"),
        ("LocalPreAuthorize", "1", "Rejected"),
        ("NumberOfConnectors", "5", "Rejected"),
        ("WebSocketPingInterval", "30", "RebootRequired"),
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("MeterValuesSampledData", "SoC,Voltage.L1", "Accepted"),
        ("MeterValuesSampledData", "", "Accepted"),
        ("MeterValuesSampledData", "RPM", "Rejected"),
        ("MeterValuesSampledData", "Voltage.L2", "Rejected"),
        ("ConnectorPhaseRotation", "0.RST,1.RTS", "Accepted"),
        ("ConnectorPhaseRotation", "1.UVW", "Rejected"),
        ("TransactionMessageAttempts", "0", "Rejected"),
        ("AuthorizationKey", "00112233445566778899AABBCCDDEEFF", "Accepted"),
        ("AuthorizationKey", "short", "Rejected"),
        ("VendorMagic", "1", "NotSupported"),
    ],
)
def test_change_configuration(key, value, status):
    wire = Wire().connect()

    assert wire.call("ChangeConfiguration", json.dumps({"key": key, "value": value})) == {"status": status}


@pytest.mark.spec("OCPP 1.6", "5.8")
def test_get_configuration_tells_values_and_unknown_keys():
    wire = Wire(connectors=2).connect()
    wire.configure("AuthorizationKey", "00112233445566778899AABBCCDDEEFF")

    answer = wire.call("GetConfiguration", '{"key":["numberofconnectors","Nonsense","AuthorizationKey"]}')

    assert answer == {
        "configurationKey": [
            {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            {"key": "AuthorizationKey", "readonly": False},
        ],
        "unknownKey": ["Nonsense"],
    }


@pytest.mark.spec("OCPP 1.6", "9")
def test_get_configuration_without_keys_has_every_required_key():
    required = """
        AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation
        GetConfigurationMaxKeys HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize MeterValuesAlignedData
        MeterValuesSampledData MeterValueSampleInterval NumberOfConnectors ResetRetries
        StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData StopTxnSampledData
        SupportedFeatureProfiles TransactionMessageAttempts TransactionMessageRetryInterval
        UnlockConnectorOnEVSideDisconnect LocalAuthListEnabled LocalAuthListMaxLength SendLocalListMaxLength
        ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods
        MaxChargingProfilesInstalled
    """
    wire = Wire().connect()

    for payload in ("{}", '{"key":[]}'):
        keys = {entry["key"] for entry in wire.call("GetConfiguration", payload)["configurationKey"]}
        assert set(required.split()) <= keys


def test_a_value_that_needs_a_reboot_is_in_force_after_it():
    wire = Wire().connect()
    wire.call("ChangeConfiguration", '{"key":"WebSocketPingInterval","value":"33"}')

    def value() -> str:
        answer = wire.call("GetConfiguration", '{"key":["WebSocketPingInterval"]}')
        return answer["configurationKey"][0]["value"]

    assert value() == "60"
    wire.lose()
    wire.charge_point.restart(wire.now)
    wire.connect()
    assert value() == "33"


def test_a_new_authorization_key_makes_it_connect_again():
    wire = Wire().connect()
    assert not wire.charge_point.must_reconnect
    wire.configure("AuthorizationKey", "00112233445566778899AABBCCDDEEFF")
    assert wire.charge_point.must_reconnect


# -- availability ----------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.2")
def test_change_availability_of_a_connector_and_back():
    wire = Wire(connectors=2).connect()
    wire.forget()

    assert wire.call("ChangeAvailability", '{"connectorId":2,"type":"Inoperative"}') == {"status": "Accepted"}
    assert wire.call("ChangeAvailability", '{"connectorId":2,"type":"Inoperative"}') == {"status": "Accepted"}
    assert wire.call("ChangeAvailability", '{"connectorId":2,"type":"Operative"}') == {"status": "Accepted"}
    assert wire.call("ChangeAvailability", '{"connectorId":3,"type":"Operative"}') == {"status": "Rejected"}

    assert [(call["connectorId"], call["status"]) for call in wire.calls("StatusNotification")] == [
        (2, "Unavailable"),
        (2, "Available"),
    ]


@pytest.mark.spec("OCPP 1.6", "5.2")
def test_change_availability_is_scheduled_while_charging():
    wire = Wire().connect().charging()
    wire.forget()

    assert wire.call("ChangeAvailability", '{"connectorId":0,"type":"Inoperative"}') == {"status": "Scheduled"}
    assert wire.statuses() == []
    wire.tag("ABC")

    assert wire.statuses(0) == ["Unavailable"]
    assert wire.statuses(1) == ["Unavailable"]
    assert wire.tag("ABC") == "connector 1 is Unavailable"


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_unavailable_persists_over_a_reset():
    wire = Wire().connect()
    wire.call("ChangeAvailability", '{"connectorId":0,"type":"Inoperative"}')
    wire.call("Reset", '{"type":"Hard"}')
    wire.lose()
    wire.charge_point.restart(wire.now)
    wire.forget()
    wire.connect()

    assert (wire.statuses(0), wire.statuses(1)) == (["Unavailable"], ["Unavailable"])


# -- remote start and stop -------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.11")
def test_remote_start_on_a_plugged_connector_starts_at_once_after_the_answer():
    wire = Wire().connect()
    wire.plug()
    wire.forget()

    wire.receive('[2,"cs-1","RemoteStartTransaction",{"connectorId":1,"idTag":"anonymous"}]')

    assert wire.frames[0] == [3, "cs-1", {"status": "Accepted"}]
    assert wire.actions() == ["StartTransaction", "StatusNotification"]
    assert wire.calls("StartTransaction")[0]["idTag"] == "anonymous"


@pytest.mark.spec("OCPP 1.6", "5.11")
def test_remote_start_is_authorized_first_where_the_key_says_so():
    wire = Wire().connect()
    wire.configure("AuthorizeRemoteTxRequests", "true")
    wire.plug()
    wire.forget()

    wire.call("RemoteStartTransaction", '{"idTag":"ABC"}')

    assert wire.actions() == ["Authorize", "StartTransaction", "StatusNotification"]


def test_remote_start_without_a_connector_goes_where_a_car_is_waiting():
    wire = Wire(connectors=3).connect()
    wire.plug(2)

    wire.call("RemoteStartTransaction", '{"idTag":"ABC"}')

    assert wire.calls("StartTransaction")[0]["connectorId"] == 2


def test_remote_start_before_the_plug_waits_for_it():
    wire = Wire().connect()

    assert wire.call("RemoteStartTransaction", '{"idTag":"ABC","connectorId":1}') == {"status": "Accepted"}
    assert (wire.status(), wire.calls("StartTransaction")) == ("Preparing", [])
    wire.plug()

    assert wire.status() == "Charging"


@pytest.mark.parametrize("connector_id", [1, 9])
def test_remote_start_where_it_cannot_start_is_rejected(connector_id):
    wire = Wire().connect().charging()

    payload = f'{{"idTag":"ABC","connectorId":{connector_id}}}'

    assert wire.call("RemoteStartTransaction", payload) == {"status": "Rejected"}


def test_remote_start_in_finishing_goes_through_preparing():
    wire = Wire().connect().charging()
    wire.tag("ABC")
    wire.forget()

    assert wire.call("RemoteStartTransaction", '{"idTag":"ABC","connectorId":1}') == {"status": "Accepted"}

    assert wire.statuses() == ["Preparing", "Charging"]


@pytest.mark.spec("OCPP 1.6", "5.12")
def test_remote_stop():
    wire = Wire().connect().charging()
    wire.forget()

    assert wire.call("RemoteStopTransaction", '{"transactionId":78}') == {"status": "Rejected"}
    assert wire.call("RemoteStopTransaction", '{"transactionId":77}') == {"status": "Accepted"}

    [stop] = wire.calls("StopTransaction")
    assert (stop["reason"], stop["transactionId"], "idTag" in stop) == ("Remote", 77, False)
    assert wire.statuses() == ["Finishing"]


# -- reset, unlock, cache, data --------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.14")
@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_reset_stops_transactions_and_boots_again(kind, reason):
    wire = Wire(connectors=2).connect().charging(1).charging(2, "DEF")
    wire.forget()

    assert wire.call("Reset", f'{{"type":"{kind}"}}') == {"status": "Accepted"}

    # Errata 3.36: before a soft reset, after the boot of a hard one.
    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == ([reason] * 2 if kind == "Soft" else [])
    assert wire.charge_point.is_reset_due(wire.now)
    wire.lose()
    wire.charge_point.restart(wire.now)
    before = len(wire.frames)
    wire.connect()
    assert [frame[2] for frame in wire.frames[before:] if frame[0] == 2][:4] == [
        "BootNotification",
        *["StatusNotification"] * 3,
    ]
    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == [reason] * 2
    assert wire.statuses(1)[-1] == "Preparing"  # the cable is still in


@pytest.mark.spec("OCPP 1.6 errata", "3.36")
def test_stop_that_was_not_delivered_before_the_reset_is_delivered_after_the_boot():
    wire = Wire().connect().charging()
    del wire.answers["StopTransaction"]
    wire.call("Reset", '{"type":"Soft"}')
    assert not wire.charge_point.is_reset_due(wire.now)  # a soft reset waits a while
    wire.pass_time(20)
    assert wire.charge_point.is_reset_due(wire.now)
    wire.lose()
    wire.charge_point.restart(wire.now)
    wire.forget()
    wire.answers["StopTransaction"] = "{}"

    wire.connect()

    assert [stop["transactionId"] for stop in wire.calls("StopTransaction")] == [77]
    assert wire.actions()[0] == "BootNotification"


@pytest.mark.spec("OCPP 1.6", "5.18")
def test_unlock_connector_ends_the_transaction_first():
    wire = Wire().connect().charging()

    assert wire.call("UnlockConnector", '{"connectorId":1}') == {"status": "Unlocked"}
    assert wire.call("UnlockConnector", '{"connectorId":99}') == {"status": "NotSupported"}

    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == ["UnlockCommand"]


@pytest.mark.spec("OCPP 1.6", "5.4")
def test_clear_cache_makes_it_ask_again():
    wire = Wire().connect().charging()
    wire.tag("ABC")
    wire.unplug()
    assert wire.call("ClearCache") == {"status": "Accepted"}
    wire.lose()
    wire.plug()

    assert wire.tag("ABC") == "the central system cannot be asked, and the tag is not known here"


@pytest.mark.spec("OCPP 1.6 errata", "3.23")
def test_clear_cache_is_rejected_without_a_cache():
    wire = Wire().connect()
    wire.configure("AuthorizationCacheEnabled", "false")

    assert wire.call("ClearCache") == {"status": "Rejected"}


@pytest.mark.spec("OCPP 1.6", "4.3")
def test_data_transfer_of_an_unknown_vendor():
    wire = Wire().connect()

    assert wire.call("DataTransfer", '{"vendorId":"com.example","data":"x"}') == {"status": "UnknownVendorId"}


# -- trigger message -------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.17")
@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ({"requestedMessage": "Heartbeat"}, [["Heartbeat", {}]]),
        ({"requestedMessage": "FirmwareStatusNotification"}, [["FirmwareStatusNotification", {"status": "Idle"}]]),
        (
            {"requestedMessage": "DiagnosticsStatusNotification"},
            [["DiagnosticsStatusNotification", {"status": "Idle"}]],
        ),
    ],
)
def test_triggered_message_follows_the_answer(trigger, expected):
    wire = Wire().connect()
    wire.forget()

    wire.receive(f'[2,"cs-1","TriggerMessage",{json.dumps(trigger)}]')

    assert wire.frames[0] == [3, "cs-1", {"status": "Accepted"}]
    assert wire.calls() == expected


@pytest.mark.spec("OCPP 1.6", "5.17")
def test_triggered_status_without_a_connector_is_that_of_all():
    wire = Wire(connectors=2).connect()
    wire.forget()

    wire.call("TriggerMessage", '{"requestedMessage":"StatusNotification"}')
    wire.call("TriggerMessage", '{"requestedMessage":"StatusNotification","connectorId":2}')

    assert [call["connectorId"] for call in wire.calls("StatusNotification")] == [0, 1, 2, 2]


@pytest.mark.spec("OCPP 1.6 errata", "3.46")
def test_triggered_meter_values_have_all_configured_measurands():
    wire = Wire().connect().charging()

    wire.call("TriggerMessage", '{"requestedMessage":"MeterValues","connectorId":1}')

    [values] = wire.calls("MeterValues")
    samples = values["meterValue"][0]["sampledValue"]
    assert values["transactionId"] == 77
    assert {sample["context"] for sample in samples} == {"Trigger"}
    assert {sample["measurand"] for sample in samples} == {
        "Energy.Active.Import.Register",
        "Power.Active.Import",
        "Current.Import",
        "Voltage",
        "SoC",
    }


@pytest.mark.spec("OCPP 1.6 errata", "3.35")
@pytest.mark.parametrize(
    "trigger",
    ['{"requestedMessage":"BootNotification"}', '{"requestedMessage":"StatusNotification","connectorId":5}'],
)
def test_trigger_that_is_rejected(trigger):
    assert Wire().connect().call("TriggerMessage", trigger) == {"status": "Rejected"}


# -- local list ------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.15")
def test_local_list_authorizes_offline_and_blocks_offline():
    wire = Wire().connect()
    wire.configure("AllowOfflineTxForUnknownId", "true")
    payload = (
        '{"listVersion":3,"updateType":"Full","localAuthorizationList":['
        '{"idTag":"GOOD","idTagInfo":{"status":"Accepted"}},{"idTag":"BAD","idTagInfo":{"status":"Blocked"}}]}'
    )
    assert wire.call("SendLocalList", payload) == {"status": "Accepted"}
    assert wire.call("GetLocalListVersion") == {"listVersion": 3}
    wire.lose()
    wire.plug()

    assert wire.tag("BAD") == "the tag is Blocked"
    assert wire.tag("good") == "Accepted"
    assert wire.status() == "Charging"


def test_local_list_answers():
    wire = Wire().connect()
    entries = ",".join(f'{{"idTag":"T{number}","idTagInfo":{{"status":"Accepted"}}}}' for number in range(101))

    assert wire.call("GetLocalListVersion") == {"listVersion": 0}
    too_long = f'{{"listVersion":1,"updateType":"Full","localAuthorizationList":[{entries}]}}'
    assert wire.call("SendLocalList", too_long) == {"status": "Failed"}
    wire.configure("LocalAuthListEnabled", "false")
    assert wire.call("SendLocalList", '{"listVersion":1,"updateType":"Full"}') == {"status": "NotSupported"}


@pytest.mark.spec("OCPP 1.6", "3.5.2")
def test_contradiction_to_the_local_list_is_reported():
    wire = Wire().connect()
    wire.configure("LocalPreAuthorize", "true")
    wire.call(
        "SendLocalList",
        '{"listVersion":1,"updateType":"Full",'
        '"localAuthorizationList":[{"idTag":"ABC","idTagInfo":{"status":"Accepted"}}]}',
    )
    wire.answers["StartTransaction"] = '{"idTagInfo":{"status":"Blocked"},"transactionId":5}'
    wire.plug()
    wire.tag("ABC")

    assert (0, "LocalListConflict") in [
        (call["connectorId"], call["errorCode"]) for call in wire.calls("StatusNotification")
    ]


# -- reservations ----------------------------------------------------------------------------------

RESERVE = '{{"connectorId":{},"expiryDate":"2026-03-01T12:30:00Z","idTag":"{}","reservationId":{}}}'


@pytest.mark.spec("OCPP 1.6", "5.13")
def test_reserved_connector_starts_only_for_its_tag_and_names_the_reservation():
    wire = Wire().connect()
    assert wire.call("ReserveNow", RESERVE.format(1, "MINE", 5)) == {"status": "Accepted"}
    assert wire.status() == "Reserved"
    wire.plug()
    assert wire.status() == "Reserved"
    assert wire.tag("OTHER") == "connector 1 is reserved for somebody else"
    assert wire.call("RemoteStartTransaction", '{"idTag":"OTHER","connectorId":1}') == {"status": "Rejected"}

    assert wire.tag("mine") == "Accepted"

    assert wire.calls("StartTransaction")[0]["reservationId"] == 5
    assert wire.statuses() == ["Available", "Reserved", "Preparing", "Charging"]
    assert wire.call("CancelReservation", '{"reservationId":5}') == {"status": "Rejected"}


@pytest.mark.spec("OCPP 1.6", "5.13")
def test_reservation_expires():
    wire = Wire().connect()
    wire.call("ReserveNow", RESERVE.format(1, "MINE", 5))
    wire.pass_time(1799)
    assert wire.status() == "Reserved"
    wire.pass_time(1)
    assert wire.statuses() == ["Available", "Reserved", "Available"]


@pytest.mark.spec("OCPP 1.6", "5.1")
def test_cancel_reservation():
    wire = Wire().connect()
    wire.call("ReserveNow", RESERVE.format(1, "MINE", 5))

    assert wire.call("CancelReservation", '{"reservationId":6}') == {"status": "Rejected"}
    assert wire.call("CancelReservation", '{"reservationId":5}') == {"status": "Accepted"}
    assert wire.status() == "Available"


@pytest.mark.spec("OCPP 1.6", "5.13")
def test_reserve_now_says_why_not():
    wire = Wire(connectors=2).connect()
    wire.plug(1)
    assert wire.call("ReserveNow", RESERVE.format(1, "A", 1)) == {"status": "Occupied"}
    wire.unplug(1)
    assert wire.call("ReserveNow", RESERVE.format(1, "A", 1)) == {"status": "Accepted"}
    assert wire.call("ReserveNow", RESERVE.format(1, "B", 2)) == {"status": "Occupied"}
    assert wire.call("ReserveNow", RESERVE.format(2, "A", 1)) == {"status": "Accepted"}  # the same id: replaced
    assert (wire.status(1), wire.status(2)) == ("Available", "Reserved")
    wire.call("ChangeAvailability", '{"connectorId":1,"type":"Inoperative"}')
    assert wire.call("ReserveNow", RESERVE.format(1, "C", 3)) == {"status": "Unavailable"}
    wire.charge_point.fault(1, "OtherError", wire.now)
    assert wire.call("ReserveNow", RESERVE.format(1, "C", 3)) == {"status": "Faulted"}
    assert wire.call("ReserveNow", RESERVE.format(9, "C", 3)) == {"status": "Rejected"}


@pytest.mark.spec("OCPP 1.6", "5.13")
def test_reservation_of_connector_0_keeps_one_free():
    wire = Wire(connectors=2).connect()
    assert wire.call("ReserveNow", RESERVE.format(0, "MINE", 5)) == {"status": "Accepted"}
    wire.charging(1, "FIRST")
    wire.plug(2)
    assert wire.tag("SECOND", 2) == "connector 2 is reserved for somebody else"

    assert wire.tag("MINE", 2) == "Accepted"

    assert wire.calls("StartTransaction")[-1]["reservationId"] == 5


# -- charging profiles -----------------------------------------------------------------------------


def profile(purpose: str = "TxProfile", *, limit: float = 3000, profile_id: int = 1, **changes: object) -> str:
    return json.dumps(
        {
            "chargingProfileId": profile_id,
            "stackLevel": 0,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        }
        | changes
    )


def set_profile(wire: Wire, connector_id: int, body: str):
    return wire.call("SetChargingProfile", f'{{"connectorId":{connector_id},"csChargingProfiles":{body}}}')


@pytest.mark.spec("OCPP 1.6", "5.16")
def test_a_profile_limits_the_power_and_clearing_it_lifts_the_limit():
    wire = Wire().connect().charging()
    wire.pass_time(60)

    assert set_profile(wire, 1, profile(limit=3000)) == {"status": "Accepted"}
    wire.pass_time(60)
    assert wire.charge_point.connectors[0].meter.power_w == 3000
    assert wire.call("ClearChargingProfile", '{"id":1}') == {"status": "Accepted"}
    wire.pass_time(60)
    assert wire.charge_point.connectors[0].meter.power_w == 7360
    assert wire.call("ClearChargingProfile", '{"id":1}') == {"status": "Unknown"}


def test_a_limit_of_0_suspends_and_the_next_period_resumes():
    wire = Wire().connect().charging()
    periods = [{"startPeriod": 0, "limit": 0}, {"startPeriod": 300, "limit": 16}]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}

    assert set_profile(wire, 1, profile(chargingSchedule=schedule)) == {"status": "Accepted"}
    assert wire.status() == "SuspendedEVSE"
    wire.pass_time(299)
    assert wire.status() == "SuspendedEVSE"
    wire.pass_time(1)
    assert wire.status() == "Charging"
    wire.pass_time(60)

    assert wire.charge_point.connectors[0].meter.power_w == 16 * 230


@pytest.mark.spec("OCPP 1.6", "3.13.1")
@pytest.mark.parametrize(
    ("connector_id", "body"),
    [
        (1, profile("ChargePointMaxProfile")),
        (0, profile("TxProfile")),
        (1, profile("TxProfile", transactionId=4711)),
        (2, profile("TxProfile")),
        (1, profile("TxDefaultProfile", stackLevel=11)),
        (1, profile("TxDefaultProfile", chargingProfileKind="Recurring", recurrencyKind="Daily")),
    ],
    ids=[
        "charge point maximum on a connector",
        "TxProfile on connector 0",
        "for another transaction",
        "TxProfile without a transaction",
        "beyond ChargeProfileMaxStackLevel",
        "recurring without a start",
    ],
)
def test_profiles_that_are_rejected(connector_id, body):
    wire = Wire(connectors=2).connect().charging(1)

    assert set_profile(wire, connector_id, body) == {"status": "Rejected"}


@pytest.mark.spec("OCPP 1.6 errata", "3.39")
def test_profile_for_a_connector_that_does_not_exist():
    answer = set_profile(Wire().connect(), 7, profile("TxDefaultProfile"))

    assert answer == ["PropertyConstraintViolation", "connectorId: there is no connector 7."]


@pytest.mark.spec("OCPP 1.6", "3.13.1")
def test_tx_profile_goes_with_its_transaction():
    wire = Wire().connect().charging()
    set_profile(wire, 1, profile(limit=2000))
    wire.tag("ABC")
    wire.unplug()
    wire.charging()
    wire.pass_time(60)

    assert wire.charge_point.connectors[0].meter.power_w == 7360


@pytest.mark.spec("OCPP 1.6", "3.13.3")
def test_charge_point_maximum_is_shared_by_all_connectors():
    wire = Wire(connectors=2).connect().charging(1).charging(2, "DEF")
    set_profile(wire, 0, profile("ChargePointMaxProfile", limit=6000))
    wire.pass_time(60)
    assert [connector.meter.power_w for connector in wire.charge_point.connectors] == [3000, 3000]

    wire.tag("DEF", 2)
    wire.pass_time(60)

    assert wire.charge_point.connectors[0].meter.power_w == 6000


@pytest.mark.spec("OCPP 1.6", "5.16.2")
def test_remote_start_brings_a_profile_along():
    wire = Wire().connect()
    wire.plug()
    with_id = f'{{"idTag":"ABC","connectorId":1,"chargingProfile":{profile(limit=2000, transactionId=1)}}}'
    assert wire.call("RemoteStartTransaction", with_id) == {"status": "Rejected"}  # errata 3.41
    body = f'{{"idTag":"ABC","connectorId":1,"chargingProfile":{profile(limit=2000)}}}'
    assert wire.call("RemoteStartTransaction", body) == {"status": "Accepted"}
    wire.pass_time(60)

    assert wire.charge_point.connectors[0].meter.power_w == 2000


@pytest.mark.spec("OCPP 1.6", "5.7")
def test_composite_schedule():
    wire = Wire().connect()
    schedule = {
        "chargingRateUnit": "W",
        "startSchedule": "2026-03-01T12:00:00Z",
        "duration": 1800,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2300}, {"startPeriod": 600, "limit": 4600}],
    }
    body = profile("TxDefaultProfile", chargingProfileKind="Absolute", chargingSchedule=schedule)
    set_profile(wire, 1, body)

    answer = wire.call("GetCompositeSchedule", '{"connectorId":1,"duration":3600,"chargingRateUnit":"A"}')

    assert answer == {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": START.isoformat().replace("+00:00", "Z"),
        "chargingSchedule": {
            "duration": 3600,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 10.0, "numberPhases": 1},
                {"startPeriod": 600, "limit": 20.0, "numberPhases": 1},
                {"startPeriod": 1800, "limit": 32.0, "numberPhases": 1},
            ],
        },
    }
    assert wire.call("GetCompositeSchedule", '{"connectorId":4,"duration":60}') == {"status": "Rejected"}
