"""What charge points send although they must not survives both databases, from the frame to the row and back."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ocpp_app.models import (
    Anomaly,
    Connector,
    FailedMessage,
    Message,
    MeterValue,
    QuirkNote,
    StatusHistory,
    Transaction,
)
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import GatewayEnd, Wire, ago, error, result

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]


@pytest.fixture(autouse=True)
def nothing_fails(db: None, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """None of this is an error of ours."""
    yield
    assert not FailedMessage.objects.exists()
    assert [record.message for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def noted() -> set[str]:
    return set(QuirkNote.objects.values_list("code", flat=True))


# -- clocks ------------------------------------------------------------------------------------------------------------

CLOCKS: dict[str, tuple[Any, datetime | None]] = {
    "year 1": ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    "before year 1 in UTC": ("0001-01-01T00:00:00+02:00", datetime(1, 1, 1, tzinfo=UTC)),
    "1970": ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    "2000": ("2000-01-01T00:00:00.000Z", datetime(2000, 1, 1, tzinfo=UTC)),
    "2099": ("2099-12-31T23:59:59Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "the end of time": ("9999-12-31T23:59:59.9999999Z", datetime.max.replace(tzinfo=UTC)),
    "after the end of time in UTC": ("9999-12-31T23:59:59-02:00", datetime.max.replace(tzinfo=UTC)),
    "epoch seconds": (86400, datetime(1970, 1, 2, tzinfo=UTC)),
    "unreadable": ("31.01.2026 12:00", None),
    "empty": ("", None),
    "null": (None, None),
    "an object": ({"$date": 1}, None),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_absurd_clock_is_kept_and_does_no_harm(clock: str, wire: Wire) -> None:
    sent, kept = CLOCKS[clock]
    began = timezone.now() - timedelta(seconds=1)
    start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": sent}
    transaction_id = wire.ask("StartTransaction", start)["transactionId"]
    value = {"timestamp": sent, "sampledValue": [{"value": "2000"}]}
    wire.ask("MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]})
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": sent}
    wire.ask("StatusNotification", status)
    stop = {"transactionId": transaction_id, "meterStop": 6000, "timestamp": sent, "transactionData": [value]}
    wire.ask("StopTransaction", stop)

    row = Transaction.objects.get()
    assert row.start_timestamp == row.stop_timestamp == kept
    assert row.stopped_at is not None
    assert began < row.started_at <= row.stopped_at <= timezone.now()
    assert row.energy_wh == 5000
    assert StatusHistory.objects.get().timestamp == kept
    assert all(began < value.timestamp for value in MeterValue.objects.all())
    assert Connector.objects.get(number=1).status == "Charging"
    assert {"implausible_clock"} == set(Anomaly.objects.values_list("kind", flat=True))


NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
FORMS: dict[str, tuple[str, datetime]] = {
    "no zone": (NOW.strftime("%Y-%m-%dT%H:%M:%S"), NOW),
    "+02": ((NOW + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02"), NOW),
    "+0200": ((NOW + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+0200"), NOW),
    "a space": (NOW.strftime("%Y-%m-%d %H:%M:%SZ"), NOW),
    "lower case": (NOW.strftime("%Y-%m-%dt%H:%M:%Sz"), NOW),
    "nanoseconds": (NOW.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"), NOW.replace(microsecond=123457)),
    "no seconds": (NOW.strftime("%Y-%m-%dT%H:%MZ"), NOW.replace(second=0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_readable_clock_is_believed_however_it_is_written(form: str, wire: Wire) -> None:
    sent, meant = FORMS[form]
    start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": sent}
    transaction_id = wire.ask("StartTransaction", start)["transactionId"]
    row = Transaction.objects.get(pk=transaction_id)
    assert row.started_at == row.start_timestamp == meant
    assert wire.ask("StartTransaction", start)["transactionId"] == transaction_id
    assert not Anomaly.objects.exists()


# -- text --------------------------------------------------------------------------------------------------------------

LONG = "Ä" * 3000
TEXTS = {
    "NUL": ("a\x00b", "ab"),
    "NUL alone": ("\x00", ""),
    "over-long": (LONG, LONG[:255]),
    "emoji": ("🔌⚡", "🔌⚡"),
    "right to left": ("\u202eabc", "\u202eabc"),
    "a number": (17, "17"),
    "SQL": ("'); DROP TABLE ocpp_app_transaction; --%s%(x)s", "'); DROP TABLE ocpp_app_transaction; --%s%(x)s"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_kept(text: str, wire: Wire) -> None:
    sent, kept = TEXTS[text]
    boot = {"chargePointVendor": sent, "chargePointModel": sent, "firmwareVersion": sent, "iccid": sent}
    assert wire.ask("BootNotification", boot)["status"] == "Accepted"
    charge_point = wire.charge_point
    assert (charge_point.vendor, charge_point.model, charge_point.firmware_version) == (kept, kept, kept)
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Faulted", "info": sent, "vendorErrorCode": sent}
    wire.ask("StatusNotification", status)
    for row in (StatusHistory.objects.get(), Connector.objects.get()):
        assert (row.info, row.vendor_error_code) == (kept, kept)


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in ("empty", "NUL alone")])
def test_any_id_tag_charges_or_not_but_is_kept_and_recognised(text: str, wire: Wire, connect: Connect) -> None:
    sent, kept = TEXTS[text]
    start = {"connectorId": 1, "idTag": sent, "meterStart": 0, "timestamp": ago(minutes=5)}
    first = wire.ask("StartTransaction", start)
    assert first["idTagInfo"] == {"status": "Invalid"}
    assert connect().ask("StartTransaction", start) == first
    stop = {"transactionId": first["transactionId"], "meterStop": 7, "timestamp": ago(), "idTag": sent}
    assert wire.ask("StopTransaction", stop) == {"idTagInfo": {"status": "Invalid"}}
    assert connect().ask("StopTransaction", stop) == {"idTagInfo": {"status": "Invalid"}}
    row = Transaction.objects.get()
    assert (row.id_tag, row.stop_id_tag, row.energy_wh, row.is_active) == (kept, kept, 7, False)
    assert not Anomaly.objects.exists()


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in ("empty", "a number")])
def test_unknown_stop_with_any_id_tag_is_kept_once(text: str, wire: Wire) -> None:
    stop = {"transactionId": 4711, "meterStop": 7, "timestamp": ago(), "idTag": TEXTS[text][0]}
    for _repetition in range(2):
        wire.ask("StopTransaction", stop)
    assert Transaction.objects.get().stop_id_tag == TEXTS[text][1]


# -- whole frames ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('[2,"%s","Heartbeat",{}]' % ("i" * 5000), id="an over-long unique id"),
        pytest.param('[2,"a\\u0000b","Heartbeat",{}]', id="NUL in the unique id"),
        pytest.param('[2,"1","Heartbeat",null]', id="a null payload"),
        pytest.param('[2,"1","Heartbeat",{"x":"\\u0000","y":1e999,"z":%s}]' % ("9" * 300), id="extra fields"),
        pytest.param('[2,"1","Heartbeat",{},"more"]', id="a fifth element"),
        pytest.param(' \r\n[2 , "1", "Heartbeat", {}]\n', id="white space"),
    ],
)
def test_odd_frame_is_answered_and_kept(raw: str, wire: Wire) -> None:
    answer = wire.call(raw)
    row = Message.objects.get()
    assert (row.raw, row.answer) == (raw, answer)
    assert json.loads(row.answer)[0] in (3, 4)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'[2,"1","Heartbeat",{"x":"\xff\xfe"}]', id="no UTF-8"),
        pytest.param(b'[2,"1","Heartbeat",{"x":"\x00"}]', id="a raw NUL"),
        pytest.param(b'[2,"1","Heartbeat",{"x":"\\ud800"}]', id="half a surrogate pair"),
        pytest.param(b"\x00" * 100, id="nothing but NUL"),
        pytest.param(b"[" * 100_000, id="nested without an end"),
        pytest.param(b'[2,"1","' + b"A" * 100_000 + b'",{}]', id="an endless action"),
    ],
)
def test_broken_frame_is_kept(raw: bytes, wire: Wire) -> None:
    answer = wire.call(raw)
    assert Message.objects.get().raw
    assert answer is None or error(answer) in ("FormationViolation", "NotImplemented", "ProtocolError")
    assert result(wire.call('[2,"h","Heartbeat",{}]'))


def test_many_odd_frames_in_one_batch_do_not_disturb_each_other(wire: Wire, gateway: GatewayEnd) -> None:
    fine = '[2,"ok","Heartbeat",{}]'
    raws = [fine, "", "[]", '[2,"x\\u0000","Fly",{}]', fine, '[3,"?",{"a":"\\u0000"}]']
    replies = gateway.send(*(wire.frame(raw) for raw in raws))
    assert [reply.raw is not None for reply in replies] == [True, False, False, True, True, False]
    assert Message.objects.count() == 6


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StatusNotification", {"connectorId": 1, "errorCode": "Exploded", "status": "OnFire"}),
        ("FirmwareStatusNotification", {"status": "S" * 300}),
        ("DiagnosticsStatusNotification", {"status": "Lost\x00"}),
        ("StopTransaction", {"transactionId": -1, "meterStop": 0, "timestamp": ago(), "reason": "R" * 300}),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", "meterType": None}),
    ],
)
def test_unknown_and_overlong_values_are_taken(action: str, payload: dict[str, Any], wire: Wire) -> None:
    assert isinstance(wire.ask(action, payload), dict)
    assert noted() & {"UnknownValue", "NullField"}


SAMPLES: dict[str, Callable[[], dict[str, Any]]] = {
    "unknown measurand": lambda: {"value": "1", "measurand": "Mood", "unit": "Smileys", "context": "Whenever"},
    "a number": lambda: {"value": 1234.5},
    "NUL": lambda: {"value": "12\x0034", "measurand": "Volt\x00age"},
    "over-long": lambda: {"value": "A" * 5000, "format": "SignedData"},
    "extra": lambda: {"value": "1", "extra\x00": {"deep": ["\x00"]}},
    "a huge exponent": lambda: {"value": "1e999999999"},
    "null": lambda: {"value": "1", "unit": None, "phase": None},
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_any_sampled_value_is_kept_beside_its_neighbours(sample: str, wire: Wire) -> None:
    good = {"value": "7000", "measurand": "Power.Active.Import"}
    value = {"timestamp": ago(), "sampledValue": [SAMPLES[sample](), good]}
    for _repetition in range(2):
        wire.ask("MeterValues", {"connectorId": 1, "meterValue": [value]})
    row = MeterValue.objects.get()
    assert row.power_w == 7000
    assert len(row.sampled_values) == 2
    assert "\x00" not in json.dumps(row.sampled_values)
