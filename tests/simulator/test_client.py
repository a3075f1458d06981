"""Simulated charge points on real websockets."""

import asyncio
import base64
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from ocppj.v16 import AuthorizationStatus
from simulator.client import SimulatedChargePoint
from simulator.connection import LONGEST_BACK_OFF_S, BackOff
from simulator.ledger import LedgerEvent
from simulator.meter import Car
from tests.simulator.central_system import running

FAST = {"speed": 600.0, "seed": 1}


async def test_a_full_session_and_what_the_ledger_says_of_it():
    async with running() as central:
        async with SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
            await charge_point.plug_in()
            presentation = await charge_point.present_tag("ABC123")
            await charge_point.wait_for_status("Charging")
            await charge_point.charge(energy_wh=2000)
            await charge_point.present_tag("ABC123")
            await charge_point.unplug()
            await charge_point.delivered()
        await central.until(lambda: bool(central.closed))

    assert presentation.status == AuthorizationStatus.Accepted
    [start], [stop] = central.payloads("StartTransaction"), central.payloads("StopTransaction")
    statuses = [status["status"] for status in central.payloads("StatusNotification") if status["connectorId"] == 1]
    assert statuses == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    assert stop["transactionId"] == 77
    assert 2000 <= stop["meterStop"] - start["meterStart"] < 2100
    registers = [int(values["meterValue"][0]["sampledValue"][0]["value"]) for values in central.payloads("MeterValues")]
    assert registers == sorted(registers)
    assert len(registers) > 10

    ledger = charge_point.ledger
    [transaction] = ledger.transactions
    assert (transaction.transaction_id, transaction.id_tag, transaction.reason) == (77, "ABC123", "Local")
    assert (transaction.is_start_confirmed, transaction.is_stop_confirmed) == (True, True)
    assert transaction.confirmed_meter_values == len(registers)
    assert ledger.energy_wh == stop["meterStop"] - start["meterStart"]
    assert ledger.counts[LedgerEvent.call_sent] == ledger.counts[LedgerEvent.answer_received] == len(central.calls)
    assert ledger.faults == []
    assert central.most_outstanding == 1
    assert central.closed == [1001]


@pytest.mark.spec("OCPP-J 1.6", "3.1")
async def test_handshake_has_the_identity_the_subprotocol_and_the_password():
    async with running() as central:
        charge_point = SimulatedChargePoint(f"{central.url}/", "CP 1/ä", password="secret")
        async with charge_point:
            assert charge_point.is_connected

    [(path, headers)] = central.handshakes
    assert path == "/ocpp/CP%201%2F%C3%A4"
    assert headers["Sec-WebSocket-Protocol"] == "ocpp1.6"
    assert headers["Authorization"] == f"Basic {base64.b64encode('CP 1/ä:secret'.encode()).decode()}"
    assert "Sec-WebSocket-Extensions" not in headers


@pytest.mark.spec("OCPP 1.6", "3.7")
@pytest.mark.spec("OCPP-J 1.6", "5.4")
async def test_offline_and_back_with_everything_that_was_kept_in_order():
    async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
        await charge_point.plug_in()
        await charge_point.present_tag("ABC")
        await charge_point.charge(energy_wh=300)
        await charge_point.go_offline()
        await charge_point.charge(energy_wh=1500)
        await charge_point.stop_charging()
        await charge_point.unplug()
        kept = len(charge_point.charge_point.outbox)
        before = len(central.calls)
        await charge_point.go_online()
        await charge_point.delivered()

    late = [call for _, call in central.calls[before:] if call[2] != "StatusNotification"]
    assert kept > 10
    assert [call[2] for call in late] == ["MeterValues"] * (len(late) - 1) + ["StopTransaction"]
    assert len(late) == kept
    stamps = [(call[3] if "timestamp" in call[3] else call[3]["meterValue"][0])["timestamp"] for call in late]
    assert stamps == sorted(stamps, key=datetime.fromisoformat)
    assert central.actions().count("BootNotification") == 1
    statuses = [call[3]["status"] for _, call in central.calls[before:] if call[2] == "StatusNotification"]
    assert statuses == ["Available"]
    assert charge_point.ledger.transactions[0].is_stop_confirmed


async def test_reconnects_by_itself_when_the_central_system_closes_or_refuses():
    async with running() as central, SimulatedChargePoint(central.url, "CP001") as charge_point:
        central.refusals = [HTTPStatus.NOT_FOUND]
        await central.disconnect(1012)
        await central.until(lambda: len(central.handshakes) == 3)
        await charge_point.wait_until(lambda: charge_point.charge_point.is_online, "it is back")

    events = [(entry.event, entry.detail) for entry in charge_point.ledger.entries if not entry.action]
    assert (LedgerEvent.disconnected, "1012 service restart") in events
    assert (LedgerEvent.connection_failed, "HTTP 404 Not Found not now") in events
    assert central.actions().count("BootNotification") == 1


def test_back_off_grows_with_jitter_up_to_its_cap_and_begins_anew():
    back_off = BackOff()

    delays = [back_off.next_s() for _ in range(20)]
    back_off.reset()

    for number, delay in enumerate(delays):
        longest = min(LONGEST_BACK_OFF_S, 2**number)
        assert longest / 2 <= delay <= longest
    assert len(set(delays)) == 20
    assert back_off.next_s() <= 1


async def test_network_that_is_lost_during_the_handshake():
    async with running() as central:
        charge_point = SimulatedChargePoint(central.url, "CP001")
        central.may_shake_hands.clear()
        charge_point.start()
        await central.until(lambda: len(central.handshakes) == 1)
        await charge_point.go_offline()
        central.may_shake_hands.set()
        await central.until(lambda: len(central.closed) == 1)
        assert central.calls == []
        await charge_point.go_online()
        await central.until_called("StatusNotification")
        await charge_point.close()


async def test_remote_start_and_remote_stop():
    async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
        await charge_point.plug_in()
        started = await central.call("RemoteStartTransaction", '{"connectorId":1,"idTag":"anonymous"}')
        await charge_point.wait_for_status("Charging")
        await central.until_called("MeterValues")
        stopped = await central.call("RemoteStopTransaction", '{"transactionId":77}')
        await charge_point.wait_for_status("Finishing")
        await charge_point.delivered()

    assert started == stopped == {"status": "Accepted"}
    assert central.payloads("StartTransaction")[0]["idTag"] == "anonymous"
    assert central.payloads("StopTransaction")[0]["reason"] == "Remote"


@pytest.mark.spec("OCPP 1.6", "5.14")
@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_reset_delivers_the_stop_connects_anew_and_boots(kind):
    async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
        await charge_point.plug_in()
        await charge_point.present_tag("ABC")
        await charge_point.delivered()
        answer = await central.call("Reset", f'{{"type":"{kind}"}}')
        await central.until_called("BootNotification", 2)
        await charge_point.delivered()

    assert answer == {"status": "Accepted"}
    assert len(central.handshakes) == 2
    assert [stop["reason"] for stop in central.payloads("StopTransaction")] == [f"{kind}Reset"]
    boots = [index for index, action in enumerate(central.actions()) if action == "BootNotification"]
    assert set(central.actions()[boots[1] + 1 :]) <= {"StatusNotification", "StopTransaction"}
    assert central.payloads("StatusNotification")[-1]["status"] == "Preparing"


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
async def test_no_second_call_before_the_first_is_answered():
    async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
        del central.answers["StatusNotification"]
        await charge_point.plug_in()
        await central.until(lambda: central.actions()[-1] == "StatusNotification")
        held = central.calls[-1][1]
        asyncio.get_running_loop().create_task(charge_point.present_tag("ABC"))
        # Its answers pass at any time, so these are behind everything that it had to send.
        await central.call("GetConfiguration", unique_id="cs-1")
        await central.call("ClearCache", unique_id="cs-2")
        assert central.calls[-1][1] is held
        central.answers["StatusNotification"] = "{}"
        await central.send(f'[3,"{held[1]}",{{}}]')
        await central.until_called("StartTransaction")

    assert central.actions()[-1] in ("StartTransaction", "StatusNotification", "MeterValues")


@pytest.mark.spec("OCPP 1.6", "3.7.1")
async def test_call_error_to_a_start_is_retried_until_it_is_accepted():
    async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
        await central.call("ChangeConfiguration", '{"key":"TransactionMessageRetryInterval","value":"0"}')
        central.answers["StartTransaction"] = [
            "CALLERROR InternalError",
            "CALLERROR GenericError",
            '{"idTagInfo":{"status":"Accepted"},"transactionId":78}',
        ]
        await charge_point.plug_in()
        await charge_point.present_tag("ABC")
        await charge_point.delivered()

    starts = [call for _, call in central.calls if call[2] == "StartTransaction"]
    assert len(starts) == 3
    assert starts[0][3] == starts[1][3] == starts[2][3]
    assert len({call[1] for call in starts}) == 3
    assert [entry.detail for entry in charge_point.ledger.call_errors] == [
        "InternalError: as the test wants it",
        "GenericError: as the test wants it",
    ]
    assert charge_point.ledger.transactions[0].transaction_id == 78


async def test_speed_charges_for_an_hour_in_a_second():
    async with running() as central:
        charge_point = SimulatedChargePoint(central.url, "CP001", speed=3600.0, sample_interval_s=60)
        async with charge_point:
            await charge_point.plug_in(car=Car(soc=10.0, max_power_w=7360.0))
            await charge_point.present_tag("ABC")
            began = asyncio.get_running_loop().time()
            await charge_point.charge(energy_wh=7000)
            took_s = asyncio.get_running_loop().time() - began

    assert took_s < 5


async def test_new_authorization_key_is_used_on_a_new_connection():
    key = "00112233445566778899aabbccddeeff"
    async with running() as central, SimulatedChargePoint(central.url, "CP001", password="old") as charge_point:
        await central.call("ChangeConfiguration", f'{{"key":"AuthorizationKey","value":"{key}"}}')
        await central.until(lambda: len(central.handshakes) == 2)
        await charge_point.wait_until(lambda: charge_point.charge_point.is_online, "it is back")

    credentials = base64.b64encode(b"CP001:" + bytes.fromhex(key)).decode()
    assert central.handshakes[1][1]["Authorization"] == f"Basic {credentials}"


async def test_firmware_is_fetched_and_diagnostics_are_uploaded():
    uploads: dict[str, bytes] = {}
    with file_server(uploads) as files:
        async with running() as central, SimulatedChargePoint(central.url, "CP001", **FAST) as charge_point:
            location = f'{{"location":"{files}/logs/"}}'
            name = (await central.call("GetDiagnostics", location))["fileName"]
            await central.until_called("DiagnosticsStatusNotification", 2)
            update = f'{{"location":"{files}/fw-3.1.bin","retrieveDate":"2020-01-01T00:00:00Z"}}'
            await central.call("UpdateFirmware", update)
            await central.until_called("BootNotification", 2)
            await charge_point.delivered()
            missing = f'{{"location":"{files}/gone","retrieveDate":"2020-01-01T00:00:00Z"}}'
            await central.call("UpdateFirmware", missing, unique_id="cs-3")
            await central.until_called("FirmwareStatusNotification", 6)

    assert [status["status"] for status in central.payloads("DiagnosticsStatusNotification")] == [
        "Uploading",
        "Uploaded",
    ]
    assert b'"action":"BootNotification"' in uploads[f"/logs/{name}"]
    assert [status["status"] for status in central.payloads("FirmwareStatusNotification")] == [
        "Downloading",
        "Downloaded",
        "Installing",
        "Installed",
        "Downloading",
        "DownloadFailed",
    ]
    assert central.payloads("BootNotification")[1]["firmwareVersion"] == "3.1"


async def test_waiting_in_vain_says_for_what_and_what_happened_last():
    async with running() as central, SimulatedChargePoint(central.url, "CP001") as charge_point:
        with pytest.raises(TimeoutError, match=r"CP001 waited 0.05 s until connector 1 is Faulted; the last .*"):
            await charge_point.wait_for_status("Faulted", timeout_s=0.05)


async def test_an_error_of_our_own_reaches_whoever_waits(caplog):
    async with running() as central, SimulatedChargePoint(central.url, "CP001") as charge_point:
        charge_point.charge_point.configuration.set("ClockAlignedDataInterval", "no number")
        waiting = charge_point.wait_for_status("Charging")
        asyncio.get_running_loop().create_task(central.call("ClearCache"))
        with pytest.raises(ValueError, match="no number"):
            await waiting

    assert "CP001 has stopped for an error of the simulator's own" in caplog.text
    assert [fault.event for fault in charge_point.ledger.faults] == [LedgerEvent.broken]


async def test_a_charge_point_that_is_switched_off_says_what_to_do():
    charge_point = SimulatedChargePoint("ws://127.0.0.1:1/ocpp", "CP001")

    with pytest.raises(RuntimeError, match=r"CP001 is switched off: use it in `async with`, or call start\(\) first"):
        await charge_point.plug_in()


class FileHandler(BaseHTTPRequestHandler):
    """Takes uploads by POST only, and has one firmware."""

    uploads: dict[str, bytes]

    def do_GET(self) -> None:
        is_there = self.path == "/fw-3.1.bin"
        self.send_response(HTTPStatus.OK if is_there else HTTPStatus.NOT_FOUND)
        self.end_headers()
        if is_there:
            self.wfile.write(b"firmware" * 10_000)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.end_headers()

    def do_POST(self) -> None:
        self.uploads[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.CREATED)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class file_server:  # noqa: N801 - used like a function
    """A real HTTP server for the time of a `with`; its address."""

    def __init__(self, uploads: dict[str, bytes]) -> None:
        handler = type("Handler", (FileHandler,), {"uploads": uploads})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
