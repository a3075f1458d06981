"""What a charge point sends when something happens to it, frame by frame, without a network."""

import json

import pytest

from tests.simulator.wire import Wire

PENDING = '{"status":"Pending","currentTime":"2026-03-01T12:00:00Z","interval":60}'
REJECTED = '{"status":"Rejected","currentTime":"2026-03-01T12:00:00Z","interval":60}'
ACCEPTED = '{"status":"Accepted","currentTime":"2026-03-01T12:00:00Z","interval":3600}'


# -- boot and heartbeat ----------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "4.2")
@pytest.mark.spec("OCPP 1.6 errata", "3.22")
def test_boots_and_then_reports_every_connector():
    wire = Wire(connectors=2).connect()

    assert wire.calls("BootNotification") == [
        {
            "chargePointVendor": "Simulated",
            "chargePointModel": "Sim AC",
            "chargePointSerialNumber": "CP001",
            "firmwareVersion": "1.0.0",
            "meterType": "Simulated meter",
            "meterSerialNumber": "M-CP001",
        }
    ]
    assert wire.actions() == ["BootNotification", *["StatusNotification"] * 3]
    assert [call["connectorId"] for call in wire.calls("StatusNotification")] == [0, 1, 2]
    assert wire.calls("StatusNotification")[1] == {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Available",
        "timestamp": "2026-03-01T12:00:00Z",
    }


@pytest.mark.spec("OCPP 1.6", "4.2")
@pytest.mark.parametrize("answer", [PENDING, REJECTED])
def test_sends_nothing_else_until_it_is_accepted_and_asks_again_after_the_interval(answer):
    wire = Wire()
    wire.answers["BootNotification"] = [answer, ACCEPTED]
    wire.connect()
    wire.plug()
    wire.pass_time(59)
    assert wire.actions() == ["BootNotification"]

    wire.pass_time(1)

    assert wire.actions() == ["BootNotification", "BootNotification", "StatusNotification", "StatusNotification"]
    assert wire.statuses() == ["Preparing"]


@pytest.mark.spec("OCPP 1.6", "4.2")
def test_while_pending_it_answers_and_sends_what_is_triggered():
    wire = Wire()
    wire.answers["BootNotification"] = PENDING
    wire.connect()

    assert wire.call("GetConfiguration", '{"key":["NumberOfConnectors"]}') == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}]
    }
    assert wire.call("RemoteStartTransaction", '{"idTag":"ABC"}') == {"status": "Rejected"}
    assert wire.call("TriggerMessage", '{"requestedMessage":"Heartbeat"}') == {"status": "Accepted"}
    assert wire.actions() == ["BootNotification", "Heartbeat"]
    assert wire.call("TriggerMessage", '{"requestedMessage":"BootNotification"}') == {"status": "Accepted"}
    assert wire.actions()[-1] == "BootNotification"


@pytest.mark.spec("OCPP 1.6", "4.2")
def test_while_rejected_it_does_not_answer():
    wire = Wire()
    wire.answers["BootNotification"] = REJECTED
    wire.connect()
    wire.forget()

    wire.receive('[2,"cs-1","GetConfiguration",{}]')

    assert wire.frames == []


@pytest.mark.parametrize("answer", ["CALLERROR InternalError", None])
def test_boot_that_fails_is_repeated_at_an_interval_of_its_own(answer):
    wire = Wire()
    if answer is None:
        del wire.answers["BootNotification"]
    else:
        wire.answers["BootNotification"] = answer
    wire.connect()

    wire.pass_time(100)

    assert 2 <= len(wire.calls("BootNotification")) <= 8
    assert set(wire.actions()) == {"BootNotification"}


@pytest.mark.spec("OCPP 1.6", "4.2")
def test_interval_0_leaves_the_wait_to_the_charge_point():
    wire = Wire()
    wire.answers["BootNotification"] = PENDING.replace("60", "0")
    wire.connect()

    wire.pass_time(100)

    assert 3 <= len(wire.calls("BootNotification")) <= 11


@pytest.mark.spec("OCPP 1.6", "4.6")
def test_heartbeat_at_least_once_a_day_however_much_else_is_sent():
    wire = Wire().connect()
    wire.configure("ClockAlignedDataInterval", "900")

    wire.pass_time(86_399)
    assert (len(wire.calls("MeterValues")), wire.calls("Heartbeat")) == (95, [])
    wire.pass_time(1)

    assert wire.calls("Heartbeat") == [{}]


@pytest.mark.spec("OCPP 1.6", "4.6")
def test_heartbeat_after_the_interval_of_inactivity():
    wire = Wire()
    wire.answers["BootNotification"] = ACCEPTED.replace("3600", "300")
    wire.connect()
    wire.forget()

    wire.pass_time(299)
    assert wire.actions() == []
    wire.pass_time(1)
    assert wire.actions() == ["Heartbeat"]
    wire.pass_time(200)
    wire.plug()
    wire.forget()
    wire.pass_time(299)
    assert wire.actions() == []  # the plug's StatusNotification has put it off
    wire.pass_time(1)
    assert wire.actions() == ["Heartbeat"]


@pytest.mark.spec("OCPP 1.6", "4.2")
def test_clock_is_taken_from_the_central_system():
    wire = Wire()
    wire.answers["BootNotification"] = ACCEPTED.replace("2026-03-01T12:00:00Z", "2031-07-01T00:00:00Z")
    wire.connect()
    wire.pass_time(10)
    wire.plug()

    assert wire.calls("StatusNotification")[-1]["timestamp"] == "2031-07-01T00:00:10Z"


@pytest.mark.spec("OCPP-J 1.6 errata", "3.8")
def test_security_error_makes_it_register_again():
    wire = Wire()
    wire.connect()
    wire.answers["StatusNotification"] = "CALLERROR SecurityError"
    wire.plug()
    wire.answers["StatusNotification"] = "{}"
    wire.forget()

    wire.pass_time(30)

    assert wire.actions()[0] == "BootNotification"


# -- a session -------------------------------------------------------------------------------------


def test_a_session_from_plug_to_unplug():
    wire = Wire().connect()
    wire.forget()

    wire.charging()
    wire.pass_time(60)
    assert wire.tag("ABC") == "Accepted"
    wire.unplug()

    assert [(action, payload.get("status")) for action, payload in wire.calls() if action != "MeterValues"] == [
        ("StatusNotification", "Preparing"),
        ("Authorize", None),
        ("StartTransaction", None),
        ("StatusNotification", "Charging"),
        ("StopTransaction", None),
        ("StatusNotification", "Finishing"),
        ("StatusNotification", "Available"),
    ]
    [start], [stop], meter_values = (
        wire.calls(name) for name in ("StartTransaction", "StopTransaction", "MeterValues")
    )
    assert start["connectorId"] == 1
    assert start["idTag"] == "ABC"
    assert start["timestamp"] == "2026-03-01T12:00:00Z"
    assert stop["transactionId"] == 77
    assert stop["reason"] == "Local"
    assert stop["idTag"] == "ABC"
    assert stop["timestamp"] == "2026-03-01T12:01:00Z"
    assert stop["meterStop"] > start["meterStart"]
    assert len(meter_values) == 4  # one every 15 s
    assert all(values["transactionId"] == 77 for values in meter_values)


@pytest.mark.spec("OCPP 1.6", "4.7")
def test_meter_values_name_measurand_unit_and_context():
    wire = Wire().connect().charging()

    wire.pass_time(15)

    [values] = wire.calls("MeterValues")
    [meter_value] = values["meterValue"]
    assert meter_value["timestamp"] == "2026-03-01T12:00:15Z"
    by_measurand = {sample["measurand"]: sample for sample in meter_value["sampledValue"]}
    register = int(by_measurand["Energy.Active.Import.Register"]["value"])
    assert register >= wire.calls("StartTransaction")[0]["meterStart"]
    assert by_measurand["Energy.Active.Import.Register"]["unit"] == "Wh"
    assert by_measurand["Power.Active.Import"] == {
        "value": "7360",
        "context": "Sample.Periodic",
        "measurand": "Power.Active.Import",
        "unit": "W",
    }
    assert by_measurand["Current.Import"]["unit"] == "A"
    assert by_measurand["Voltage"]["unit"] == "V"
    assert by_measurand["SoC"]["unit"] == "Percent"
    assert "phase" not in by_measurand["Voltage"]


@pytest.mark.spec("OCPP 1.6", "3.16.3")
def test_three_phases_are_reported_each():
    wire = Wire(phases=3, max_power_w=22_080.0).connect().charging()

    wire.pass_time(15)

    samples = wire.calls("MeterValues")[0]["meterValue"][0]["sampledValue"]
    phases = [(sample["measurand"], sample["phase"]) for sample in samples if "phase" in sample]
    assert phases == [
        (name, f"L{n}{suffix}") for name, suffix in (("Current.Import", ""), ("Voltage", "-N")) for n in (1, 2, 3)
    ]


@pytest.mark.spec("OCPP 1.6", "9.1.17")
def test_only_the_configured_measurands_are_sampled():
    wire = Wire(phases=3).connect()
    wire.configure("MeterValuesSampledData", "Voltage.L2,Energy.Active.Import.Register")
    wire.charging()

    wire.pass_time(15)

    samples = wire.calls("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert [(sample["measurand"], sample.get("phase")) for sample in samples] == [
        ("Voltage", "L2-N"),
        ("Energy.Active.Import.Register", None),
    ]


def test_sample_interval_changes_at_once_and_0_means_none():
    wire = Wire().connect().charging()
    wire.configure("MeterValueSampleInterval", "5")
    wire.pass_time(20)
    assert len(wire.calls("MeterValues")) == 4
    wire.configure("MeterValueSampleInterval", "0")
    wire.pass_time(600)
    assert len(wire.calls("MeterValues")) == 4


def test_samples_keep_their_rhythm_and_are_not_made_up_for():
    wire = Wire().connect().charging()
    wire.now += 15.4  # a tick that comes late
    wire.pass_time(14.6)
    assert len(wire.calls("MeterValues")) == 2
    wire.now += 3600  # a laptop's sleep
    wire.pass_time(14)
    assert len(wire.calls("MeterValues")) == 3
    wire.pass_time(1)
    assert len(wire.calls("MeterValues")) == 4


@pytest.mark.spec("OCPP 1.6", "3.16.2")
def test_clock_aligned_values_come_at_the_full_interval_also_without_a_transaction():
    wire = Wire().connect()
    wire.configure("MeterValuesAlignedData", "Energy.Active.Import.Register")
    wire.pass_time(130)
    wire.configure("ClockAlignedDataInterval", "900")

    wire.pass_time(1800)

    values = wire.calls("MeterValues")
    assert [value["meterValue"][0]["timestamp"] for value in values] == ["2026-03-01T12:15:00Z", "2026-03-01T12:30:00Z"]
    assert "transactionId" not in values[0]
    assert values[0]["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"


@pytest.mark.spec("OCPP 1.6 errata", "3.14")
def test_transaction_data_has_begin_samples_and_end():
    wire = Wire().connect()
    wire.configure("StopTxnSampledData", "Energy.Active.Import.Register")
    wire.charging()
    wire.pass_time(45)
    wire.tag("ABC")

    [stop] = wire.calls("StopTransaction")
    contexts = [value["sampledValue"][0]["context"] for value in stop["transactionData"]]
    assert contexts == ["Transaction.Begin", *["Sample.Periodic"] * 3, "Transaction.End"]
    assert int(stop["transactionData"][-1]["sampledValue"][0]["value"]) == stop["meterStop"]


@pytest.mark.spec("OCPP 1.6 errata", "3.89")
def test_too_much_transaction_data_is_thinned_but_begin_and_end_stay():
    wire = Wire(sample_interval_s=1).connect()
    wire.configure("StopTxnSampledData", "SoC,Energy.Active.Import.Register")
    wire.charging()
    wire.pass_time(1200)
    wire.tag("ABC")

    data = wire.calls("StopTransaction")[0]["transactionData"]
    contexts = [value["sampledValue"][0]["context"] for value in data]
    assert 200 < len(data) <= 500
    assert (contexts[0], contexts[-1]) == ("Transaction.Begin", "Transaction.End")


@pytest.mark.spec("OCPP 1.6", "3.16.5")
def test_no_transaction_data_where_none_is_configured():
    wire = Wire().connect().charging()
    wire.pass_time(45)
    wire.tag("ABC")

    assert "transactionData" not in wire.calls("StopTransaction")[0]


def test_speed_compresses_what_happens_at_the_charge_point_but_not_the_clock():
    wire = Wire(speed=60).connect().charging()

    wire.pass_time(60)  # an hour of charging

    values = wire.calls("MeterValues")
    assert len(values) == 240
    assert values[-1]["meterValue"][0]["timestamp"] == "2026-03-01T12:01:00Z"
    registers = [int(value["meterValue"][0]["sampledValue"][0]["value"]) for value in values]
    assert registers == sorted(registers)
    assert 7000 < registers[-1] - registers[0] < 7360


def test_a_full_battery_is_suspended_ev():
    wire = Wire().connect()
    wire.plug(soc=99.0, capacity_wh=30_000.0)
    wire.tag("ABC")
    wire.pass_time(3600)

    assert wire.statuses() == ["Available", "Preparing", "Charging", "SuspendedEV"]


@pytest.mark.spec("OCPP 1.6", "4.9")
@pytest.mark.parametrize(("stops", "expected"), [("true", ["Finishing", "Available"]), ("false", ["SuspendedEV"])])
def test_cable_pulled_out_at_the_car(stops, expected):
    wire = Wire().connect()
    wire.configure("StopTransactionOnEVSideDisconnect", stops)
    wire.charging()
    wire.forget()

    wire.unplug()

    assert wire.statuses() == expected
    assert wire.calls("StatusNotification")[0]["info"] == "EV side disconnected"
    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == (["EVDisconnected"] if stops == "true" else [])
    if stops == "false":
        wire.plug()
        assert wire.statuses() == ["SuspendedEV", "Charging"]


def test_a_fault_ends_the_transaction():
    wire = Wire().connect().charging()
    wire.forget()

    wire.charge_point.fault(1, "GroundFailure", wire.now)
    wire.pump()
    wire.charge_point.fault(1, "NoError", wire.now)
    wire.pump()

    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == ["Other"]
    assert [(call["status"], call["errorCode"]) for call in wire.calls("StatusNotification")] == [
        ("Faulted", "GroundFailure"),
        ("Finishing", "NoError"),
    ]


@pytest.mark.spec("OCPP 1.6", "9.1.6")
def test_tag_without_a_plug_times_out():
    wire = Wire().connect()
    wire.configure("ConnectionTimeOut", "30")
    assert wire.tag("ABC") == "Accepted"
    assert wire.status() == "Preparing"
    wire.pass_time(29)
    assert wire.status() == "Preparing"
    wire.pass_time(1)
    assert wire.status() == "Available"
    wire.plug()
    assert wire.calls("StartTransaction") == []


@pytest.mark.spec("OCPP 1.6 errata", "3.20")
def test_plug_without_a_tag_times_out_to_finishing_where_there_are_two_connectors():
    wire = Wire(connectors=2).connect()
    wire.configure("ConnectionTimeOut", "30")
    wire.plug(1)
    wire.pass_time(30)
    assert wire.status(1) == "Finishing"

    assert wire.tag("ABC") == "Accepted"  # the next driver, whose car is on neither connector yet

    assert (wire.status(1), wire.status(2)) == ("Finishing", "Preparing")


# -- tags ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid"])
def test_a_rejected_tag_starts_nothing_and_a_remote_start_still_does(status):
    wire = Wire().connect()
    wire.answers["Authorize"] = f'{{"idTagInfo":{{"status":"{status}"}}}}'
    wire.plug()

    assert wire.tag("ABC") == f"the tag is {status}"
    assert (wire.status(), wire.calls("StartTransaction")) == ("Preparing", [])

    assert wire.call("RemoteStartTransaction", '{"connectorId":1,"idTag":"anonymous"}') == {"status": "Accepted"}
    assert wire.status() == "Charging"


@pytest.mark.spec("OCPP 1.6", "4.1")
def test_the_tag_that_started_stops_without_being_asked_about():
    wire = Wire().connect().charging(id_tag="AbC")
    wire.forget()

    assert wire.tag("aBc") == "Accepted"

    assert wire.calls("Authorize") == []
    assert len(wire.calls("StopTransaction")) == 1


@pytest.mark.spec("OCPP 1.6", "3.10")
@pytest.mark.parametrize(("parent", "is_stopped"), [("FAMILY", True), ("OTHERS", False)])
def test_another_tag_stops_only_in_the_same_group(parent, is_stopped):
    wire = Wire().connect()
    wire.answers["Authorize"] = [
        '{"idTagInfo":{"status":"Accepted","parentIdTag":"FAMILY"}}',
        f'{{"idTagInfo":{{"status":"Accepted","parentIdTag":"{parent}"}}}}',
    ]
    wire.charging(id_tag="MOTHER")

    refusal = wire.tag("CHILD", 1)

    assert (refusal == "Accepted", len(wire.calls("StopTransaction"))) == (is_stopped, int(is_stopped))
    assert is_stopped or refusal == "another tag started this transaction"


@pytest.mark.spec("OCPP 1.6", "4.8")
@pytest.mark.parametrize(("stops", "expected"), [("true", "Finishing"), ("false", "SuspendedEVSE")])
def test_start_transaction_that_is_not_accepted(stops, expected):
    wire = Wire().connect()
    wire.configure("StopTransactionOnInvalidId", stops)
    wire.answers["StartTransaction"] = '{"idTagInfo":{"status":"Blocked"},"transactionId":5}'
    wire.plug()
    wire.tag("ABC")

    assert wire.status() == expected
    assert [stop["reason"] for stop in wire.calls("StopTransaction")] == (["DeAuthorized"] if stops == "true" else [])


@pytest.mark.spec("OCPP 1.6", "9.1.14")
def test_max_energy_on_invalid_id():
    wire = Wire().connect()
    wire.configure("StopTransactionOnInvalidId", "false")
    wire.configure("MaxEnergyOnInvalidId", "200")
    wire.answers["StartTransaction"] = '{"idTagInfo":{"status":"Invalid"},"transactionId":5}'
    wire.plug()
    wire.tag("ABC")
    assert wire.status() == "Charging"

    wire.pass_time(3600)

    assert wire.status() == "SuspendedEVSE"
    connector = wire.charge_point.connectors[0]
    assert 200 <= connector.meter.energy_wh - connector.transaction.meter_start_wh < 230


@pytest.mark.spec("OCPP 1.6", "9.1.13")
def test_local_pre_authorize_uses_the_cache_without_asking():
    wire = Wire().connect().charging()
    wire.tag("ABC")
    wire.unplug()
    wire.configure("LocalPreAuthorize", "true")
    wire.forget()

    wire.charging()

    assert wire.calls("Authorize") == []


def test_unknown_connector_is_an_error_that_says_how_many_there_are():
    with pytest.raises(ValueError, match="no connector 3; the charge point has 2"):
        Wire(connectors=2).plug(3)


# -- offline ---------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "3.7")
def test_what_happened_offline_is_delivered_in_order_when_it_is_back():
    wire = Wire().connect().charging()
    wire.tag("ABC")
    wire.unplug()
    wire.lose()
    wire.forget()
    wire.pass_time(10)
    wire.charging()  # the tag is in the cache
    wire.pass_time(30)
    wire.tag("ABC")
    wire.pass_time(10)
    assert wire.frames == []

    wire.answers["StartTransaction"] = '{"idTagInfo":{"status":"Accepted"},"transactionId":78}'
    wire.connect()

    kept = [call for call in wire.calls() if call[0] != "StatusNotification"]
    assert [action for action, _ in kept] == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"]
    assert [payload.get("transactionId") for _, payload in kept] == [None, 78, 78, 78]
    assert kept[0][1]["timestamp"] == "2026-03-01T12:00:10Z"
    assert kept[-1][1]["timestamp"] == "2026-03-01T12:00:40Z"


@pytest.mark.spec("OCPP-J 1.6", "5.4")
def test_no_boot_notification_after_a_reconnect():
    wire = Wire().connect()
    wire.lose()
    wire.forget()

    wire.connect()

    assert wire.frames == []


@pytest.mark.spec("OCPP 1.6", "4.9")
def test_after_a_reconnect_only_the_present_status_is_reported_where_it_has_changed():
    wire = Wire(connectors=2).connect()
    wire.lose()
    wire.plug(1)
    wire.unplug(1)
    wire.plug(2)
    wire.forget()

    wire.connect()

    assert [(call["connectorId"], call["status"]) for call in wire.calls("StatusNotification")] == [(2, "Preparing")]


def test_a_status_that_was_under_way_when_the_connection_broke_is_reported_again():
    wire = Wire().connect()
    del wire.answers["StatusNotification"]
    wire.plug()
    wire.lose()
    wire.forget()
    wire.answers["StatusNotification"] = "{}"

    wire.connect()

    assert wire.statuses() == ["Preparing"]


def test_start_that_was_under_way_is_sent_again_with_a_new_unique_id():
    wire = Wire().connect()
    del wire.answers["StartTransaction"]
    wire.charging()
    first = next(frame for frame in wire.frames if frame[2] == "StartTransaction")
    wire.lose()
    wire.forget()
    wire.answers["StartTransaction"] = '{"idTagInfo":{"status":"Accepted"},"transactionId":77}'

    wire.connect()

    second = next(frame for frame in wire.frames if frame[2] == "StartTransaction")
    assert second[3] == first[3]
    assert second[1] != first[1]


@pytest.mark.spec("OCPP 1.6", "3.5.4")
@pytest.mark.parametrize(("allowed", "expected"), [("true", "Charging"), ("false", "Preparing")])
def test_unknown_tag_offline(allowed, expected):
    wire = Wire().connect()
    wire.configure("AllowOfflineTxForUnknownId", allowed)
    wire.lose()
    wire.plug()
    wire.tag("NEVER-SEEN")

    assert wire.status() == expected


def test_tag_that_was_being_asked_about_is_decided_here_when_the_connection_breaks():
    wire = Wire().connect().charging()
    wire.tag("ABC")
    wire.unplug()
    del wire.answers["Authorize"]
    wire.plug()
    presentation = wire.charge_point.present_tag("ABC", 1, wire.now)
    assert not presentation.status

    wire.lose()

    assert (presentation.status, wire.status()) == ("Accepted", "Charging")


# -- what is not processed -------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "3.7.1")
def test_call_error_is_retried_after_the_interval_and_nothing_overtakes_it():
    wire = Wire().connect()
    wire.configure("TransactionMessageRetryInterval", "10")
    wire.answers["StartTransaction"] = [
        "CALLERROR InternalError",
        "CALLERROR InternalError",
        '{"idTagInfo":{"status":"Accepted"},"transactionId":77}',
    ]
    wire.charging()
    wire.forget()

    wire.pass_time(9)
    assert wire.actions() == []
    wire.pass_time(1)
    assert wire.actions() == ["StartTransaction"]
    wire.pass_time(19)
    assert wire.actions() == ["StartTransaction"]
    wire.pass_time(1)

    assert wire.actions() == ["StartTransaction", "StartTransaction", "MeterValues", "MeterValues"]
    assert [values["transactionId"] for values in wire.calls("MeterValues")] == [77, 77]
    assert len({json.dumps(payload) for payload in wire.calls("StartTransaction")}) == 1


@pytest.mark.spec("OCPP 1.6 errata", "3.18")
def test_start_that_is_discarded_leaves_transaction_id_minus_1():
    wire = Wire().connect()
    wire.configure("TransactionMessageRetryInterval", "0")
    wire.configure("TransactionMessageAttempts", "2")
    wire.answers["StartTransaction"] = "CALLERROR InternalError"
    wire.charging()
    wire.pass_time(15)
    wire.tag("ABC")

    assert len(wire.calls("StartTransaction")) == 2
    assert [payload["transactionId"] for payload in wire.calls("MeterValues") + wire.calls("StopTransaction")] == [
        -1,
        -1,
    ]
    assert [entry.action for entry in wire.charge_point.ledger.faults if entry.event == "discarded"] == [
        "StartTransaction"
    ]


def test_no_answer_in_time_counts_as_a_failure_and_is_retried():
    wire = Wire().connect()
    wire.configure("MessageTimeout", "5")
    wire.configure("TransactionMessageRetryInterval", "10")
    del wire.answers["StartTransaction"]
    wire.charging()

    wire.pass_time(15)

    assert len(wire.calls("StartTransaction")) == 2


def test_an_answer_after_the_timeout_is_noted_and_nothing_else():
    wire = Wire().connect()
    wire.configure("MessageTimeout", "5")
    del wire.answers["StartTransaction"]
    wire.charging()
    first = next(frame for frame in wire.frames if frame[2] == "StartTransaction")
    wire.pass_time(6)

    wire.receive(f'[3,"{first[1]}",{{"idTagInfo":{{"status":"Accepted"}},"transactionId":9}}]')

    assert wire.charge_point.connectors[0].transaction.transaction_id is None
    late = wire.charge_point.ledger.entries[-1]
    assert (late.event, late.detail, late.unique_id) == ("answer_received", "late", first[1])


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
def test_one_call_at_a_time():
    wire = Wire().connect()
    del wire.answers["StatusNotification"]
    wire.forget()
    wire.plug()
    presentation = wire.charge_point.present_tag("ABC", 1, wire.now)
    wire.pump()

    assert wire.actions() == ["StatusNotification"]
    [pending] = wire.frames
    wire.receive(f'[3,"{pending[1]}",{{}}]')
    assert wire.actions()[:3] == ["StatusNotification", "Authorize", "StartTransaction"]
    assert presentation.status == "Accepted"


def test_a_call_of_the_central_system_is_answered_while_an_own_one_is_outstanding():
    wire = Wire().connect()
    del wire.answers["StatusNotification"]
    wire.plug()

    assert wire.call("ClearCache") == {"status": "Accepted"}
