"""The security whitepaper's messages: signed firmware, logs, certificates, triggers."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.maintenance import Download
from tests.simulator.wire import START, Wire

KEY = ec.generate_private_key(ec.SECP256R1())
IMAGE = b"firmware"
MANUFACTURER = "ManufacturerRootCertificate"


def certificate(key: Any = KEY, common_name: str = "Maker", days: int = 30) -> str:
    """Self-signed, valid around the time of the tests."""
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(days=60))
        .not_valid_after(START + timedelta(days=days))
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


ROOT = certificate()


def install(wire: Wire, pem: str, use: str = MANUFACTURER) -> str:
    return str(wire.call("InstallCertificate", json.dumps({"certificateType": use, "certificate": pem}))["status"])


def update(wire: Wire, request_id: int = 7, image: bytes = IMAGE, **firmware: Any) -> str:
    signature = base64.b64encode(KEY.sign(image, ec.ECDSA(hashes.SHA256()))).decode()
    payload = {
        "requestId": request_id,
        "firmware": {
            "location": "http://files.example/fw-2.4.1.bin",
            "retrieveDateTime": "2026-03-01T12:00:00Z",
            "signingCertificate": ROOT,
            "signature": signature,
            **firmware,
        },
    }
    return str(wire.call("SignedUpdateFirmware", json.dumps(payload))["status"])


def fetched(wire: Wire) -> None:
    [job] = wire.charge_point.maintenance.take_jobs()
    assert isinstance(job, Download)
    job.digest = hashlib.sha256(IMAGE).digest()
    wire.charge_point.maintenance.finished(job, len(IMAGE), wire.now)
    wire.pass_time(1)


def statuses(wire: Wire) -> list[tuple[str, int]]:
    return [(call["status"], call["requestId"]) for call in wire.calls("SignedFirmwareStatusNotification")]


def security_events(wire: Wire) -> list[str]:
    return [call["type"] for call in wire.calls("SecurityEventNotification")]


@pytest.mark.spec("security whitepaper", "L01")
def test_signed_update_is_verified_and_installed():
    wire = Wire().connect()
    assert install(wire, ROOT) == "Accepted"
    assert update(wire) == "Accepted"
    wire.pass_time(1)
    fetched(wire)
    wire.pass_time(60)
    wire.lose()
    wire.charge_point.restart(wire.now)
    wire.connect()
    words = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
    assert statuses(wire) == [(word, 7) for word in words]
    assert wire.calls("BootNotification")[-1]["firmwareVersion"] == "2.4.1"
    assert security_events(wire) == ["FirmwareUpdated"]


@pytest.mark.spec("security whitepaper", "L01.FR.03")
def test_wrong_signature_ends_the_update():
    wire = Wire().connect()
    install(wire, ROOT)
    update(wire, image=b"something else")
    wire.pass_time(1)
    fetched(wire)
    wire.pass_time(60)
    assert [word for word, _ in statuses(wire)] == ["Downloading", "Downloaded", "InvalidSignature"]
    assert security_events(wire) == ["InvalidFirmwareSignature"]


@pytest.mark.spec("security whitepaper", "L01.FR.02")
def test_certificate_of_an_unknown_manufacturer_is_refused():
    wire = Wire().connect()
    assert update(wire) == "InvalidCertificate"
    wire.pass_time(1)
    assert (statuses(wire), security_events(wire)) == ([], ["InvalidFirmwareSigningCertificate"])


@pytest.mark.spec("security whitepaper", "L01.FR.16")
def test_installation_waits_for_its_time():
    wire = Wire().connect()
    install(wire, ROOT)
    update(wire, installDateTime="2026-03-01T12:10:00Z")
    wire.pass_time(1)
    fetched(wire)
    wire.pass_time(500)
    assert statuses(wire)[-1] == ("InstallScheduled", 7)
    wire.pass_time(120)
    assert ("Installing", 7) in statuses(wire)


def log(wire: Wire, request_id: int) -> dict[str, Any]:
    payload = {
        "logType": "SecurityLog",
        "requestId": request_id,
        "log": {"remoteLocation": "http://files.example/up/"},
    }
    return dict(wire.call("GetLog", json.dumps(payload)))


@pytest.mark.spec("security whitepaper", "N01.FR.11")
def test_newer_log_takes_the_place_of_the_one_under_way():
    wire = Wire().connect()
    first = log(wire, 4)
    assert (first["status"], "SecurityLog" in first["filename"]) == ("Accepted", True)
    wire.pass_time(1)
    [old] = wire.charge_point.maintenance.take_jobs()
    assert log(wire, 5)["status"] == "AcceptedCanceled"
    wire.pass_time(1)
    [new] = wire.charge_point.maintenance.take_jobs()
    wire.charge_point.maintenance.finished(old, 10, wire.now)
    wire.charge_point.maintenance.finished(new, 10, wire.now)
    wire.pass_time(1)
    told = [(call["status"], call["requestId"]) for call in wire.calls("LogStatusNotification")]
    assert told == [("Uploading", 4), ("Uploading", 5), ("Uploaded", 5)]


@pytest.mark.spec("security whitepaper", "M03")
def test_roots_are_installed_listed_and_deleted():
    wire = Wire().connect()
    ask = json.dumps({"certificateType": MANUFACTURER})
    assert wire.call("GetInstalledCertificateIds", ask) == {"status": "NotFound"}
    assert install(wire, ROOT) == "Accepted"
    assert install(wire, "no certificate") == "Rejected"
    assert install(wire, certificate(days=-1)) == "Rejected"
    listed = wire.call("GetInstalledCertificateIds", ask)
    [data] = listed["certificateHashData"]
    assert wire.call("DeleteCertificate", json.dumps({"certificateHashData": data})) == {"status": "Accepted"}
    assert wire.call("DeleteCertificate", json.dumps({"certificateHashData": data})) == {"status": "NotFound"}
    for number in range(10):
        assert install(wire, certificate(common_name=str(number))) == "Accepted"
    assert install(wire, ROOT) == "Rejected"  # CertificateStoreMaxLength


@pytest.mark.spec("security whitepaper", "A02")
def test_certificate_of_its_own_is_asked_for_and_taken():
    wire = Wire().connect()
    trigger = '{"requestedMessage":"SignChargePointCertificate"}'
    assert wire.call("ExtendedTriggerMessage", trigger) == {"status": "Accepted"}
    csr = x509.load_pem_x509_csr(wire.calls("SignCertificate")[-1]["csr"].encode())
    assert csr.subject.rfc4514_string() == "CN=CP001,O=Simulated operator"
    foreign = json.dumps({"certificateChain": ROOT})
    assert wire.call("CertificateSigned", foreign) == {"status": "Rejected"}
    assert security_events(wire) == ["InvalidChargePointCertificate"]
    signed = certificate(type("Key", (), {"public_key": csr.public_key}), "CP001")
    assert wire.call("CertificateSigned", json.dumps({"certificateChain": signed})) == {"status": "Accepted"}


@pytest.mark.parametrize(
    ("trigger", "action", "told"),
    [
        ("LogStatusNotification", "LogStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification", {"status": "Idle"}),
        ("Heartbeat", "Heartbeat", {}),
    ],
)
@pytest.mark.spec("security whitepaper", "5.5")
def test_extended_triggers(trigger: str, action: str, told: dict[str, Any]):
    wire = Wire().connect()
    assert wire.call("ExtendedTriggerMessage", f'{{"requestedMessage":"{trigger}"}}') == {"status": "Accepted"}
    assert wire.calls(action)[-1] == told
