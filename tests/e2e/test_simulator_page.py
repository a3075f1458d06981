"""The simulator page: Chromium against a running gateway and worker."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Dialog, expect, sync_playwright

from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL, ChargingProfile, ChargingRateUnitType
from simulator.configuration import Configuration
from simulator.connector import TRANSITIONS
from simulator.smart_charging import ChargingProfiles
from tests.certificates import Authority
from tests.e2e.accounts import TRANSACTIONS
from tests.e2e.axe import violations
from tests.e2e.central_system import HOST, CentralSystem, Launcher, Single
from tests.e2e.conftest import new_launcher
from tests.e2e.file_server import FileServer
from tests.e2e.processes import wait_until
from tests.e2e.simulator_page import Api, Charger, SimulatorPage

pytestmark = pytest.mark.timeout(180)  # the first of each kind starts a central system, on a machine that may be busy
SETTINGS = {"OCPP_SIMULATOR": "open", "OCPP_AUTO_REMOTE_START": "off", "OCPP_CERTIFICATE_SIGNER": ""}
"""Nobody else may sign what the page asks for: a request is answered by one certificate."""


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Launcher]:
    launcher = new_launcher(tmp_path_factory.mktemp("simulator-page"), request)
    yield launcher
    launcher.end()


@pytest.fixture(scope="module")
def site(launchers: Launcher) -> Single:
    """``runcsms`` with the page; it serves all tests of this file: each has identities and tags of its own."""
    return launchers.single(**SETTINGS)


@pytest.fixture(scope="module")
def api(site: Single) -> Api:
    return Api(site)


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, site: Single) -> Iterator[SimulatorPage]:
    """The page in a browser that has never seen it; no script may fail, and no process write a traceback."""
    marks = site.marks()
    context = chromium.new_context()
    page = SimulatorPage(context.new_page(), site)
    yield page
    context.close()
    assert page.errors == []
    assert not site.tracebacks(marks)


def switched_on(page: SimulatorPage, identity: str, endpoint: str, **options: object) -> Charger:
    charger = page.add(identity, endpoint, **options)
    charger.expect_connection("Online")
    return charger


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout


def hashes_of(certificate: str) -> dict[str, str]:
    """How openssl names a certificate that has signed itself."""
    said = openssl("ocsp", "-issuer", certificate, "-sha256", "-cert", certificate, "-req_text").decode()
    found = dict(re.findall(r"(Issuer Name Hash|Issuer Key Hash|Serial Number): (\w+)", said))
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": found["Issuer Name Hash"].lower(),
        "issuerKeyHash": found["Issuer Key Hash"].lower(),
        "serialNumber": found["Serial Number"].lower().lstrip("0"),
    }


def charging(page: SimulatorPage, identity: str, endpoint: str, id_tag: str, **options: object) -> Charger:
    """A charge point that has begun to charge."""
    charger = switched_on(page, identity, endpoint, **options)
    charger.press("Plug in")
    charger.expect_status("Preparing")
    charger.present(id_tag)
    charger.expect_status("Charging")
    return charger


@pytest.mark.parametrize("kind", ["single", "cluster"])
def test_the_page_charges_until_a_command_stops_it(
    page: SimulatorPage, site: Single, launchers: Launcher, kind: str
) -> None:
    system: CentralSystem = site if kind == "single" else launchers.cluster(**SETTINGS)
    identity = f"PAGE-{kind}"
    charger = charging(page, identity, system.urls[-1], "TAG001")
    charger.run_time(7)
    charger.wait_for_energy(1.0)

    row = system.database.row(TRANSACTIONS, identity)
    assert (row["id_tag"], bool(row["is_active"])) == ("TAG001", True)
    answer = system.shell(
        "from ocpp_app.commands import issue_command\n"
        "from ocppj.v16 import RemoteStopTransactionRequest\n"
        f"request = RemoteStopTransactionRequest(transaction_id={row['id']})\n"
        f"result = str(issue_command({identity!r}, request, wait=True, timeout=20).status)"
    )

    assert answer == "Accepted"
    charger.expect_status("Finishing")
    expect(charger.card.locator(".news")).to_contain_text(f"Transaction {row['id']} is stopped.")
    charger.open("Commands it was given")
    expect(charger.card.locator(".commands li")).to_contain_text("RemoteStopTransaction")
    charger.press("Unplug")
    charger.expect_status("Available")
    wait_until(lambda: not system.database.row(TRANSACTIONS, identity)["is_active"], "the transaction is closed")
    row = system.database.row(TRANSACTIONS, identity)
    assert (row["stop_reason"], row["closed_by"]) == ("Remote", "charge_point")
    assert row["energy_wh"] >= 1000
    values = "SELECT count(*) FROM ocpp_app_metervalue WHERE transaction_id = %s"
    assert system.database.value(values, row["id"]) > 2
    # Nothing that the page says needs to be tolerated.
    assert system.database.values("SELECT code FROM ocpp_app_quirknote") == []
    assert system.database.values("SELECT kind FROM ocpp_app_anomaly") == []


def test_the_console_shows_what_the_page_charges_and_stops_it(page: SimulatorPage, site: Single) -> None:
    password = "a long enough password"
    arguments = ["createsuperuser", "--noinput", "--username", "operator", "--email", ""]
    assert site.manage(*arguments, DJANGO_SUPERUSER_PASSWORD=password).returncode == 0
    browser = page.page.context.browser
    assert browser is not None
    context = browser.new_context(base_url=f"http://{HOST}:{site.http_port}")
    console = context.new_page()
    console.goto("/login/")
    console.fill("[name=username]", "operator")
    console.fill("[name=password]", password)
    console.click("button.primary")

    charger = switched_on(page, "PAGE-console", site.url)
    console.click(".side >> text=Charge points")
    console.click("#list >> text=PAGE-console")
    connector = console.locator("section.connector").first
    expect(connector).to_contain_text("Available")
    charger.press("Plug in")
    charger.present("TAG014")
    charger.expect_status("Charging")
    expect(connector).to_contain_text("Charging")
    expect(connector).to_contain_text("TAG014")
    expect(connector.locator(".power")).to_contain_text("kW")

    console.click("#stop-1")
    dialog = console.locator("dialog")
    dialog.locator("button.primary").click()
    expect(dialog.locator(".badge")).to_have_text("Accepted")
    charger.expect_status("Finishing")
    charger.press("Unplug")
    expect(connector).to_contain_text("Available")
    context.close()


@pytest.mark.spec("OCPP 1.6", "3.5.1")
def test_without_a_network_the_local_list_says_who_may_charge(page: SimulatorPage, site: Single, api: Api) -> None:
    charger = switched_on(page, "PAGE-list", site.url)
    entry = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}
    api.command("PAGE-list", "SendLocalList", listVersion=1, updateType="Full", localAuthorizationList=[entry])
    charger.press("Lose the network")
    charger.expect_connection("No network")
    charger.press("Plug in")
    charger.present("STRANGER")
    expect(charger.card.locator(".news")).to_contain_text("not known here")
    charger.expect_status("Preparing")
    charger.present("LISTED")
    charger.expect_status("Charging")
    charger.press("Unplug")


def test_what_was_kept_without_a_network_is_delivered(page: SimulatorPage, site: Single) -> None:
    charger = charging(page, "PAGE-offline", site.url, "TAG002")
    charger.press("Lose the network")
    charger.expect_connection("No network")
    charger.run_time(7)
    charger.wait_for_energy(0.5)
    charger.present("TAG002")  # known from the cache
    charger.expect_status("Finishing")
    charger.press("Unplug")
    charger.press("Plug in")
    charger.present("TAG002")
    charger.expect_status("Charging")
    charger.wait_for_energy(0.5)
    expect(charger.card.locator(".kept")).to_contain_text("kept")
    (before,) = site.database.rows(TRANSACTIONS, "PAGE-offline")
    assert before["is_active"]

    charger.press("Restore the network")

    charger.expect_connection("Online")
    charger.run_time(0)
    expect(charger.card.locator(".transaction").first).to_have_text(re.compile(r"\d+"))
    first, second = site.database.rows(f"{TRANSACTIONS} ORDER BY t.id", "PAGE-offline")
    assert first["energy_wh"] >= 500
    assert (bool(first["is_active"]), bool(second["is_active"])) == (False, True)
    expect(charger.card.locator(".transaction").first).to_have_text(str(second["id"]))


def test_a_reload_is_a_power_cut_and_nothing_is_lost(page: SimulatorPage, site: Single) -> None:
    charger = charging(page, "PAGE-reload", site.url, "TAG008")
    charger.run_time(7)
    charger.wait_for_energy(0.2)
    charger.press("Lose the network")
    charger.expect_connection("No network")
    page.page.on("dialog", lambda dialog: dialog.accept())  # it warns: the tab could be about to be closed

    page.page.reload()

    page.charger("PAGE-reload").expect_connection("Online")
    wait_until(lambda: not site.database.row(TRANSACTIONS, "PAGE-reload")["is_active"], "the stop is delivered")
    row = site.database.row(TRANSACTIONS, "PAGE-reload")
    assert row["stop_reason"] == "PowerLoss"
    assert row["energy_wh"] >= 200


def test_a_charging_profile_limits_the_power(page: SimulatorPage, site: Single, api: Api) -> None:
    charger = charging(page, "PAGE-profile", site.url, "TAG003", kind="ac22")
    charger.run_time(4)
    expect(charger.card.locator(".power").first).to_have_text("22.0")
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }

    answer = api.command("PAGE-profile", "SetChargingProfile", connectorId=1, csChargingProfiles=profile)

    assert answer == {"status": "Accepted"}
    expect(charger.card.locator(".power").first).to_have_text("6.9")
    expect(charger.card.locator(".limit-note").first).to_have_text("limited to 6.9 kW")
    composite = api.command("PAGE-profile", "GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="W")
    (period,) = composite["chargingSchedule"]["chargingSchedulePeriod"]
    assert period["limit"] == 6900
    schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 0.0}]
    api.command("PAGE-profile", "SetChargingProfile", connectorId=1, csChargingProfiles=profile)
    charger.expect_status("SuspendedEVSE")
    assert charger.power_kw == 0
    assert api.command("PAGE-profile", "ClearChargingProfile", id=1) == {"status": "Accepted"}
    charger.expect_status("Charging")
    expect(charger.card.locator(".power").first).to_have_text("22.0")


def test_a_driver_can_do_all_that_drivers_do(page: SimulatorPage, site: Single) -> None:
    charger = charging(page, "PAGE-driver", site.url, "TAG004")
    charger.press("Suspend")
    charger.expect_status("SuspendedEV")
    charger.press("Resume")
    charger.expect_status("Charging")
    charger.present("TAG005")
    expect(charger.card.locator(".news")).to_contain_text("another tag started this transaction")
    charger.press("Stop")
    charger.expect_status("Finishing")
    charger.press("Unplug")
    charger.present("NOBODY")
    expect(charger.card.locator(".news")).to_contain_text("the tag is Invalid")
    charger.press("Fault")
    charger.expect_status("Faulted")
    charger.press("Clear the fault")
    charger.expect_status("Available")

    statuses = (
        "SELECT h.status FROM ocpp_app_statushistory h JOIN ocpp_app_connector n ON n.id = h.connector_id "
        "JOIN ocpp_app_chargepoint c ON c.id = n.charge_point_id WHERE c.identity = %s AND n.number = 1 ORDER BY h.id"
    )
    told = [
        "Available", "Preparing", "Charging", "SuspendedEV", "Charging", "Finishing", "Available", "Faulted",
        "Available",
    ]  # fmt: skip
    wait_until(lambda: site.database.values(statuses, "PAGE-driver") == told, "all statuses are told")


def test_every_command_is_answered_and_does_what_it_says(
    page: SimulatorPage, site: Single, api: Api, tmp_path: Path
) -> None:
    charger = switched_on(page, "PAGE-all", site.url)
    authority = Authority(tmp_path / "authority")
    pem = Path(authority.certificate).read_text()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    def status(action: str, **payload: object) -> str:
        return str(api.command("PAGE-all", action, **payload)["status"])

    with FileServer({"/firmware-2.1.bin": b"new"}) as files:
        assert status("ChangeConfiguration", key="ClockAlignedDataInterval", value="900") == "Accepted"
        keys = api.command("PAGE-all", "GetConfiguration", key=["clockaligneddatainterval", "Colour"])
        assert keys["configurationKey"][0]["value"] == "900"
        assert keys["unknownKey"] == ["Colour"]
        assert status("ChangeConfiguration", key="NumberOfConnectors", value="9") == "Rejected"
        assert status("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
        charger.expect_status("Unavailable")
        assert status("ChangeAvailability", connectorId=1, type="Operative") == "Accepted"
        assert status("ReserveNow", connectorId=1, expiryDate=later, idTag="TAG006", reservationId=9) == "Accepted"
        charger.expect_status("Reserved")
        assert status("CancelReservation", reservationId=9) == "Accepted"
        charger.expect_status("Available")
        tags = [{"idTag": "LOCAL1", "idTagInfo": {"status": "Accepted"}}]
        new = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": tags}
        assert status("SendLocalList", **new) == "Accepted"
        assert api.command("PAGE-all", "GetLocalListVersion") == {"listVersion": 3}
        assert status("ClearCache") == "Accepted"
        assert status("DataTransfer", vendorId="com.example") == "UnknownVendorId"
        assert status("UnlockConnector", connectorId=1) == "Unlocked"
        assert status("TriggerMessage", requestedMessage="Heartbeat") == "Accepted"
        expect(charger.frames("Heartbeat")).not_to_have_count(0)
        charger.press("Plug in")
        assert status("RemoteStartTransaction", idTag="TAG006") == "Accepted"
        charger.expect_status("Charging")
        assert status("ClearChargingProfile", id=77) == "Unknown"
        wait_until(lambda: site.database.rows(TRANSACTIONS, "PAGE-all"), "the transaction is there")
        transaction = site.database.row(TRANSACTIONS, "PAGE-all")["id"]
        assert status("RemoteStopTransaction", transactionId=transaction) == "Accepted"
        charger.expect_status("Finishing")
        charger.press("Unplug")

        assert (
            status("InstallCertificate", certificateType="CentralSystemRootCertificate", certificate=pem) == "Accepted"
        )
        listed = api.command("PAGE-all", "GetInstalledCertificateIds", certificateType="CentralSystemRootCertificate")
        (hashes,) = listed["certificateHashData"]
        assert hashes == hashes_of(authority.certificate)
        assert status("DeleteCertificate", certificateHashData=hashes) == "Accepted"
        assert status("DeleteCertificate", certificateHashData=hashes) == "NotFound"
        assert status("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate") == "Accepted"
        requests = "SELECT raw FROM ocpp_app_message WHERE action = 'SignCertificate'"
        wait_until(lambda: site.database.values(requests), "it asks for a certificate")
        assert status("CertificateSigned", certificateChain=pem) == "Rejected"  # for another key

        assert api.command("PAGE-all", "GetDiagnostics", location=f"{files.url}/in/")["fileName"].endswith(".log")
        wait_until(lambda: files.uploaded, "the diagnostics are there")
        assert b'"charge_point":"PAGE-all"' in files.uploaded[0]
        log = {"remoteLocation": f"{files.url}/in/"}
        assert status("GetLog", logType="SecurityLog", requestId=5, log=log) == "Accepted"
        wait_until(lambda: len(files.uploaded) == 2, "the log is there")
        signed = {
            "location": f"{files.url}/firmware-2.1.bin",
            "retrieveDateTime": later,
            "signingCertificate": pem,
            "signature": "AAAA",
        }
        assert status("SignedUpdateFirmware", requestId=6, firmware=signed) == "Accepted"
        charger.run_time(5)
        now = datetime.now(UTC).isoformat()
        api.command("PAGE-all", "UpdateFirmware", location=f"{files.url}/firmware-2.1.bin", retrieveDate=now)
        firmware = (
            "SELECT m.raw FROM ocpp_app_message m JOIN ocpp_app_chargepoint c ON c.id = m.charge_point_id "
            "WHERE c.identity = 'PAGE-all' AND m.action = 'FirmwareStatusNotification' ORDER BY m.id"
        )
        wait_until(lambda: len(site.database.values(firmware)) == 4, "the firmware is installed")
        told = [raw.split('"')[-2] for raw in site.database.values(firmware)]
        assert told == ["Downloading", "Downloaded", "Installing", "Installed"]
        charger.expect_connection("Online")
        assert status("Reset", type="Soft") == "Accepted"
        expect(charger.frames("BootNotification")).to_have_count(6)  # at first, after the update, after the reset

    charger.open("Inside")
    expect(charger.card.locator(".facts")).to_contain_text("2.1 · Installed")
    expect(charger.card.locator(".facts")).to_contain_text("version 3: local1")
    expect(charger.card.locator(".configuration tr", has_text="ClockAlignedDataInterval")).to_contain_text("900")


def test_signatures_are_examined_and_a_certificate_is_asked_for(
    page: SimulatorPage, site: Single, api: Api, tmp_path: Path
) -> None:
    charger = switched_on(page, "PAGE-signed", site.url)
    charger.run_time(5)
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("Firmware Inc.")
    image = tmp_path / "image"
    image.write_bytes(b"firmware 3.2")
    signature = openssl("dgst", "-sha256", "-sign", pair.key, str(image))

    def update(request_id: int, signed: bytes) -> None:
        firmware = {
            "location": f"{files.url}/image-3.2.bin",
            "retrieveDateTime": datetime.now(UTC).isoformat(),
            "signingCertificate": Path(pair.certificate).read_text(),
            "signature": base64.b64encode(signed).decode(),
        }
        answer = api.command("PAGE-signed", "SignedUpdateFirmware", requestId=request_id, firmware=firmware)
        assert answer == {"status": "Accepted"}

    def told(request_id: int) -> list[str]:
        query = "SELECT raw FROM ocpp_app_message WHERE action = 'SignedFirmwareStatusNotification' ORDER BY id"
        payloads = [json.loads(raw)[3] for raw in site.database.values(query)]
        return [payload["status"] for payload in payloads if payload["requestId"] == request_id]

    with FileServer({"/image-3.2.bin": image.read_bytes()}) as files:
        update(1, signature[:-1] + bytes([signature[-1] ^ 1]))
        wait_until(lambda: told(1) == ["Downloading", "Downloaded", "InvalidSignature"], "the signature is wrong")
        update(2, signature)
        steps = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"]
        wait_until(lambda: told(2) == steps, "the firmware is installed")

    charger.expect_connection("Online")
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert api.command("PAGE-signed", "ExtendedTriggerMessage", **trigger) == {"status": "Accepted"}
    query = (
        "SELECT m.raw FROM ocpp_app_message m JOIN ocpp_app_chargepoint c ON c.id = m.charge_point_id "
        "WHERE c.identity = 'PAGE-signed' AND m.action = 'SignCertificate'"
    )
    wait_until(lambda: site.database.values(query), "it asks for a certificate")
    request = tmp_path / "request.csr"
    request.write_text(json.loads(site.database.value(query))[3]["csr"])
    assert b"CN = PAGE-signed" in openssl("req", "-in", str(request), "-noout", "-verify", "-subject")
    ca = ["-CA", authority.certificate, "-CAkey", str(tmp_path / "authority" / "ca.key"), "-set_serial", "7"]
    chain = openssl("x509", "-req", "-in", str(request), *ca, "-days", "30").decode()
    assert api.command("PAGE-signed", "CertificateSigned", certificateChain=chain) == {"status": "Accepted"}
    charger.open("Inside")
    expect(charger.card.locator(".facts")).to_contain_text("Own certificate")
    expect(charger.card.locator(".facts")).to_contain_text("3.2 · Installed")


def test_anything_can_be_sent_and_its_answer_is_shown(page: SimulatorPage, site: Single) -> None:
    charger = switched_on(page, "PAGE-raw", site.url)
    charger.open("Raw frame")
    charger.send_raw('[2,"typed-1","Heartbeat",{}]')
    expect(charger.frames('[3,"typed-1",{"currentTime"')).to_have_count(1)
    charger.send_raw('[2,"typed-2","Heartbeat",')
    charger.send_raw('[2,"typed-3","Teleport",{}]')
    expect(charger.frames('[4,"typed-3","NotImplemented"')).to_have_count(1)
    charger.card.get_by_label("Begin with").select_option("BootNotification")
    expect(charger.card.locator("textarea")).to_have_value(re.compile("chargePointVendor"))
    charger.press("Send")
    expect(charger.frames('"status":"Accepted"')).not_to_have_count(0)


def test_a_charge_point_that_is_called_script_is_shown_not_run(page: SimulatorPage, site: Single) -> None:
    identity = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.page.on("dialog", note)
    charger = switched_on(page, identity, site.url)
    charger.press("Plug in")
    charger.present("<b>TAG</b>")
    expect(charger.card.locator(".news")).to_contain_text("Invalid")
    charger.open("Raw frame")
    charger.send_raw('[2,"<img src=x onerror=alert(3)>","Heartbeat",{}]')
    expect(charger.frames('[3,"<img src=x onerror=alert(3)>"')).to_have_count(1)

    assert dialogs == []
    assert page.page.locator("article script, article img, article b b").count() == 0
    stored = "SELECT count(*) FROM ocpp_app_chargepoint WHERE identity = %s"
    assert site.database.value(stored, identity) == 1


def test_a_password_opens_the_gateway_and_a_wrong_one_does_not(page: SimulatorPage, site: Single) -> None:
    site.shell(
        "from ocpp_app.credentials import hash_key\nfrom ocpp_app.models import ChargePoint\n"
        "ChargePoint.objects.create(identity='PAGE-secret', security_profile=1, "
        "registration_status='Accepted', authorization_key=hash_key('correct horse ÿ>?~'))\nresult = 1"
    )
    charger = page.add("PAGE-secret", site.url, password="wrong")
    expect(charger.frames("cannot connect")).not_to_have_count(0)
    charger.press("Remove")
    switched_on(page, "PAGE-secret", site.url, password="correct horse ÿ>?~")
    assert "correct" not in page.page.content()
    assert "correct" not in site.runcsms.output()
    assert "ocpp.basic" not in site.runcsms.output()
    assert "correct" not in page.page.evaluate("JSON.stringify(sessionStorage)")


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_it(page: SimulatorPage, site: Single, width: int) -> None:
    page.page.set_viewport_size({"width": width, "height": 900})
    page.add("", "nowhere")  # an error stands in the form
    expect(page.page.locator("#problem")).to_contain_text("ws://")
    first = charging(page, f"PAGE-axe-{width}", site.url, f"TAG0{width % 50:02}")
    second = switched_on(page, f"PAGE-axe2-{width}", site.url, quirks=("NoZone",))
    second.press("Fault")
    first.press("Suspend")
    first.press("Lose the network")
    for title in ("Commands it was given", "Inside", "Raw frame"):
        first.open(title)
    first.card.locator(".frames details").first.locator("summary").click()

    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        assert violations(page.page) == [], scheme
    assert page.page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_the_keyboard_is_enough(page: SimulatorPage, site: Single) -> None:
    keys = page.page.keyboard
    page.page.locator("#endpoint").fill(site.url)
    page.page.locator("#identity").fill("PAGE-keys")
    keys.press("Enter")
    charger = page.charger("PAGE-keys")
    charger.expect_connection("Online")
    expect(charger.button("Plug in")).to_be_focused()  # where one goes on
    assert page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keys.press("Space")
    charger.expect_status("Preparing")
    for _ in range(2):  # past Suspend; Stop cannot be pressed yet
        keys.press("Tab")
    keys.type("TAG007")
    keys.press("Enter")
    charger.expect_status("Charging")


QUIRKY = [
    {
        "NoZone": "TimestampWithoutZone",
        "NumbersAsStrings": "NumberAsString",
        "Fractions": "FloatAsInteger",
        "ExtraFields": "ExtraField",
        "NullFields": "NullField",
        "Lowercase": "MisspelledValue",
        "EmptyValues": "DroppedItem",
        "LongStrings": "OverlongString",
        "NumericUniqueId": "NumericUniqueId",
        "EmptyFrames": "MalformedFrame",
        "StrayAnswers": "UnexpectedAnswer",
        "BootsAlways": "",
        "Binary": "",
        "TrailingSlash": "",
    },
    {
        "ShortOffset": "TimestampOffset",
        "StringsAsNumbers": "StringAsNumber",
        "UnknownValues": "UnknownValue",
        "NulPadding": "NulCharacter",
        "LongUniqueId": "OverlongUniqueId",
        "NoSubprotocol": "NoSubprotocol",
        "StopsTwice": "",
    },
    {"ClockNotSet": "ClockNotSet", "SameUniqueId": "", "NeverBoots": "", "StopsUnknown": ""},
]
"""Habits that one charge point can have together, and what each is noted as, if at all."""


@pytest.mark.parametrize("number", range(len(QUIRKY)))
def test_a_charge_point_with_quirks_charges_and_they_are_noted(page: SimulatorPage, site: Single, number: int) -> None:
    identity, id_tag, quirks = f"PAGE-quirky-{number}", f"TAG01{number}", QUIRKY[number]
    charger = charging(page, identity, site.url, id_tag, quirks=tuple(quirks))
    charger.run_time(7)
    charger.wait_for_energy(0.2)
    charger.run_time(0)
    charger.present(id_tag)
    charger.expect_status("Finishing")
    charger.press("Lose the network")
    charger.press("Restore the network")
    charger.press("Unplug")
    charger.expect_connection("Online")
    charger.expect_status("Available")
    expect(charger.frames("StopTransaction").filter(has_text="CALLRESULT")).not_to_have_count(0)
    expect(charger.card.locator(".kept")).to_be_hidden()

    expect(charger.frames("CALLERROR")).to_have_count(0)
    expect(charger.frames("no answer in time")).to_have_count(0)
    notes = (
        "SELECT DISTINCT q.code FROM ocpp_app_quirknote q JOIN ocpp_app_chargepoint c ON c.id = q.charge_point_id "
        "WHERE c.identity = %s"
    )
    assert {note for note in quirks.values() if note} <= set(site.database.values(notes, identity))
    assert site.database.values(f"SELECT x.energy_wh FROM ({TRANSACTIONS}) x WHERE x.id_tag = %s", identity, id_tag)


def test_its_quirks_are_those_of_the_form(page: SimulatorPage) -> None:
    names = page.import_module("quirks.js", "(quirks) => Object.keys(quirks.QUIRKS)")
    boxes = page.page.locator("[name=quirk]").evaluate_all("(boxes) => boxes.map((box) => box.value)")

    assert sorted(boxes) == sorted(names) == sorted(quirk for quirks in QUIRKY for quirk in quirks)


def test_it_is_the_same_charge_point_as_the_one_in_python(page: SimulatorPage) -> None:
    handlers = page.import_module("commands/index.js", "(commands) => Object.keys(commands.HANDLERS)")
    of_central_system = {action for action, spec in PROTOCOL.actions.items() if spec.sender is not Sender.charge_point}
    assert set(handlers) == of_central_system

    transitions = page.import_module("connector.js", "(connector) => connector.TRANSITIONS")
    assert transitions == {str(status): [str(to) for to in way] for status, way in TRANSITIONS.items()}

    options = {"connectors": 2, "phases": 3, "sampleIntervalS": 15}
    keys = page.import_module(
        "configuration.js",
        "({Configuration}, options) => [...new Configuration(options)].map((key) => key.name)",
        options,
    )
    assert {key.name for key in Configuration(connectors=2, phases=3, sample_interval_s=15)} <= set(keys)


@pytest.mark.spec("OCPP-J 1.6", "4.1.1")
def test_second_call_waits_for_first_answer_or_its_timeout(page: SimulatorPage) -> None:
    said = page.import_module(
        "session.js",
        """({Session}) => {
            const session = new Session();
            const steps = [];
            const step = (events) => steps.push([session.dataToSend(), events.map((event) => event.kind)]);
            step(session.call("a", "A", 30, 0));
            step(session.call("b", "B", 30, 1));
            step(session.call("c", "C", 30, 2));
            step(session.receive('[2,"x","Reset",{"type":"Soft"}]', 3));
            step(session.receive('[3,"a",{}]', 4));
            step(session.tick(33.9));
            step(session.tick(34));
            step(session.receive('[3,"b",{}]', 35));
            steps.push(session.close());
            return steps;
        }""",
    )

    assert said == [
        [["A"], ["written"]],
        [[], []],
        [[], []],
        [[], ["call"]],
        [["B"], ["answer", "written"]],
        [[], []],
        [["C"], ["timedOut", "written"]],
        [[], ["unexpected"]],
        {"outstanding": "c", "waiting": []},
    ]


AT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def profile(number: int, purpose: str, kind: str, unit: str, periods: list[tuple[int, float]], **more: Any) -> Any:
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
        **more.pop("schedule", {}),
    }
    return {
        "chargingProfileId": number,
        "stackLevel": more.pop("level", 0),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


@pytest.mark.spec("OCPP 1.6", "3.13")
@pytest.mark.parametrize("unit", ["W", "A"])
def test_charging_profiles_mean_what_they_mean_in_python(page: SimulatorPage, unit: str) -> None:
    day = {"recurrencyKind": "Daily", "schedule": {"startSchedule": "2026-01-01T11:30:00Z", "duration": 3600}}
    soon = {"schedule": {"startSchedule": "2026-03-04T12:10:00Z", "duration": 600}, "level": 3}
    until = {"validFrom": "2026-03-04T12:40:00Z", "validTo": "2026-03-04T13:00:00Z", "level": 5}
    installed = [
        (0, profile(1, "ChargePointMaxProfile", "Absolute", "A", [(0, 25), (1500, 20.5)])),
        (0, profile(2, "TxDefaultProfile", "Recurring", "W", [(0, 9000), (2400, 4200.5)], **day)),
        (1, profile(3, "TxDefaultProfile", "Absolute", "A", [(0, 6), (300, 0)], **soon)),
        (1, profile(4, "TxProfile", "Relative", "W", [(0, 8000), (3600, 3000)], **until)),
        (1, profile(5, "TxProfile", "Relative", "W", [(60, 1)])),  # does not begin at 0: refused
        (2, profile(6, "ChargePointMaxProfile", "Absolute", "W", [(0, 1)])),  # not for one connector: refused
    ]
    started_at = AT - timedelta(minutes=5)
    ours = ChargingProfiles(max_stack_level=10, max_periods=48, max_installed=40)
    for connector_id, item in installed:
        ours.set(connector_id, msgspec.convert(item, ChargingProfile, strict=False), AT)
    expected = ours.composite_schedule(
        1, AT, 7200, ChargingRateUnitType(unit), phases=3, max_power_w=22_080, started_at=started_at
    )

    got = page.import_module(
        "smart_charging.js",
        """({ChargingProfiles}, {installed, at, startedAt, unit}) => {
            const profiles = new ChargingProfiles({maxStackLevel: 10, maxPeriods: 48, maxInstalled: 40});
            for (const [connectorId, profile] of installed) profiles.set(connectorId, profile, at);
            return profiles.compositeSchedule(1, at, 7200, unit, {phases: 3, maxPowerW: 22080, startedAt});
        }""",
        {
            "installed": installed,
            "at": AT.timestamp() * 1000,
            "startedAt": started_at.timestamp() * 1000,
            "unit": unit,
        },
    )

    periods = expected.charging_schedule_period
    assert len(periods) >= 6
    assert [(one["startPeriod"], one["limit"]) for one in got["chargingSchedulePeriod"]] == [
        (one.start_period, float(one.limit)) for one in periods
    ]
